"""K3s nodes: exact configuration, no secret in user data, refused declarations."""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from derive.bootstrap import k3s
from derive.bootstrap.machine import SECRET_LIMIT, USER_DATA_LIMIT, BootstrapError

SERVER = k3s.K3sNode(
    cluster="fitsync-prod",
    role="server",
    region="eu-central-1",
    version="v1.36.2+k3s1",
    secret_arn="arn:aws:secretsmanager:eu-central-1:123456789012:secret:k3s-AbCdEf",
    marker_parameter="/fitsync/prod/k3s/initialised",
    snapshot_bucket="fitsync-prod-snapshots",
    local_storage=True,
)
AGENT = replace(SERVER, role="agent")
PASSWORDS = {"server_password": "S" * 32, "agent_password": "A" * 32}


def authority(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer))
    builder = x509.CertificateBuilder(by, subject, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


KEY = ec.generate_private_key(ec.SECP256R1())
ROOT, LEAF = authority("root", "root", KEY), authority("server-ca", "root", KEY)
BUNDLE = "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in (LEAF, ROOT))
TLS = {**{name: f"PEM of {name}" for name in k3s.TLS_FILES}, "server-ca.crt": BUNDLE}


def test_the_servers_configuration_is_exactly_this() -> None:
    assert k3s.server_config(SERVER) == {
        "token-file": "/etc/rancher/k3s/token",
        "agent-token-file": "/etc/rancher/k3s/agent-token",
        "tls-san": ["api.fitsync-prod.internal"],
        "flannel-backend": "none",
        "disable-network-policy": True,
        "disable-kube-proxy": True,
        "disable": ["traefik", "servicelb"],
        "disable-cloud-controller": True,
        "kubelet-arg": ["cloud-provider=external", "streaming-connection-idle-timeout=5m"],
        "cluster-cidr": "10.42.0.0/16",
        "service-cidr": "10.43.0.0/16",
        "node-taint": ["node-role.kubernetes.io/control-plane:NoSchedule"],
        "write-kubeconfig-mode": "0600",
        "secrets-encryption": True,
        "secrets-encryption-provider": "secretbox",
        "protect-kernel-defaults": True,
        "etcd-expose-metrics": True,
        "etcd-s3": True,
        "etcd-s3-bucket": "fitsync-prod-snapshots",
        "etcd-s3-folder": "fitsync-prod",
        "etcd-s3-region": "eu-central-1",
        "etcd-snapshot-schedule-cron": "0 */6 * * *",
        "etcd-snapshot-retention": 28,
        "kube-apiserver-arg": [
            "enable-admission-plugins=NodeRestriction,EventRateLimit",
            "admission-control-config-file=/var/lib/rancher/k3s/server/psa.yaml",
            "audit-policy-file=/var/lib/rancher/k3s/server/audit.yaml",
            "audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log",
            "audit-log-maxage=30",
            "audit-log-maxbackup=10",
            "audit-log-maxsize=100",
        ],
        "kube-controller-manager-arg": ["terminated-pod-gc-threshold=100"],
    }


def test_an_agents_configuration_is_exactly_this() -> None:
    agent = replace(
        AGENT, autoscaled=True, labels={"zone": "b", "pool": "apps"}, taints=("dedicated=x:NoSchedule",),
        startup_taints=(k3s.CILIUM_NOT_READY,),
    )  # fmt: skip
    assert k3s.agent_config(agent) == {
        "server": "https://api.fitsync-prod.internal:6443",
        "token-file": "/etc/rancher/k3s/token",
        "kubelet-arg": ["cloud-provider=external", "streaming-connection-idle-timeout=5m"],
        "node-label": ["pool=apps", "zone=b"],
        "node-taint": ["dedicated=x:NoSchedule", "node.cilium.io/agent-not-ready=true:NoExecute"],
        "protect-kernel-defaults": True,
    }


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"kube_proxy_replacement": False}, "disable-kube-proxy", None),
        ({"own_network": True}, "flannel-backend", None),
        ({"kube_proxy_args": ("proxy-mode=ipvs",)}, "kube-proxy-arg", ["proxy-mode=ipvs"]),
        ({"local_storage": False}, "disable", ["traefik", "servicelb", "local-storage"]),
        ({"disable": ("metrics-server", "traefik")}, "disable", ["traefik", "servicelb", "metrics-server"]),
        ({"aws_cloud_provider": False}, "disable-cloud-controller", None),
        ({"aws_cloud_provider": False}, "kubelet-arg", ["streaming-connection-idle-timeout=5m"]),
        ({"snapshot_bucket": ""}, "etcd-s3", None),
        ({"dedicated_servers": False}, "node-taint", None),
        ({"api_host": "k8s.example.org"}, "tls-san", ["k8s.example.org"]),
        ({"tls_sans": ("10.3.2.10",)}, "tls-san", ["api.fitsync-prod.internal", "10.3.2.10"]),
    ],
)
def test_each_choice_changes_its_own_key(changes: dict[str, Any], key: str, value: object) -> None:
    changed, before = k3s.server_config(replace(SERVER, **changes)), k3s.server_config(SERVER)
    assert changed.get(key) == value
    related = {"etcd-s3", "etcd-s3-bucket", "etcd-s3-folder", "etcd-s3-region"} if key == "etcd-s3" else {key}
    if changes.get("own_network"):
        related = {"flannel-backend", "disable-network-policy"}
    if not changes.get("aws_cloud_provider", True):
        related = {"disable-cloud-controller", "kubelet-arg"}
    assert {k: v for k, v in changed.items() if k not in related} == {
        k: v for k, v in before.items() if k not in related
    }


