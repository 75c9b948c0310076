"""The embedded engine: the ResourceMonitor that a Pulumi program talks to, without the Pulumi CLI.

Pass an :class:`Engine` as ``pulumi.runtime.Settings(monitor=...)``; the SDK calls its methods from its
thread pool, one protobuf message in and one out. What the sandbox does not do is refused here.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from typing import Any, Final, NoReturn

from google.protobuf import empty_pb2
from pulumi.runtime.proto import callback_pb2, engine_pb2, resource_pb2

from sandbox.callbacks import Callbacks
from sandbox.config import StackConfig
from sandbox.deploy import Deployer
from sandbox.events import SandboxError, Severity, Step
from sandbox.goal import Goal, alias_urns, read_goal
from sandbox.journal import Journal, describe
from sandbox.provider import Judging, Made, ResourceError, Secret
from sandbox.references import ORGANIZATION, Backend, reference_outputs
from sandbox.registry import Registry, package_of
from sandbox.remove import Remover
from sandbox.state import PROVIDER_PREFIX, REFERENCE_TYPE, STACK_TYPE, Resource, make_urn
from sandbox.values import UNKNOWN_TEXT, from_struct, plain, to_struct

_FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
    # Offered so that their use reaches the engine and is refused by name, not as an outdated CLI.
    resource_pb2.RESOURCE_MONITOR_FEATURE_PARAMETERIZATION,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_STATE_MIGRATIONS,
)
_REMEDY: Final = "deploy with the Pulumi CLI"


class Engine:
    """One run of one program. The names of the methods are the protocol's."""

    def __init__(self, project: str, stack: str, journal: Journal, registry: Registry, backend: Backend) -> None:
        self.project = project
        self.stack = stack
        self.journal = journal
        self.registry = registry
        self.backend = backend
        self.callbacks = Callbacks(journal.stopped, journal.preview)
        self.remover = Remover(journal, registry, self.callbacks)
        self.config = StackConfig({}, frozenset())
        self.deployer = Deployer(journal, registry, self.callbacks, self.remover, {})
        self.stack_outputs: dict[str, Any] = {}
        self._stack_urn = ""
        self._defaults: dict[str, str] = {}
        self._lock = threading.RLock()

    def begin(self, olds: dict[str, Resource], config: StackConfig) -> None:
        """Start from these saved resources, with this configuration."""
        self.deployer.olds = olds
        self.config = config

    # -- resources -----------------------------------------------------------------------------

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        """Create, update, replace or keep one resource."""
        self.journal.check_running()
        urn = make_urn(self.stack, self.project, request.parent, request.type, request.name)
        self.deployer.claim(urn, request.type, request.name)
        step = Step("create", urn, request.type, request.name, request.parent)
        with self.journal.step(step, announce=False):
            goal = self._goal(request, urn)
        resource = self.deployer.apply(goal)
        if request.type == STACK_TYPE:
            self._stack_urn = urn
        return resource_pb2.RegisterResourceResponse(
            urn=urn,
            id=resource.id,
            object=to_struct(resource.outputs if resource.custom else resource.inputs),
        )

    def _goal(self, request: resource_pb2.RegisterResourceRequest, urn: str) -> Goal:
        if request.remote:
            raise ResourceError(f"remote components ({request.type}) do not run in the sandbox", remedy=_REMEDY)
        if request.state_migrations:
            raise ResourceError("state migrations are not supported by the sandbox", remedy=_REMEDY)
        if request.type != STACK_TYPE:
            request = self.callbacks.transform(request)
            self.callbacks.remember(urn, request)
        aliases = alias_urns(request, self.stack, self.project, self.deployer.old_parent(request.parent))
        provider = ""
        if request.type.startswith(PROVIDER_PREFIX):
            if request.version:
                request.object.update({"version": request.version})
        elif request.custom:
            provider = request.provider or self._default_provider(package_of(request.type), request.version)
        return read_goal(request, urn, aliases, provider)

    def _default_provider(self, package: str, version: str) -> str:
        """The reference of a package's default provider, registered when first needed."""
        with self._lock:
            key = f"{package}@{version}"
            if key not in self._defaults:
                self.registry.package(package)
                type_ = f"{PROVIDER_PREFIX}{package}"
                name = "default_" + re.sub(r"[^a-z0-9]", "_", version) if version else "default"
                urn = make_urn(self.stack, self.project, "", type_, name)
                inputs: dict[str, Any] = {}
                for setting, value in self.config.values.items():
                    if setting.startswith(f"{package}:"):
                        secret = setting in self.config.secret_keys
                        inputs[setting.partition(":")[2]] = Secret(value) if secret else value
                if version:
                    inputs["version"] = version
                self.deployer.claim(urn, type_, name)
                made = self.deployer.apply(Goal(Resource(urn, type_, custom=True, inputs=inputs)))
                self._defaults[key] = f"{urn}::{made.id or UNKNOWN_TEXT}"
            return self._defaults[key]

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> empty_pb2.Empty:
        """Take a component's outputs; the stack's are saved only once the whole program has run."""
        self.journal.check_running()
        outputs = from_struct(request.outputs)
        if request.urn == self._stack_urn:
            self.stack_outputs = outputs
        else:
            self.deployer.register_outputs(request.urn, outputs)
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: empty_pb2.Empty) -> empty_pb2.Empty:
        """The program has run to its end: save its outputs, delete what it did not declare."""
        self.journal.check_running()
        self._judge()
        self.deployer.register_outputs(self._stack_urn, self.stack_outputs)
        self.remover.finish(self.deployer.seen | set(self.deployer.renamed.values()))
        return empty_pb2.Empty()

    def _judge(self) -> None:
        """Let the providers that can look at the whole; what they find ends the run before anything is deleted."""
        found = [
            problem
            for provider in self.registry.instances()
            if isinstance(provider, Judging)
            for problem in provider.finish()
        ]
        if found:
            raise SandboxError("; ".join(dict.fromkeys(describe(problem) for problem in found)))

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        """Look up a resource that is managed elsewhere, or another stack's outputs."""
        self.journal.check_running()
        urn = make_urn(self.stack, self.project, request.parent, request.type, request.name)
        self.deployer.claim(urn, request.type, request.name)
        step = Step("read", urn, request.type, request.name, request.parent, request.id)
        wanted = Resource(
            urn,
            request.type,
            custom=True,
            inputs={key: value for key, value in from_struct(request.properties).items() if value is not None},
            parent=request.parent,
            dependencies=sorted(request.dependencies),
            additional_secret_outputs=sorted(request.additionalSecretOutputs),
        )
        if request.id == UNKNOWN_TEXT:
            return resource_pb2.ReadResourceResponse(urn=urn)
        if request.type == REFERENCE_TYPE:
            resource = self._read_reference(wanted, step)
        else:
            with self.journal.step(step, announce=False):
                provider = request.provider or self._default_provider(package_of(request.type), request.version)
                wanted = replace(wanted, provider=provider)
            resource = self.deployer.read(Goal(wanted), request.id)
        return resource_pb2.ReadResourceResponse(urn=urn, id=resource.id, properties=to_struct(resource.outputs))

    def _read_reference(self, wanted: Resource, step: Step) -> Resource:
        started = time.monotonic()
        with self.journal.step(step):
            outputs = reference_outputs(step.id, self.backend.outputs(step.id, self.project))
        return self.deployer.finish_read(Goal(wanted), Made(step.id, outputs), frozenset(), step, started)

    # -- functions -----------------------------------------------------------------------------

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
        """Answer a data source."""
        self.journal.check_running()
        with self.journal.step(Step("read", request.tok, request.tok, "function"), announce=False):
            request = self.callbacks.transform_invoke(request)
            args = plain(from_struct(request.args))
            if request.tok == "pulumi:pulumi:getResource":
                answer = self._get_resource(str(args.get("urn")))
            else:
                reference = request.provider or self._default_provider(package_of(request.tok), request.version)
                answer = self.registry.get(reference).invoke(request.tok, args)
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(answer))
        return response

    def _get_resource(self, urn: str) -> dict[str, Any]:
        """The engine's own function behind resource references."""
        resource = self.deployer.news.get(urn)
        if resource is None:
            raise ResourceError(f"there is no resource {urn} in this run")
        return {"urn": urn, "id": resource.id, "state": resource.outputs}

    # -- what the program registers beside resources -------------------------------------------

    def GetDeploymentInfo(self, request: empty_pb2.Empty) -> resource_pb2.DeploymentInfo:
        """What runs, and which parts of the protocol the engine speaks."""
        return resource_pb2.DeploymentInfo(
            project=self.project,
            stack=self.stack,
            organization=ORGANIZATION,
            dryRun=self.journal.preview,
            supportedFeatures=_FEATURES,
        )

    def RegisterStackTransform(self, request: callback_pb2.Callback) -> empty_pb2.Empty:
        """Transform every later resource."""
        self.callbacks.add_stack_transform(request)
        return empty_pb2.Empty()

    def RegisterStackInvokeTransform(self, request: callback_pb2.Callback) -> empty_pb2.Empty:
        """Transform every later function call."""
        self.callbacks.add_invoke_transform(request)
        return empty_pb2.Empty()

    def RegisterResourceHook(self, request: resource_pb2.RegisterResourceHookRequest) -> empty_pb2.Empty:
        """Remember a hook that resources name."""
        self.callbacks.add_hook(request)
        return empty_pb2.Empty()

    # -- refused by name -----------------------------------------------------------------------

    def Call(self, request: resource_pb2.ResourceCallRequest) -> NoReturn:
        self._refuse(request.tok, "methods of components")

    def ExistsResource(self, request: resource_pb2.ExistsResourceRequest) -> NoReturn:
        self._refuse(request.type, "existence checks")

    def RegisterPackage(self, request: resource_pb2.RegisterPackageRequest) -> NoReturn:
        self._refuse(request.name, "parameterized packages")

    def RegisterErrorHook(self, request: resource_pb2.RegisterErrorHookRequest) -> NoReturn:
        self._refuse(request.name, "error hooks")

    def _refuse(self, name: str, what: str) -> NoReturn:
        error = ResourceError(f"{what} are not supported by the sandbox", remedy=_REMEDY)
        raise self.journal.fail(Step("read", name, name, what), error)


class ProgramLog:
    """The SDK's other service: the messages of ``pulumi.log``, as diagnostics."""

    _SEVERITIES: Final[dict[int, Severity]] = {
        engine_pb2.INFO: "info",
        engine_pb2.WARNING: "warning",
        engine_pb2.ERROR: "error",
    }

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def Log(self, request: engine_pb2.LogRequest) -> empty_pb2.Empty:
        """Pass a message on. The SDK's own debug messages, several per resource, are dropped."""
        severity = self._SEVERITIES.get(request.severity)
        if severity:
            self._journal.say(severity, request.message, request.urn)
        return empty_pb2.Empty()

    def RequirePulumiVersion(self, request: engine_pb2.RequirePulumiVersionRequest) -> NoReturn:
        raise SandboxError(
            f"the program requires a Pulumi CLI {request.pulumi_version_range}, and the sandbox is none; {_REMEDY}"
        )
