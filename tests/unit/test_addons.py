"""The platform's add-ons: what is installed, in which order, with which values and Secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # the package ships no types
import pytest
import yaml

from derive import versions
from derive.addons import addon_secrets, addons
from derive.addons.chart import Release
from derive.addons.cilium import values as cilium_values
from derive.addons.delivery import deliver
from derive.shapes import AddonPlan
from derive.yaml_text import yaml_text
from manifests.base import Manifest
from model import DeclarationError, Istio, NetworkPolicies, NoMesh, Platform, Tempo
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, environment, shop

ENVIRONMENTS = sorted(SYSTEM.environments)


@cache
def plans(env: str = "dev") -> dict[str, AddonPlan]:
    return {plan.name: plan for plan in addons(deployed(SYSTEM, env))}


@cache
def charts(env: str = "dev") -> dict[str, Manifest]:
    """The HelmChart objects by release."""
    return {
        item["metadata"]["name"]: item["spec"]
        for plan in addons(deployed(SYSTEM, env))
        for item in plan.objects
        if item["kind"] == "HelmChart"
    }


@cache
def values(release: str, env: str = "dev") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(charts(env)[release]["valuesContent"])
    return found


def walk(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, str(key)))
    elif isinstance(value, list):
        for item in value:
            yield from walk(item, path)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_requirement_comes_earlier(env: str) -> None:
    """An add-on that waits for a later one would wait for ever."""
    seen: set[str] = set()
    for plan in addons(deployed(SYSTEM, env)):
        assert set(plan.requires) <= seen, plan.name
        assert plan.name not in seen
        seen.add(plan.name)


def test_the_order_avoids_every_race() -> None:
    """The network before all pods; Istio's parts in Istio's order; definitions of monitors before the monitors."""
    order = [plan.name for plan in addons(deployed(SYSTEM)) if any(o["kind"] == "HelmChart" for o in plan.objects)]
    assert order == [
        "cilium",
        "istio-base",
        "istio-cni",
        "istiod",
        "istio-ingressgateway",
        "kube-prometheus-stack",
        "userdb-exporter",
        "trainingdb-exporter",
        "scheduledb-exporter",
        "progressdb-exporter",
        "opensearch",
        "fluent-bit",
    ]
    found = plans()
    assert found["istiod"].requires == ("addon-gate", "istio-cni")
    assert "kube-prometheus-stack" in found["userdb-exporter"].requires
    assert {"Namespace"} == {item["kind"] for item in found["monitoring"].objects}
    assert {"CiliumNetworkPolicy"} == {item["kind"] for item in found["monitoring"].settings}
    assert "cilium" in found["monitoring"].requires


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_chart_is_pinned_and_lives_in_a_namespace_that_exists(env: str) -> None:
    """A floating version would make two stacks of one commit differ."""
    namespaces = {
        item["metadata"]["name"]
        for plan in addons(deployed(SYSTEM, env))
        for item in plan.objects
        if item["kind"] == "Namespace"
    } | {"kube-system"}
    for name, spec in charts(env).items():
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", spec["version"]), name
        assert spec["repo"].startswith("https://"), name
        assert spec["targetNamespace"] in namespaces, name
        assert spec["createNamespace"] is False


def test_istio_is_of_one_version() -> None:
    found = charts()
    names = ("istio-base", "istio-cni", "istiod", "istio-ingressgateway")
    assert {found[name]["version"] for name in names} == {versions.ISTIO}
    inside = {name for name in names if found[name]["targetNamespace"] == "istio-system"}
    assert inside == {"istio-base", "istiod", "istio-ingressgateway"}


def test_cilium_starts_without_a_network_and_leaves_room_for_istio() -> None:
    spec = charts()["cilium"]
    assert spec["bootstrap"] is True
    assert [name for name, other in charts().items() if other.get("bootstrap")] == ["cilium"]
    found = values("cilium")
    assert found["kubeProxyReplacement"] is True
    assert (found["k8sServiceHost"], found["k8sServicePort"]) == ("127.0.0.1", 6444)
    assert found["socketLB"] == {"hostNamespaceOnly": True}
    assert found["cni"] == {"exclusive": False}
    assert found["encryption"] == {"enabled": True, "type": "wireguard"}


def test_a_failed_upgrade_is_never_answered_by_an_uninstallation() -> None:
    """The controller's default would take the network, or the gateway, away from every pod."""
    assert {spec["failurePolicy"] for spec in charts().values()} == {"retry"}


