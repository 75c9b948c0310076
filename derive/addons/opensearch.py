"""OpenSearch for logs: TLS by the stack's own authority, users of our own, indices dropped after their time.

The image's demo set-up is not used: its certificates' private keys are published, one of them an administrator's.
"""

from __future__ import annotations

import json
from typing import Any, Final

import yaml

from derive import naming, versions
from derive.addons.chart import Release
from derive.shapes import CA_FILE, STACK_CA, Deployment, SecretPlan
from manifests import core
from manifests.base import Manifest, manifest
from model import Environment

NAME: Final = "opensearch"
NAMESPACE: Final = versions.OPENSEARCH.namespace
HOST: Final = naming.fqdn(NAME, NAMESPACE)
PORT: Final = 9200
TRANSPORT_PORT: Final = 9300
CERTIFICATE: Final = "opensearch-tls"
ADMIN: Final = "opensearch-admin"
WRITER: Final = "opensearch-writer"
"""Secret and user of the log shipper."""
KEEPER: Final = "opensearch-keeper"
"""Secret and user of the job that drops old indices."""
RETENTION: Final = "log-retention"
"""That job, and its ServiceAccount."""
HEAP: Final = "1g"
MEMORY: Final = "2Gi"
"""Twice the heap: the other half caches the index files (OpenSearch, important settings)."""
_CERTIFICATES: Final = "/usr/share/opensearch/config/certificates"


def release(deployment: Deployment) -> Release:
    """Not awaited beyond its installation: its pods start when the stack has made their Secrets, which comes later."""
    return Release(
        name=NAME,
        source=versions.OPENSEARCH,
        values=values(
            members(deployment.environment),
            deployment.environment.observability_volume,
            deployment.prefix,
            f"{log_prefix(deployment)}-*",
        ),
        requires=("cilium", "aws-ebs-csi-driver", NAMESPACE),
    )


def log_prefix(deployment: Deployment) -> str:
    """Indices are ``<prefix>-YYYY.MM.DD``."""
    return deployment.system.platform.observability.log_prefix or deployment.system.name


def members(environment: Environment) -> int:
    """Three where there are three zones, so that a majority outlives one; two would be worse than one."""
    return 3 if environment.zones == 3 else 1


def secrets() -> tuple[SecretPlan, ...]:
    names = (HOST, NAME, f"{NAME}.{NAMESPACE}", f"{NAME}.{NAMESPACE}.svc", f"*.{NAME}-headless.{NAMESPACE}.svc")
    users = (
        SecretPlan(name=name, namespace=NAMESPACE, literals={"username": name}, passwords={"password": name})
        for name in (ADMIN, WRITER, KEEPER)
    )
    certificate = SecretPlan(name=CERTIFICATE, namespace=NAMESPACE, certificate=names, passwords={CA_FILE: STACK_CA})
    return (certificate, *users)


def values(members: int, volume: str, cluster: str, indices: str) -> dict[str, Any]:
    """``indices``: the pattern of the log indices, all that the users for them may touch."""
    return {
        "clusterName": cluster,
        "fullnameOverride": NAME,
        "masterService": NAME,
        "singleNode": members == 1,
        "replicas": members,
        "opensearchJavaOpts": f"-Xms{HEAP} -Xmx{HEAP}",
        "resources": {"requests": {"cpu": "200m", "memory": MEMORY}, "limits": {"memory": MEMORY}},
        # No init container that runs as root: K3s' local volumes are open to every user, others obey fsGroup.
        "persistence": {"enabled": True, "size": volume, "enableInitChown": False},
        "podSecurityContext": {
            "fsGroup": 1000,
            "runAsUser": 1000,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 1000,
        },
        # vm.max_map_count is set by the node's boot, not by a privileged container.
        "sysctlInit": {"enabled": False},
        "antiAffinity": "soft",
        "labels": {"sidecar.istio.io/inject": "false"},
        "service": {"type": "ClusterIP"},
        "protocol": "https",
        "config": {"opensearch.yml": yaml.safe_dump(settings(members), sort_keys=False)},
        "secretMounts": [{"name": "certificates", "secretName": CERTIFICATE, "path": _CERTIFICATES}],
        "securityConfig": {
            "enabled": True,
            "config": {
                # Only these two files; the image's own stay for the rest.
                "dataComplete": False,
                "data": {
                    "internal_users.yml": yaml.safe_dump(internal_users(), sort_keys=False),
                    "roles.yml": yaml.safe_dump(roles(indices), sort_keys=False),
                },
            },
        },
        "extraEnvs": [
            {"name": "DISABLE_INSTALL_DEMO_CONFIG", "value": "true"},
            *(
                {"name": _variable(user), "valueFrom": {"secretKeyRef": {"name": user, "key": "password"}}}
                for user in (ADMIN, WRITER, KEEPER)
            ),
        ],
    }


