"""myHealth's layers of policy held against each other, and how the one outside API is reached."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.requirements.registered import Manifest, Registered, containers, environment

HOME = "myhealth"
HOUSE = "kubernetes.io/metadata.name"
SUFFIX = ".svc.cluster.local"
GATEWAY = f"istio-egressgateway.istio-system{SUFFIX}"
OURA = "api.ouraring.com"
CHARTED = {
    "prometheus-pushgateway": {"app.kubernetes.io/name": "prometheus-pushgateway"},
    "istio-ingressgateway-service-account": {"istio": "ingressgateway"},
}
"""Labels of pods that charts make, by the name of their Service or account."""

Pod = tuple[str, dict[str, str]]
"""Namespace and labels."""


def templates(stack: Registered) -> dict[str, Manifest]:
    """Pod template of each workload of the system."""
    found = ((name.partition("/"), template) for _, name, template in stack.pods())
    return {name: template for (space, _, name), template in found if space == HOME}


def labels(stack: Registered, name: str) -> dict[str, str]:
    found: dict[str, str] = CHARTED.get(name) or templates(stack)[name]["metadata"]["labels"]
    return found


def calls(stack: Registered) -> Iterator[tuple[str, str, str, int]]:
    """Caller, namespace and name of whom it calls, and the port: every address in a service's environment."""
    for caller, template in templates(stack).items():
        for container in containers(template):
            for value in environment(container).values():
                if isinstance(value, str) and value.startswith("http://"):
                    address = urlsplit(value)
                    name, _, space = str(address.hostname).removesuffix(SUFFIX).partition(".")
                    yield caller, space or HOME, name, int(address.port or 80)


def matches(peer: Manifest, pod: Pod, home: str) -> bool:
    """Whether a peer of a policy in ``home`` is this pod; a peer that says more than the test knows is refused."""
    assert peer.keys() <= {"namespaceSelector", "podSelector", "ipBlock"}
    if "ipBlock" in peer:
        return False
    space, own = pod
    selectors = peer.get("namespaceSelector"), peer.get("podSelector", {})
    assert all(not item or item.keys() <= {"matchLabels"} for item in selectors)
    spaces = {HOUSE: home} if selectors[0] is None else selectors[0].get("matchLabels", {})
    wanted = selectors[1].get("matchLabels", {})
    return bool(spaces.items() <= {HOUSE: space}.items() and wanted.items() <= own.items())


def passes(stack: Registered, direction: str, subject: Pod, peer: Pod, port: int) -> bool:
    """Whether the network policies that select a pod admit (``ingress``) or send (``egress``) this traffic."""
    space, own = subject
    side = {"ingress": "from", "egress": "to"}[direction]
    for policy in stack.manifests("NetworkPolicy", space).values():
        spec = policy["spec"]
        if spec["podSelector"].get("matchLabels", {}).items() <= own.items():
            for rule in spec.get(direction, ()):
                reached = side not in rule or any(matches(item, peer, space) for item in rule[side])
                if reached and ("TCP", port) in {(item["protocol"], item["port"]) for item in rule["ports"]}:
                    return True
    return False


def both_ways(stack: Registered, source: Pod, target: Pod, port: int) -> bool:
    return passes(stack, "egress", source, target, port) and passes(stack, "ingress", target, source, port)


def admitted(stack: Registered) -> Iterator[tuple[str, str, str, int]]:
    """Namespace and account of the caller, the service and the port, of all that the mesh admits by account."""
    for item in stack.manifests("AuthorizationPolicy", HOME).values():
        for rule in (item["spec"] or {}).get("rules", ()):
            principals = [name for each in rule.get("from", ()) for name in each["source"]["principals"]]
            ports = [port for each in rule["to"] for port in each["operation"]["ports"]]
            for principal in principals:
                _, _, space, _, account = principal.split("/")
                for port in ports:
                    yield space, account, item["spec"]["selector"]["matchLabels"]["app"], int(port)


@pytest.mark.rows("MH-BEY-09")
def test_every_call_in_an_environment_passes_network_and_mesh(myhealth: Registered) -> None:
    """One layer that forgets a call is an outage that no other layer shows."""
    found = set(calls(myhealth))
    assert {(caller, name) for caller, _, name, _ in found} == {
        ("oura-collector", "data-processor"),
        ("oura-collector", "prometheus-pushgateway"),
        ("api-service", "data-processor"),
    }
    known = set(admitted(myhealth))
    for caller, space, name, port in found:
        source = (HOME, labels(myhealth, caller))
        assert both_ways(myhealth, source, (space, labels(myhealth, name)), port), (caller, name)
        assert space != HOME or (HOME, caller, name, port) in known, (caller, name)


