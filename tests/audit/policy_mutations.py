"""Mutations of what the cluster enforces: network policies, the mesh's policies, and its routing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.audit.mutations import Change, Mutation, append, drop, put

EGRESS, INGRESS, MTLS, AUTHORIZATION, ROUTING = (
    "egress policy",
    "ingress policy",
    "mutual TLS",
    "authorization",
    "mesh routing",
)
DOOR, BEHAVIOUR, SERVICE = "ingress gateway", "mesh behaviour", "service"


@dataclass(frozen=True)
class Site:
    """Where the mutations are made."""

    home: str
    """The namespace of the system."""
    public: str
    """One of its public hosts."""
    store: str
    """A host inside the cluster to which nothing of the kind is led."""
    names: frozenset[str]
    """Workloads that are declared, not a chart's."""
    called: frozenset[str]
    """Services that others call."""
    spaces: frozenset[str]
    """Namespaces of its services and stores."""
    doubled: frozenset[str]
    """Stores to whose pods several Services lead, all of which their users know."""
    covered: frozenset[str]
    """Public hosts for which a wildcard answers the same."""
    alike: frozenset[str]
    """Hosts that are one of several of the same place."""
    twice: frozenset[str]
    """Hosts outside that two entries of one namespace name, or that are two names of one bucket."""

    def owns(self, body: dict[str, Any]) -> bool:
        """Whether an object is of the system's own namespaces, not of the platform's."""
        return body["metadata"].get("namespace") in self.spaces


def of(stack: str, resource: dict[str, Any], site: Site) -> Iterator[Mutation]:
    """Every mutation of one Kubernetes object that makes a difference."""
    kind = resource["type"].rpartition(":")[2]
    make = KINDS.get(kind)
    if make is None:
        return
    body = resource["outputs"]
    key = f"{kind} {body['metadata'].get('namespace', '')}/{body['metadata']['name']}"
    for what, layers, mentions, change in make(body, site):
        yield Mutation(f"{key}: {what}", stack, resource["urn"], layers, (mentions,) if mentions else (), change)


Found = Iterator[tuple[str, tuple[str, ...], str, Change | None]]


def _cilium(body: dict[str, Any], site: Site) -> Found:
    spec = body["spec"]
    subject = _subject(body, spec["endpointSelector"].get("matchLabels") or {}, site)
    yield "is gone", (EGRESS, INGRESS), subject, None
    for section, layer, everybody in (
        ("ingress", INGRESS, {"fromEntities": ["all"]}),
        ("egress", EGRESS, {"toEntities": ["all"]}),
    ):
        yield f"{section} admits all", (layer,), subject, append(("spec", section), everybody)
        for index, rule in enumerate(spec[section]):
            path = ("spec", section, index)
            if rule == {}:
                if body["metadata"]["name"] == "default-deny":
                    yield f"{section} is open", (layer,), subject, drop(("spec", section))
                continue
            yield f"{section}[{index}] is gone", (layer,), "", drop(path)
            if "toPorts" in rule:
                yield f"{section}[{index}] has no ports", (layer,), "", drop((*path, "toPorts"))
            peers = next(name for name in rule if name != "toPorts")
            wide = {"toPorts": rule["toPorts"]} if "toPorts" in rule else everybody
            if rule.get("fromEntities") != ["all"]:
                yield f"{section}[{index}] is for all", (layer,), "", put(path, wide)
            if body["metadata"]["namespace"] == site.home:
                yield from _finer(section, index, rule, peers, layer)


def _standard(body: dict[str, Any], site: Site) -> Found:
    """Of the platform's own pods, whose labels are their charts': what they need. The standard policy knows the API
    server and hosts by address only, so that what is too wide there is no difference."""
    spec = body["spec"]
    labels = spec["podSelector"].get("matchLabels") or {}
    own = site.owns(body) and (not spec["podSelector"] or labels.get("app") in site.names)
    if own or spec["podSelector"]:
        yield "is gone", (EGRESS, INGRESS), "", None
    if not own:
        return
    for section, peers, layer in (("ingress", "from", INGRESS), ("egress", "to", EGRESS)):
        yield f"{section} admits all", (layer,), "", append(("spec", section), {})
        for index, rule in enumerate(spec[section]):
            path = ("spec", section, index)
            yield f"{section}[{index}] is gone", (layer,), "", drop(path)
            yield f"{section}[{index}] has no ports", (layer,), "", drop((*path, "ports"))
            if peers in rule:
                yield f"{section}[{index}] is for all", (layer,), "", drop((*path, peers))
            for number, _ in enumerate(rule["ports"]):
                yield f"{section}[{index}] loses a port", (layer,), "", drop((*path, "ports", number))
            more = {"port": 8443, "protocol": "TCP"}
            yield f"{section}[{index}] has one more port", (layer,), "", append((*path, "ports"), more)
            for number, _ in enumerate(rule.get(peers, ())):
                yield f"{section}[{index}] loses a peer", (layer,), "", drop((*path, peers, number))


