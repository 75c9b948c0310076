"""Runs a component against a monitor that answers like an engine, records everything and forgives nothing.

It refuses what the real engine would refuse too late or never: two resources of one name, a resource outside every
component, inputs that the provider's SDK does not declare, a component that never registers its outputs. Answers are
readable: the output ``arn`` of ``web-role`` is ``web-role.arn``. Keys and certificates are real ones.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import settings as sdk
from pulumi.runtime.proto import engine_pb2, resource_pb2
from pulumi.runtime.stack import run_in_stack

from sandbox import typecheck
from sandbox.local.tls import TlsProvider
from sandbox.provider import Desired

STACK: Final = "pulumi:pulumi:Stack"
PROVIDERS: Final = "pulumi:providers:"
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
"""Pulumi's wire format: the key that marks special values, and its value for secrets."""
FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
)
WORKERS: Final = 8


class StrictError(Exception):
    """A registration that no component may make."""


@dataclass(frozen=True)
class Secret:
    """A value that was marked secret on its way."""

    value: Any


@dataclass(frozen=True)
class Registered:
    """One registered resource. Other resources are given by their logical names."""

    type: str
    name: str
    urn: str
    parent: str
    custom: bool
    protect: bool
    retained: bool
    dependencies: frozenset[str]
    aliases: tuple[str, ...]
    ignore_changes: tuple[str, ...]
    deleted_with: str
    provider: str
    delete_before_replace: bool
    inputs: dict[str, Any]
    """Secrets wrapped in :class:`Secret`."""
    outputs: dict[str, Any] = field(default_factory=dict)


class StrictMonitor:
    """The engine's side of a run: one method per request that a component makes."""

    def __init__(self, preview: bool) -> None:
        self.resources: dict[str, Registered] = {}
        self.exports: dict[str, Any] = {}
        self.secrets: set[str] = set()
        """The text of every secret value that the monitor handed out."""
        self.preview = preview
        self._finished: set[str] = set()
        self._lock = threading.Lock()

    def of(self, type_: str) -> dict[str, Registered]:
        """The resources of a type, by name."""
        return {found.name: found for found in self.resources.values() if found.type == type_}

    def one(self, type_: str) -> Registered:
        """The only resource of a type."""
        found = list(self.of(type_).values())
        assert len(found) == 1, f"{len(found)} of {type_}"
        return found[0]

    def custom(self) -> list[Registered]:
        """Everything but components and providers."""
        return [item for item in self.resources.values() if item.custom and not item.type.startswith(PROVIDERS)]

    def shape(self) -> set[tuple[str, str, str]]:
        """Type, name and parent of every resource."""
        return {(item.type, item.name, item.parent) for item in self.resources.values()}

    # -- the protocol --------------------------------------------------------------------------

    def GetDeploymentInfo(self, request: empty_pb2.Empty) -> resource_pb2.DeploymentInfo:
        return resource_pb2.DeploymentInfo(
            project="strict",
            stack="test",
            organization="organization",
            dryRun=self.preview,
            supportedFeatures=FEATURES,
        )

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        parent = request.parent.rsplit("::", 2)[1] if request.parent else ""
        path = request.type if parent in ("", STACK) else f"{parent}${request.type}"
        urn = f"urn:pulumi:test::strict::{path}::{request.name}"
        inputs = read_bag(request.object)
        with self._lock:
            self._refuse(request, urn, inputs)
            item = self._registered(request, urn, inputs)
            self.resources[urn] = item
        if self.preview or not request.custom:
            item.outputs.update(inputs)
            return resource_pb2.RegisterResourceResponse(urn=urn, object=written(inputs))
        identity, outputs = self._made(item)
        item.outputs.update(outputs)
        hidden = [name for name in request.additionalSecretOutputs if name in outputs]
        self.secrets.update(str(plain(outputs[name])) for name in hidden)
        answer = {**outputs, **{name: Secret(plain(outputs[name])) for name in hidden}}
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identity, object=written(answer))

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> empty_pb2.Empty:
        with self._lock:
            item = self.resources[request.urn]
            self._finished.add(request.urn)
            item.outputs.update(read_bag(request.outputs))
            if item.type == STACK:
                self.exports = item.outputs
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: empty_pb2.Empty) -> empty_pb2.Empty:
        open_ = [item.name for item in self.resources.values() if not item.custom and item.urn not in self._finished]
        if open_:
            raise StrictError(f"component '{open_[0]}' never registers its outputs")
        return empty_pb2.Empty()

    def Log(self, request: engine_pb2.LogRequest) -> empty_pb2.Empty:
        """The SDK's other service; its messages do not matter here."""
        return empty_pb2.Empty()

    # -- what is behind it ---------------------------------------------------------------------

    def _refuse(self, request: resource_pb2.RegisterResourceRequest, urn: str, inputs: dict[str, Any]) -> None:
        if urn in self.resources:
            raise StrictError(f"'{request.name}' of type {request.type} is registered twice")
        provider = request.type.startswith(PROVIDERS)
        if request.custom and not provider:
            parent = self.resources.get(request.parent)
            if parent is None or parent.custom or parent.type == STACK:
                raise StrictError(f"'{request.name}' of type {request.type} has no component for a parent")
            if not self.preview and not request.type.startswith("kubernetes:"):
                typecheck.check_inputs(request.type, plain(inputs))

    def _registered(
        self, request: resource_pb2.RegisterResourceRequest, urn: str, inputs: dict[str, Any]
    ) -> Registered:
        def name(other: str) -> str:
            return self.resources[other].name if other else ""

        return Registered(
            type=request.type,
            name=request.name,
            urn=urn,
            parent=name(request.parent),
            custom=request.custom,
            protect=request.protect,
            retained=request.retainOnDelete,
            dependencies=frozenset(map(name, request.dependencies)),
            aliases=tuple(str(alias) for alias in request.aliases),
            ignore_changes=tuple(request.ignoreChanges),
            deleted_with=name(request.deletedWith),
            provider=name(request.provider.rpartition("::")[0]),
            delete_before_replace=request.deleteBeforeReplace,
            inputs=inputs,
        )

    def _made(self, item: Registered) -> tuple[str, dict[str, Any]]:
        """Id and outputs of a resource."""
        if item.type.startswith("tls:"):
            provider = TlsProvider()
            desired = Desired(item.urn, item.type, item.name, plain(item.inputs))
            inputs = provider.check(desired, None)
            made = provider.create(Desired(item.urn, item.type, item.name, inputs))
            return made.id, {**inputs, **made.outputs}
        digest = hashlib.sha256(item.urn.encode()).digest()
        identity = f"vol-0{digest.hex()[:16]}" if item.type == "aws:ebs/volume:Volume" else f"{item.name}.id"
        outputs = dict(item.inputs)
        if item.type == "aws:kms/key:Key":
            # Its policy names the account, which the ARN tells.
            outputs["arn"] = f"arn:aws:kms:eu-west-1:123456789012:key/{item.name}"
        if item.type == "aws:acm/certificate:Certificate":
            proof = {key: f"{item.name}.{key}" for key in ("resourceRecordName", "resourceRecordValue")}
            named = {"domainName": item.inputs["domainName"], "resourceRecordType": "CNAME"}
            outputs["domainValidationOptions"] = [{**named, **proof}]
        if item.type.startswith("random:"):
            outputs |= {
                "result": digest.hex()[: int(item.inputs.get("length", 0))],
                "b64Std": b64encode(digest).decode(),
            }
        elif not item.type.startswith(("kubernetes:", PROVIDERS)):
            for key, hint in typecheck.declared(item.type).outputs.items():
                answer = {str: f"{item.name}.{key}", int: 1}.get(hint)
                if key not in outputs and answer is not None:
                    outputs[key] = answer
        return identity, outputs


