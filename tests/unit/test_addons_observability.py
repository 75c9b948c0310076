"""Metrics, logs and traces by the add-ons that were asked for: where they are kept, for how long, and who is told."""

from __future__ import annotations

import json

import pytest
import yaml

from derive.addons import addon_secrets, addons
from derive.addons.additions import additions
from derive.addons.alertmanager import configuration
from derive.observability import observability
from derive.plan import system_plan
from model import (
    Alloy,
    Jaeger,
    Kiali,
    Loki,
    Observability,
    Platform,
    Tempo,
)
from model.addons import AddonChoice
from tests.unit.declared import deployed, derived, environment, objects, shop
from tests.unit.equipped import RATE, RECEIVERS, charts, equipped, values


def test_loki_takes_the_place_of_opensearch() -> None:
    assert {"opensearch", "fluent-bit"} <= set(charts(deployed(shop())))
    assert not {"opensearch", "fluent-bit", "logging"} & {plan.name for plan in addons(deployed(equipped()))}
    quiet = shop(platform=Platform(observability=Observability(logs="none")))
    assert not {"opensearch", "fluent-bit", "logging"} & {plan.name for plan in addons(deployed(quiet))}
    assert "opensearch-tls" not in {secret.name for secret in addon_secrets(deployed(quiet))}


def test_custom_metrics_are_recorded_and_served_under_one_name() -> None:
    plan = {plan.name: plan for plan in addons(deployed(equipped()))}["prometheus-adapter"]
    (rule,) = plan.settings
    assert rule["spec"]["groups"][0]["rules"] == [{"record": RATE.name, "expr": RATE.query}]
    found = values("prometheus-adapter", equipped())
    assert found["prometheus"]["url"] == ("http://kube-prometheus-stack-prometheus.shop-monitoring.svc.cluster.local")
    assert found["rules"] == {
        "default": False,
        "custom": [
            {
                "seriesQuery": 'http_requests_per_second{namespace!="",pod!=""}',
                "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
                "name": {"as": "http_requests_per_second"},
                "metricsQuery": "sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
            }
        ],
    }
    scaler = objects(derived(equipped()), "HorizontalPodAutoscaler")["web"]
    assert scaler["spec"]["metrics"][-1]["pods"]["metric"] == {"name": RATE.name}


def test_logs_are_deleted_after_their_time() -> None:
    """Loki keeps everything for ever unless its compactor is told to delete."""
    found = values("loki", equipped())["loki"]
    assert found["limits_config"] == {"retention_period": "168h"}
    assert found["compactor"] == {"retention_enabled": True, "delete_request_store": "s3"}
    assert found["storage"]["bucketNames"] == dict.fromkeys(("chunks", "ruler", "admin"), "${bucket:logs}")
    assert found["commonConfig"] == {"replication_factor": 3}
    alone = values("loki", equipped((Loki(), Alloy())))
    assert alone["loki"]["compactor"]["delete_request_store"] == "filesystem"
    assert alone["singleBinary"]["replicas"] == 1, "members with volumes of their own would each have a part"


def test_logs_of_every_node_are_sent_to_loki() -> None:
    found = values("alloy", equipped())
    assert found["controller"]["tolerations"] == [{"operator": "Exists"}]
    text = found["alloy"]["configMap"]["content"]
    assert 'url = "http://loki.shop-monitoring.svc.cluster.local:3100/loki/api/v1/push"' in text


def test_grafana_reads_logs_and_traces() -> None:
    stack = charts(deployed(equipped()))["kube-prometheus-stack"]["valuesContent"]
    for name, port in (("loki", 3100), ("tempo", 3200)):
        assert f"url: http://{name}.shop-monitoring.svc.cluster.local:{port}" in stack
    assert "additionalDataSources" not in charts(deployed(shop()))["kube-prometheus-stack"]["valuesContent"]