@pytest.mark.rows("MH-BEY-09")
def test_every_database_in_an_environment_is_reached(myhealth: Registered) -> None:
    group = myhealth.one("rds.SubnetGroup").inputs["subnetIds"]
    private = [IPv4Network(myhealth.by_id("ec2.Subnet", name).inputs["cidrBlock"]) for name in group]
    host = myhealth.one("rds.Instance").outputs["address"]
    callers = []
    for name, template in templates(myhealth).items():
        variables = environment(template["spec"]["containers"][0])
        if host not in variables.values():
            continue
        callers.append(name)
        port = int(variables.get("DB_PORT") or variables["PGPORT"])
        reached = [
            IPv4Network(peer["ipBlock"]["cidr"])
            for rule in myhealth.spec("NetworkPolicy", HOME, f"{name}-policy")["egress"]
            if port in {item["port"] for item in rule["ports"]}
            for peer in rule["to"]
        ]
        assert all(any(subnet.subnet_of(each) for each in reached) for subnet in private), name
    assert set(callers) >= {"data-processor", "api-service"}


@pytest.mark.rows("MH-BEY-09")
def test_whom_the_mesh_admits_the_network_admits(myhealth: Registered) -> None:
    found = set(admitted(myhealth))
    assert len(found) >= 3
    for space, account, name, port in found:
        source, target = (space, labels(myhealth, account)), (HOME, labels(myhealth, name))
        assert both_ways(myhealth, source, target, port), (account, name, port)
    stranger = ("monitoring", {"app": "oura-collector"})
    assert not passes(myhealth, "ingress", (HOME, labels(myhealth, "data-processor")), stranger, 8080)


def routes(stack: Registered, host: str) -> dict[str, Any]:
    """The one VirtualService of a host."""
    (found,) = [
        item["spec"] for item in stack.manifests("VirtualService", HOME).values() if item["spec"]["hosts"] == [host]
    ]
    assert isinstance(found, dict)
    return found


@pytest.mark.rows("MH-MSH-06")
def test_calls_of_the_oura_api_leave_by_the_egress_gateway(myhealth: Registered) -> None:
    """Two hops by the name in the caller's handshake: pods' proxies send to the gateway, the gateway to the host."""
    route = routes(myhealth, OURA)
    (door,) = set(route["gateways"]) - {"mesh"}
    gateway = myhealth.spec("Gateway", HOME, door)
    assert gateway["selector"] == {"istio": "egressgateway"}
    (server,) = [item for item in gateway["servers"] if item["hosts"] == [OURA]]
    assert (server["port"]["number"], server["port"]["protocol"], server["tls"]) == (
        443,
        "TLS",
        {"mode": "PASSTHROUGH"},
    )
    first, second = route["tls"]
    assert first["match"] == [{"gateways": ["mesh"], "port": 443, "sniHosts": [OURA]}]
    (hop,) = [item["destination"] for item in first["route"]]
    assert (hop["host"], hop["port"]) == (GATEWAY, {"number": 443})
    assert second["match"] == [{"gateways": [door], "port": 443, "sniHosts": [OURA]}]
    assert [item["destination"] for item in second["route"]] == [{"host": OURA, "port": {"number": 443}}]
    rules = [item["spec"]["host"] for item in myhealth.manifests("DestinationRule").values()]
    assert GATEWAY not in rules, "the mesh's own TLS around the caller's would hide its name"


@pytest.mark.rows("MH-MSH-06")
def test_only_the_collector_may_have_the_gateway_call_oura(myhealth: Registered) -> None:
    """A gateway that passes TLS through lets out the named hosts for whoever reaches it: the network says who does."""
    rules = myhealth.spec("AuthorizationPolicy", "istio-system", "egress-gateway")["rules"]
    conditions = [condition for rule in rules for condition in rule["when"]]
    assert {condition["key"] for condition in conditions} == {"connection.sni"}
    assert OURA in {host for condition in conditions for host in condition["values"]}
    gateway = ("istio-system", {"istio": "egressgateway"})
    reaching = {
        name
        for name in ("oura-collector", "data-processor", "api-service")
        if both_ways(myhealth, (HOME, labels(myhealth, name)), gateway, 443)
    }
    assert reaching == {"oura-collector"}
    for stranger in ((HOME, {"app": "stranger"}), ("monitoring", {"app": "oura-collector"}), ("default", {})):
        assert not passes(myhealth, "ingress", gateway, stranger, 443)