def register(program: Callable[[], None], preview: bool = False) -> StrictMonitor:
    """Run a program that registers components and exports values; its first error is raised."""
    monitor = StrictMonitor(preview)
    execute(program, monitor)
    return monitor


def execute(program: Callable[[], None], monitor: StrictMonitor) -> None:
    """Run a program against a monitor. The SDK keeps its settings in context variables, so each run has its own."""
    contextvars.copy_context().run(_run, program, monitor)


def _run(program: Callable[[], None], monitor: StrictMonitor) -> None:
    sdk.ROOT.set(None)
    sdk.configure(
        sdk.Settings(
            project="strict",
            stack="test",
            organization="organization",
            monitor=monitor,
            engine=monitor,
            parallel=WORKERS,
            dry_run=monitor.preview,
        )
    )
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    with ThreadPoolExecutor(WORKERS) as workers:
        loop.set_default_executor(workers)
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(run_in_stack(program))
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()


def read_bag(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {key: _read(value) for key, value in struct.fields.items()}


def _read(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        bag = read_bag(value.struct_value)
        return Secret(bag["value"]) if bag.get(SIGNATURE) == SECRET else bag
    if kind == "list_value":
        return [_read(item) for item in value.list_value.values]
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return None if kind == "null_value" else getattr(value, str(kind))


def written(bag: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(_signed(bag))
    return struct


def _signed(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET, "value": _signed(value.value)}
    if isinstance(value, Mapping):
        return {key: _signed(item) for key, item in value.items()}
    return [_signed(item) for item in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """The value without the marks of secrets."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def open_texts(value: Any) -> Iterator[str]:
    """Every text in the value that is not marked secret; base64 in clear as well."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from open_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from open_texts(item)
    elif isinstance(value, str):
        yield value
        try:
            yield b64decode(value, validate=True).decode()
        except ValueError:
            return


class Holder(pulumi.ComponentResource):
    """A parent for a test's own resources."""

    def __init__(self, name: str = "holder") -> None:
        super().__init__("test:index:Holder", name)
        self.register_outputs({})
