"""Neotool's applications, the doors to them, and what its environments cost."""

from __future__ import annotations

import json

import pytest
import yaml

from derive.plan import system_plan
from stacks.settings import read
from tests.requirements.neotool import HOME, apps, peers
from tests.requirements.registered import Registered, environment
from tests.unit.declared import objects

KOTLIN = ("app-service", "security-service")
POOLER = "pgbouncer.production.svc.cluster.local:6432"


def variables(stack: Registered, name: str) -> dict[str, object]:
    template = stack.spec("Deployment", HOME, name)["template"]
    return environment(template["spec"]["containers"][0])


def port(stack: Registered, name: str) -> int:
    """The first port of the Service."""
    found: int = stack.spec("Service", HOME, name)["ports"][0]["port"]
    return found


@pytest.mark.rows("NT-APP-01")
def test_apollo_router_serves_when_it_is_ready(neotool: Registered) -> None:
    spec = neotool.spec("Deployment", HOME, "apollo-router")
    (container,) = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], port(neotool, "apollo-router")) == (2, 4000)
    assert container["readinessProbe"]["httpGet"]["port"] == 4000
    assert container["image"] == "ghcr.io/apollographql/router:v2.10.0"


@pytest.mark.rows("NT-APP-02")
def test_the_web_app_knows_apollo_router(neotool: Registered) -> None:
    assert (neotool.spec("Deployment", HOME, "web")["replicas"], port(neotool, "web")) == (2, 3000)
    found = variables(neotool, "web")
    assert found["APOLLO_ROUTER_URL"] == "http://apollo-router.production.svc.cluster.local:4000"
    assert found["APOLLO_ROUTER_PUBLIC_URL"] == "https://api.neotool.io"


@pytest.mark.rows("NT-APP-02")
def test_apollo_router_answers_pages_of_the_web_app(neotool: Registered) -> None:
    """A browser hands over no answer that does not name the page's origin; by default that is Studio's alone."""
    assert variables(neotool, "apollo-router")["WEB_ORIGIN"] == "https://app.neotool.io"
    text = neotool.manifest("ConfigMap", HOME, "apollo-router-config")["data"]["router.yaml"]
    assert yaml.safe_load(text)["cors"] == {"policies": [{"origins": ["${env.WEB_ORIGIN}"]}]}


@pytest.mark.rows("NT-APP-03")
@pytest.mark.parametrize("name", KOTLIN)
def test_kotlin_services_reach_the_database_through_the_pooler(neotool: Registered, name: str) -> None:
    found = variables(neotool, name)
    texts = [str(value) for value in found.values()]
    assert any("pgbouncer.production.svc.cluster.local" in text for text in texts)
    assert any("6432" in text for text in texts)
    assert not any("postgres-headless" in text or "postgres.production" in text for text in texts)
    assert found["KAFKA_BOOTSTRAP_SERVERS"] == "kafka.production.svc.cluster.local:9092"
    labels = neotool.spec("Deployment", HOME, name)["template"]["metadata"]["labels"]
    assert labels["access-pgbouncer"] == "true"


@pytest.mark.rows("NT-APP-03")
def test_the_list_of_kotlin_services_grows_by_configuration() -> None:
    """One that needs a change of code would wait for a release."""
    config = {
        "wheelhouse:system": "neotool",
        "wheelhouse:environment": "prod",
        "wheelhouse:changes": json.dumps(
            {"services": {"billing-service": {"like": "app-service", "image": "neotool/bills"}}}
        ),
        "wheelhouse:cloudflareAccount": "0" * 32,
        "aws:region": "us-east-1",
    }
    plan = system_plan(read(config, "wheelhouse", "neotool-prod").deployment())
    found = objects(plan.application, "Deployment")["billing-service"]["spec"]["template"]
    assert found["metadata"]["labels"]["access-pgbouncer"] == "true"
    (container,) = found["spec"]["containers"]
    told = environment(container)
    assert (container["image"], told["DB_HOST"]) == ("neotool/bills:1.0.0", f"pgbouncer.{HOME}.svc.cluster.local")
    assert told["KAFKA_BOOTSTRAP_SERVERS"] == f"kafka.{HOME}.svc.cluster.local:9092"
    (router,) = objects(plan.application, "Deployment")["apollo-router"]["spec"]["template"]["spec"]["containers"]
    assert environment(router)["BILLING_SERVICE_URL"] == f"http://billing-service.{HOME}.svc.cluster.local:8080"
    assert "billing-service" in apps(peers(objects(plan.application, "NetworkPolicy")["kafka-policy"], 9092))


