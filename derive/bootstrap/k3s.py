"""K3s nodes: the configuration of servers and agents, their user data, and the secrets they fetch at boot.

Where each part travels:

* user data: everything that is not secret, `config.yaml` included. Changing it replaces the machine.
* the server's secret (`server_secret`): tokens, the cluster's CA files, the program that restores etcd, and the
  bootstrap manifests (the CNI as a `HelmChart` with `bootstrap: true`). Manifests travel there because 16 KB of user
  data cannot hold them, the secret's 64 KB can, and one fetch serves both. Every server gets the same files, as K3s
  does not synchronise that directory. They matter for the first start only: later changes of those charts go through
  the API.
* the agent's secret (`agent_secret`): the join token alone, which cannot start or join a control plane.

K3s is installed as its release binary with a checksum rather than by the installation script: one HTTPS download on
port 443 (or an object of an own bucket), no SELinux package from another host, and the unit is ours to read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from derive.bootstrap import k3s_policies, ubuntu
from derive.bootstrap.machine import (
    SECRET_LIMIT,
    TIME,
    MachineFile,
    bundle_json,
    cloud_config,
    first_boot_unit,
    program,
    require,
    settings_file,
)
from derive.yaml_text import yaml_text

CONFIG = "/etc/rancher/k3s"
SERVER = "/var/lib/rancher/k3s/server"
RESTORE = f"{CONFIG}/restore"
"""The program that brings etcd's state back; with the secrets, for user data have no room for it."""

CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane:NoSchedule"
CILIUM_NOT_READY = "node.cilium.io/agent-not-ready=true:NoExecute"
"""Cilium removes it once its agent runs on the node (Cilium documentation, "Considerations on node pool taints")."""
ISTIO_CNI_NOT_READY = "cni.istio.io/not-ready:NoSchedule"
"""istiod removes it; only for autoscaled agents, since nothing else may run on the first nodes before istiod does."""

TLS_FILES = frozenset(
    f"{name}.{end}"
    for name in ("server-ca", "client-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca")
    for end in ("crt", "key")
) | {"service.key"}
"""CA files below `server/tls` that K3s takes instead of making its own (K3s documentation, "k3s certificate")."""

CREDENTIALS = "/opt/wheelhouse/credentials"
"""Folder of the kubelet's plug-ins for registries; nothing else may be in it."""
PRIVATE_IMAGES: Final[Mapping[str, Any]] = {
    "apiVersion": "kubelet.config.k8s.io/v1",
    "kind": "CredentialProviderConfig",
    "providers": [
        {
            "name": "ecr-credentials",
            "matchImages": ["*.dkr.ecr.*.amazonaws.com"],
            "defaultCacheDuration": "6h",
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        }
    ],
}

SYSCTL = {
    "vm.panic_on_oom": 0,
    "vm.overcommit_memory": 1,
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "vm.max_map_count": 262144,
    "fs.inotify.max_user_instances": 8192,
    "fs.inotify.max_user_watches": 524288,
}
"""The first four: the kubelet exits without them (`protect-kernel-defaults`). max_map_count: OpenSearch's minimum."""

NEEDS_VOLUME = MachineFile(
    "/etc/systemd/system/k3s.service.d/volume.conf", "[Unit]\nRequiresMountsFor=/var/lib/rancher /var/lib/kubelet\n"
)
"""Without it, a boot that finds no volume would start another, empty cluster on the root disk."""

_VERSION = re.compile(r"v1\.\d+\.\d+\+k3s\d+")
_CLUSTER = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]")
_TOKEN = re.compile(r"[A-Za-z0-9]{16,}")


@dataclass(frozen=True)
class ArtifactSource:
    """Where the binary comes from: `<base_url>/<version>/k3s[-arm64]`, over https:// or from s3://.

    Without `sha256` the release's own checksum file at the same place is used: it detects damage, not replacement.
    """

    base_url: str = "https://github.com/k3s-io/k3s/releases/download"
    sha256: str = ""

    def __post_init__(self) -> None:
        require(
            self.base_url.startswith(("https://", "s3://")),
            f"artifact source {self.base_url!r}: only https:// and s3:// leave the nodes on port 443",
        )
        require(
            re.fullmatch(r"([0-9a-f]{64})?", self.sha256) is not None,
            f"artifact sha256 {self.sha256!r}: 64 lower case hexadecimal digits, or empty",
        )