@pytest.mark.parametrize("index", [0, 1, 2])
def test_all_servers_share_what_k3s_requires_to_be_equal(index: int) -> None:
    assert k3s.server_config(replace(SERVER, index=index)) == k3s.server_config(SERVER)


def documents(node: k3s.K3sNode) -> dict[str, str]:
    parsed = yaml.safe_load(k3s.user_data(node))
    return {file["path"]: file["content"] for file in parsed["write_files"]}


@pytest.mark.parametrize("node", [SERVER, AGENT], ids=["server", "agent"])
def test_user_data_fits_and_carries_no_secret(node: k3s.K3sNode) -> None:
    text = k3s.user_data(node)
    assert text.startswith("#cloud-config\n")
    assert len(text.encode()) < USER_DATA_LIMIT
    for secret in ("PRIVATE KEY", "K10", "BEGIN CERTIFICATE"):
        assert secret not in text
    files = documents(node)
    assert "/etc/rancher/k3s/token" not in files
    assert yaml.safe_load(files["/etc/rancher/k3s/config.yaml"]) == (
        k3s.server_config(node) if node.role == "server" else k3s.agent_config(node)
    )


@pytest.mark.parametrize("node", [SERVER, AGENT], ids=["server", "agent"])
def test_time_comes_from_the_machine_s_own_network(node: k3s.K3sNode) -> None:
    """The way out is 443 only: a pool of the Internet would never answer, and certificates need the time."""
    assert documents(node)["/etc/chrony.d/link-local.sources"].startswith("server 169.254.169.123 ")


@pytest.mark.parametrize("node", [SERVER, AGENT], ids=["server", "agent"])
def test_the_kubelet_knows_how_to_ask_a_registry_of_the_account(node: k3s.K3sNode) -> None:
    """A plug-in that the kubelet is not told of, or that is not where it looks, is never called."""
    assert not [path for path in documents(node) if "credential" in path]
    files = documents(replace(node, private_images=True))
    config = yaml.safe_load(files["/etc/rancher/k3s/config.yaml"])
    (provider,) = yaml.safe_load(files[config["image-credential-provider-config"]])["providers"]
    assert f"{config['image-credential-provider-bin-dir']}/{provider['name']}" in files
    assert provider["matchImages"] == ["*.dkr.ecr.*.amazonaws.com"]


def test_boot_uses_only_https_and_session_tokens_for_metadata() -> None:
    files = documents(SERVER)
    script = files["/opt/wheelhouse/k3s-first-boot"]
    assert "X-aws-ec2-metadata-token-ttl-seconds" in script
    plain = {word for text in files.values() for word in text.split() if "http://" in word}
    hosts = {word.split("http://")[1].split("/")[0] for word in plain}
    assert hosts == {"169.254.169.254", "127.0.0.1:10248"}


def test_the_pinned_release_is_addressed_with_its_plus_sign_encoded() -> None:
    settings = documents(SERVER)["/etc/wheelhouse/host.env"]
    assert "ARTIFACT_URL=https://github.com/k3s-io/k3s/releases/download/v1.36.2%2Bk3s1\n" in settings
    own = replace(SERVER, artifacts=k3s.ArtifactSource("s3://mirror/k3s", "0" * 64))
    assert "ARTIFACT_URL=s3://mirror/k3s/v1.36.2+k3s1\n" in documents(own)["/etc/wheelhouse/host.env"]


def test_kernel_settings_are_those_the_kubelet_insists_on() -> None:
    lines = documents(AGENT)["/etc/sysctl.d/90-k3s.conf"].splitlines()
    required = {"vm.panic_on_oom = 0", "vm.overcommit_memory = 1", "kernel.panic = 10", "kernel.panic_on_oops = 1"}
    assert required <= set(lines)