@pytest.mark.parametrize(("nodes", "replicas"), [(1, 1), (2, 2), (9, 2)])
def test_the_operators_replicas_fit_the_nodes(nodes: int, replicas: int) -> None:
    """Its replicas exclude one another: a second one on a single node would stay pending."""
    assert cilium_values(nodes)["operator"]["replicas"] == replicas


def test_the_ingress_gateway_has_the_account_and_ports_that_others_name() -> None:
    found = values("istio-ingressgateway")
    assert found["serviceAccount"]["name"] == "istio-ingressgateway-service-account"
    service = found["service"]
    assert service["type"] == "LoadBalancer"
    assert {port["port"]: port["targetPort"] for port in service["ports"]} == {80: 80, 443: 443, 15021: 15021}


@pytest.mark.parametrize(("env", "replicas"), [("dev", 1), ("stage", 1), ("prod", 2)])
def test_the_gateway_is_doubled_where_there_is_a_second_zone(env: str, replicas: int) -> None:
    found = values("istio-ingressgateway", env)
    assert found["autoscaling"]["minReplicas"] == replicas
    assert ("podDisruptionBudget" in found) is (replicas > 1), "a budget over one pod would block every drain"


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_nothing_else_is_a_door(env: str) -> None:
    """A second LoadBalancer, a NodePort or an Ingress would publish an operators' tool."""
    for release in charts(env):
        for path, value in walk(values(release, env)):
            if value in ("LoadBalancer", "NodePort"):
                assert release == "istio-ingressgateway", (release, path)
            if path[-1:] == ("ingress",):
                assert not (isinstance(value, dict) and value.get("enabled")), (release, path)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_secret_that_values_name_is_made(env: str) -> None:
    """A pod that refers to a missing Secret or key never starts."""
    deployment = deployed(SYSTEM, env)
    made = {plan.name: plan for plan in addon_secrets(deployment)}
    keys = {
        name: {*plan.literals, *plan.passwords, *(("tls.crt", "tls.key") if plan.certificate else ())}
        for name, plan in made.items()
    }
    asked: set[tuple[str, str]] = set()
    for release in charts(env):
        for path, value in walk(values(release, env)):
            if path[-1:] in (("secretKeyRef",), ("passwordSecret",)):
                asked.add((value["name"], value["key"]))
            elif path[-1:] == ("secretName",):
                assert value in made, (release, path)
            elif path[-2:] == ("admin", "existingSecret"):
                asked |= {(value, "admin-user"), (value, "admin-password")}
    assert asked
    assert {(name, key) for name, key in asked if key not in keys.get(name, set())} == set()


def test_values_hold_no_secret() -> None:
    """What stands in a chart's values stands in the state and in an object that many may read."""
    for release in charts():
        for path, value in walk(values(release)):
            if path and re.search(r"password|token|secret$", path[-1], re.IGNORECASE) and isinstance(value, str):
                assert value in {plan.name for plan in addon_secrets(deployed(SYSTEM))} | {
                    "admin-password",
                    "password",
                }, (release, path)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_built_in_objects_are_valid(env: str) -> None:
    found = [
        item
        for plan in addons(deployed(SYSTEM, env))
        for item in (*plan.objects, *plan.settings)
        if item["apiVersion"] in ("v1", "batch/v1", "rbac.authorization.k8s.io/v1")
    ]
    assert {item["kind"] for item in found} >= {"Job", "CronJob", "ConfigMap", "Namespace"}
    for item in found:
        kubernetes_validate.validate(item, "1.36", strict=True)


def test_a_waiting_job_follows_every_chart() -> None:
    """The object of a chart is accepted at once; without the wait, what follows comes before its kinds exist."""
    for name in charts():
        objects = plans()[name].objects
        kinds = [item["kind"] for item in objects]
        assert kinds[-2:] == ["HelmChart", "Job"], name
        pod = objects[-1]["spec"]["template"]["spec"]
        steps = [*pod["initContainers"], *pod["containers"]]
        assert steps[0]["args"][-1] == f"job/helm-install-{name}"
        assert "--for=condition=complete" in steps[1]["args"]


def test_nothing_waits_for_pods_whose_secrets_come_later() -> None:
    """The stack makes Secrets after the add-ons: a wait for Grafana's or OpenSearch's pods would never end."""
    waited = {
        step["args"][-1]
        for plan in addons(deployed(SYSTEM))
        for item in plan.objects
        if item["kind"] == "Job"
        for step in (
            *item["spec"]["template"]["spec"]["initContainers"],
            *item["spec"]["template"]["spec"]["containers"],
        )
        if step["args"][0] == "rollout"
    }
    assert waited == {
        "daemonset/cilium",
        "deployment/cilium-operator",
        "daemonset/istio-cni-node",
        "deployment/istiod",
        "deployment/istio-ingressgateway",
        "deployment/kube-prometheus-stack-operator",
    }


