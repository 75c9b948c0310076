"""CiliumNetworkPolicy: rules for pods by their labels, for names outside the cluster, and for DNS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from manifests.base import Manifest, manifest, match_labels

API = "cilium.io/v2"
NAMESPACE = "k8s:io.kubernetes.pod.namespace"
"""The label by which Cilium knows a pod's namespace; a selector without it stays in the policy's own namespace."""


def endpoints(labels: Mapping[str, str], namespace: str | None = None) -> Manifest:
    """Pods by labels. ``namespace`` absent: in the policy's own."""
    where = {NAMESPACE: namespace} if namespace else {}
    return match_labels({**where, **labels})


def endpoints_in(label: str, values: Sequence[str], labels: Mapping[str, str], namespace: str | None) -> Manifest:
    """Pods with ``labels`` whose ``label`` is one of ``values``."""
    return {
        **endpoints(labels, namespace),
        "matchExpressions": [{"key": label, "operator": "In", "values": list(values)}],
    }


def ports(numbers: Sequence[int], protocols: Sequence[str] = ("TCP",)) -> list[Manifest]:
    return [{"ports": [{"port": str(number), "protocol": protocol} for number in numbers for protocol in protocols]}]


def ingress(sources: Sequence[Manifest], numbers: Sequence[int]) -> Manifest:
    return {"fromEndpoints": list(sources), "toPorts": ports(numbers)}


def egress(targets: Sequence[Manifest], numbers: Sequence[int]) -> Manifest:
    return {"toEndpoints": list(targets), "toPorts": ports(numbers)}


def egress_names(hosts: Sequence[str], numbers: Sequence[int]) -> Manifest:
    """Hosts outside the cluster by name; Cilium learns their addresses from the DNS answers it sees. ``*.`` stands for
    any number of labels, which Cilium writes ``**.``."""
    names = [{"matchPattern": f"*{host}"} if host.startswith("*.") else {"matchName": host} for host in hosts]
    return {"toFQDNs": names, "toPorts": ports(numbers)}


def egress_addresses(ranges: Sequence[str], numbers: Sequence[int]) -> Manifest:
    """Ranges outside the cluster."""
    return {"toCIDR": list(ranges), "toPorts": ports(numbers)}


def dns() -> Manifest:
    """Cluster DNS over UDP and TCP, seen by Cilium's DNS proxy (which ``egress_names`` depends on)."""
    return {
        "toEndpoints": [endpoints({"k8s:k8s-app": "kube-dns"}, "kube-system")],
        "toPorts": [{**ports([53], ("UDP", "TCP"))[0], "rules": {"dns": [{"matchPattern": "*"}]}}],
    }


def network_policy(
    name: str,
    namespace: str,
    selector: Mapping[str, str],
    inbound: Sequence[Manifest],
    outbound: Sequence[Manifest],
) -> Manifest:
    """Both directions are always enforced: an empty rule selects nobody, whereas no rule would leave a side open."""
    spec = {
        "endpointSelector": match_labels(selector) if selector else {},
        "ingress": list(inbound) or [{}],
        "egress": list(outbound) or [{}],
    }
    return manifest(API, "CiliumNetworkPolicy", name, namespace, spec=spec)


def closed_elsewhere(name: str, known: Sequence[str]) -> Manifest:
    """No pod of a namespace beside the ``known`` ones hears or speaks.

    Endpoints without a namespace are Cilium's own, and left alone.
    """
    selector = [
        {"key": NAMESPACE, "operator": "Exists"},
        {"key": NAMESPACE, "operator": "NotIn", "values": list(known)},
    ]
    spec = {"endpointSelector": {"matchExpressions": selector}, "ingress": [{}], "egress": [{}]}
    return manifest(API, "CiliumClusterwideNetworkPolicy", name, None, spec=spec)
