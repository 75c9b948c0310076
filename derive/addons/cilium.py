"""Cilium on K3s: pod network, network policies, replacement of kube-proxy, encryption between nodes."""

from __future__ import annotations

from typing import Any

from derive import versions
from derive.addons.chart import Release
from derive.shapes import Deployment


def release(deployment: Deployment) -> Release:
    """Installed first, while nodes have no network: its Job uses the host's."""
    return Release(
        name="cilium",
        source=versions.CILIUM,
        values=values(deployment.environment.machines),
        ready=("daemonset/cilium", "deployment/cilium-operator"),
        bootstrap=True,
    )


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
