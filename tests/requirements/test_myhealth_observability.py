"""What is seen of myHealth: metrics, logs, alerts, dashboards; and what is kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.requirements.myhealth import environment, listed, statements
from tests.requirements.registered import Manifest, Registered
from tests.requirements.watching import pages, rules

HOME = "monitoring"
FIVE = ("ApiErrorRateHigh", "ApiSlow", "PodCrashLooping", "DatabaseConnectionsFail", "OuraQuotaLow")
DAYS = {"dev": 7, "prod": 30}


def stack_of_prometheus(stack: Registered) -> Any:
    return stack.charts["kube-prometheus-stack"].values


def titles(page: dict[str, Any]) -> list[str]:
    return [panel["title"] for panel in page["panels"]]


def rights(stack: Registered, account: str) -> list[Manifest]:
    """The statements of a ServiceAccount's role in the cloud."""
    (policy,) = [item for item in stack.all("iam.RolePolicy") if item.name.endswith(f"-sa-{account}-policy")]
    return statements(policy.inputs["policy"])


@pytest.mark.rows("MH-ADD-03", "MH-OBS-01")
def test_prometheus_measures_everything_every_30_seconds_for_15_days(myhealth: Registered) -> None:
    spec = stack_of_prometheus(myhealth)["prometheus"]["prometheusSpec"]
    assert spec["serviceMonitorSelectorNilUsesHelmValues"] is False
    assert spec["podMonitorSelectorNilUsesHelmValues"] is False
    assert (spec["retention"], spec["scrapeInterval"]) == ("15d", "30s")
    claim = spec["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("gp3", "50Gi")
    monitors = [*myhealth.manifests("ServiceMonitor").values(), *myhealth.manifests("PodMonitor").values()]
    for monitor in monitors:
        for endpoint in monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]:
            assert endpoint["interval"] == "30s", monitor["metadata"]["name"]


@pytest.mark.rows("MH-OBS-02", "MH-MSH-09", "MH-OBS-15")
def test_the_services_and_their_sidecars_are_measured_in_spite_of_mutual_tls(myhealth: Registered) -> None:
    monitor = myhealth.spec("ServiceMonitor", "myhealth", "myhealth-services")
    assert [(item["path"], item["port"]) for item in monitor["endpoints"]] == [("/metrics", "metrics")]
    for name in ("data-processor", "api-service"):
        service = myhealth.manifest("Service", "myhealth", name)
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert {"metrics": 9090}.items() <= {port["name"]: port["port"] for port in service["spec"]["ports"]}.items()
        labels = myhealth.workload("myhealth", name)["spec"]["template"]["metadata"]["labels"]
        assert labels["metrics-port"] == "9090"
    exempt = myhealth.spec("PeerAuthentication", "myhealth", "myhealth-metrics-9090")
    assert exempt["mtls"] == {"mode": "STRICT"}
    assert exempt["portLevelMtls"] == {"9090": {"mode": "PERMISSIVE"}}
    (sidecar,) = myhealth.spec("PodMonitor", HOME, "envoy-stats")["podMetricsEndpoints"]
    assert sidecar["path"] == "/stats/prometheus"
    assert "$1:15020" in {item.get("replacement") for item in sidecar["relabelings"]}


@pytest.mark.rows("MH-OBS-04", "MH-OBS-05", "MH-OBS-06", "MH-OPS-02")
def test_five_alerts_each_with_what_to_do(myhealth_prod: Registered) -> None:
    found = rules(myhealth_prod)
    assert set(FIVE) <= set(found)
    assert (found["ApiErrorRateHigh"]["for"], "> 0.05" in found["ApiErrorRateHigh"]["expr"]) == ("300s", True)
    assert "histogram_quantile(0.95" in found["ApiSlow"]["expr"]
    assert found["ApiSlow"]["expr"].endswith("> 1000")
    assert "CrashLoopBackOff" in found["PodCrashLooping"]["expr"]
    assert "db_connection_errors_total" in found["DatabaseConnectionsFail"]["expr"]
    assert "oura_api_rate_limit_remaining" in found["OuraQuotaLow"]["expr"]
    for name in FIVE:
        assert found[name]["labels"]["severity"] in {"critical", "warning"}
        assert found[name]["annotations"]["summary"]
        assert found[name]["annotations"]["runbook_url"].startswith("https://"), name


@pytest.mark.rows("MH-BEY-10")
def test_alerts_for_the_platform_too(myhealth: Registered) -> None:
    found = rules(myhealth)
    assert "kubelet_volume_stats" in found["VolumeNearlyFull"]["expr"]
    assert "kube_node_status_condition" in found["NodeNotReady"]["expr"]
    assert "21 * 86400" in found["CertificateExpires"]["expr"]
    assert "kube_cronjob_status_last_successful_time" in found["JobLate"]["expr"]