@dataclass(frozen=True)
class K3sNode:
    """One server, or the common shape of a group of agents. Values without a default have no safe one."""

    cluster: str
    role: Literal["server", "agent"]
    region: str
    version: str
    secret_arn: str
    marker_parameter: str
    """SSM parameter that records the cluster's first start; it must not exist beforehand, and outlives the machines."""
    index: int = 0
    """Servers: 0 may initialise the cluster, the others join. Agents: 0."""
    cluster_cidr: str = "10.42.0.0/16"
    service_cidr: str = "10.43.0.0/16"
    api_host: str = ""
    """Name in front of all servers; empty: `api.<cluster>.internal`."""
    tls_sans: tuple[str, ...] = ()
    snapshot_bucket: str = ""
    """S3 bucket of etcd snapshots every six hours; empty: snapshots stay on the servers' disks."""
    kube_proxy_replacement: bool = True
    """True exactly if the CNI replaces kube-proxy (Cilium `kubeProxyReplacement: true`)."""
    own_network: bool = False
    """True keeps K3s' own pod network (flannel over VXLAN) and its controller of network policies."""
    kube_proxy_args: tuple[str, ...] = ()
    """Absent: kube-proxy's defaults, if it runs at all."""
    kernel_modules: tuple[str, ...] = ()
    """To be loaded before K3s starts, beside those that every node needs."""
    traefik: bool = False
    """True keeps the packaged Traefik."""
    private_images: bool = False
    """True: the kubelet pulls from ECR with a password of the machine's role."""
    packaged: bool = False
    """True where the machine installs Debian packages (Ubuntu): the AWS CLI is no part of its image, and security
    updates are its own business."""
    volume: str = ""
    """Servers: id of the EBS volume that holds K3s' state and outlives the machine. Empty: the root disk."""
    node_name: str = ""
    """A name that stays when the machine is replaced: local volumes are bound to it. Empty: the machine's own."""
    public_address: str = ""
    """Servers: the address that stays, at which administrators reach the API. Empty: there is none."""
    local_storage: bool = False
    """True keeps K3s' `local-path` storage class; False when another driver provides the default class."""
    service_load_balancer: bool = False
    """True keeps K3s' service load balancer: a Service of type LoadBalancer answers on every node's own ports."""
    disable: tuple[str, ...] = ()
    """Packaged components to leave out beside those above that are not kept."""
    aws_cloud_provider: bool = True
    """True: the AWS cloud controller manager initialises nodes. False: K3s' own does."""
    dedicated_servers: bool = True
    """True keeps workloads off the servers; False for a cluster without agents."""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    autoscaled: bool = False
    startup_taints: tuple[str, ...] = ()
    """Taints that an agent on the node removes again; for autoscaled agents only."""
    pod_security: Literal["privileged", "baseline", "restricted"] = "restricted"
    exempt_namespaces: tuple[str, ...] = k3s_policies.EXEMPT_NAMESPACES
    artifacts: ArtifactSource = ArtifactSource()

    def __post_init__(self) -> None:
        where = f"K3s {self.role} {self.index} of {self.cluster!r}"
        require(_CLUSTER.fullmatch(self.cluster) is not None, f"{where}: cluster name must be a DNS label")
        require(
            _VERSION.fullmatch(self.version) is not None,
            f"{where}: version {self.version!r} must be pinned like 'v1.36.2+k3s1'",
        )
        require(self.index >= 0, f"{where}: index must not be negative")
        require(self.role == "agent" or not self.autoscaled, f"{where}: servers are never autoscaled (etcd members)")
        require(
            self.autoscaled or not self.startup_taints,
            f"{where}: startup taints are for autoscaled agents; on the first nodes they keep out what removes them",
        )
        require(
            not (self.local_storage and "local-storage" in self.disable),
            f"{where}: local_storage is on, but 'local-storage' is disabled; drop one of them",
        )
        require(
            not self.volume or bool(self.node_name),
            f"{where}: what is on volume {self.volume} is bound to the node's name; give it one that stays",
        )
        object.__setattr__(self, "api_host", self.api_host or f"api.{self.cluster}.internal")
        object.__setattr__(self, "labels", dict(self.labels))


def _kubelet_args(node: K3sNode) -> list[str]:
    cloud = ["cloud-provider=external"] if node.aws_cloud_provider else []
    return [*cloud, "streaming-connection-idle-timeout=5m"]


def _common_config(node: K3sNode) -> dict[str, Any]:
    config: dict[str, Any] = {"token-file": f"{CONFIG}/token", "kubelet-arg": _kubelet_args(node)}
    if node.labels:
        config["node-label"] = [f"{key}={value}" for key, value in sorted(node.labels.items())]
    taints = [*node.taints, *node.startup_taints]
    if node.role == "server" and node.dedicated_servers:
        taints.insert(0, CONTROL_PLANE_TAINT)
    if taints:
        config["node-taint"] = taints
    if node.kube_proxy_args:
        config["kube-proxy-arg"] = list(node.kube_proxy_args)
    if node.private_images:
        config["image-credential-provider-bin-dir"] = CREDENTIALS
        config["image-credential-provider-config"] = f"{CONFIG}/credential-provider.yaml"
    return {**config, "protect-kernel-defaults": True}


