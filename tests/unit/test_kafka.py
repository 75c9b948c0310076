"""Kafka in KRaft mode: one broker or several, whom clients find by a name that leads to them."""

from __future__ import annotations

import os
import subprocess
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from derive.stores import kafka, place_of
from model import Kafka, Service, System
from tests.unit.declared import derived, objects, shop, variables


def system(brokers: int) -> System:
    return shop(
        services=(Service(name="orders", port=3001, uses=("kafka",)), Service(name="web", port=3000)),
        stores=(Kafka(name="kafka", brokers=brokers),),
    )


def properties(declared: System, pod: str = "kafka-0") -> dict[str, str]:
    text = objects(derived(declared), "ConfigMap")["kafka-config"]["data"][f"{pod}.server.properties"]
    return dict(line.split("=", 1) for line in text.strip().split("\n"))


def test_a_single_broker_asks_for_no_second_copy() -> None:
    """NT-MSG-01, NT-MSG-02, NT-MSG-03: by default internal topics want three brokers and are never made."""
    found = properties(system(1))
    assert found["process.roles"] == "broker,controller"
    assert found["log.dirs"] == "/var/lib/kafka/data"
    assert {name: value for name, value in found.items() if name.endswith(("factor", "isr", "replicas"))} == {
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }
    plan = derived(system(1))
    assert [port["port"] for port in objects(plan, "Service")["kafka"]["spec"]["ports"]] == [9092]
    claim = objects(plan, "StatefulSet")["kafka"]["spec"]["volumeClaimTemplates"][0]
    assert claim["spec"]["resources"] == {"requests": {"storage": "100Gi"}}


def test_three_brokers_keep_three_copies_and_write_two() -> None:
    """NT-AVL-02: more brokers are configuration."""
    found = properties(system(3))
    assert (found["default.replication.factor"], found["min.insync.replicas"]) == ("3", "2")
    domain = "kafka-headless.shop.svc.cluster.local:9093"
    assert found["controller.quorum.voters"] == f"0@kafka-0.{domain},1@kafka-1.{domain},2@kafka-2.{domain}"
    assert set(objects(derived(system(3)), "PodDisruptionBudget")) == {"kafka"}


@pytest.mark.parametrize(
    ("brokers", "clients"),
    [(1, "kafka.shop.svc.cluster.local"), (3, "kafka-2.kafka-headless.shop.svc.cluster.local")],
)
def test_clients_are_sent_to_a_name_that_they_reach(brokers: int, clients: str) -> None:
    """NT-MSG-03: the first answer of a broker names another address; one that clients do not know looks like an
    outage."""
    declared = system(brokers)
    pod = f"kafka-{brokers - 1}"
    own = f"{pod}.kafka-headless.shop.svc.cluster.local"
    found = properties(declared, pod)
    assert found["advertised.listeners"] == f"CLIENTS://{clients}:9092,BROKERS://{own}:9094"
    assert found["node.id"] == str(brokers - 1)
    plan = derived(declared)
    hosts = objects(plan, "Sidecar")["orders"]["spec"]["egress"][0]["hosts"]
    service = clients.removeprefix(f"{pod}.")
    assert f"shop/{service}" in hosts
    assert 9092 in [port["port"] for port in objects(plan, "Service")[service.split(".")[0]]["spec"]["ports"]]
    assert variables(plan, "orders")["KAFKA_BOOTSTRAP_SERVERS"] == "kafka.shop.svc.cluster.local:9092"


def test_members_hear_one_another_and_the_exporter_measures_from_outside() -> None:
    """NT-NPL-05, NT-OBS-13."""
    plan = derived(system(3))
    policies = objects(plan, "CiliumNetworkPolicy")
    inbound = {
        tuple(port["port"] for port in rule["toPorts"][0]["ports"]): sorted(
            name
            for source in rule["fromEndpoints"]
            for expression in source.get("matchExpressions", ())
            for name in expression["values"]
        )
        for rule in policies["kafka-policy"]["spec"]["ingress"]
    }
    assert inbound == {("9092",): ["kafka-exporter", "orders"], ("9093", "9094"): ["kafka"], ("15020",): []}
    exporter = objects(plan, "Deployment")["kafka-exporter"]["spec"]["template"]["spec"]["containers"][0]
    assert "--kafka.server=kafka.shop.svc.cluster.local:9092" in exporter["args"]
    assert objects(plan, "Service")["kafka-exporter"]["metadata"]["labels"]["monitoring"] == "enabled"


def test_each_member_starts_by_its_own_properties(tmp_path: Path) -> None:
    """With another member's number it would take that one's place."""
    declared = system(3)
    store = declared.store("kafka")
    assert isinstance(store, Kafka)
    text = kafka.start(store, place_of(declared, store, {})).replace("/opt/kafka/bin", str(tmp_path))
    for tool in ("kafka-storage.sh", "kafka-server-start.sh"):
        (tmp_path / tool).write_text('#!/bin/sh\nfor word; do :; done\necho "${word#--config=}"\n')
        (tmp_path / tool).chmod(0o755)
    env = {"POD_NAME": "kafka-2", "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", "-c", text], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["/etc/kafka-configuration/kafka-2.server.properties"] * 2


def test_the_cluster_has_one_identity() -> None:
    """A member with another one is refused by the rest; a leading dash would be taken for an option."""
    for name in (f"store-{index}" for index in range(200)):
        declared = shop(stores=(Kafka(name=name),))
        store = declared.store(name)
        assert isinstance(store, Kafka)
        found = kafka.cluster_id(store, place_of(declared, store, {}))
        assert len(urlsafe_b64decode(f"{found}==")) == 16
        assert not found.startswith("-")