@pytest.mark.rows("MH-OBS-07")
def test_alerts_reach_people_in_prod_only(myhealth_dev: Registered, myhealth_prod: Registered) -> None:
    assert stack_of_prometheus(myhealth_dev)["alertmanager"] == {"enabled": False}
    alertmanager = stack_of_prometheus(myhealth_prod)["alertmanager"]
    (receiver,) = [item for item in alertmanager["config"]["receivers"] if "slack_configs" in item]
    (slack,) = receiver["slack_configs"]
    assert slack["api_url_file"] == "/etc/alertmanager/secrets/alertmanager-receivers/operations"
    assert receiver["name"] in {route["receiver"] for route in alertmanager["config"]["route"]["routes"]}
    assert alertmanager["alertmanagerSpec"]["secrets"] == ["alertmanager-receivers"]
    assert "alertmanager-receivers" in myhealth_prod.manifests("ExternalSecret", HOME)


@pytest.mark.rows("MH-OBS-08", "MH-OBS-09", "MH-OBS-10")
def test_prod_s_pages_show_what_was_asked_for(myhealth_prod: Registered) -> None:
    found = pages(myhealth_prod, HOME)
    asked = {
        "Oura Overview": ("7 days", "30 days", "90 days", "Steps", "Calories", "Readiness", "HRV"),
        "Sleep Metrics": ("Total", "Efficiency", "Deep", "REM", "Light", "Latency", "Movement"),
        "Activity Metrics": ("steps", "calories", "frequency", "volume", "Recovery"),
        "Service Health": ("Request rate", "p50", "p95", "p99", "Error rate", "Pod status", "Restarts", "query time"),
        "Kubernetes Cluster": ("Node CPU", "Node memory", "Pod CPU", "Pod memory", "Network", "Persistent volumes"),
    }
    for title, words in asked.items():
        shown = " ".join(titles(found[title]))
        assert [word for word in words if word not in shown] == [], title
    imported = stack_of_prometheus(myhealth_prod)["grafana"]["dashboards"]["istio"]
    assert {"istio-mesh", "istio-service", "istio-workload"} <= set(imported)


@pytest.mark.rows("MH-OBS-11")
def test_dev_has_two_pages(myhealth_dev: Registered) -> None:
    assert set(pages(myhealth_dev, HOME)) == {"Oura Metrics", "Service Health"}
    grafana = stack_of_prometheus(myhealth_dev)["grafana"]
    assert grafana["defaultDashboardsEnabled"] is False
    assert "dashboards" not in grafana


@pytest.mark.rows("MH-OBS-12")
def test_grafana_reads_the_database_as_a_user_that_may_only_read(myhealth: Registered) -> None:
    grafana = stack_of_prometheus(myhealth)["grafana"]
    (source,) = [item for item in grafana["additionalDataSources"] if "postgresql" in item["type"]]
    database = myhealth.one("rds.Instance")
    assert source["url"] == f"{database.outputs['address']}:5432"
    assert source["user"] == "myhealth_reader"
    assert source["secureJsonData"] == {"password": "$__env{GRAFANA_DATABASE_PASSWORD}"}
    assert "grafana-database" in myhealth.manifests("ExternalSecret", HOME)


@pytest.mark.rows("MH-OBS-15")
def test_the_page_of_the_services_shows_pools_and_the_quota(myhealth: Registered) -> None:
    panels = pages(myhealth, HOME)["Service Health"]["panels"]
    queries = " ".join(target["expr"] for panel in panels for target in panel.get("targets", ()))
    for metric in ("istio_requests_total", "db_pool_connections_in_use", "oura_api_calls", "oura_api_rate_limit"):
        assert metric in queries, metric


@pytest.mark.rows("MH-ADD-05", "MH-OBS-14")
def test_logs_are_kept_outside_the_cluster_for_as_long_as_agreed(myhealth: Registered) -> None:
    name = environment(myhealth)
    groups = {item.inputs["name"]: item.inputs["retentionInDays"] for item in myhealth.all("cloudwatch.LogGroup")}
    # What AWS's services would make themselves, they would keep for ever.
    database, api = myhealth.one("rds.Instance").inputs, myhealth.one("apigateway.RestApi")
    for log in database["enabledCloudwatchLogsExports"]:
        assert f"/aws/rds/instance/{database['identifier']}/{log}" in groups
    assert f"API-Gateway-Execution-Logs_{api.id}/{myhealth.stack.removeprefix('myhealth-')}" in groups
    assert set(groups.values()) == {DAYS[name]}
    applications = f"/myhealth/{name}/applications"
    assert {applications, f"/aws/eks/myhealth-{name}/cluster", f"/aws/apigateway/myhealth-{name}-api"} <= set(groups)
    shipper = myhealth.charts["fluent-bit"]
    assert shipper.values["kind"] == "DaemonSet"
    config = "\n".join(myhealth.manifest("ConfigMap", shipper.namespace, "fluent-bit-config")["data"].values())
    assert "cloudwatch_logs" in config
    assert applications in config
    (statement,) = rights(myhealth, "logging-fluent-bit")
    assert "logs:PutLogEvents" in statement["Action"]
    assert all(f":log-group:{applications}" in where for where in listed(statement["Resource"]))


