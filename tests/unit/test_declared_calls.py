"""For any system, the policies admit exactly the declared calls: at both ends of the network, and in the mesh."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from derive.application import ApplicationPlan
from manifests.base import Manifest
from model import Call, NetworkPolicies, Platform, Redis, Route, Service, System
from tests.unit.declared import derived, objects, shop

NAMES = tuple(f"service-{letter}" for letter in "abcdefgh")
Pairs = set[tuple[str, str]]


@st.composite
def systems(draw: st.DrawFn) -> System:
    """Up to eight services in two namespaces; calls only from earlier to later ones, so that there is no cycle."""
    count = draw(st.integers(2, len(NAMES)))
    names = NAMES[:count]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    calls = draw(st.lists(st.sampled_from(pairs), unique=True))
    users = draw(st.sets(st.sampled_from(names)))
    routed = draw(st.sets(st.sampled_from(names)))
    services = tuple(
        Service(
            name=name,
            port=3000 + index,
            tier=draw(st.sampled_from(["frontend", "application"])),
            metrics=draw(st.sampled_from([None, 9090])),
            namespace=draw(st.sampled_from([None, "other"])),
            uses=("cache",) if name in users else (),
        )
        for index, name in enumerate(names)
    )
    return shop(
        services=services,
        stores=(Redis(name="cache"),),
        calls=tuple(Call(caller=a, callee=b) for a, b in calls),
        routes=tuple(Route(host=name, to=name) for name in sorted(routed)),
        platform=Platform(cni=NetworkPolicies()) if draw(st.booleans()) else Platform(),
    )


def declared(system: System) -> Pairs:
    calls = {(call.caller, call.callee) for call in system.calls}
    return calls | {(service.name, store) for service in system.services for store in service.uses}


def selected(selector: Manifest) -> Iterator[str]:
    """Names that a selector of pods of the system admits, by label or by expression."""
    labels = selector.get("podSelector", selector)
    if "app" in labels.get("matchLabels", {}):
        yield labels["matchLabels"]["app"]
    for expression in labels.get("matchExpressions", ()):
        yield from expression["values"]


def network_pairs(plan: ApplicationPlan, names: set[str]) -> tuple[Pairs, Pairs]:
    """Pairs that receivers admit, and pairs that senders are let out for."""
    received: Pairs = set()
    sent: Pairs = set()
    policies = objects(plan, "CiliumNetworkPolicy") | objects(plan, "NetworkPolicy")
    for name, policy in policies.items():
        if name == "default-deny":
            continue
        spec = policy["spec"]
        own = spec.get("endpointSelector", spec.get("podSelector"))["matchLabels"]["app"]
        for rule in spec["ingress"]:
            for peer in rule.get("fromEndpoints", rule.get("from", ())):
                received |= {(source, own) for source in selected(peer)}
        for rule in spec["egress"]:
            for peer in rule.get("toEndpoints", rule.get("to", ())):
                sent |= {(own, target) for target in selected(peer) if target in names}
    return received, sent


def mesh_pairs(plan: ApplicationPlan) -> Pairs:
    """Pairs that authorization admits, the ingress gateway under its own name."""
    found: Pairs = set()
    for policy in objects(plan, "AuthorizationPolicy").values():
        for rule in policy["spec"].get("rules", ()):
            for source in rule.get("from", ()):
                own = policy["spec"]["selector"]["matchLabels"]["app"]
                found |= {(principal.rsplit("/", 1)[-1], own) for principal in source["source"]["principals"]}
    return found


def known_pairs(plan: ApplicationPlan, names: set[str]) -> Pairs:
    """Pairs that the callers' sidecars know a way for."""
    found: Pairs = set()
    for name, item in objects(plan, "Sidecar").items():
        hosts = [host.split("/")[1].split(".")[0] for host in item["spec"]["egress"][0]["hosts"]]
        found |= {(name, host) for host in hosts if host in names}
    return found


@settings(max_examples=60, deadline=None)
@given(systems())
def test_every_layer_admits_exactly_the_declared_pairs(system: System) -> None:
    """One pair more is a hole, one pair less an outage; the three layers must also agree with one another."""
    plan = derived(system)
    names = {service.name for service in system.services} | {"cache"}
    wanted = declared(system)
    received, sent = network_pairs(plan, names)
    assert received == wanted
    assert sent == wanted
    gateway = {("istio-ingressgateway-service-account", route.to) for route in system.routes}
    assert mesh_pairs(plan) == wanted | gateway
    assert known_pairs(plan, names) == wanted