@pytest.mark.parametrize(
    ("backend", "host"),
    [(Tempo(), "tempo.shop-monitoring"), (Jaeger(), "jaeger.tracing"), (Jaeger(namespace="seen"), "jaeger.seen")],
)
def test_spans_go_where_they_are_kept(backend: AddonChoice, host: str) -> None:
    system = equipped((backend, Kiali()))
    assert f"service: {host}.svc.cluster.local" in charts(deployed(system))["istiod"]["valuesContent"]
    shown = values("kiali", system)["external_services"]["tracing"]
    assert shown["enabled"] is True
    assert shown["internal_url"].startswith(f"http://{host}.svc.cluster.local:")


def test_each_receiver_is_told_of_what_it_asks_for() -> None:
    found = configuration(RECEIVERS)
    assert found["route"]["routes"][1:] == [
        {"receiver": "team", "matchers": ['severity =~ "critical|warning"'], "continue": True},
        {"receiver": "mail", "matchers": ['severity =~ "critical|warning"'], "continue": True},
        {"receiver": "duty", "matchers": ['severity = "critical"'], "continue": True},
    ]
    mounted = "/etc/alertmanager/secrets/alertmanager-receivers"
    assert found["receivers"][2]["slack_configs"][0]["api_url_file"] == f"{mounted}/team"
    assert found["receivers"][3]["email_configs"][0]["auth_password_file"] == f"{mounted}/mail"
    assert found["receivers"][4]["pagerduty_configs"][0]["routing_key_file"] == f"{mounted}/duty"
    assert configuration(())["receivers"] == [{"name": "null"}, {"name": "operators"}]


def test_metrics_logs_and_traces_live_where_the_platform_says() -> None:
    """A monitor, a policy or a dashboard that still names the default would be found by nobody."""
    plan = system_plan(deployed(equipped()))
    homes = {item["metadata"].get("namespace") for part in plan.observability for item in part.objects}
    assert homes == {"shop", "shop-monitoring"}
    charted = charts(deployed(equipped()))
    for release in ("kube-prometheus-stack", "prometheus-adapter", "loki", "tempo"):
        assert charted[release]["targetNamespace"] == "shop-monitoring"
    scrape = objects(plan.application, "CiliumNetworkPolicy")["orders-policy"]["spec"]["ingress"]
    assert "shop-monitoring" in str(scrape)
    texts = json.dumps([[addon.objects, addon.settings] for addon in plan.addons])
    texts += json.dumps([part.objects for part in plan.observability])
    texts = texts.replace('"monitoring": "enabled"', "")
    assert '"monitoring"' not in texts
    assert ".monitoring." not in texts


def test_every_measured_add_on_has_its_monitor() -> None:
    (part,) = [part for part in observability(deployed(equipped())) if part.name == "platform-monitors"]
    found = {item["metadata"]["name"]: item["spec"] for item in part.objects if item["kind"] == "PodMonitor"}
    assert found["loki"] == {
        "selector": {"matchLabels": {"app.kubernetes.io/name": "loki"}},
        "namespaceSelector": {"matchNames": ["shop-monitoring"]},
        "podMetricsEndpoints": [{"portNumber": 3100, "interval": "15s", "path": "/metrics"}],
    }
    measured = {addition.release.name for addition in additions(deployed(equipped())).values() if addition.measured}
    assert measured <= found.keys()
    assert found["vault"]["podMetricsEndpoints"][0]["scheme"] == "https"


def test_lost_logs_and_failed_backups_are_told() -> None:
    (rules,) = [
        item
        for part in observability(deployed(equipped()))
        for item in part.objects
        if item["kind"] == "PrometheusRule"
    ]
    alerts = {rule["alert"]: rule["expr"] for group in rules["spec"]["groups"] for rule in group["rules"]}
    assert "loki_write_dropped_entries_total" in alerts["LogsLost"]
    assert "velero_backup_last_status" in alerts["ClusterBackupFailed"]


def test_an_environment_can_do_without_alertmanager() -> None:
    """Where nobody is to be told, its pods, ways and Secrets would only cost."""
    system = shop(environments={"dev": environment(without=("alertmanager",))})
    stack = yaml.safe_load(charts(deployed(system))["kube-prometheus-stack"]["valuesContent"])
    assert stack["alertmanager"] == {"enabled": False}
    assert "alertmanager" not in str([plan.settings for plan in addons(deployed(system))])