def server_config(node: K3sNode) -> dict[str, Any]:
    """`/etc/rancher/k3s/config.yaml` of a server, the same on all of them.

    Drop-ins written at boot add what differs: node name, provider id, and `cluster-init` or `server`.
    """
    local_storage = () if node.local_storage else ("local-storage",)
    load_balancer = () if node.service_load_balancer else ("servicelb",)
    traefik = () if node.traefik else ("traefik",)
    config = {
        **_common_config(node),
        "agent-token-file": f"{CONFIG}/agent-token",
        "tls-san": [node.api_host, *([node.public_address] if node.public_address else []), *node.tls_sans],
        **({} if node.own_network else {"flannel-backend": "none", "disable-network-policy": True}),
        "disable": list(dict.fromkeys((*traefik, *load_balancer, *local_storage, *node.disable))),
        "cluster-cidr": node.cluster_cidr,
        "service-cidr": node.service_cidr,
        "write-kubeconfig-mode": "0600",
        "secrets-encryption": True,
        "secrets-encryption-provider": "secretbox",
        "etcd-expose-metrics": True,
        "etcd-snapshot-schedule-cron": "0 */6 * * *",
        "etcd-snapshot-retention": 28,
        "kube-apiserver-arg": [
            "enable-admission-plugins=NodeRestriction,EventRateLimit",
            f"admission-control-config-file={SERVER}/psa.yaml",
            f"audit-policy-file={SERVER}/audit.yaml",
            f"audit-log-path={SERVER}/logs/audit.log",
            "audit-log-maxage=30",
            "audit-log-maxbackup=10",
            "audit-log-maxsize=100",
        ],
        "kube-controller-manager-arg": ["terminated-pod-gc-threshold=100"],
    }
    if node.kube_proxy_replacement:
        config["disable-kube-proxy"] = True
    if node.aws_cloud_provider:
        config["disable-cloud-controller"] = True
    if node.snapshot_bucket:
        config |= {
            "etcd-s3": True,
            "etcd-s3-bucket": node.snapshot_bucket,
            "etcd-s3-folder": node.cluster,
            "etcd-s3-region": node.region,
        }
    return config


def agent_config(node: K3sNode) -> dict[str, Any]:
    """`/etc/rancher/k3s/config.yaml` of an agent; the drop-in written at boot adds node name and provider id."""
    return {"server": f"https://{node.api_host}:6443", **_common_config(node)}


def _unit(node: K3sNode) -> MachineFile:
    """K3s' own unit (install.sh of the release), the same name on servers and agents."""
    modules = "".join(
        f"ExecStartPre=-/sbin/modprobe {module}\n" for module in ("br_netfilter", "overlay", *node.kernel_modules)
    )
    text = f"""[Unit]
Description=Lightweight Kubernetes ({node.role})
Wants=network-online.target
After=network-online.target

[Service]
Type={"notify" if node.role == "server" else "exec"}
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
{modules}ExecStart=/usr/local/bin/k3s {node.role}

[Install]
WantedBy=multi-user.target
"""
    return MachineFile("/etc/systemd/system/k3s.service", text)


def machine_files(node: K3sNode) -> tuple[MachineFile, ...]:
    """Everything that the user data writes, without secrets."""
    config = server_config(node) if node.role == "server" else agent_config(node)
    settings = {
        "CLUSTER": node.cluster,
        "ROLE": node.role,
        "INDEX": str(node.index),
        "REGION": node.region,
        "API_HOST": node.api_host,
        "SECRET_ARN": node.secret_arn,
        "MARKER": node.marker_parameter,
        "INSTALL_K3S_VERSION": node.version,
        "ARTIFACT_URL": _artifact_url(node),
        "ARTIFACT_SHA256": node.artifacts.sha256,
        **(ubuntu.ENVIRONMENT if node.packaged else {}),
        **({"VOLUME": node.volume} if node.volume else {}),
        **({"NODE_NAME": node.node_name} if node.node_name else {}),
    }
    files = [
        settings_file(settings),
        program("k3s-first-boot"),
        program("lay-out-bundle"),
        MachineFile(f"{CONFIG}/config.yaml", yaml_text(config), mode="0600"),
        MachineFile("/etc/sysctl.d/90-k3s.conf", "".join(f"{key} = {value}\n" for key, value in SYSCTL.items())),
        # systemd-networkd would remove the CNI's rules and routes (Cilium documentation, "System requirements").
        MachineFile(
            "/etc/systemd/networkd.conf.d/10-cni.conf",
            "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
        ),
        _unit(node),
        first_boot_unit("/opt/wheelhouse/k3s-first-boot"),
    ]
    if node.role == "server":
        files.append(program("k3s-join-mode"))
    if node.role == "server" and not node.volume:
        files += k3s_policies.files(SERVER, node.pod_security, node.exempt_namespaces)
    if node.volume:
        files += [program("format-if-blank"), program("k3s-volume"), NEEDS_VOLUME]
    if node.private_images:
        files.append(program("ecr-credentials", path=f"{CREDENTIALS}/ecr-credentials"))
        files.append(MachineFile(f"{CONFIG}/credential-provider.yaml", yaml_text(dict(PRIVATE_IMAGES)), mode="0600"))
    # Ubuntu's chrony has another folder; its images for EC2 name the same source by themselves.
    files.append(ubuntu.UPDATES if node.packaged else TIME)
    return tuple(files)


