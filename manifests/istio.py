"""Istio's objects. What is absent here is absent in the object, so that Istio's own default holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from manifests.base import Manifest, compact, manifest, match_labels
from model.traffic import ConnectionPool, OutlierDetection, Retry, TrafficPolicy

NETWORKING = "networking.istio.io/v1"
SECURITY = "security.istio.io/v1"


def duration(value: timedelta) -> str:
    """``30s``, ``1.5s``: protobuf's notation in seconds."""
    return f"{value.total_seconds():g}s"


def peer_authentication(
    name: str,
    namespace: str,
    mode: str,
    selector: Mapping[str, str] | None = None,
    ports: Mapping[int, str] | None = None,
) -> Manifest:
    """``selector`` absent: the whole namespace. ``ports``: modes that differ, by the pod's port; needs a selector."""
    spec = compact(
        selector=match_labels(selector) if selector else None,
        mtls={"mode": mode},
        portLevelMtls={str(port): {"mode": value} for port, value in ports.items()} if ports else None,
    )
    return manifest(SECURITY, "PeerAuthentication", name, namespace, spec=spec)


def deny_all(namespace: str) -> Manifest:
    """An empty policy allows nothing, and what no policy allows is refused."""
    return manifest(SECURITY, "AuthorizationPolicy", "deny-all", namespace, spec={})


def allow_rule(
    ports: Sequence[int],
    principals: Sequence[str] = (),
    methods: Sequence[str] = (),
    paths: Sequence[str] = (),
) -> Manifest:
    """One rule. Empty: ``principals`` anybody, ``methods`` and ``paths`` all."""
    operation = compact(
        ports=[str(port) for port in ports],
        methods=list(methods) or None,
        paths=list(paths) or None,
    )
    sources = [{"source": {"principals": list(principals)}}] if principals else None
    return {**compact(**{"from": sources}), "to": [{"operation": operation}]}


def authorization_policy(name: str, namespace: str, selector: Mapping[str, str], rules: Sequence[Manifest]) -> Manifest:
    """An ALLOW policy. No rules: it allows nothing."""
    spec = compact(selector=match_labels(selector), action="ALLOW", rules=list(rules) or None)
    return manifest(SECURITY, "AuthorizationPolicy", name, namespace, spec=spec)


def request_authentication(
    name: str, namespace: str, selector: Mapping[str, str], issuer: str, keys: str, audiences: Sequence[str] = ()
) -> Manifest:
    """Refuses tokens that are not the issuer's; a request without one passes. ``keys``: URL of the key set.
    ``audiences``: for whom tokens may be meant; empty: anybody."""
    meant = {"audiences": list(audiences)} if audiences else {}
    rules = [{"issuer": issuer, **meant, "jwksUri": keys, "forwardOriginalToken": True}]
    spec = {"selector": match_labels(selector), "jwtRules": rules}
    return manifest(SECURITY, "RequestAuthentication", name, namespace, spec=spec)


def require_token(
    name: str, namespace: str, selector: Mapping[str, str], ports: Sequence[int], open_paths: Sequence[str]
) -> Manifest:
    """A DENY policy: no request without a valid token, but for ``open_paths``."""
    operation = compact(ports=[str(port) for port in ports], notPaths=list(open_paths) or None)
    rule = {"from": [{"source": {"notRequestPrincipals": ["*"]}}], "to": [{"operation": operation}]}
    spec = {"selector": match_labels(selector), "action": "DENY", "rules": [rule]}
    return manifest(SECURITY, "AuthorizationPolicy", name, namespace, spec=spec)


def refusal(
    hosts: Sequence[str],
    paths: Sequence[str] = (),
    closed: Sequence[str] = (),
    anonymous: bool = False,
    claim: str | None = None,
    values: Sequence[str] = (),
) -> Manifest:
    """A rule of a DENY policy for requests to ``hosts``: on ``paths``, or on all but ``closed``. ``anonymous``: without
    a valid token. ``claim``: with a token whose claim has none of the ``values``, or that lacks it."""
    operation = compact(hosts=list(hosts), paths=list(paths) or None, notPaths=list(closed) or None)
    sources = [{"source": {"notRequestPrincipals": ["*"]}}] if anonymous else None
    conditions = [{"key": f"request.auth.claims[{claim}]", "notValues": list(values)}] if claim else None
    return compact(**{"from": sources}, to=[{"operation": operation}], when=conditions)


def deny(name: str, namespace: str, selector: Mapping[str, str], rules: Sequence[Manifest]) -> Manifest:
    spec = {"selector": match_labels(selector), "action": "DENY", "rules": list(rules)}
    return manifest(SECURITY, "AuthorizationPolicy", name, namespace, spec=spec)


def _pool(pool: ConnectionPool) -> Manifest:
    tcp = compact(
        maxConnections=pool.connections,
        connectTimeout=duration(pool.connect_timeout) if pool.connect_timeout else None,
    )
    http = compact(
        http1MaxPendingRequests=pool.pending_requests,
        http2MaxRequests=pool.requests,
        maxRequestsPerConnection=pool.requests_per_connection,
    )
    return compact(tcp=tcp or None, http=http or None)


