"""Whatever one rule is lost or widened, the audit says so, at the layer of that rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from audit.audit import PodAudit
from audit.findings import Difference, Report
from audit.machines import Machines
from audit.resources import Registry, read
from audit.scope import Scope
from tests.audit import network_mutations, policy_mutations
from tests.audit.conftest import AUDITED, Audited, Documents, scope
from tests.audit.mutations import Mutation, chosen

DEV = scope("dev")


def reported(mutation: Mutation, differences: list[Difference]) -> bool:
    return any(item.layer in mutation.layers and mutation.mentions in item.text for item in differences)


def mutations(documents: Documents, kind: str, audited: Audited) -> list[Mutation]:
    return [
        mutation
        for resource in documents[audited.stack]["deployment"]["resources"]
        if resource["type"].endswith(f":{kind}")
        for mutation in policy_mutations.of(audited.stack, resource, audited.site)
    ]


@pytest.mark.parametrize("kind", sorted(policy_mutations.KINDS))
@pytest.mark.parametrize("system", AUDITED)
def test_every_lost_or_widened_policy_is_reported(
    exported: Callable[[Audited], Documents], system: str, kind: str
) -> None:
    """One policy that is gone, or one rule that admits too much or too little, even where another layer still stops
    the connection: the next mistake would open it."""
    audited = AUDITED[system]
    documents, declared = exported(audited), audited.scope
    found = mutations(documents, kind, audited)
    assert bool(found) is (kind not in audited.without)
    others = [read(documents[name]) for name in audited.refers]
    machines = Machines(Registry(read(documents[audited.stack]), others), declared, declared.environment)
    missed = []
    for mutation in chosen(found, audited.few):
        with mutation.applied(documents):
            report = Report(audited.stack)
            PodAudit(Registry(read(documents[audited.stack])), declared, machines).judge(report)
        if not reported(mutation, report.differences):
            missed.append((mutation.name, [item.text for item in report.differences][:3]))
    assert missed == []


@pytest.mark.parametrize("stack", ["dev", "hub"])
def test_every_lost_or_widened_network_rule_is_reported(documents: Documents, stack: str) -> None:
    """A firewall rule, a route, a table of the Transit Gateway, a listener or a public name."""
    resources = documents[stack]["deployment"]["resources"]
    found = [mutation for resource in resources for mutation in network_mutations.of(stack, resource)]
    assert len(found) > 100
    missed = []
    for mutation in chosen(found):
        with mutation.applied(documents):
            differences = [
                *networks(documents, DEV, "dev"),
                *(networks(documents, DEV, None) if stack == "hub" else ()),
            ]
        if not reported(mutation, differences):
            missed.append((mutation.name, [item.text for item in differences][:3]))
    assert missed == []


def registry(documents: Documents) -> Registry:
    return Registry(read(documents["dev"]), [read(documents["hub"])])


def networks(documents: Documents, declared: Scope, environment: str | None) -> Iterator[Difference]:
    """Differences of a spoke's network, or of the hub's where there is no environment."""
    found = registry(documents) if environment else Registry(read(documents["hub"]))
    report = Report("")
    Machines(found, declared, environment).judge(report)
    yield from report.differences


def test_the_mutations_cover_every_kind_of_rule(documents: Documents) -> None:
    """A kind of policy without mutations would pass unnoticed."""
    kinds = Counter(
        resource["type"].rpartition(":")[2]
        for resource in documents["dev"]["deployment"]["resources"]
        if ".istio.io/" in resource["type"] or "cilium.io/" in resource["type"]
    )
    assert set(kinds) - {"Telemetry"} <= set(policy_mutations.KINDS)


def test_a_difference_names_caller_callee_port_and_layer(documents: Documents) -> None:
    """Who reads it must know where to look."""
    mutation = next(
        item
        for item in mutations(documents, "AuthorizationPolicy", AUDITED["fitsync"])
        if item.name == "AuthorizationPolicy fitsync/user-service-authz: rules[0] is for any identity"
    )
    machines = Machines(registry(documents), DEV, "dev")
    report = Report("dev")
    with mutation.applied(documents):
        PodAudit(Registry(read(documents["dev"])), DEV, machines).judge(report)
    found = [item for item in report.differences if "frontend" in item.callers]
    assert [(item.layer, item.callee, item.port) for item in found] == [("authorization", "user-service", "3001")]
    assert found[0].stopped_by == ("egress policy", "ingress policy", "mesh routing")
    assert "user-service on 3001: not declared, but the authorization lets it pass; still stopped by" in found[0].text
