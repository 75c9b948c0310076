"""Programs written with the SDK, run by the engine: the classes, the wire and the cluster agree."""

from __future__ import annotations

import base64
import textwrap
from pathlib import Path

import pytest

from sandbox.events import Operation, Result
from sandbox.kubernetes import KubernetesProvider
from sandbox.local.random import RandomProvider
from sandbox.local.tls import TlsProvider
from sandbox.provider import Package
from sandbox.run import run

PACKAGES = {
    "kubernetes": Package(KubernetesProvider),
    "random": Package(RandomProvider),
    "tls": Package(TlsProvider),
}
PROGRAM = """
    import pulumi, pulumi_kubernetes as k8s, pulumi_random as random, pulumi_tls as tls
    from pulumi import ResourceOptions

    password = random.RandomPassword("db", length=24, special=False)
    key = tls.PrivateKey("ca", algorithm="ECDSA", ecdsa_curve="P256")
    cert = tls.SelfSignedCert("ca", private_key_pem=key.private_key_pem, allowed_uses=["cert_signing"],
        validity_period_hours=24, is_ca_certificate=True, subject={"common_name": "ca"})
    cluster = k8s.Provider("cluster", kubeconfig="{}", enable_server_side_apply=True)
    own = ResourceOptions(provider=cluster)
    shop = k8s.core.v1.Namespace("shop", metadata={"name": "shop"}, opts=own)
    meta = {"name": "web", "namespace": shop.metadata.name}
    secret = k8s.core.v1.Secret("db", metadata={"namespace": shop.metadata.name},
        string_data={"password": password.result, "ca.crt": cert.cert_pem}, opts=own)
    source = k8s.core.v1.EnvVarSourceArgs(
        secret_key_ref=k8s.core.v1.SecretKeySelectorArgs(name=secret.metadata.name, key="password"))
    container = k8s.core.v1.ContainerArgs(name="web", image="web:1",
        ports=[k8s.core.v1.ContainerPortArgs(name="http", container_port=8080)],
        env=[k8s.core.v1.EnvVarArgs(name="PASSWORD", value_from=source)])
    k8s.apps.v1.Deployment("web", metadata=meta, opts=own, spec={
        "replicas": REPLICAS,
        "selector": {"match_labels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}})
    service = k8s.core.v1.Service("web", metadata=meta, opts=own, spec={
        "selector": {"app": "web"}, "ports": [{"port": 80, "target_port": "http"}]})
    istio = k8s.helm.v3.Release("istio", chart="CHART", namespace=shop.metadata.name, opts=own)
    k8s.apiextensions.CustomResource("route", api_version="networking.istio.io/v1", kind="VirtualService",
        metadata=meta, spec={"hosts": ["web"]}, opts=ResourceOptions(provider=cluster, depends_on=[istio]))
    pulumi.export("ip", service.spec.cluster_ip)
    pulumi.export("password", secret.data["password"])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: proj\nruntime: python\n")
    return tmp_path


def deploy(folder: Path, operation: Operation = "up", replicas: str = "2", chart: str = "base") -> Result:
    program = textwrap.dedent(PROGRAM).replace("REPLICAS", replicas).replace("CHART", chart)
    (folder / "__main__.py").write_text(program)
    return run(
        operation,
        "dev",
        project_dir=folder,
        backend=folder / "state",
        providers=PACKAGES,
        passphrase="pass",
    )


def states(folder: Path) -> str:
    return "".join(path.read_text() for path in (folder / "state").rglob("*.json"))


def test_preview_up_again_change_and_destroy(folder: Path) -> None:
    assert deploy(folder, "preview").errors == ()
    first = deploy(folder)
    assert first.errors == ()
    assert str(first.outputs["ip"].value).startswith("10.43.")
    assert first.outputs["password"].secret
    assert not deploy(folder, "preview").changed
    assert not deploy(folder).changed
    changed = deploy(folder, replicas="3")
    assert [step.name for step in changed.steps if step.op == "update"] == ["web"]
    assert deploy(folder, "destroy").errors == ()


def test_no_secret_is_written_plain(folder: Path) -> None:
    """Neither the private key nor the Secret that carries the password."""
    assert deploy(folder).errors == ()
    text = states(folder)
    assert "10.43." in text
    assert "PRIVATE KEY" not in text
    encoded = deploy(folder).outputs["password"].value
    assert encoded not in text
    assert base64.b64decode(encoded).decode() not in text


def test_a_missing_add_on_is_refused_in_the_preview(folder: Path) -> None:
    """Before anything is created, with the remedy."""
    (message,) = deploy(folder, "preview", chart="keda").errors
    assert "VirtualService needs the CustomResourceDefinitions of networking.istio.io" in message
    assert "install chart 'base' before it" in message