def test_the_wait_for_the_network_needs_no_network() -> None:
    *_, job = plans()["cilium"].objects
    pod = job["spec"]["template"]["spec"]
    assert pod["hostNetwork"] is True
    assert pod["tolerations"] == [{"operator": "Exists"}]
    environment = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    assert (environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"]) == ("127.0.0.1", "6444")


def test_another_version_is_another_job() -> None:
    """A Job that is done never waits again."""
    release = Release("one", versions.CERT_MANAGER, {})
    newer = Release(
        "one", versions.ChartVersion(versions.CERT_MANAGER.repo, "cert-manager", "v9.9.9", "cert-manager"), {}
    )
    platform = SYSTEM.platform
    assert deliver(release, platform).objects[-1] != deliver(newer, platform).objects[-1]


def test_a_delivery_that_cannot_install_charts_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"^platform\.delivery 'argo-cd' cannot install add-on 'one'; "):
        deliver(Release("one", versions.CERT_MANAGER, {}), Platform(delivery="argo-cd"))


def test_values_are_written_without_aliases() -> None:
    """Helm reads YAML anchors, people do not."""
    shared = {"a": [1]}
    assert yaml_text({"x": shared, "y": shared, "z": (1, 2)}) == "x:\n  a:\n  - 1\ny:\n  a:\n  - 1\nz:\n- 1\n- 2\n"


def test_mesh_wide_mutual_tls_is_set_after_istiod_answers() -> None:
    settings = plans()["istio-ingressgateway"].settings
    (found,) = [item for item in settings if item["kind"] == "PeerAuthentication"]
    assert (found["metadata"]["namespace"], found["spec"]) == ("istio-system", {"mtls": {"mode": "STRICT"}})


def test_k3s_has_no_separate_parts_to_scrape() -> None:
    """Monitors of a scheduler that is no process of its own would alert for ever."""
    found = values("kube-prometheus-stack")
    for part in ("kubeControllerManager", "kubeScheduler", "kubeProxy", "kubeEtcd"):
        assert found[part] == {"enabled": False}


@pytest.mark.parametrize(("env", "size", "most"), [("dev", "20Gi", "16GiB"), ("prod", "50Gi", "40GiB")])
def test_prometheus_selects_everything_and_keeps_it_fifteen_days(env: str, size: str, most: str) -> None:
    spec = values("kube-prometheus-stack", env)["prometheus"]["prometheusSpec"]
    for selector in ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig"):
        assert spec[f"{selector}SelectorNilUsesHelmValues"] is False
    assert (spec["retention"], spec["retentionSize"]) == ("15d", most)
    claim = spec["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"]["requests"]["storage"] == size


def test_a_platform_without_mesh_or_cilium_gets_neither() -> None:
    system = shop(platform=Platform(mesh=NoMesh(), cni=NetworkPolicies()))
    found = addons(deployed(system))
    names = [plan.name for plan in found]
    assert not any(name.startswith(("istio", "cilium")) for name in names)
    assert not any(item["kind"] == "CiliumNetworkPolicy" for plan in found for item in plan.settings)
    for plan in found:
        assert set(plan.requires) <= set(names)


def test_an_egress_gateway_is_installed_where_it_is_declared() -> None:
    found = {plan.name for plan in addons(deployed(shop(platform=Platform(mesh=Istio(egress_gateway=True)))))}
    assert "istio-egressgateway" in found


def test_traces_name_the_provider_that_istiod_knows() -> None:
    system = shop(platform=Platform(mesh=Istio(traces=5), addons=(Tempo(),)), environments={"dev": environment()})
    found = {plan.name: plan for plan in addons(deployed(system))}
    chart = next(item for item in found["istiod"].objects if item["kind"] == "HelmChart")
    (provider,) = yaml.safe_load(chart["spec"]["valuesContent"])["meshConfig"]["extensionProviders"]
    (telemetry,) = [item for item in found["istio-ingressgateway"].settings if item["kind"] == "Telemetry"]
    (tracing,) = telemetry["spec"]["tracing"]
    assert tracing == {"providers": [{"name": provider["name"]}], "randomSamplingPercentage": 5}
    assert provider["opentelemetry"] == {"service": "tempo.monitoring.svc.cluster.local", "port": 4317}


def test_derivation_is_pure() -> None:
    assert addons(deployed(SYSTEM, "prod")) == addons(deployed(SYSTEM, "prod"))
