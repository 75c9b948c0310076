"""The pack without an engine: saved resources as the arguments that the SDK hands to policies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyCustomTimeouts,
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import unknown_checking_proxy

from policies.pack import POLICIES
from sandbox.state import Resource, make_urn, split_reference
from sandbox.values import plain
from tests.conftest import ROOT

STACK: Final = "test"
CONFIG: Final = ROOT / "policies" / "config.json"
"""The pack's configuration for this project's own stacks."""

Settings = Mapping[str, Mapping[str, Any]]
"""Policy -> its parameters."""


@dataclass(frozen=True)
class Verdict:
    """One violation."""

    policy: str
    level: EnforcementLevel
    urn: str
    message: str


def resource(type_: str, props: Mapping[str, Any] | None = None, name: str = "it", **more: Any) -> Resource:
    """A resource that was registered with these inputs and came out with the same outputs."""
    urn = make_urn(more.pop("stack", STACK), "project", "", type_, name)
    values = dict(props or {})
    return Resource(urn=urn, type=type_, custom=True, inputs=values, outputs=values, **more)


def configured() -> Settings:
    """What CONFIG says."""
    found: Settings = json.loads(CONFIG.read_text())
    return found


def policy(name: str) -> Policy:
    """A policy of the pack."""
    return next(item for item in POLICIES if item.name == name)


def judge(
    resources: Iterable[Resource], settings: Settings | None = None, policies: Iterable[Policy] = POLICIES
) -> list[Verdict]:
    """Resource policies see inputs, before anything is made; stack policies see outputs, once everything is."""
    found, settings = list(resources), settings or {}
    registered, made = _linked(found, "inputs"), _linked(found, "outputs")
    verdicts: list[Verdict] = []
    for item in policies:
        config = settings.get(item.name, {})
        if isinstance(item, ResourceValidationPolicy):
            for one in registered:
                args = ResourceValidationArgs(
                    one.resource_type, one.props, one.urn, one.name, one.opts, one.provider, config
                )
                item.validate(args, _reporter(item, one.urn, verdicts))
        elif isinstance(item, StackValidationPolicy):
            item.validate(StackValidationArgs(made, config), _reporter(item, "", verdicts))
    return verdicts


def _reporter(item: Policy, place: str, verdicts: list[Verdict]) -> ReportViolation:
    level = item.enforcement_level or EnforcementLevel.ADVISORY

    def report(message: str, urn: str | None = None) -> None:
        verdicts.append(Verdict(item.name, level, urn or place, message))

    return report


def _linked(found: list[Resource], values: str) -> list[PolicyResource]:
    """The resources with their providers, parents and dependencies in place, as the SDK links them."""
    linked = {item.urn: _described(item, getattr(item, values)) for item in found}
    for item in found:
        one = linked[item.urn]
        provider = linked.get(split_reference(item.provider)[0]) if item.provider else None
        if provider:
            one.provider = PolicyProviderResource(provider.resource_type, provider.props, provider.urn, provider.name)
        one.parent = linked.get(item.parent)
        one.dependencies = [linked[urn] for urn in item.dependencies if urn in linked]
        one.property_dependencies = {
            key: [linked[urn] for urn in urns if urn in linked] for key, urns in item.property_dependencies.items()
        }
    return list(linked.values())


def _described(item: Resource, values: Mapping[str, Any]) -> PolicyResource:
    options = PolicyResourceOptions(item.protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [], item.parent or None)
    props = unknown_checking_proxy(plain(values))
    return PolicyResource(item.type, props, item.urn, item.name, options, None, None, [], {})
