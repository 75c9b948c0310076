"""Grafana Alloy on every node: reads the containers' logs and sends them to Loki, with the names of their pods."""

from __future__ import annotations

from typing import Any, Final

from derive import naming, versions
from derive.addons.chart import Addition, Measured, Release, resources
from derive.shapes import Deployment
from model import Alloy

NAME: Final = "alloy"
LABELS: Final = {naming.APP: NAME}
STATE: Final = "/var/lib/alloy"
"""Directory on the host with the offsets: a restart neither loses nor repeats lines."""
PORT: Final = 12345


def addition(deployment: Deployment, choice: Alloy) -> Addition:
    """It reads the host, which most namespaces' pod security forbids: it stands with the other host agents."""
    return Addition(
        release=Release(
            name=NAME,
            source=versions.ALLOY,
            values=values(deployment),
            requires=("cilium", "loki"),
            ready=(f"daemonset/{NAME}",),
        ),
        measured=(Measured(LABELS, PORT),),
    )


def values(deployment: Deployment) -> dict[str, Any]:
    loki = naming.fqdn("loki", deployment.system.platform.observability.namespace)
    read = {"verbs": ["get", "list", "watch"], "apiGroups": [""]}
    return {
        "fullnameOverride": NAME,
        "crds": {"create": False},
        "alloy": {
            "configMap": {"content": configuration(f"http://{loki}:{naming.LOKI_PORT}", deployment.prefix)},
            "enableReporting": False,
            "storagePath": STATE,
            "mounts": {"varlog": True, "extra": [{"name": "state", "mountPath": STATE}]},
            "resources": resources("25m", "128Mi", "384Mi"),
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                # Container logs belong to root and nobody else may read them: root, but with no other power.
                "runAsUser": 0,
                "capabilities": {"drop": ["ALL"]},
            },
        },
        "rbac": {
            "rules": [{**read, "resources": ["pods"]}],
            "clusterRules": [{**read, "resources": ["namespaces"]}],
        },
        "configReloader": {"resources": resources("5m", "24Mi", "64Mi")},
        "controller": {
            "type": "daemonset",
            # Every node has logs, servers too.
            "tolerations": [{"operator": "Exists"}],
            "volumes": {"extra": [{"name": "state", "hostPath": {"path": STATE, "type": "DirectoryOrCreate"}}]},
        },
        "service": {"enabled": False},
    }


def configuration(loki: str, cluster: str) -> str:
    """The pods of the own node; the kubelet names each log's directory after its pod's uid and its container. Pods of
    charts say what they are by another label; an empty one would take away what that has given."""
    labels = (
        ("namespace", "namespace"),
        ("pod_name", "pod"),
        ("pod_container_name", "container"),
        ("pod_label_app_kubernetes_io_name", "app"),
        ("pod_label_app", "app"),
        ("pod_node_name", "node"),
    )
    rules = "".join(
        f"""  rule {{
    source_labels = ["__meta_kubernetes_{source}"]
    regex         = "(.+)"
    target_label  = "{label}"
  }}
"""
        for source, label in labels
    )
    return f"""discovery.kubernetes "pods" {{
  role = "pod"
  selectors {{
    role  = "pod"
    field = "spec.nodeName=" + sys.env("HOSTNAME")
  }}
}}

discovery.relabel "pods" {{
  targets = discovery.kubernetes.pods.targets
{rules}  rule {{
    source_labels = ["__meta_kubernetes_pod_uid", "__meta_kubernetes_pod_container_name"]
    separator     = "/"
    replacement   = "/var/log/pods/*$1/*.log"
    target_label  = "__path__"
  }}
}}

local.file_match "pods" {{
  path_targets = discovery.relabel.pods.output
}}

loki.source.file "pods" {{
  targets    = local.file_match.pods.targets
  forward_to = [loki.process.pods.receiver]
}}

loki.process "pods" {{
  stage.cri {{}}
  forward_to = [loki.write.loki.receiver]
}}

loki.write "loki" {{
  endpoint {{
    url = "{loki}/loki/api/v1/push"
  }}
  external_labels = {{ cluster = "{cluster}" }}
}}
"""