def settings(members: int) -> dict[str, Any]:
    """opensearch.yml. The cluster's name, discovery and heap come from the chart's own variables."""
    layers = {
        f"plugins.security.ssl.{layer}.{key}": f"{_CERTIFICATES}/{file}"
        for layer in ("transport", "http")
        for key, file in (
            ("pemcert_filepath", "tls.crt"),
            ("pemkey_filepath", "tls.key"),
            ("pemtrustedcas_filepath", CA_FILE),
        )
    }
    return {
        "network.host": "0.0.0.0",
        **layers,
        "plugins.security.ssl.http.enabled": True,
        # Members know one another by the certificate's subject, not by the addresses of their pods.
        "plugins.security.ssl.transport.enforce_hostname_verification": False,
        "plugins.security.nodes_dn": [f"CN={HOST}"],
        # The first start writes the users and roles below into the security index.
        "plugins.security.allow_default_init_securityindex": True,
        "plugins.security.restapi.roles_enabled": ["all_access"],
        "action.auto_create_index": True,
        "cluster.default_number_of_replicas": 1 if members > 1 else 0,
    }


def internal_users() -> dict[str, Any]:
    """Users with the hash of a password that each node reads from its environment whenever it loads the users."""
    found: dict[str, Any] = {"_meta": {"type": "internalusers", "config_version": 2}}
    found[ADMIN] = {"hash": _hashed(ADMIN), "reserved": True, "backend_roles": ["admin"]}
    for user in (WRITER, KEEPER):
        found[user] = {"hash": _hashed(user), "reserved": True, "opendistro_security_roles": [user]}
    return found


def roles(indices: str) -> dict[str, Any]:
    """The shipper may write new entries and read nothing; the keeper may list and drop indices and read no entry."""
    return {
        "_meta": {"type": "roles", "config_version": 2},
        WRITER: {
            "reserved": True,
            "cluster_permissions": ["cluster_monitor", "indices:data/write/bulk"],
            "index_permissions": [
                {"index_patterns": [indices], "allowed_actions": ["create_index", "index", "indices:admin/mapping/put"]}
            ],
        },
        KEEPER: {
            "reserved": True,
            "cluster_permissions": ["cluster_monitor", "indices:admin/index_template/put"],
            "index_permissions": [
                {
                    "index_patterns": [indices],
                    "allowed_actions": ["indices_monitor", "indices:admin/delete", "indices:admin/aliases"],
                }
            ],
        },
    }


def _variable(user: str) -> str:
    """The administrator's has the name that the image knows (OpenSearch documentation, "Docker")."""
    if user == ADMIN:
        return "OPENSEARCH_INITIAL_ADMIN_PASSWORD"
    return f"{user.replace('-', '_').upper()}_PASSWORD"


def _hashed(user: str) -> str:
    """The security plugin's notation for the bcrypt hash of an environment variable."""
    return f"${{envbc.{_variable(user)}}}"


def keeper(prefix: str, days: int, members: int) -> Manifest:
    """A CronJob that every hour gives new indices their alias and drops those that are older than ``days``."""
    template = {
        "index_patterns": [f"{prefix}-*"],
        "template": {
            "settings": {"number_of_shards": 1, "number_of_replicas": 1 if members > 1 else 0},
            "aliases": {f"{prefix}-logs": {}},
        },
    }
    container = {
        "name": "keeper",
        "image": versions.CURL_IMAGE,
        "command": ["/bin/sh", "-euc", KEEP],
        "env": [
            {"name": "URL", "value": f"https://{HOST}:{PORT}"},
            {"name": "PREFIX", "value": prefix},
            {"name": "DAYS", "value": str(days)},
            {"name": "TEMPLATE", "value": json.dumps(template)},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": KEEPER, "key": "password"}}},
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "authority", "mountPath": "/etc/opensearch", "readOnly": True}],
    }
    pod = {
        "restartPolicy": "OnFailure",
        "serviceAccountName": RETENTION,
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 100, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [
            {
                "name": "authority",
                "secret": {"secretName": CERTIFICATE, "items": [{"key": CA_FILE, "path": CA_FILE}]},
            }
        ],
    }
    labels = {**KEEPER_LABELS, "sidecar.istio.io/inject": "false"}
    return manifest(
        "batch/v1",
        "CronJob",
        RETENTION,
        NAMESPACE,
        spec={
            "schedule": "17 * * * *",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 3,
                    "activeDeadlineSeconds": 600,
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                }
            },
        },
    )


KEEPER_LABELS: Final = {"app.kubernetes.io/name": RETENTION}
KEEPER_ACCOUNT: Final = core.service_account(RETENTION, NAMESPACE)
KEEP: Final = """\
ask() { curl --fail --silent --show-error --max-time 60 --cacert /etc/opensearch/ca.crt \\
  --user "opensearch-keeper:$PASSWORD" "$@"; }
ask --request PUT --header 'Content-Type: application/json' --data "$TEMPLATE" "$URL/_index_template/$PREFIX"
oldest="$PREFIX-$(date -u -d "@$(( $(date +%s) - DAYS * 86400 ))" +%Y.%m.%d)"
for index in $(ask "$URL/_cat/indices/$PREFIX-*?h=index"); do
  if [ "$(printf '%s\\n' "$index" "$oldest" | sort | head -n 1)" = "$index" ] && [ "$index" != "$oldest" ]; then
    echo "dropping $index, older than $DAYS days"
    ask --request DELETE "$URL/$index"
  fi
done
"""
"""Names end in the date, so their order is the order of the days."""