def _outliers(outliers: OutlierDetection) -> Manifest:
    return compact(
        consecutive5xxErrors=outliers.consecutive_5xx,
        interval=duration(outliers.interval),
        baseEjectionTime=duration(outliers.ejection),
        maxEjectionPercent=outliers.max_ejected,
    )


def _balance(balance: str) -> Manifest:
    if balance == "SOURCE_IP":
        return {"consistentHash": {"useSourceIp": True}}
    return {"simple": balance}


def destination_rule(
    name: str,
    namespace: str,
    host: str,
    tls: str | None,
    policy: TrafficPolicy | None,
    subsets: Sequence[Manifest] = (),
) -> Manifest:
    """``tls`` absent: the mesh decides by itself."""
    traffic = compact(
        tls={"mode": tls} if tls else None,
        loadBalancer=_balance(policy.balance) if policy and policy.balance else None,
        connectionPool=(_pool(policy.pool) or None) if policy and policy.pool else None,
        outlierDetection=_outliers(policy.outliers) if policy and policy.outliers else None,
    )
    spec = compact(host=host, trafficPolicy=traffic or None, subsets=list(subsets) or None)
    return manifest(NETWORKING, "DestinationRule", name, namespace, spec=spec)


def destination(host: str, port: int, subset: str | None = None) -> Manifest:
    return compact(host=host, subset=subset, port={"number": port})


def subset(name: str, labels: Mapping[str, str]) -> Manifest:
    return {"name": name, "labels": dict(labels)}


def http_route(
    destinations: Sequence[tuple[Manifest, int | None]],
    prefix: str | None = None,
    timeout: timedelta | None = None,
    retry: Retry | None = None,
    name: str | None = None,
    port: int | None = None,
    origins: Sequence[str] = (),
    path: str | None = None,
) -> Manifest:
    """``destinations``: each with its weight in percent, None for the only one. ``prefix``, or the whole ``path``,
    absent: every request; ``port`` absent: on whichever port of the host. ``origins``: of pages that may call it;
    empty: the service decides.
    """
    retries = None
    if retry:
        retries = compact(
            attempts=retry.attempts,
            perTryTimeout=duration(retry.per_try) if retry.per_try else None,
            retryOn=",".join(retry.on),
        )
    uri = {"exact": path} if path else {"prefix": prefix} if prefix else None
    return compact(
        name=name,
        match=[compact(uri=uri, port=port)] if uri or port else None,
        route=[compact(destination=where, weight=weight) for where, weight in destinations],
        timeout=duration(timeout) if timeout else None,
        retries=retries,
        corsPolicy=_cors(origins) if origins else None,
    )


def _cors(origins: Sequence[str]) -> Manifest:
    """A token comes in a header, so cookies are nobody's to send."""
    return {
        "allowOrigins": [{"exact": origin} for origin in origins],
        "allowMethods": ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        "allowHeaders": ["authorization", "content-type"],
        "allowCredentials": False,
        "maxAge": "600s",
    }


def tls_route(gateway: str, host: str, port: int, target: Manifest) -> Manifest:
    """TLS connections that arrive at ``gateway`` (or start in the ``mesh``) and name ``host`` in their handshake."""
    match = {"gateways": [gateway], "port": port, "sniHosts": [host]}
    return {"match": [match], "route": [{"destination": target}]}


def relay(gateway: str, port: int, target: Manifest) -> Manifest:
    """Everything that arrives at a port of ``gateway`` (or starts in the ``mesh``) goes to ``target``."""
    return {"match": [{"gateways": [gateway], "port": port}], "route": [{"destination": target}]}


def virtual_service(
    name: str,
    namespace: str,
    hosts: Sequence[str],
    http: Sequence[Manifest] = (),
    gateways: Sequence[str] = (),
    tls: Sequence[Manifest] = (),
    tcp: Sequence[Manifest] = (),
) -> Manifest:
    """``gateways`` empty: for calls inside the mesh."""
    spec = compact(
        hosts=list(hosts),
        gateways=list(gateways) or None,
        http=list(http) or None,
        tls=list(tls) or None,
        tcp=list(tcp) or None,
    )
    return manifest(NETWORKING, "VirtualService", name, namespace, spec=spec)


def gateway(name: str, namespace: str, selector: Mapping[str, str], servers: Sequence[Manifest]) -> Manifest:
    return manifest(NETWORKING, "Gateway", name, namespace, spec={"selector": dict(selector), "servers": list(servers)})


def redirect_server(name: str, host: str) -> Manifest:
    """Port 80: tells every client to come back with HTTPS."""
    return {
        "port": {"number": 80, "name": name, "protocol": "HTTP"},
        "hosts": [host],
        "tls": {"httpsRedirect": True},
    }


