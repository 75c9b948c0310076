"""Whatever one rule is lost or widened, the audit says so, at the layer of that rule, and names whom it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from audit import managed
from audit.audit import PodAudit
from audit.findings import Difference, Report
from audit.machines import Machines
from audit.published import Published
from audit.resources import Registry, read
from audit.scope import Scope
from audit.sites import managed_hosts
from tests.audit import network_mutations, policy_mutations, published_mutations
from tests.audit.conftest import AUDITED, Audited, Documents, scope
from tests.audit.mutations import Mutation, chosen

Exported = Callable[[Audited], Documents]


def mutations(documents: Documents, kind: str, audited: Audited) -> list[Mutation]:
    return [
        mutation
        for resource in documents[audited.stack]["deployment"]["resources"]
        if resource["type"].endswith(f":{kind}")
        for mutation in policy_mutations.of(audited.stack, resource, audited.site)
    ]


def missed(documents: Documents, found: list[Mutation], judge: Callable[[], list[Difference]]) -> list[object]:
    """Mutations that nothing, or something else, is said of."""
    result: list[object] = []
    for mutation in found:
        with mutation.applied(documents):
            differences = judge()
        if not mutation.told_by(differences):
            result.append((mutation.name, mutation.mentions, [item.text for item in differences][:3]))
    return result


class Judge:
    """A stack's audit in two halves: most mutations concern one of them."""

    def __init__(self, documents: Documents, audited: Audited) -> None:
        self._documents, self._audited = documents, audited
        self._machines = Machines(self._registry(), self._scope, self._scope.environment)

    def _registry(self) -> Registry:
        others = [read(self._documents[name]) for name in self._audited.names if name != self._audited.stack]
        return Registry(read(self._documents[self._audited.stack]), others)

    @property
    def _scope(self) -> Scope:
        declared = self._audited.scope
        return replace(declared, hosts=managed_hosts(self._registry(), declared))

    def pods(self) -> list[Difference]:
        report = Report(self._audited.stack)
        PodAudit(Registry(read(self._documents[self._audited.stack])), self._scope, self._machines).judge(report)
        return report.differences

    def networks(self) -> list[Difference]:
        registry, declared = self._registry(), self._scope
        report, machines = Report(""), Machines(registry, declared, declared.environment)
        machines.judge(report)
        published = Published(registry, declared, machines.sites).differences()
        return [*report.differences, *managed.differences(registry, declared), *published]


@pytest.mark.parametrize("kind", sorted(policy_mutations.KINDS))
@pytest.mark.parametrize("system", AUDITED)
def test_every_lost_or_widened_policy_is_reported(exported: Exported, system: str, kind: str) -> None:
    """One policy that is gone, or one rule that admits too much or too little, even where another layer still stops
    the connection: the next mistake would open it."""
    audited = AUDITED[system]
    documents = exported(audited)
    found = mutations(documents, kind, audited)
    assert bool(found) is (kind not in audited.without.split())
    assert missed(documents, chosen(found, audited.few), Judge(documents, audited).pods) == []


@pytest.mark.parametrize("system", AUDITED)
def test_every_lost_or_widened_rule_of_the_account_is_reported(exported: Exported, system: str) -> None:
    """A firewall rule, a route, a listener or a public name; a path, a guard or a link of an API."""
    audited = AUDITED[system]
    documents = exported(audited)
    ends = network_mutations.Ends(documents)
    found = [
        mutation
        for resource in documents[audited.stack]["deployment"]["resources"]
        for mutation in (
            *network_mutations.of(audited.stack, resource, ends),
            *published_mutations.of(audited.stack, resource),
        )
        if not resource["urn"].endswith(audited.included)
    ]
    assert len(found) > 80
    assert missed(documents, chosen(found, audited.few), Judge(documents, audited).networks) == []


def test_every_lost_or_widened_rule_of_the_hub_is_reported(documents: Documents) -> None:
    """By the audit of the hub, or of an environment that it joins."""
    declared, hub = scope("dev"), {"hub": documents["hub"]}
    ends = network_mutations.Ends(hub)
    found = [
        mutation
        for resource in documents["hub"]["deployment"]["resources"]
        for mutation in network_mutations.of("hub", resource, ends)
    ]
    assert len(found) > 100

    def judge() -> Iterator[Difference]:
        for registry, environment in (
            (Registry(read(documents["dev"]), [read(documents["hub"])]), "dev"),
            (Registry(read(documents["hub"])), None),
        ):
            report = Report("")
            Machines(registry, declared, environment).judge(report)
            yield from report.differences

    assert missed(documents, chosen(found), lambda: list(judge())) == []


def test_the_mutations_cover_every_kind_of_rule(exported: Exported) -> None:
    """A kind of policy without mutations would pass unnoticed."""
    groups = (".istio.io/", "cilium.io/", ":networking.k8s.io/")
    kinds = Counter(
        resource["type"].rpartition(":")[2]
        for audited in AUDITED.values()
        for resource in exported(audited)[audited.stack]["deployment"]["resources"]
        if any(group in resource["type"] for group in groups)
    )
    others = {"Telemetry", "RequestAuthentication", "EnvoyFilter", "IngressClass", "WasmPlugin"}
    assert set(kinds) - others <= set(policy_mutations.KINDS), "the others decide on requests, not on connections"


def test_a_difference_names_caller_callee_port_and_layer(exported: Exported) -> None:
    """Who reads it must know where to look."""
    audited = AUDITED["fitsync"]
    documents = exported(audited)
    mutation = next(
        item
        for item in mutations(documents, "AuthorizationPolicy", audited)
        if item.name == "AuthorizationPolicy fitsync/user-service-authz: rules[0] is for any identity"
    )
    judge = Judge(documents, audited)
    with mutation.applied(documents):
        found = [item for item in judge.pods() if "frontend" in item.callers]
    assert [(item.layer, item.callee, item.port) for item in found] == [("authorization", "user-service", "3001")]
    assert found[0].stopped_by == ("egress policy", "ingress policy", "mesh routing")
    assert "user-service on 3001: not declared, but the authorization lets it pass; still stopped by" in found[0].text
