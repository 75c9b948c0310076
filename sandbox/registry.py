"""Provider instances: which one serves a resource, and what is restored into it before it is used."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sandbox.events import SandboxError
from sandbox.provider import Package, Provider, ResourceError, Saved
from sandbox.state import PROVIDER_PREFIX, Resource, split_reference
from sandbox.values import plain

_ENGINE_INPUTS: Final = frozenset({"version", "pluginDownloadURL"})
"""Inputs of a provider resource that are the engine's own business."""


def saved_view(resource: Resource) -> Saved:
    """A resource as providers see it."""
    return Saved(
        resource.urn, resource.type, resource.name, resource.id, plain(resource.inputs), plain(resource.outputs)
    )


def package_of(type_or_token: str) -> str:
    """``aws:ec2/vpc:Vpc`` -> ``aws``; of a provider's own type, the package it serves."""
    parts = type_or_token.split(":")
    return parts[2] if type_or_token.startswith(PROVIDER_PREFIX) else parts[0]


class Registry:
    """The provider instances of one run."""

    def __init__(self, packages: Mapping[str, Package]) -> None:
        self._packages = packages
        self._inputs: dict[str, dict[str, Any]] = {}
        self._saved: dict[str, list[Saved]] = {}
        self._instances: dict[str, Provider] = {}
        self._lock = threading.RLock()

    def package(self, name: str) -> Package:
        """The package. :class:`ResourceError` when the sandbox has none of that name."""
        if name not in self._packages:
            raise ResourceError(
                f"the sandbox has no provider for the package {name!r}",
                remedy=f"it has {', '.join(sorted(self._packages)) or 'none'}; the Pulumi CLI deploys all",
            )
        return self._packages[name]

    def restore(self, stacks: Iterable[tuple[bool, Iterable[Resource]]]) -> None:
        """Take the saved resources of all stacks, each with whether it is the run's own, in dependency order."""
        batches: list[tuple[Provider, list[Saved]]] = []
        for own, resources in stacks:
            for resource in resources:
                self._sort(resource, own, batches)
        for name, package in self._packages.items():
            if package.shared:
                package.reset([saved for provider, batch in batches if provider.package == name for saved in batch])
        for provider, batch in batches:
            provider.restore(batch)

    def _sort(self, resource: Resource, own: bool, batches: list[tuple[Provider, list[Saved]]]) -> None:
        if resource.type.startswith(PROVIDER_PREFIX):
            self.configure(f"{resource.urn}::{resource.id}", resource.inputs)
        if not resource.custom or resource.external or not resource.provider:
            return
        name = package_of(split_reference(resource.provider)[0].split("::")[2])
        if name in self._packages and self._packages[name].shared:
            provider = self.get(resource.provider)
            if not batches or batches[-1][0] is not provider:
                batches.append((provider, []))
            batches[-1][1].append(saved_view(resource))
        elif own:
            self._saved.setdefault(resource.provider, []).append(saved_view(resource))

    def configure(self, reference: str, inputs: Mapping[str, Any]) -> None:
        """Say what the provider resource ``reference`` (``urn::id``) is configured with."""
        with self._lock:
            self._inputs[reference] = {key: plain(v) for key, v in inputs.items() if key not in _ENGINE_INPUTS}

    def inputs(self, reference: str) -> dict[str, Any]:
        """The configuration of a provider resource."""
        try:
            return self._inputs[reference]
        except KeyError:
            raise SandboxError(
                f"the provider {reference} is used before it is registered, or is not in the state"
            ) from None

    def get(self, reference: str) -> Provider:
        """The instance for a provider resource, made and restored when first needed."""
        with self._lock:
            config = self.inputs(reference)
            name = package_of(split_reference(reference)[0].split("::")[2])
            package = self.package(name)
            owner = name if package.shared else reference
            key = f"{owner}\0{json.dumps(config, sort_keys=True, default=repr)}"
            if key not in self._instances:
                provider = package.make(config)
                if not package.shared:
                    provider.restore(self._saved.get(reference, []))
                self._instances[key] = provider
            return self._instances[key]

    def instances(self) -> list[Provider]:
        """Every instance made so far."""
        with self._lock:
            return list(self._instances.values())

    def must_replace(self, old: str, new: str) -> bool:
        """Whether moving a resource from one provider resource to another replaces it, by the Pulumi engine's rules."""
        if not old or old == new:
            return False
        old_urn, new_urn = split_reference(old)[0], split_reference(new)[0]
        if old_urn == new_urn:
            return True
        if not (is_default(old_urn) and is_default(new_urn)):
            return True
        keys = self.package(package_of(new_urn.split("::")[2])).replace_on
        before, after = self.inputs(old), self.inputs(new)
        return any(before.get(key) != after.get(key) for key in keys)


def is_default(urn: str) -> bool:
    """Whether a provider is one that the engine registers itself."""
    parts = urn.split("::", 3)
    named = len(parts) == 4 and parts[2].startswith(PROVIDER_PREFIX)
    return named and (parts[3] == "default" or parts[3].startswith("default_"))
