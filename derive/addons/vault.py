"""Vault: members with integrated storage, TLS by the stack's authority, and an audit log of every request.

It starts sealed and empty. An operator initialises it once (``vault operator init``) and keeps what it prints outside
of the cluster; then the mounted script turns on the audit log, the secrets and the Kubernetes login, with a policy and
a role for each account that reads or writes.
"""

from __future__ import annotations

from typing import Any, Final

from derive import choices, cloud, naming, quantities, versions
from derive.addons import aws, ebs_csi
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import API_SERVER, Flow, Pods, Rule
from derive.cloud import Allow, Grant
from derive.cluster.placement import placement
from derive.identity import vaulted
from derive.shapes import CA_FILE, STACK_CA, Deployment, SecretPlan
from manifests import core, pods
from manifests.base import Manifest
from model import Vault

NAME: Final = "vault"
KEY: Final = "vault"
"""Symbolic name of the key that unseals it."""
LABELS: Final = naming.VAULT_LABELS
BOOTSTRAP: Final = "vault-bootstrap"
PORT: Final = naming.VAULT_PORT
CLUSTER_PORT: Final = 8201
_TLS: Final = "/vault/tls"


def addition(deployment: Deployment, choice: Vault) -> Addition:
    """Not awaited: its members are not ready before an operator has initialised them."""
    source = housed(versions.VAULT, choice.namespace)
    home = source.namespace
    members = Flow((Pods(LABELS),), (PORT, CLUSTER_PORT))
    unseals = aws.flows(deployment, "kms") if choice.auto_unseal else ()
    return Addition(
        release=Release(
            name=NAME,
            source=source,
            values=values(deployment, choice),
            requires=("cilium", ebs_csi.NAME),
            awaited=False,
        ),
        rules=(Rule(NAME, LABELS, (members,), (API_SERVER, members, *unseals)),),
        before=(bootstrap(deployment, choice),),
        secrets=_certificates(home) if choice.tls else (),
        grants=(Grant(home, NAME, _unsealing()),) if choice.auto_unseal else (),
        measured=(Measured(LABELS, PORT, "/v1/sys/metrics", tls=choice.tls, parameters={"format": ["prometheus"]}),),
    )


def _certificates(home: str) -> tuple[SecretPlan, ...]:
    return (SecretPlan(name=naming.VAULT_TLS, namespace=home, certificate=names(home), passwords={CA_FILE: STACK_CA}),)


def names(namespace: str) -> tuple[str, ...]:
    """As which clients and members know it."""
    services = ("vault", "vault-active", "vault-standby")
    own = [f"{name}.{namespace}{suffix}" for name in services for suffix in (".svc.cluster.local", ".svc", "")]
    members = ("*.vault-internal", f"*.vault-internal.{namespace}.svc.cluster.local")
    return (*own, *services, *members)


def _unsealing() -> tuple[Allow, ...]:
    return (Allow(("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"), (cloud.key_arn(KEY),)),)


