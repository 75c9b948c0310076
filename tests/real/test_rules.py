"""Prometheus' and Alertmanager's own tools accept what is derived, and the alerts fire when they should."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from derive.addons.alertmanager import configuration
from derive.observability import observability
from model import Backup, Kafka, MySQL, RabbitMQ, Redis, Service, System
from model.platform import Receiver
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, shop
from tests.unit.equipped import RECEIVERS

BROKERS = shop(
    stores=(
        Redis(name="cache", members=3, backup=Backup(schedule="0 * * * *")),
        RabbitMQ(name="events", backup=Backup(schedule="0 3 * * *")),
        MySQL(name="orders"),
        Kafka(name="stream"),
    ),
    services=(Service(name="web", port=80, uses=("cache", "events")),),
)
BROKERS_ALERTS = {
    "RedisReplicaLost",
    "KafkaBrokerLost",
    "KafkaConsumerLags",
    "MySQLDown",
    "MySQLConnectionsHigh",
    "BrokerMemberLost",
    "BrokerBlocksPublishers",
    "BrokerQueueGrows",
    "StoreBackupOverdue",
}
ENVIRONMENTS = sorted(SYSTEM.environments)


def write(path: Path, content: Any) -> Path:
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def rules_file(folder: Path, env: str, system: System = SYSTEM) -> Path:
    (found,) = [
        item
        for part in observability(deployed(system, env))
        for item in part.objects
        if item["kind"] == "PrometheusRule"
    ]
    return write(folder / "rules.yml", found["spec"])


def run(*command: str | Path) -> None:
    result = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.tool("promtool")
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_the_rules_are_valid_and_none_is_there_twice(env: str, tmp_path: Path) -> None:
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules_file(tmp_path, env))


@pytest.mark.tool("promtool")
def test_the_rules_of_brokers_and_backups_are_valid(tmp_path: Path) -> None:
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", rules_file(tmp_path, "dev", BROKERS))


@pytest.mark.tool("promtool")
def test_every_query_of_a_dashboard_is_promql(tmp_path: Path) -> None:
    """Grafana shows a mistyped query as a panel without data."""
    found = [
        target["expr"]
        for part in observability(deployed(SYSTEM, "prod"))
        for item in part.objects
        if item["kind"] == "ConfigMap"
        for text in item["data"].values()
        for panel in json.loads(text)["panels"]
        for target in panel.get("targets", ())
    ]
    assert len(found) > 30
    recorded = [{"record": f"query:{number}:value", "expr": query} for number, query in enumerate(found)]
    run("promtool", "check", "rules", write(tmp_path / "queries.yml", {"groups": [{"name": "q", "rules": recorded}]}))


def series(metric: str, values: str, **labels: str) -> dict[str, str]:
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{metric}{{{inside}}}", "values": values}


def requests(code: str, values: str) -> dict[str, str]:
    return series(
        "istio_requests_total",
        values,
        reporter="source",
        destination_service_namespace="fitsync",
        destination_service_name="user-service",
        response_code=code,
    )


def buckets(service: str, slow: str) -> list[dict[str, str]]:
    """A histogram in which every request takes between 10 and 30 seconds."""
    common = {"reporter": "source", "destination_service_namespace": "fitsync", "destination_service_name": service}
    metric = "istio_request_duration_milliseconds_bucket"
    return [
        series(metric, "0x60", **common, le="10000"),
        series(metric, slow, **common, le="30000"),
        series(metric, slow, **common, le="+Inf"),
    ]


CASES: dict[str, tuple[list[dict[str, str]], str, str, bool]] = {
    "one request in ten fails": (
        [requests("200", "0+90x60"), requests("503", "0+10x60")],
        "20m",
        "ErrorRateHigh",
        True,
    ),
    "every request fails, from the first one on": ([requests("503", "0+100x60")], "20m", "ErrorRateHigh", True),
    "one request in fifty fails": (
        [requests("200", "0+98x60"), requests("503", "0+2x60")],
        "20m",
        "ErrorRateHigh",
        False,
    ),
    "one request in fifty fails for long": (
        [requests("200", "0+98x60"), requests("503", "0+2x60")],
        "40m",
        "ErrorRateRaised",
        True,
    ),
    "refusals of the client are no errors": (
        [requests("200", "0+50x60"), requests("404", "0+50x60")],
        "40m",
        "ErrorRateRaised",
        False,
    ),
    "callers of user-service wait ten seconds": (buckets("user-service", "0+100x60"), "20m", "TimeoutNear", True),
    "four restarts within an hour": (
        [
            series(
                "kube_pod_container_status_restarts_total",
                "0x30 1x5 2x5 3x5 4x14",
                namespace="fitsync",
                pod="user-service-0",
                container="user-service",
            )
        ],
        "59m",
        "PodRestarts",
        True,
    ),
    "a restart elsewhere": (
        [
            series(
                "kube_pod_container_status_restarts_total",
                "0x30 1x5 2x5 3x5 4x14",
                namespace="other",
                pod="x",
                container="x",
            )
        ],
        "59m",
        "PodRestarts",
        False,
    ),
    "no pod is ready": (
        [series("kube_deployment_status_replicas_available", "0x60", namespace="fitsync", deployment="frontend")],
        "10m",
        "ServiceDown",
        True,
    ),
    "the exporter cannot log in": ([series("pg_up", "0x60", service="userdb-exporter")], "10m", "DatabaseDown", True),
    "ninety of a hundred connections": (
        [
            series("pg_stat_activity_count", "90x60", service="userdb-exporter", state="active"),
            series("pg_settings_max_connections", "100x60", service="userdb-exporter"),
        ],
        "10m",
        "DatabaseConnectionsHigh",
        True,
    ),
    "the standby left": (
        [series("pg_replication_slots_slot_is_active", "0x60", service="userdb-exporter", slot_name="standby")],
        "15m",
        "DatabaseStandbyLost",
        True,
    ),
    "Redis is nearly full": (
        [
            series("redis_memory_used_bytes", "95x60", service="redis"),
            series("redis_memory_max_bytes", "100x60", service="redis"),
        ],
        "10m",
        "RedisMemoryHigh",
        True,
    ),
    "a replica of Redis left": (
        [
            series("redis_connected_slaves", "1x60", service="cache", pod="cache-0"),
            series("redis_connected_slaves", "0x60", service="cache", pod="cache-1"),
        ],
        "15m",
        "RedisReplicaLost",
        True,
    ),
    "both replicas of Redis follow": (
        [
            series("redis_connected_slaves", "2x60", service="cache", pod="cache-0"),
            series("redis_connected_slaves", "0x60", service="cache", pod="cache-1"),
        ],
        "15m",
        "RedisReplicaLost",
        False,
    ),
    "Kafka does not answer": ([series("up", "1x60", service="stream-exporter")], "10m", "KafkaBrokerLost", True),
    "Kafka is whole": (
        [series("up", "1x60", service="stream-exporter"), series("kafka_brokers", "1x60", service="stream-exporter")],
        "10m",
        "KafkaBrokerLost",
        False,
    ),
    "a consumer that is far behind": (
        [
            series(
                "kafka_consumergroup_lag",
                "600x60",
                service="stream-exporter",
                consumergroup="mail",
                topic="orders",
                partition=partition,
            )
            for partition in "01"
        ],
        "20m",
        "KafkaConsumerLags",
        True,
    ),
    "MySQL is not there": ([series("mysql_up", "0x60", service="orders")], "5m", "MySQLDown", True),
    "nine hundred of a thousand connections": (
        [series("mysql_global_status_threads_connected", "900x60", service="orders")],
        "10m",
        "MySQLConnectionsHigh",
        True,
    ),
    "a member of RabbitMQ is lost": (
        [
            series("up", "1x60", service="events", pod="events-0"),
            series("up", "1x60", service="events", pod="events-1"),
            series("up", "0x60", service="events", pod="events-2"),
        ],
        "10m",
        "BrokerMemberLost",
        True,
    ),
    "RabbitMQ has little room": (
        [
            series("rabbitmq_alarms_memory_used_watermark", "0x60", service="events", pod="events-0"),
            series("rabbitmq_alarms_free_disk_space_watermark", "1x60", service="events", pod="events-0"),
        ],
        "5m",
        "BrokerBlocksPublishers",
        True,
    ),
    "a queue that nobody reads": (
        [series("rabbitmq_queue_messages_ready", "0+200x60", service="events", queue="web:orders")],
        "40m",
        "BrokerQueueGrows",
        True,
    ),
    "an hourly backup three hours ago": (
        [series("kube_cronjob_status_last_successful_time", "0x200", cronjob="cache-backup")],
        "3h",
        "StoreBackupOverdue",
        True,
    ),
    "a backup that never succeeded": (
        [series("kube_cronjob_created", "0x200", cronjob="cache-backup")],
        "3h",
        "StoreBackupOverdue",
        True,
    ),
    "a daily backup three hours ago": (
        [series("kube_cronjob_status_last_successful_time", "0x200", cronjob="events-backup")],
        "3h",
        "StoreBackupOverdue",
        False,
    ),
    "Redis without a limit": (
        [
            series("redis_memory_used_bytes", "95x60", service="redis"),
            series("redis_memory_max_bytes", "0x60", service="redis"),
        ],
        "10m",
        "RedisMemoryHigh",
        False,
    ),
}


@pytest.mark.tool("promtool")
@pytest.mark.parametrize("case", CASES)
def test_alerts_fire_when_they_should_and_only_then(case: str, tmp_path: Path) -> None:
    """Evaluated by Prometheus itself over series that we write; an ``ALERTS`` series exists while an alert fires."""
    given, moment, alert, fires = CASES[case]
    if alert in BROKERS_ALERTS:
        rules_file(tmp_path, "dev", BROKERS)
    else:
        rules_file(tmp_path, "prod")
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": given,
                "promql_expr_test": [
                    {"expr": query, "eval_time": moment, "exp_samples": [{"labels": "{}", "value": int(fires)}]}
                ],
            }
        ],
    }
    run("promtool", "test", "rules", write(tmp_path / "test.yml", test))


@pytest.mark.tool("amtool")
@pytest.mark.parametrize("receivers", [(), RECEIVERS])
def test_alertmanagers_configuration_is_valid(receivers: tuple[Receiver, ...], tmp_path: Path) -> None:
    """Alertmanager with a configuration that it refuses does not start, and nobody is told of anything."""
    path = write(tmp_path / "alertmanager.yml", {**configuration(receivers), "templates": []})
    run("amtool", "check-config", path)


@pytest.mark.tool("amtool")
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [(["alertname=RedisDown", "severity=critical"], "operators"), (["alertname=Watchdog"], "null")],
)
def test_alerts_go_to_the_operators_but_the_heartbeat(labels: list[str], receiver: str, tmp_path: Path) -> None:
    path = write(tmp_path / "alertmanager.yml", {**configuration(()), "templates": []})
    run("amtool", "config", "routes", "test", f"--config.file={path}", f"--verify.receivers={receiver}", *labels)


@pytest.mark.tool("amtool")
@pytest.mark.parametrize(
    ("severity", "told"), [("critical", "team,mail,duty"), ("warning", "team,mail"), ("info", "operators")]
)
def test_every_receiver_is_told_of_what_it_asks_for(severity: str, told: str, tmp_path: Path) -> None:
    path = write(tmp_path / "alertmanager.yml", {**configuration(RECEIVERS), "templates": []})
    labels = ["alertname=RedisDown", f"severity={severity}"]
    run("amtool", "config", "routes", "test", f"--config.file={path}", f"--verify.receivers={told}", *labels)
