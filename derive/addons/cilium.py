"""Cilium. On machines of our own: pod network, network policies, replacement of kube-proxy, encryption between nodes.

On EKS, AWS' plug-in gives pods their addresses and Cilium is chained behind it for the policies alone (Cilium
documentation, "AWS VPC CNI plugin"): the control plane, which is no node, reaches webhooks as before.
"""

from __future__ import annotations

from typing import Any

from derive import versions
from derive.addons.chart import Release
from derive.shapes import Deployment
from model import K3s


def release(deployment: Deployment) -> Release:
    """Installed first, while nodes have no network: its Job uses the host's."""
    return Release(
        name="cilium",
        source=versions.CILIUM,
        values=_values(deployment),
        ready=("daemonset/cilium", "deployment/cilium-operator"),
        bootstrap=True,
    )


def _values(deployment: Deployment) -> dict[str, Any]:
    if isinstance(deployment.system.platform.cluster, K3s):
        return values(deployment.environment.machines)
    return chained(deployment.environment.machines)


def chained(nodes: int) -> dict[str, Any]:
    """Behind AWS' plug-in: its addresses, the VPC's routes, kube-proxy's Services."""
    alone = ("k8sServiceHost", "k8sServicePort", "tunnelProtocol", "k8s", "encryption", "defaultLBServiceIPAM")
    inherited = {key: value for key, value in values(nodes).items() if key not in alone}
    return {
        **inherited,
        "kubeProxyReplacement": False,
        "routingMode": "native",
        "ipam": {"mode": "cluster-pool"},
        "cni": {"chainingMode": "aws-cni", "exclusive": False},
        "enableIPv4Masquerade": False,
        "endpointRoutes": {"enabled": True},
    }


def values(nodes: int) -> dict[str, Any]:
    """``nodes``: the operator's replicas exclude one another, so a single node carries one."""
    return {
        "kubeProxyReplacement": True,
        # K3s' API on every node's loopback: needs neither DNS nor a Service.
        "k8sServiceHost": "127.0.0.1",
        "k8sServicePort": 6444,
        "routingMode": "tunnel",
        "tunnelProtocol": "vxlan",
        "ipam": {"mode": "kubernetes"},
        "k8s": {"requireIPv4PodCIDR": True},
        # Otherwise the agent renames the CNI configuration of Istio's plug-in away.
        "cni": {"exclusive": False},
        # Otherwise a connect() inside a pod already resolves the Service and the sidecar is bypassed.
        "socketLB": {"hostNamespaceOnly": True},
        "bpf": {"masquerade": False},
        "encryption": {"enabled": True, "type": "wireguard"},
        # Address rules may match nodes and the API server too.
        "policyCIDRMatchMode": ["nodes"],
        # Services of type LoadBalancer are K3s' to serve.
        "defaultLBServiceIPAM": "none",
        "operator": {
            "replicas": min(2, nodes),
            "prometheus": {"enabled": True},
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        },
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "envoy": {"enabled": False},
        "hubble": {
            "relay": {
                "enabled": True,
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
            },
            "ui": {"enabled": False},
            # 'helm' would make other certificates at each rendering.
            "tls": {"auto": {"method": "cronJob"}},
        },
        "prometheus": {"enabled": True},
        "rollOutCiliumPods": True,
    }
