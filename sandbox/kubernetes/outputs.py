"""What the cluster adds to an object that it takes: identity, defaults of Services, encoded Secrets, a status.

Everything is derived from the object's key, so that it comes out the same in every run.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import ipaddress
import uuid
from collections.abc import Mapping, Set
from typing import Any, Final

from sandbox.kubernetes.access import dig, enumerated, mapping, number, text
from sandbox.kubernetes.kinds import Key
from sandbox.kubernetes.store import View

SERVICE_CIDR: Final = ipaddress.ip_network("10.43.0.0/16")
"""K3s' default ``--service-cidr``."""
NODE_PORTS: Final = range(30000, 32768)
"""The API server's default ``--service-node-port-range``."""

_RESERVED: Final = 256
"""Addresses at the start of the range left to the cluster's own Services (10.43.0.1, 10.43.0.10)."""


def _number(*parts: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big")


def complete(key: Key, inputs: Mapping[str, Any], old: Mapping[str, Any] | None, view: View) -> dict[str, Any]:
    """The object as the API server would answer it; ``old`` is the one it updates."""
    body: dict[str, Any] = copy.deepcopy(dict(inputs))
    body["metadata"] = _metadata(key, body, old)
    if (key.group, key.kind) == ("", "Service"):
        _complete_service(key, body, old, view)
    if (key.group, key.kind) == ("", "Secret"):
        body.setdefault("type", "Opaque")
        encoded = {
            name: base64.b64encode(value.encode()).decode() for name, value in body.get("stringData", {}).items()
        }
        body["data"] = {**body.get("data", {}), **encoded}
    status = _status(key, body)
    return body | ({"status": status} if status else {})


def _metadata(key: Key, body: Mapping[str, Any], old: Mapping[str, Any] | None) -> dict[str, Any]:
    before = mapping(old, "metadata")
    version = int(text(before, "resourceVersion") or 0) + 1
    generation = number(before, "generation") or 0
    if old is None or old.get("spec") != body.get("spec"):
        generation += 1
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{key.group}/{key.kind}/{key.id}")
    own = {"uid": str(identity), "resourceVersion": str(version), "generation": generation}
    return {**mapping(body, "metadata"), **({"namespace": key.namespace} if key.namespace else {}), **own}


def _complete_service(key: Key, body: dict[str, Any], old: Mapping[str, Any] | None, view: View) -> None:
    spec = body.setdefault("spec", {})
    kind = spec.setdefault("type", "ClusterIP")
    if kind == "ExternalName":
        return
    others = [entry.body for entry in view.of_kind("", "Service") if entry.key != key]
    address = spec.get("clusterIP") or text(old, "spec", "clusterIP")
    if not address:
        address = _cluster_ip(key, {text(one, "spec", "clusterIP") for one in others})
    spec |= {"clusterIP": address, "clusterIPs": [address]}
    if kind == "ClusterIP":
        return
    ports = [port for one in (*others, body) for _, port in enumerated(one, "", "spec", "ports")]
    taken = {value for port in ports if (value := number(port, "nodePort"))}
    kept = {number(port, "port"): number(port, "nodePort") for _, port in enumerated(old, "", "spec", "ports")}
    for port in spec.get("ports", []):
        if not port.get("nodePort"):
            port["nodePort"] = kept.get(port["port"]) or _node_port(key, port["port"], taken)
            taken.add(port["nodePort"])


def _cluster_ip(key: Key, taken: Set[str | None]) -> str:
    size = SERVICE_CIDR.num_addresses - _RESERVED - 1
    start = _number("clusterIP", key.id) % size
    for step in range(size):
        address = str(SERVICE_CIDR[_RESERVED + (start + step) % size])
        if address not in taken:
            return address
    raise AssertionError(f"more than {size} Services")


def _node_port(key: Key, port: int, taken: Set[int]) -> int:
    start = _number("nodePort", key.id, str(port)) % len(NODE_PORTS)
    for step in range(len(NODE_PORTS)):
        value = NODE_PORTS[(start + step) % len(NODE_PORTS)]
        if value not in taken:
            return value
    raise AssertionError(f"more than {len(NODE_PORTS)} node ports")


def _status(key: Key, body: Mapping[str, Any]) -> dict[str, Any]:
    """The status of an object whose controllers have done their work; little more than programs read."""
    replicas = dig(body, "spec", "replicas")
    replicas = replicas if isinstance(replicas, int) else 1
    match key.group, key.kind:
        case "", "Namespace":
            return {"phase": "Active"}
        case "", "PersistentVolumeClaim":
            return {"phase": "Bound"}
        case "", "Service" if dig(body, "spec", "type") == "LoadBalancer":
            label = f"{key.namespace}-{key.name}-{_number('balancer', key.id):016x}"
            return {"loadBalancer": {"ingress": [{"hostname": f"{label}.elb.sandbox.invalid"}]}}
        case "apps", "Deployment":
            return {"replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas}
        case "apps", "StatefulSet":
            return {"replicas": replicas, "readyReplicas": replicas, "currentReplicas": replicas}
        case _:
            return {}


def release(key: Key, inputs: Mapping[str, Any], old: Mapping[str, Any] | None) -> dict[str, Any]:
    """The outputs of a Helm release; what its chart renders is not known."""
    revision = (number(old, "status", "revision") or 0) + 1
    status = {
        "name": key.name,
        "namespace": key.namespace,
        "chart": inputs.get("chart", ""),
        "version": inputs.get("version", ""),
        "revision": revision,
        "status": "deployed",
    }
    return {**inputs, "name": key.name, "namespace": key.namespace, "status": status}