@pytest.mark.rows("MH-ADD-07")
def test_optional_parts_stay_out(myhealth: Registered) -> None:
    refused = {"eks.FargateProfile", "elasticache.ReplicationGroup", "ecr.ReplicationConfiguration", "StatefulSet"}
    assert not refused & myhealth.kinds
    assert not [name for name in myhealth.charts if {"redis", "sentry", "cosign", "policy-controller"} & {name}]
    assert len(myhealth.all("rds.Instance")) == 1


@pytest.mark.rows("MH-BKP-01", "MH-BKP-02")
def test_prod_s_cluster_is_backed_up_daily(myhealth_dev: Registered, myhealth_prod: Registered) -> None:
    assert "velero" not in myhealth_dev.charts
    velero = myhealth_prod.charts["velero"].values
    (schedule,) = velero["schedules"].values()
    assert (schedule["schedule"], schedule["template"]["ttl"]) == ("0 2 * * *", "720h")
    (place,) = velero["configuration"]["backupStorageLocation"]
    bucket = myhealth_prod.by_id("s3.Bucket", place["bucket"])
    for kind in ("BucketVersioning", "BucketServerSideEncryptionConfiguration", "BucketLifecycleConfiguration"):
        assert myhealth_prod.all(f"s3.{kind}", bucket=bucket.id), kind
    account = velero["serviceAccount"]["server"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert account in {role.outputs["arn"] for role in myhealth_prod.all("iam.Role")}
    for statement in rights(myhealth_prod, "velero"):
        services = {action.split(":")[0] for action in statement["Action"]}
        if services == {"s3"}:
            assert all(f":::{bucket.id}" in where for where in listed(statement["Resource"]))
        else:
            assert all("Snapshot" in action or "Volume" in action or "Tags" in action for action in statement["Action"])


@pytest.mark.rows("MH-OPS-01")
def test_outputs_tell_pipelines_where_everything_is(myhealth: Registered) -> None:
    outputs = myhealth.outputs
    assert outputs["clusterName"] == f"myhealth-{environment(myhealth)}"
    for name in ("clusterEndpoint", "apiUrl", "vpcId", "edgeDnsName"):
        assert outputs[name], name
    assert list(outputs["databaseHosts"].values()) == [myhealth.one("rds.Instance").outputs["address"]]
    services = {"oura-collector", "data-processor", "api-service"}
    assert set(outputs["repositories"]) == {f"myhealth/{service}" for service in services}
    assert outputs["grafanaUrl"].startswith("https://grafana.")


@pytest.mark.rows("MH-BEY-07")
def test_what_prod_keeps_outlives_a_mistake_and_nothing_hinders_dev(
    myhealth_dev: Registered, myhealth_prod: Registered
) -> None:
    assert not [resource.name for resource in myhealth_dev.resources if resource.protect]
    for kind in ("rds.Instance", "kms.Key", "secretsmanager.Secret"):
        assert all(resource.protect for resource in myhealth_prod.all(kind)), kind
    (backups,) = [item for item in myhealth_prod.all("s3.Bucket") if "backups" in item.name]
    assert backups.protect


@pytest.mark.rows("MH-BEY-08")
def test_everything_says_whose_it_is(myhealth: Registered) -> None:
    (vpc,) = myhealth.all("ec2.Vpc")
    for resource in (vpc, myhealth.one("eks.Cluster"), myhealth.one("rds.Instance")):
        tags = resource.outputs.get("tagsAll") or resource.inputs["tags"]
        assert tags["Environment"] == environment(myhealth)
        assert {"Project", "System"} & set(tags)
        assert tags["ManagedBy"] == "pulumi"


@pytest.mark.rows("MH-BKP-04")
def test_recovery_is_written_down() -> None:
    folder = Path(__file__).parents[2] / "docs" / "runbooks"
    text = (folder / "managed-postgresql.md").read_text()
    assert "restore-db-instance-to-point-in-time" in text
    assert "Rehearse" in text
    assert "velero restore" in (folder / "velero.md").read_text()
    for name in ("db-credentials", "jwt-secret", "oura-api-key", "grafana-admin", "alertmanager-receivers"):
        assert f"`{name}`" in text, name
