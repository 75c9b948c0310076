"""EnvoyFilters: what a gateway's proxy does that Istio's own objects cannot say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manifests.base import Manifest, compact, manifest

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_FILTERS = f"{_EXTENSIONS}.filters"
_TCP_PROXY = "envoy.filters.network.tcp_proxy"


def local_rate_limit(
    name: str, namespace: str, selector: Mapping[str, str], per_second: int, requests: bool
) -> Manifest:
    """Each gateway pod lets through ``per_second`` connections in all, and ``requests`` as many where it reads them.

    (Envoy documentation, "Local rate limit": the network filter shares its bucket by ``share_key``.)
    """
    bucket = {"max_tokens": per_second, "tokens_per_fill": per_second, "fill_interval": "1s"}
    connections = {
        "@type": f"{_FILTERS}.network.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "egress_connections",
        "share_key": "egress",
        "token_bucket": bucket,
    }
    whole = {"numerator": 100, "denominator": "HUNDRED"}
    calls = {
        "@type": f"{_FILTERS}.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "egress_requests",
        "token_bucket": bucket,
        "filter_enabled": {"default_value": whole},
        "filter_enforced": {"default_value": whole},
    }
    network, http = "envoy.filters.network", "envoy.filters.http"
    patches = [_before("NETWORK_FILTER", _TCP_PROXY, None, f"{network}.local_ratelimit", connections)]
    if requests:
        manager = f"{network}.http_connection_manager"
        patches.append(_before("HTTP_FILTER", manager, f"{http}.router", f"{http}.local_ratelimit", calls))
    spec = {"workloadSelector": {"labels": dict(selector)}, "configPatches": patches}
    return manifest("networking.istio.io/v1alpha3", "EnvoyFilter", name, namespace, spec=spec)


def request_limit(name: str, namespace: str, selector: Mapping[str, str], per_second: int, burst: int) -> Manifest:
    """Each gateway pod takes ``per_second`` requests, ``burst`` at once (Envoy documentation, "Local rate limit")."""
    whole = {"numerator": 100, "denominator": "HUNDRED"}
    limit = {
        "@type": f"{_FILTERS}.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "ingress_requests",
        "token_bucket": {"max_tokens": burst, "tokens_per_fill": per_second, "fill_interval": "1s"},
        "filter_enabled": {"default_value": whole},
        "filter_enforced": {"default_value": whole},
    }
    manager, http = "envoy.filters.network.http_connection_manager", "envoy.filters.http"
    patch = _before("HTTP_FILTER", manager, f"{http}.router", f"{http}.local_ratelimit", limit)
    spec = {"workloadSelector": {"labels": dict(selector)}, "configPatches": [patch]}
    return manifest("networking.istio.io/v1alpha3", "EnvoyFilter", name, namespace, spec=spec)


def _before(where: str, outer: str, inner: str | None, name: str, settings: Manifest) -> Manifest:
    """A filter before another one, in every chain of a gateway's listeners."""
    found = compact(name=outer, subFilter={"name": inner} if inner else None)
    return {
        "applyTo": where,
        "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": found}}},
        "patch": {"operation": "INSERT_BEFORE", "value": {"name": name, "typed_config": settings}},
    }


def forward_by_name(
    name: str, namespace: str, selector: Mapping[str, str], patterns: Sequence[tuple[str, str, int]], home: str
) -> Manifest:
    """A gateway hands connections to any host of a pattern on to the very host that they name.

    ``patterns``: each with a name for its parts, and the port. ``home``: the namespace that registers them.
    What arrives for a pattern in the mesh's own TLS goes to a listener of its own inside the proxy, which reads the
    name in the connection's own TLS handshake, closes it unless the name is of that same pattern, and only then asks
    DNS (Istio's blog, "Routing egress traffic to wildcard destinations"; Envoy, "SNI dynamic forward proxy").
    """
    patches = [
        _added(
            "CLUSTER",
            _BY_NAME,
            {
                "lb_policy": "CLUSTER_PROVIDED",
                "cluster_type": _extension(
                    "envoy.clusters.dynamic_forward_proxy",
                    f"{_EXTENSIONS}.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                    {"dns_cache_config": _NAMES},
                ),
            },
        )
    ]
    for part, pattern, port in patterns:
        patches += [
            _added("CLUSTER", part, _into(part, pattern, home)),
            _added("LISTENER", part, _reads_names(part, pattern, port)),
            _diverted(part, pattern, port),
        ]
    spec = {"workloadSelector": {"labels": dict(selector)}, "configPatches": patches}
    return manifest("networking.istio.io/v1alpha3", "EnvoyFilter", name, namespace, spec=spec)


