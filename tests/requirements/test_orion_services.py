"""Orion's services: what runs, with what, and how a new version takes over."""

from __future__ import annotations

import pytest

from tests.requirements.orion import SERVICES, SPACES, container, pod, stranger, template
from tests.requirements.registered import Manifest, Registered, environment
from tests.requirements.standard import passes

HEALTH = dict.fromkeys(SERVICES, "/health") | {"auth": "/api/auth/health"}
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
"""The stack's own, of the account that the sandbox plays."""
REPLICAS = {"gateway": 3, "auth": 3, "user": 3, "notification": 2}


def service_port(stack: Registered, namespace: str, name: str) -> Manifest:
    """The port of a Service that callers use, after what makes it a Service of these pods."""
    spec = stack.spec("Service", namespace, name)
    assert (spec["type"], spec["selector"]["app"]) == ("ClusterIP", name)
    found: Manifest = spec["ports"][0]
    return found


@pytest.mark.rows("OR-SVC-01")
def test_the_eight_namespaces_are_there(orion: Registered) -> None:
    wanted = {*SPACES, "orion-data", "orion-monitoring", "orion-ingress", "orion-system"}
    assert wanted <= set(orion.manifests("Namespace"))


@pytest.mark.rows("OR-SVC-02", "OR-SVC-03", "OR-SVC-04")
@pytest.mark.parametrize("service", SERVICES)
def test_each_service_runs_its_image_behind_its_port(orion: Registered, service: str) -> None:
    port = SERVICES[service]
    found = orion.workload(f"orion-{service}", service)
    assert found["kind"] == ("Rollout" if service == "gateway" else "Deployment")
    assert found["spec"]["replicas"] == REPLICAS[service]
    own = container(found["spec"]["template"])
    assert own["image"] == f"{REGISTRY}/orion/{service}:1.0"
    assert port in [item["containerPort"] for item in own["ports"]]
    offered = service_port(orion, f"orion-{service}", service)
    assert (offered["port"], offered["targetPort"]) == (port, port)


@pytest.mark.rows("OR-SVC-05", "OR-SVC-09")
@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_its_size(orion: Registered, service: str) -> None:
    assert container(template(orion, service))["resources"] == {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }


@pytest.mark.rows("OR-SVC-06", "OR-SVC-07", "OR-SVC-09")
@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_probed_on_its_own_port(orion: Registered, service: str) -> None:
    own = container(template(orion, service))
    live, ready = own["livenessProbe"], own["readinessProbe"]
    for probe in (live, ready):
        assert probe["httpGet"] == {"path": HEALTH[service], "port": SERVICES[service]}
    assert (ready["periodSeconds"], ready["timeoutSeconds"]) == (10, 5)
    assert (ready["failureThreshold"], ready["successThreshold"]) == (3, 2)
    assert live["successThreshold"] == 1


@pytest.mark.rows("OR-SVC-08")
@pytest.mark.parametrize("service", ["gateway", "auth"])
def test_gateway_and_auth_mount_settings_secrets_and_room_for_logs(orion: Registered, service: str) -> None:
    found = template(orion, service)
    volumes = {item["name"]: item for item in found["spec"]["volumes"]}
    mounts = {item["mountPath"]: item["name"] for item in container(found)["volumeMounts"]}
    config = volumes[mounts[f"/etc/{service}/config"]]["configMap"]["name"]
    secret = volumes[mounts[f"/etc/{service}/secrets"]]["secret"]["secretName"]
    assert (config, secret) == (f"{service}-config", f"{service}-secrets")
    assert "emptyDir" in volumes[mounts[f"/var/log/{service}"]]
    assert config in orion.manifests("ConfigMap", f"orion-{service}")
    assert secret in orion.manifests("ExternalSecret", f"orion-{service}")


@pytest.mark.rows("OR-SVC-09", "OR-CFG-03")
@pytest.mark.parametrize("service", SERVICES)
def test_each_service_reads_its_own_config_map_and_secret(orion: Registered, service: str) -> None:
    names = {next(iter(source.values()))["name"] for source in container(template(orion, service))["envFrom"]}
    assert names == {f"{service}-config", f"{service}-secrets"}
    assert orion.manifest("ConfigMap", f"orion-{service}", f"{service}-config")["data"]
    secret = orion.spec("ExternalSecret", f"orion-{service}", f"{service}-secrets")
    assert secret["target"]["name"] == f"{service}-secrets"