def _artifact_url(node: K3sNode) -> str:
    base = node.artifacts.base_url.rstrip("/")
    return f"{base}/{node.version if base.startswith('s3://') else quote(node.version, safe='')}"


def user_data(node: K3sNode) -> str:
    """The node's cloud-config: below 16 KB, no secret in it."""
    name = f"K3s {node.role} {node.index} of {node.cluster}"
    return cloud_config(name, machine_files(node), ubuntu.CLOUD_CONFIG if node.packaged else {})


def ca_hash(server_ca: str) -> str:
    """The hash in K3s' secure token: of the file for one certificate, of the root's DER for a bundle.

    (k3s-io/k3s: pkg/clientaccess/token.go, hashCA.)
    """
    certificates = x509.load_pem_x509_certificates(server_ca.encode())
    if len(certificates) == 1:
        return hashlib.sha256(server_ca.encode()).hexdigest()
    roots = [certificate for certificate in certificates[1:] if certificate.subject == certificate.issuer]
    require(len(roots) == 1, f"server-ca.crt: {len(roots)} roots in the bundle; append exactly one self-signed root")
    return hashlib.sha256(roots[0].public_bytes(Encoding.DER)).hexdigest()


def _token(user: str, server_ca: str, password: str) -> str:
    require(_TOKEN.fullmatch(password) is not None, f"{user} token: at least 16 letters and digits, nothing else")
    return f"K10{ca_hash(server_ca)}::{user}:{password}"


def _secret(name: str, files: list[MachineFile]) -> str:
    text = bundle_json(files)
    size = len(text.encode())
    require(
        size <= SECRET_LIMIT,
        f"{name} secret has {size} bytes, the limit is {SECRET_LIMIT}: deliver large manifests through the API",
    )
    return text


def server_secret(
    tls: Mapping[str, str],
    server_password: str,
    agent_password: str,
    manifests: Mapping[str, str],
    more: Iterable[MachineFile] = (),
) -> str:
    """The servers' secret value. `tls`: `TLS_FILES` -> PEM. `manifests`: file name -> YAML, applied at first start.
    `more`: what is no secret, but cannot be written before the volume is mounted."""
    missing, unknown = TLS_FILES - tls.keys(), tls.keys() - TLS_FILES
    require(not missing and not unknown, f"server TLS files: missing {sorted(missing)}, unknown {sorted(unknown)}")
    bad = [name for name in manifests if re.fullmatch(r"[a-z0-9][a-z0-9.-]*\.ya?ml", name) is None]
    require(not bad, f"manifests {bad}: names must be like 'cilium.yaml'")
    require(_TOKEN.fullmatch(agent_password) is not None, "agent token: at least 16 letters and digits, nothing else")
    require(agent_password != server_password, "agent token: it must differ from the server token")
    files = [
        MachineFile(f"{CONFIG}/token", _token("server", tls["server-ca.crt"], server_password), mode="0600"),
        MachineFile(f"{CONFIG}/agent-token", agent_password, mode="0600"),
        program("k3s-restore", path=RESTORE),
        *(MachineFile(f"{SERVER}/tls/{name}", pem, mode="0600") for name, pem in tls.items()),
        *(MachineFile(f"{SERVER}/manifests/{name}", text, mode="0600") for name, text in manifests.items()),
        *more,
    ]
    return _secret("K3s server", files)


def agent_secret(server_ca: str, agent_password: str) -> str:
    """The agents' secret value: the token with which a node joins, pinned to the cluster's CA."""
    token = _token("node", server_ca, agent_password)
    return _secret("K3s agent", [MachineFile(f"{CONFIG}/token", token, mode="0600")])
