"""What components cost: a system registered through them, and the same resources registered raw.

Both programs are previewed by the same engine over what is already up, with providers that do nothing, so that the
time is the programs' and the engine's own. The raw program takes its resources from the saved state: the same inputs,
waiting for the same resources, but values out of a loop, with no component and no declaration.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pulumi
from pulumi import _types as sdk_types

from sandbox import typecheck
from sandbox.provider import Desired, Diff, Made, Package, Provider, Saved
from sandbox.references import Backend
from sandbox.registry import is_default, package_of
from sandbox.run import run
from sandbox.state import PROVIDER_PREFIX, REFERENCE_TYPE, Resource, split_reference
from sandbox.values import has_secret, plain

PROGRAM: Final = "from benchmarks.registration import RESOURCES, register\n\nregister(RESOURCES)\n"
"""The raw program's ``__main__.py``."""

RESOURCES: Final[list[Resource]] = []
"""What the raw program registers."""


@dataclass
class Idle:
    """A provider for which whatever is saved is right. Only data sources are answered in earnest."""

    package: str
    real: Provider

    def check(self, desired: Desired, old: Saved | None) -> dict[str, Any]:
        return old.inputs if old else desired.inputs

    def diff(self, old: Saved, desired: Desired) -> Diff:
        return Diff()

    def create(self, desired: Desired) -> Made:
        return Made(desired.name)

    def update(self, old: Saved, desired: Desired) -> Made:
        return Made(old.id, old.outputs)

    def delete(self, old: Saved) -> None:
        """There is nothing to delete."""

    def read(self, type_: str, id_: str, inputs: Mapping[str, Any]) -> Made:
        return Made(id_, dict(inputs))

    def invoke(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        return self.real.invoke(token, args)

    def restore(self, saved: Iterable[Saved]) -> None:
        """There is nothing to rebuild."""

    def secret_outputs(self, type_: str) -> frozenset[str]:
        return self.real.secret_outputs(type_)


def idle(packages: Mapping[str, Package]) -> Mapping[str, Package]:
    """The same packages, served by :class:`Idle`."""

    def made(name: str, package: Package) -> Package:
        return Package(lambda config: Idle(name, package.make(config)))

    return {name: made(name, package) for name, package in packages.items()}


def saved(backend: Path, project: str, stack: str, passphrase: str) -> list[Resource]:
    """What a raw program would register of a saved stack: no components, nothing that another stack manages."""
    opened = Backend(backend, passphrase)
    store = opened.store(project, stack)
    store.load()
    return [
        found
        for found in opened.resources(store)
        if found.custom and found.type != REFERENCE_TYPE and not is_default(found.urn)
    ]


def register(resources: Iterable[Resource]) -> None:
    """The raw program: each resource through its SDK's class, Kubernetes objects as manifests, as the components do."""
    made: dict[str, pulumi.Resource] = {}
    providers: dict[str, pulumi.ProviderResource] = {}
    for found in resources:
        inputs = {key: _after(made, found.property_dependencies.get(key, ()), v) for key, v in found.inputs.items()}
        if found.type.startswith(PROVIDER_PREFIX):
            provider = pulumi.ProviderResource(package_of(found.type), found.name, inputs)
            made[found.urn] = providers[found.urn] = provider
            continue
        options = pulumi.ResourceOptions(
            provider=providers.get(split_reference(found.provider)[0]),
            depends_on=[made[urn] for urn in found.dependencies if urn in made],
        )
        if found.type.startswith("kubernetes:"):
            made[found.urn] = pulumi.CustomResource(found.type, found.name, inputs, options)
        else:
            class_, names = _typed(found.type)
            made[found.urn] = class_(found.name, options, **{names[key]: value for key, value in inputs.items()})


@functools.cache
def _typed(token: str) -> tuple[Callable[..., pulumi.CustomResource], Mapping[str, str]]:
    """The class of a type, and its arguments by property."""
    class_ = typecheck.resource_class(token)
    names = sdk_types.input_type_py_to_pulumi_names(typecheck.args_class(class_))
    return class_, {prop: argument for argument, prop in names.items()}


def _after(made: Mapping[str, pulumi.Resource], urns: Iterable[str], value: Any) -> Any:
    """The value as an output of the resources that it came from."""
    if has_secret(value):
        value = pulumi.Output.secret(plain(value))
    before = [made[urn].urn for urn in urns if urn in made]
    return pulumi.Output.all(value, *before).apply(lambda found: found[0]) if before else value


def cpu_seconds(
    stack: str,
    project: Path,
    backend: Path,
    providers: Mapping[str, Package],
    passphrase: str,
    config: Mapping[str, str] | None = None,
) -> float:
    """CPU seconds from the registration of the stack itself to the end of a preview."""
    marks: list[float] = []
    result = run(
        "preview",
        stack,
        project_dir=project,
        providers=providers,
        backend=backend,
        passphrase=passphrase,
        config=config,
        on_event=lambda _: marks.append(time.process_time()),
    )
    if not result.succeeded:
        raise SystemExit(f"{stack} cannot be previewed: {'; '.join(result.errors)}")
    if set(result.counts) - {"same", "read"}:
        raise SystemExit(f"{stack} was to be previewed unchanged: {dict(result.counts)}")
    return marks[-1] - marks[0]