def test_pod_security_exempts_only_the_namespace_of_the_nodes_agents() -> None:
    """An exempt namespace's own labels are ignored."""
    plugins = yaml.safe_load(documents(SERVER)["/var/lib/rancher/k3s/server/psa.yaml"])["plugins"]
    security, limit = plugins
    assert security["configuration"]["defaults"]["enforce"] == "restricted"
    assert security["configuration"]["exemptions"]["namespaces"] == ["kube-system"]
    assert limit["name"] == "EventRateLimit"
    assert limit["configuration"]["limits"] == [{"type": "Server", "qps": 5000, "burst": 20000}]


def test_the_audit_log_never_holds_the_body_of_a_secret() -> None:
    rules = yaml.safe_load(documents(SERVER)["/var/lib/rancher/k3s/server/audit.yaml"])["rules"]
    with_bodies = [rule for rule in rules if rule["level"] in ("Request", "RequestResponse")]
    assert [rule["resources"] for rule in with_bodies] == [[{"group": "rbac.authorization.k8s.io"}]]


def test_the_servers_secret_holds_tokens_ca_and_manifests() -> None:
    secret = k3s.server_secret(TLS, "S" * 32, "A" * 32, {"cilium.yaml": "kind: HelmChart"})
    files = {file["path"]: file for file in json.loads(secret)["files"]}
    digest = hashlib.sha256(ROOT.public_bytes(serialization.Encoding.DER)).hexdigest()
    assert files["/etc/rancher/k3s/token"]["content"] == f"K10{digest}::server:{'S' * 32}"
    assert files["/etc/rancher/k3s/agent-token"]["content"] == "A" * 32
    assert files["/var/lib/rancher/k3s/server/tls/etcd/server-ca.key"]["content"] == "PEM of etcd/server-ca.key"
    assert files["/var/lib/rancher/k3s/server/manifests/cilium.yaml"]["content"] == "kind: HelmChart"
    assert len(files) == 11 + 4
    assert files.pop(k3s.RESTORE)["mode"] == "0755", "nobody could run it"
    assert {file["mode"] for file in files.values()} == {"0600"}


def test_the_agents_secret_cannot_start_a_control_plane() -> None:
    (file,) = json.loads(k3s.agent_secret(BUNDLE, "A" * 32))["files"]
    assert file["content"] == f"K10{k3s.ca_hash(BUNDLE)}::node:{'A' * 32}"


def test_the_hash_of_a_single_certificate_is_that_of_its_file() -> None:
    pem = ROOT.public_bytes(serialization.Encoding.PEM).decode()
    assert k3s.ca_hash(pem) == hashlib.sha256(pem.encode()).hexdigest()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "latest"}, "version 'latest' must be pinned like 'v1.36.2+k3s1'"),
        ({"cluster": "Fit_Sync"}, "cluster name must be a DNS label"),
        ({"index": -1}, "index must not be negative"),
        ({"autoscaled": True}, "servers are never autoscaled (etcd members)"),
        ({"startup_taints": ("x:NoSchedule",)}, "startup taints are for autoscaled agents"),
        ({"disable": ("local-storage",)}, "local_storage is on, but 'local-storage' is disabled"),
    ],
)
def test_a_node_that_could_not_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BootstrapError) as refused:
        replace(SERVER, **changes)
    assert message in str(refused.value)


@pytest.mark.parametrize("arguments", [("http://mirror/k3s",), ("https://mirror", "abc")])
def test_an_unsafe_artifact_source_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(BootstrapError, match="artifact"):
        k3s.ArtifactSource(*arguments)


def test_user_data_beyond_the_limit_is_refused_by_name() -> None:
    crowded = replace(SERVER, labels={f"label-{number}": "x" * 50 for number in range(60)})
    with pytest.raises(BootstrapError, match=r"user data of K3s server 0 of fitsync-prod has \d+ bytes"):
        k3s.user_data(crowded)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tls": {**TLS, "extra.crt": ""}}, "unknown ['extra.crt']"),
        ({"tls": {name: text for name, text in TLS.items() if name != "service.key"}}, "missing ['service.key']"),
        ({"agent_password": "S" * 32}, "it must differ from the server token"),
        ({"server_password": "short"}, "at least 16 letters and digits"),
        ({"agent_password": "A" * 20 + "\n"}, "at least 16 letters and digits"),
        ({"manifests": {"../x.yaml": ""}}, "names must be like 'cilium.yaml'"),
        ({"manifests": {"big.yaml": "x" * SECRET_LIMIT}}, "deliver large manifests through the API"),
    ],
)
def test_a_secret_that_could_not_work_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"tls": TLS, **PASSWORDS, "manifests": {}}
    with pytest.raises(BootstrapError) as refused:
        k3s.server_secret(**{**arguments, **changes})
    assert message in str(refused.value)