@pytest.mark.rows("NT-EDG-01")
def test_the_doors_have_certificates_that_somebody_issues(neotool: Registered) -> None:
    doors = {}
    for name, item in neotool.manifests("Ingress", HOME).items():
        (tls,) = item["spec"]["tls"]
        doors[name] = tls["hosts"]
        certificate = neotool.spec("Certificate", HOME, tls["secretName"])
        assert certificate["dnsNames"] == tls["hosts"]
        assert certificate["secretName"] == tls["secretName"]
        assert certificate["issuerRef"]["name"] in neotool.manifests("ClusterIssuer")
        assert item["spec"]["ingressClassName"] == "traefik"
    assert doors == {"web": ["app.neotool.io"], "apollo-router": ["api.neotool.io"]}


@pytest.mark.rows("NT-EDG-01", "NT-NET-09")
def test_names_are_proved_without_a_port_of_the_node(neotool: Registered) -> None:
    """The solver's Service opens one by default; the quota of the namespace refuses it, and no certificate comes."""
    assert neotool.spec("ResourceQuota", HOME, "production-quota")["hard"]["services.nodeports"] == "0"
    (solver,) = neotool.manifests("ClusterIssuer")["platform"]["spec"]["acme"]["solvers"]
    assert solver["http01"]["ingress"]["serviceType"] == "ClusterIP"


@pytest.mark.rows("NT-BEY-07")
def test_applications_have_probes_requests_and_limits(neotool: Registered) -> None:
    for name in ("apollo-router", "web", *KOTLIN):
        (container,) = neotool.spec("Deployment", HOME, name)["template"]["spec"]["containers"]
        assert {"livenessProbe", "readinessProbe"} <= set(container), name
        assert set(container["resources"]) == {"requests", "limits"}, name


@pytest.mark.rows("NT-BEY-08")
def test_applications_have_a_second_pod_and_a_disruption_budget(neotool: Registered) -> None:
    budgets = [
        item["spec"]["selector"]["matchLabels"] for item in neotool.manifests("PodDisruptionBudget", HOME).values()
    ]
    for name in ("apollo-router", "web", *KOTLIN):
        assert neotool.spec("Deployment", HOME, name)["replicas"] >= 2
        assert {"app": name} in budgets


@pytest.mark.rows("NT-ENV-02")
def test_the_development_is_smaller_and_knows_nothing_of_productions_bucket(neotools: dict[str, Registered]) -> None:
    """A test that deletes what it wrote must not be able to delete production's backups."""
    sizes = {name: stack.one("ec2.Instance").inputs["instanceType"] for name, stack in neotools.items()}
    assert sizes == {"dev": "m7i.xlarge", "prod": "m7i.2xlarge"}
    volumes = {name: stack.one("ebs.Volume").inputs["size"] for name, stack in neotools.items()}
    assert volumes["dev"] < volumes["prod"]
    assert (
        neotools["dev"].spec("Deployment", HOME, "web")["replicas"]
        < neotools["prod"].spec("Deployment", HOME, "web")["replicas"]
    )
    for item in neotools["dev"].resources:
        assert "neotool-prod" not in str(item.inputs), item.urn
    assert any("neotool-dev" in str(item.inputs) for item in neotools["dev"].all("CronJob"))


@pytest.mark.rows("NT-ENV-03")
def test_resources_carry_the_system_and_the_environment(neotools: dict[str, Registered]) -> None:
    for name, stack in neotools.items():
        tags = stack.one("ec2.Instance").inputs["tags"]
        assert (tags["System"], tags["Environment"]) == ("neotool", name)
        (provider,) = [item for item in stack.resources if item.type == "pulumi:providers:aws"]
        assert f'"Environment":"{name}"' in str(provider.inputs).replace("'", '"').replace(": ", ":")


@pytest.mark.rows("NT-BEY-10")
def test_somebody_hears_when_an_environment_costs_more_than_planned(neotools: dict[str, Registered]) -> None:
    for stack in neotools.values():
        budget = stack.one("budgets.Budget").inputs
        assert budget["timeUnit"] == "MONTHLY"
        assert all(item["subscriberEmailAddresses"] for item in budget["notifications"])
