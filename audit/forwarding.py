"""Hosts that a gateway hands connections on to by the name in the caller's own handshake (EnvoyFilters)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from audit.errors import AuditError
from audit.resources import Object, Registry

NETWORKING: Final = "networking.istio.io"
BY_NAME: Final = "envoy.filters.network.sni_dynamic_forward_proxy"
TCP_PROXY: Final = "envoy.filters.network.tcp_proxy"
RESOLVED: Final = "envoy.clusters.dynamic_forward_proxy"
ANY: Final = "*"
Spec = Mapping[str, Any]


class Forwarding:
    """What a pattern of hosts leads to on a gateway. Without it: nowhere, for a gateway knows no address of one."""

    def __init__(self, registry: Registry) -> None:
        self._diverted: dict[tuple[str, int], str] = {}
        """Pattern and port -> the cluster that takes its connections instead."""
        self._inner: dict[str, str] = {}
        """Cluster -> the listener inside the proxy that it leads to."""
        self._resolving: set[str] = set()
        """Clusters that ask DNS for the name."""
        self._listeners: dict[str, list[Spec]] = {}
        for item in registry.objects("EnvoyFilter", group=NETWORKING):
            for patch in item.spec.get("configPatches") or ():
                self._patch(item, patch)

    def hosts(self, pattern: str, port: int) -> Iterator[str]:
        """Names and patterns that connections to a pattern can reach on a port."""
        listener = self._inner.get(self._diverted.get((pattern, port), ""), "")
        for chain in self._listeners.get(listener, ()):
            filters = {item["name"]: item.get("typed_config") or {} for item in chain.get("filters") or ()}
            onwards = filters.get(TCP_PROXY, {}).get("cluster") in self._resolving
            if onwards and filters.get(BY_NAME, {}).get("port_value") == port:
                yield from (chain.get("filter_chain_match") or {}).get("server_names") or (ANY,)

    def _patch(self, item: Object, patch: Spec) -> None:
        change = patch.get("patch") or {}
        operation, value = change.get("operation"), change.get("value") or {}
        match patch.get("applyTo"), operation:
            case "CLUSTER", "ADD":
                self._cluster(value)
            case "LISTENER", "ADD":
                self._listeners[value["name"]] = list(value.get("filter_chains") or ())
            case "NETWORK_FILTER", "MERGE" if cluster := (value.get("typed_config") or {}).get("cluster"):
                found = (patch.get("match") or {}).get("listener") or {}
                name = (found.get("filterChain") or {}).get("sni")
                if not name or "portNumber" not in found:
                    raise AuditError(f"{item.key} diverts every host's connections; name one by sni and portNumber")
                self._diverted[name, int(found["portNumber"])] = cluster

    def _cluster(self, value: Spec) -> None:
        if (value.get("cluster_type") or {}).get("name") == RESOLVED:
            self._resolving.add(value["name"])
        for group in (value.get("load_assignment") or {}).get("endpoints") or ():
            for endpoint in group.get("lb_endpoints") or ():
                inner = endpoint["endpoint"]["address"].get("envoy_internal_address")
                if inner:
                    self._inner[value["name"]] = inner["server_listener_name"]