def _ingress(body: dict[str, Any], site: Site) -> Found:
    if body["spec"]["rules"][0]["host"] not in site.covered:
        yield "is gone", (DOOR,), "", None
        yield "is another controller's", (DOOR,), "", put(("spec", "ingressClassName"), "other")
    yield "has no certificate", (DOOR,), "", put(("spec", "tls", 0, "secretName"), "nowhere")
    backend = ("spec", "rules", 0, "http", "paths", 0, "backend", "service")
    yield "leads to another port", (DOOR,), "", put((*backend, "port", "number"), 9090)
    yield "is for another host", (DOOR,), "", put(("spec", "rules", 0, "host"), "elsewhere.example")


def _clusterwide(body: dict[str, Any], site: Site) -> Found:
    """Of pods in undeclared namespaces nothing is known but that they open nothing."""
    subject = "any pod elsewhere"
    yield "is gone", (EGRESS,), subject, None
    yield "egress is open", (EGRESS,), subject, drop(("spec", "egress"))
    yield "egress admits all", (EGRESS,), subject, append(("spec", "egress"), {"toEntities": ["all"]})
    operator = ("spec", "endpointSelector", "matchExpressions", 1, "operator")
    yield "holds the declared namespaces instead", (EGRESS,), subject, put(operator, "In")


def _finer(section: str, index: int, rule: dict[str, Any], peers: str, layer: str) -> Found:
    """One peer or one port less, one port more."""
    path = ("spec", section, index)
    for number, _ in enumerate(rule[peers]):
        yield f"{section}[{index}] loses a peer", (layer,), "", drop((*path, peers, number))
    if "toPorts" in rule:
        ports = (*path, "toPorts", 0, "ports")
        for number, _ in enumerate(rule["toPorts"][0]["ports"]):
            yield f"{section}[{index}] loses a port", (layer,), "", drop((*ports, number))
        more = {"port": "8443", "protocol": "TCP"}
        yield f"{section}[{index}] has one more port", (layer,), "", append(ports, more)


def _authorization(body: dict[str, Any], site: Site) -> Found:
    spec = body["spec"]
    if spec.get("action") == "DENY" or any("when" in rule for rule in spec.get("rules") or ()):
        return  # Of tokens, and of the egress gateway's hosts: they have tests of their own.
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    subject = _subject(body, labels, site)
    if spec.get("rules") or not labels:  # What allows nothing adds nothing to the namespace's own policy.
        yield "is gone", (AUTHORIZATION,), subject, None
    yield "allows all", (AUTHORIZATION,), subject, put(("spec", "rules"), [*(spec.get("rules") or ()), {}])
    for index, rule in enumerate(spec.get("rules") or ()):
        path = ("spec", "rules", index)
        yield f"rules[{index}] is gone", (AUTHORIZATION,), subject, drop(path)
        if "from" in rule:
            yield f"rules[{index}] is for anybody", (AUTHORIZATION,), subject, drop((*path, "from"))
            principals = (*path, "from", 0, "source", "principals")
            for number, _ in enumerate(rule["from"][0]["source"]["principals"]):
                name = f"rules[{index}] loses principal {number}"
                yield name, (AUTHORIZATION,), subject, drop((*principals, number))
            yield f"rules[{index}] is for any identity", (AUTHORIZATION,), subject, put(principals, ["*"])
        yield f"rules[{index}] is for any request", (AUTHORIZATION,), subject, drop((*path, "to"))
        for key in rule["to"][0]["operation"]:
            if len(rule["to"][0]["operation"]) > 1:
                name = f"rules[{index}] has no {key}"
                yield name, (AUTHORIZATION,), subject, drop((*path, "to", 0, "operation", key))


def _peer_authentication(body: dict[str, Any], site: Site) -> Found:
    spec = body["spec"]
    for mode in sorted({"STRICT", "PERMISSIVE", "DISABLE"} - {spec["mtls"]["mode"]}):
        yield f"is {mode}", (MTLS,), "", put(("spec", "mtls", "mode"), mode)
    yield "is gone", (MTLS,), "", None
    for port in spec.get("portLevelMtls") or ():
        yield f"port {port} is STRICT", (MTLS,), "", put(("spec", "portLevelMtls", port, "mode"), "STRICT")


def _sidecar(body: dict[str, Any], site: Site) -> Found:
    if not site.owns(body):
        return
    labels = (body["spec"].get("workloadSelector") or {}).get("labels") or {}
    subject = _subject(body, labels, site)
    hosts = ("spec", "egress", 0, "hosts")
    known = body["spec"]["egress"][0]["hosts"]
    if len(known) > 2 or not labels:  # Otherwise the namespace's Sidecar knows the same hosts.
        yield "is gone", (ROUTING,), subject, None
    yield "knows all", (ROUTING,), subject, append(hosts, "*/*")
    yield "lets all pass", (ROUTING,), subject, put(("spec", "outboundTrafficPolicy", "mode"), "ALLOW_ANY")
    for index, host in enumerate(known):
        if any(other != host and other.endswith(host.removeprefix("./").removeprefix("*")) for other in known):
            continue  # The same place by another name.
        if host.startswith("./*.") or host.rpartition("/")[2] in site.alike:
            continue
        yield f"does not know {host}", (ROUTING,), subject, drop((*hosts, index))


