"""FitSync, platform add-ons: what is installed, how, in which version."""

from __future__ import annotations

import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.requirements.fitsync import DATABASES, DOMAINS
from tests.requirements.registered import Registered

EXACT = re.compile(r"\d+\.\d+\.\d+")


@pytest.mark.rows("FS-ADD-01")
def test_cilium_is_installed_while_there_is_no_network(spoke: Registered) -> None:
    cilium = spoke.charts["cilium"]
    assert (cilium.chart, cilium.namespace, cilium.spec["bootstrap"]) == ("cilium", "kube-system", True)
    assert cilium.values["k8sServiceHost"] == "127.0.0.1", "no Service address works before Cilium does"
    assert [name for name, chart in spoke.charts.items() if chart.spec.get("bootstrap")] == ["cilium"]


@pytest.mark.rows("FS-ADD-02")
def test_cilium_leaves_room_for_istio(spoke: Registered) -> None:
    values = spoke.charts["cilium"].values
    assert values["kubeProxyReplacement"] is True
    assert values["socketLB"]["hostNamespaceOnly"] is True
    assert values["cni"]["exclusive"] is False
    assert spoke.charts["istio-cni"].chart == "cni"
    assert spoke.charts["istiod"].values["pilot"]["cni"]["enabled"] is True


@pytest.mark.rows("FS-ADD-03")
def test_istio_is_of_one_version(spoke: Registered) -> None:
    names = {"istio-base": "base", "istiod": "istiod", "istio-ingressgateway": "gateway"}
    found = {name: spoke.charts[name] for name in names}
    assert {name: chart.chart for name, chart in found.items()} == names
    assert {chart.namespace for chart in found.values()} == {"istio-system"}
    (version,) = {chart.version for chart in (*found.values(), spoke.charts["istio-cni"])}
    assert EXACT.fullmatch(version)


@pytest.mark.rows("FS-ADD-04")
def test_the_ingress_gateway_has_the_ports_the_label_and_the_account_that_others_name(spoke: Registered) -> None:
    """The chart labels its pods ``istio: <release without "istio-">`` unless its values say otherwise."""
    gateway = spoke.charts["istio-ingressgateway"]
    ports = {port["port"]: port["targetPort"] for port in gateway.values["service"]["ports"]}
    assert {port: ports[port] for port in (80, 443)} == {80: 80, 443: 443}
    assert not {"name", "labels", "podLabels", "nameOverride", "fullnameOverride"} & set(gateway.values)
    assert gateway.name.removeprefix("istio-") == "ingressgateway"
    account = gateway.values["serviceAccount"]
    assert account == {"create": True, "name": "istio-ingressgateway-service-account"}
    assert spoke.spec("Gateway", "fitsync", "fitsync-gateway")["selector"] == {"istio": "ingressgateway"}


@pytest.mark.rows("FS-ADD-05")
def test_prometheus_and_grafana_are_installed_and_the_namespaces_are_there(spoke: Registered) -> None:
    assert {"fitsync", "logging", "monitoring", "istio-system"} <= set(spoke.manifests("Namespace"))
    stack = spoke.charts["kube-prometheus-stack"]
    assert (stack.chart, stack.namespace) == ("kube-prometheus-stack", "monitoring")
    for part in ("prometheus", "grafana", "alertmanager"):
        assert stack.values[part].get("enabled", True) is True


@pytest.mark.rows("FS-ADD-06")
def test_logs_are_collected_on_every_node_and_kept_in_opensearch(spoke: Registered) -> None:
    collector, store = spoke.charts["fluent-bit"], spoke.charts["opensearch"]
    assert {collector.namespace, store.namespace} == {"logging"}
    assert (collector.chart, store.chart) == ("fluent-bit", "opensearch")
    assert collector.values["kind"] == "DaemonSet"
    assert collector.values["tolerations"] == [{"operator": "Exists"}], "servers are tainted"
    assert not {"nodeSelector", "affinity"} & set(collector.values)


@pytest.mark.rows("FS-ADD-07")
def test_addons_are_pinned_charts_of_this_stack(spoke: Registered) -> None:
    assert set(spoke.charts) == {
        "cilium",
        "istio-base",
        "istio-cni",
        "istiod",
        "istio-ingressgateway",
        "kube-prometheus-stack",
        "opensearch",
        "fluent-bit",
        *(f"{database}-exporter" for database in DATABASES),
    }
    assert all(EXACT.fullmatch(chart.version) for chart in spoke.charts.values())
    assert not spoke.kinds & {"Application", "Kustomization", "HelmRelease", "GitRepository", "Release", "Chart"}


@pytest.mark.rows("FS-ADD-08", "FS-MSH-03")
@pytest.mark.parametrize(("name", "host"), [("frontend-tls-cert", "app"), ("api-tls-cert", "api")])
def test_the_stack_issues_the_two_public_certificates(spoke: Registered, name: str, host: str) -> None:
    secret = spoke.manifest("Secret", "istio-system", name)
    assert secret["type"] == "kubernetes.io/tls"
    certificate = x509.load_pem_x509_certificate(secret["stringData"]["tls.crt"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"{host}.{DOMAINS[spoke.stack]}"]
    key = load_pem_private_key(secret["stringData"]["tls.key"].encode(), password=None)
    assert key.public_key() == certificate.public_key()
    authorities = [
        x509.load_pem_x509_certificate(item.outputs["certPem"].encode()) for item in spoke.all("index.SelfSignedCert")
    ]
    (authority,) = [item for item in authorities if item.subject == certificate.issuer]
    certificate.verify_directly_issued_by(authority)


@pytest.mark.rows("FS-MSH-03")
def test_no_certificate_lies_where_the_gateway_cannot_read_it(spoke: Registered) -> None:
    kept = {name for name, secret in spoke.manifests("Secret").items() if secret.get("type") == "kubernetes.io/tls"}
    assert not [name for name in kept if name.startswith("fitsync/")]
    assert {"istio-system/frontend-tls-cert", "istio-system/api-tls-cert"} <= kept