def https_server(name: str, host: str, credential: str) -> Manifest:
    """Port 443: terminates TLS with the Secret ``credential`` of the gateway's own namespace."""
    return {
        "port": {"number": 443, "name": name, "protocol": "HTTPS"},
        "hosts": [host],
        "tls": {"mode": "SIMPLE", "credentialName": credential},
    }


def inner_server(
    name: str, host: str, port: int, protocol: str, mode: Literal["ISTIO_MUTUAL", "PASSTHROUGH"]
) -> Manifest:
    """Takes connections from inside the mesh that name ``host`` in their handshake: the mesh's own, by which it knows
    who sent them; or theirs, which it does not open."""
    return {
        "port": {"number": port, "name": name, "protocol": protocol},
        "hosts": [host],
        "tls": {"mode": mode},
    }


def named_hop(name: str, host: str, ports: Sequence[int]) -> Manifest:
    """A subset of a gateway: connections that are meant for ``host`` and say so in the handshake."""
    settings = [{"port": {"number": port}, "tls": {"mode": "ISTIO_MUTUAL", "sni": host}} for port in ports]
    return {"name": name, "trafficPolicy": {"portLevelSettings": settings}}


def hop(name: str, namespace: str, gateway: str, subsets: Sequence[Manifest]) -> Manifest:
    """How sidecars call a gateway inside the mesh: never but by mutual TLS."""
    spec = {"host": gateway, "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}, "subsets": list(subsets)}
    return manifest(NETWORKING, "DestinationRule", name, namespace, spec=spec)


def originated(name: str, namespace: str, host: str, port: int) -> Manifest:
    """Calls of this namespace's proxies to ``port`` of ``host`` become TLS, verified by the system's authorities."""
    settings = [{"port": {"number": port}, "tls": {"mode": "SIMPLE", "sni": host}}]
    spec = {"host": host, "exportTo": ["."], "trafficPolicy": {"portLevelSettings": settings}}
    return manifest(NETWORKING, "DestinationRule", name, namespace, spec=spec)


def leave_rule(principals: Sequence[str], ports: Sequence[int], hosts: Sequence[str]) -> Manifest:
    """Connections of these callers (empty: of anybody) that name one of ``hosts`` in their handshake."""
    rule = allow_rule(ports, principals=principals)
    return {**rule, "when": [{"key": "connection.sni", "values": list(hosts)}]}


def sidecar(
    name: str,
    namespace: str,
    selector: Mapping[str, str] | None,
    hosts: Sequence[str],
    opaque: Mapping[int, Sequence[str]] | None = None,
) -> Manifest:
    """What the pods' proxies know at all (``namespace/host``); every other destination is refused.

    ``selector`` absent: the pods of the namespace that no other Sidecar selects. ``opaque``: hosts by port whose
    requests the proxy does not read; the address of the Service alone says where they go.
    """
    listeners: list[Manifest] = [
        {"port": {"number": number, "protocol": "TCP", "name": f"tcp-{number}"}, "hosts": list(names)}
        for number, names in (opaque or {}).items()
    ]
    spec = compact(
        workloadSelector={"labels": dict(selector)} if selector else None,
        egress=[*listeners, {"hosts": list(hosts)}],
        outboundTrafficPolicy={"mode": "REGISTRY_ONLY"},
    )
    return manifest(NETWORKING, "Sidecar", name, namespace, spec=spec)


def wasm_plugin(
    name: str,
    namespace: str,
    selector: Mapping[str, str],
    url: str,
    ports: Sequence[int],
    configuration: Manifest,
) -> Manifest:
    """A module in the pods' proxies, on requests that come in at ``ports``, after who asks is known."""
    spec = {
        "selector": match_labels(selector),
        "url": url,
        "phase": "AUTHZ",
        "failStrategy": "FAIL_CLOSE",
        "match": [{"mode": "SERVER", "ports": [{"number": port} for port in ports]}],
        "pluginConfig": configuration,
    }
    return manifest("extensions.istio.io/v1alpha1", "WasmPlugin", name, namespace, spec=spec)


def service_entry(
    name: str,
    namespace: str,
    hosts: Sequence[str],
    ports: Sequence[int],
    port_name: str,
    protocol: str,
    export_to: Sequence[str] = (".",),
    target_port: int | None = None,
) -> Manifest:
    """Hosts outside the mesh. ``export_to`` absent: known in this namespace only. ``target_port`` absent: they are
    called on the ports that they are known by.

    A wildcard cannot be resolved: the address that the caller resolved is used.
    """
    wildcard = any(host.startswith("*.") for host in hosts)
    spec = {
        "hosts": list(hosts),
        "exportTo": list(export_to),
        "location": "MESH_EXTERNAL",
        "resolution": "NONE" if wildcard else "DNS",
        "ports": [
            compact(
                number=port,
                name=port_name if port == ports[0] else f"{port_name}-{port}",
                protocol=protocol,
                targetPort=target_port,
            )
            for port in ports
        ],
    }
    return manifest(NETWORKING, "ServiceEntry", name, namespace, spec=spec)