def values(deployment: Deployment, choice: Vault) -> dict[str, Any]:
    place = placement(deployment.system.platform, choice.pool)
    home = housed(versions.VAULT, choice.namespace).namespace
    storage = choices.storage_class(deployment)
    volume = {"enabled": True, "size": choice.volume, **({"storageClass": storage} if storage else {})}
    mounts = (("tls", _TLS, {"secret": {"secretName": naming.VAULT_TLS}}),) if choice.tls else ()
    scripts = (("bootstrap", "/vault/bootstrap", {"configMap": {"name": BOOTSTRAP}}),)
    return {
        "fullnameOverride": NAME,
        "global": {"tlsDisable": not choice.tls},
        # Secrets reach pods as Secrets, by External Secrets; nothing is injected.
        "injector": {"enabled": False},
        "server": {
            "resources": resources("100m", "256Mi", "512Mi"),
            # It asks the API server whose token it is that somebody signs in with.
            "authDelegator": {"enabled": True},
            "serviceAccount": {"name": NAME, "annotations": aws.identity(deployment, home, NAME)},
            "extraEnvironmentVars": {"VAULT_CACERT": f"{_TLS}/{CA_FILE}"} if choice.tls else {},
            "extraLabels": OUTSIDE_MESH,
            "volumes": [{"name": name, **volume} for name, _, volume in (*mounts, *scripts)],
            "volumeMounts": [{"name": name, "mountPath": path, "readOnly": True} for name, path, _ in mounts + scripts],
            "dataStorage": volume,
            "auditStorage": volume,
            "affinity": {},
            "topologySpreadConstraints": pods.spread(LABELS),
            "statefulSet": {
                "securityContext": {
                    "pod": {
                        "runAsNonRoot": True,
                        "runAsUser": 100,
                        "runAsGroup": 1000,
                        "fsGroup": 1000,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "container": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            },
            "standalone": {"enabled": False},
            "ha": {
                "enabled": True,
                "replicas": choice.members,
                "raft": {"enabled": True, "setNodeId": True, "config": configuration(deployment, choice)},
                "disruptionBudget": {"enabled": choice.members > 1, "maxUnavailable": 1},
            },
            **place,
        },
    }


def configuration(deployment: Deployment, choice: Vault) -> str:
    """vault.hcl. Every member tries every other: whichever is there lets it join."""
    scheme = "https" if choice.tls else "http"
    authority = f'    leader_ca_cert_file = "{_TLS}/{CA_FILE}"\n' if choice.tls else ""
    joins = "".join(
        f"""  retry_join {{
    leader_api_addr = "{scheme}://vault-{index}.vault-internal:{PORT}"
{authority}  }}
"""
        for index in range(choice.members)
    )
    seal = ""
    if choice.auto_unseal:
        seal = f"""seal "awskms" {{
  region = "{deployment.facts.region}"
  kms_key_id = "{cloud.key_arn(KEY)}"
}}
"""
    served = "  tls_disable = true\n"
    if choice.tls:
        served = f"""  tls_cert_file = "{_TLS}/tls.crt"
  tls_key_file = "{_TLS}/tls.key"
  tls_min_version = "tls12"
"""
    return f"""ui = true
disable_mlock = true
listener "tcp" {{
  address = "[::]:{PORT}"
  cluster_address = "[::]:{CLUSTER_PORT}"
{served}  telemetry {{
    unauthenticated_metrics_access = true
  }}
}}
storage "raft" {{
  path = "/vault/data"
{joins}}}
{seal}telemetry {{
  prometheus_retention_time = "1m"
  disable_hostname = true
}}
service_registration "kubernetes" {{}}
"""


def bootstrap(deployment: Deployment, choice: Vault) -> Manifest:
    """The script that prepares an initialised Vault. It may be run again: what is there stays."""
    namespace = housed(versions.VAULT, choice.namespace).namespace
    scheme = "https" if choice.tls else "http"
    granted = "".join(_grant(role, choice) for role in vaulted.roles(deployment))
    by_hand = "".join(
        f"#   vault kv put {path} {' '.join(f'{key}=...' for key in keys)}   # what others issued\n"
        for path, keys in vaulted.by_hand(deployment).items()
    )
    kept = f"~/.{deployment.system.name}/vault-credentials.txt"
    text = f"""#!/bin/sh
# kubectl -n {namespace} exec -it vault-0 -- sh
#   export VAULT_ADDR={scheme}://$(hostname).vault-internal:{PORT}
#   vault operator init        # once; keep what it prints, on a disk of your own: {kept}
#   vault operator unseal      # without auto-unseal only: three times, on every member
#   vault login                # with the first token; revoke it when this is done
#   sh /vault/bootstrap/bootstrap.sh
{by_hand}set -eu
export VAULT_ADDR="{scheme}://$(hostname).vault-internal:{PORT}"
vault token lookup >/dev/null
vault audit list 2>/dev/null | grep -q '^file/' || vault audit enable file file_path=/vault/audit/audit.log
vault secrets list | grep -q '^{vaulted.ENGINE}/' || vault secrets enable -path={vaulted.ENGINE} -version=2 kv
vault auth list | grep -q '^kubernetes/' || vault auth enable kubernetes
vault write auth/kubernetes/config kubernetes_host=https://kubernetes.default.svc:443
{granted}"""
    return core.config_map(BOOTSTRAP, namespace, {"bootstrap.sh": text})


def _grant(role: vaulted.Role, choice: Vault) -> str:
    """A policy, and the account that gets it when it signs in."""
    paths = "".join(
        f"""path "{path}" {{
  capabilities = [{", ".join(f'"{capability}"' for capability in capabilities)}]
}}
"""
        for path, capabilities in role.paths
    )
    return f"""vault policy write {role.name} - <<'POLICY'
{paths}POLICY
vault write auth/kubernetes/role/{role.name} bound_service_account_names={role.account} \\
  bound_service_account_namespaces={role.namespace} token_policies={role.name} \\
  token_ttl={quantities.duration(choice.token_ttl)}
"""