_BY_NAME = "by-name"
_NAMES = {"name": _BY_NAME, "dns_lookup_family": "V4_ONLY"}
"""Envoy asks that whoever shares a cache describes it alike."""


def _extension(name: str, kind: str, settings: Manifest) -> Manifest:
    return {"name": name, "typed_config": {"@type": kind, **settings}}


def _added(where: str, name: str, settings: Manifest) -> Manifest:
    return {
        "applyTo": where,
        "match": {"context": "GATEWAY"},
        "patch": {"operation": "ADD", "value": {"name": name, **settings}},
    }


def _into(part: str, pattern: str, home: str) -> Manifest:
    """The way to the listener inside. Istio's metrics take the destination from the cluster's metadata."""
    address = {"envoy_internal_address": {"server_listener_name": part}}
    return {
        "metadata": {
            "filter_metadata": {"istio": {"services": [{"host": pattern, "name": pattern, "namespace": home}]}}
        },
        "load_assignment": {
            "cluster_name": part,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _proxied(part: str, cluster: str, **settings: object) -> Manifest:
    kind = f"{_FILTERS}.network.tcp_proxy.v3.TcpProxy"
    return _extension(_TCP_PROXY, kind, {"stat_prefix": part, "cluster": cluster, **settings})


def _reads_names(part: str, pattern: str, port: int) -> Manifest:
    inspector = _extension(
        "envoy.filters.listener.tls_inspector", f"{_FILTERS}.listener.tls_inspector.v3.TlsInspector", {}
    )
    resolver = _extension(
        "envoy.filters.network.sni_dynamic_forward_proxy",
        f"{_FILTERS}.network.sni_dynamic_forward_proxy.v3.FilterConfig",
        {"port_value": port, "dns_cache_config": _NAMES},
    )
    chain = {
        "filter_chain_match": {"server_names": [pattern]},
        "filters": [resolver, _proxied(part, _BY_NAME, access_log=[_LOG])],
    }
    return {"internal_listener": {}, "listener_filters": [inspector], "filter_chains": [chain]}


_LOG = _extension(
    "envoy.access_loggers.file",
    f"{_EXTENSIONS}.access_loggers.file.v3.FileAccessLog",
    {
        "path": "/dev/stdout",
        "log_format": {
            "json_format": {
                "start_time": "%START_TIME%",
                "requested_server_name": "%REQUESTED_SERVER_NAME%",
                "upstream_host": "%UPSTREAM_HOST%",
                "upstream_cluster": "%UPSTREAM_CLUSTER%",
                "bytes_received": "%BYTES_RECEIVED%",
                "bytes_sent": "%BYTES_SENT%",
                "duration": "%DURATION%",
                "response_flags": "%RESPONSE_FLAGS%",
            }
        },
    },
)
"""The gateway's own entry knows the pattern only."""


def _diverted(part: str, pattern: str, port: int) -> Manifest:
    """Istio's own route ends at the pattern, which has no address on a gateway."""
    chain = {"sni": pattern, "filter": {"name": _TCP_PROXY}}
    return {
        "applyTo": "NETWORK_FILTER",
        "match": {"context": "GATEWAY", "listener": {"portNumber": port, "filterChain": chain}},
        "patch": {"operation": "MERGE", "value": _proxied(part, part)},
    }