def _virtual_service(body: dict[str, Any], site: Site) -> Found:
    spec = body["spec"]
    if "http" not in spec or "mesh" in spec.get("gateways", ()):
        return  # Of the egress gateway.
    limited = [index for index, route in enumerate(spec["http"]) if "timeout" in route]
    inside = "gateways" not in spec
    if limited or not inside:
        yield "is gone", (DOOR, BEHAVIOUR), "", None
    elsewhere = {"host": site.store, "port": {"number": 6379}}
    layers = (DOOR, ROUTING)
    for index, route in enumerate(spec["http"]):
        path = ("spec", "http", index)
        name = route["route"][0]["destination"]["host"].partition(".")[0]
        if inside and name not in site.called:
            continue
        yield f"http[{index}] leads elsewhere", layers, "", put((*path, "route", 0, "destination"), elsewhere)
        if not inside and route.get("match", [{"uri": {"prefix": "/"}}]) != [{"uri": {"prefix": "/"}}]:
            yield f"http[{index}] takes every path", layers, name, drop((*path, "match"))
        if inside:
            some = [{"uri": {"prefix": "/only"}}]
            yield f"http[{index}] takes some paths", (ROUTING,), name, put((*path, "match"), some)
        if inside and index in limited:
            yield f"http[{index}] has no timeout", (BEHAVIOUR,), name, drop((*path, "timeout"))
            published = ["mesh", f"{site.home}-gateway"]
            host = put(("spec",), {**spec, "hosts": [site.public], "gateways": published})
            if index == 0:
                yield "is published", (DOOR, ROUTING, BEHAVIOUR), "", host


def _gateway(body: dict[str, Any], site: Site) -> Found:
    if body["spec"]["selector"] != {"istio": "ingressgateway"}:
        return
    yield "is gone", (DOOR,), "", None
    for index, server in enumerate(body["spec"]["servers"]):
        path = ("spec", "servers", index)
        yield f"servers[{index}] is gone", (DOOR,), server["hosts"][0], drop(path)
        yield f"servers[{index}] is for all hosts", (DOOR,), "", put((*path, "hosts"), ["*"])
        if server["tls"].get("httpsRedirect"):
            yield f"servers[{index}] does not redirect", (DOOR,), server["hosts"][0], drop((*path, "tls"))
        else:
            missing = put((*path, "tls", "credentialName"), "nowhere")
            yield f"servers[{index}] has no certificate", (DOOR,), server["hosts"][0], missing


def _service_entry(body: dict[str, Any], site: Site) -> Found:
    if body["spec"]["hosts"][0] in site.twice:
        return
    name = body["metadata"]["name"].removesuffix("-any") if len(body["spec"]["hosts"]) == 1 else ""
    yield "is gone", (ROUTING,), name, None
    yield "has another port", (ROUTING,), name, put(("spec", "ports", 0, "number"), 5433)
    if name:
        yield "has another host", (ROUTING,), "", put(("spec", "hosts"), ["elsewhere.example"])


def _service(body: dict[str, Any], site: Site) -> Found:
    name = body["spec"]["selector"].get("app")
    if name not in site.names or body["spec"]["ports"][0]["name"] == "metrics":
        return  # Prometheus goes to the pods' addresses.
    layers = (ROUTING, SERVICE)
    if name not in site.doubled:
        yield "is gone", layers, name, None
        yield "selects nobody", layers, name, put(("spec", "selector"), {"app": "nobody"})
    if body["spec"].get("clusterIP") != "None":  # Otherwise its name leads to the pods' own addresses.
        yield "leads to another port", layers, name, put(("spec", "ports", 0, "targetPort"), 1)


def _destination_rule(body: dict[str, Any], site: Site) -> Found:
    # A permissive callee takes plain connections, but knows nobody by them.
    if site.owns(body):
        yield "offers no TLS", (MTLS, AUTHORIZATION), "", put(("spec", "trafficPolicy", "tls"), {"mode": "DISABLE"})


def _subject(body: dict[str, Any], labels: dict[str, str], site: Site) -> str:
    """The workload that a policy is about, as far as its labels name one of the system's."""
    return labels.get("app", "") if site.owns(body) else ""


KINDS = {
    "CiliumNetworkPolicy": _cilium,
    "CiliumClusterwideNetworkPolicy": _clusterwide,
    "NetworkPolicy": _standard,
    "Ingress": _ingress,
    "AuthorizationPolicy": _authorization,
    "PeerAuthentication": _peer_authentication,
    "Sidecar": _sidecar,
    "VirtualService": _virtual_service,
    "Gateway": _gateway,
    "ServiceEntry": _service_entry,
    "Service": _service,
    "DestinationRule": _destination_rule,
}