@pytest.mark.rows("OR-SVC-10")
def test_analytics_and_the_admin_ui_run(orion: Registered) -> None:
    for namespace, name in (("orion-analytics", "analytics"), ("orion-system", "admin-ui")):
        spec = orion.spec("Deployment", namespace, name)
        assert (spec["replicas"], container(spec["template"])["image"]) == (2, f"{REGISTRY}/orion/{name}:1.0")
        assert service_port(orion, namespace, name)["port"] == 3004
    analytics = pod("analytics")
    assert passes(orion, pod("gateway"), analytics, 3004)
    for other in (pod("auth"), pod("user"), stranger()):
        assert not passes(orion, other, analytics, 3004)
    rules = orion.spec("AuthorizationPolicy", "orion-analytics", "analytics-authz")["rules"]
    asked = [rule for rule in rules if "3004" in rule["to"][0]["operation"]["ports"]]
    assert [rule["from"][0]["source"]["principals"] for rule in asked] == [
        ["cluster.local/ns/orion-gateway/sa/gateway"]
    ]


@pytest.mark.rows("OR-SVC-11")
@pytest.mark.parametrize("service", SERVICES)
def test_a_release_loses_no_capacity_and_ends_when_it_makes_no_progress(orion: Registered, service: str) -> None:
    """The gateway's new version comes beside the old one, which stays whole, and is undone by its controller."""
    spec = orion.workload(f"orion-{service}", service)["spec"]
    assert spec["progressDeadlineSeconds"] == 300
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 30
    if service == "gateway":
        assert spec["progressDeadlineAbort"] is True
    else:
        assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@pytest.mark.rows("OR-SVC-12")
def test_the_gateway_is_switched_after_a_smoke_test(orion: Registered) -> None:
    strategy = orion.spec("Rollout", "orion-gateway", "gateway")["strategy"]["blueGreen"]
    assert (strategy["activeService"], strategy["previewService"]) == ("gateway", "gateway-preview")
    assert strategy["scaleDownDelaySeconds"] > 0, "the old pods are what one goes back to"
    (test,) = strategy["prePromotionAnalysis"]["templates"]
    analysis = orion.spec("AnalysisTemplate", "orion-gateway", test["templateName"])
    job = analysis["metrics"][0]["provider"]["job"]["spec"]
    asked = container(job["template"])["args"][-1]
    assert asked == "http://gateway-preview.orion-gateway.svc.cluster.local:3000/health"
    assert service_port(orion, "orion-gateway", "gateway")["port"] == 3000
    assert orion.spec("Service", "orion-gateway", "gateway-preview")["ports"][0]["port"] == 3000
    assert orion.charts["argo-rollouts"].chart == "argo-rollouts"


@pytest.mark.rows("OR-SVC-13")
def test_services_find_their_stores_by_name(orion: Registered) -> None:
    wanted = {
        "gateway": set(),
        "auth": {"pgbouncer", "redis"},
        "user": {"pgbouncer", "redis", "rabbitmq"},
        "notification": {"pgbouncer", "redis", "rabbitmq"},
    }
    for service, stores in wanted.items():
        values = [
            value for value in environment(container(template(orion, service))).values() if isinstance(value, str)
        ]
        hosts = {value.partition(".")[0] for value in values if value.endswith(".orion-data.svc.cluster.local")}
        assert hosts == stores


@pytest.mark.rows("OR-SVC-14")
@pytest.mark.parametrize("service", SERVICES)
def test_each_namespace_holds_what_belongs_into_it(orion: Registered, service: str) -> None:
    space = f"orion-{service}"
    for kind in ("Service", "HorizontalPodAutoscaler", "ConfigMap", "ExternalSecret", "NetworkPolicy"):
        assert orion.manifests(kind, space), kind
    assert orion.workload(space, service)
