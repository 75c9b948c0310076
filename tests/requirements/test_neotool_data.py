"""Neotool's stores: PostgreSQL behind PgBouncer, and Kafka."""

from __future__ import annotations

import re

import pytest

from derive.application import application
from model import InCluster, PostgreSQL
from systems.neotool import SYSTEM
from tests.requirements.neotool import ACCOUNT, HOME, apps, peers
from tests.requirements.registered import Manifest, Registered, environment
from tests.unit.declared import deployed, objects

SYNCED = "postgres-credentials"


def server(stack: Registered) -> Manifest:
    """PostgreSQL's own container."""
    containers = stack.spec("StatefulSet", HOME, "postgres")["template"]["spec"]["containers"]
    (found,) = [item for item in containers if item["name"] == "postgres"]
    return dict(found)


def settings(text: str) -> dict[str, str]:
    """``key = value`` lines, and ``key=value`` ones."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if separator:
            assert key.strip() not in found, f"'{key}' twice"
            found[key.strip()] = value.strip()
    return found


def properties(text: str) -> dict[str, str]:
    """Java properties, strictly: each line a known shape, no key twice, nothing that continues or escapes."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([a-z][a-z0-9.]*)=(\S+)", line)
        assert match, f"no property: {line!r}"
        assert match[1] not in found, f"'{match[1]}' twice"
        found[match[1]] = match[2]
    return found


@pytest.mark.rows("NT-DAT-01", "NT-DAT-10")
def test_postgresql_is_one_member_of_release_18_1(neotool: Registered) -> None:
    spec = neotool.spec("StatefulSet", HOME, "postgres")
    assert spec["replicas"] == 1
    assert server(neotool)["image"].split("/")[-1].startswith("postgres:18.1")


@pytest.mark.rows("NT-DAT-02", "NT-DAT-03")
def test_its_data_lies_on_its_volume(neotool: Registered) -> None:
    """Release 18 keeps nothing that is mounted where older ones had it."""
    (claim,) = neotool.spec("StatefulSet", HOME, "postgres")["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert claim["spec"]["storageClassName"] == "local-path"
    assert claim["spec"]["resources"]["requests"] == {"storage": "100Gi"}
    (mount,) = [item for item in server(neotool)["volumeMounts"] if item["name"] == claim["metadata"]["name"]]
    assert mount["mountPath"] == "/var/lib/postgresql"
    assert environment(server(neotool))["PGDATA"].startswith(f"{mount['mountPath']}/")


@pytest.mark.rows("NT-DAT-04")
def test_passwords_are_proved_by_scram(neotool: Registered) -> None:
    told = environment(server(neotool))
    assert told["POSTGRES_HOST_AUTH_METHOD"] == "scram-sha-256"
    assert "--auth-host=scram-sha-256" in told["POSTGRES_INITDB_ARGS"]
    methods = re.findall(r"--auth\S*=(\S+)", told["POSTGRES_INITDB_ARGS"])
    assert {"scram-sha-256"} <= set(methods) <= {"scram-sha-256", "peer"}


@pytest.mark.rows("NT-DAT-05")
def test_a_headless_service_names_its_pod(neotool: Registered) -> None:
    spec = neotool.spec("Service", HOME, "postgres-headless")
    assert spec["clusterIP"] == "None"
    assert [port["port"] for port in spec["ports"]] == [5432]
    found = neotool.spec("StatefulSet", HOME, "postgres")
    assert found["serviceName"] == "postgres-headless"
    assert spec["selector"].items() <= found["template"]["metadata"]["labels"].items()


@pytest.mark.rows("NT-DAT-06")
def test_its_password_is_synced_and_its_probes_ask_the_server(neotool: Registered) -> None:
    told = environment(server(neotool))
    synced = neotool.spec("ExternalSecret", HOME, SYNCED)
    assert synced["target"].get("name", SYNCED) == SYNCED
    keys = {item["secretKey"] for item in synced["data"]}
    for name in ("POSTGRES_PASSWORD", "OWNER_PASSWORD", "OWNER_USER"):
        secret, key = told[name]
        assert (secret, key in keys) == (SYNCED, True)
    for probe in ("livenessProbe", "readinessProbe"):
        assert "pg_isready" in " ".join(server(neotool)[probe]["exec"]["command"])


@pytest.mark.rows("NT-DAT-07", "NT-DAT-08")
def test_pgbouncer_pools_transactions_for_a_thousand_clients(neotool: Registered) -> None:
    found = settings(neotool.manifest("ConfigMap", HOME, "pgbouncer-config")["data"]["pgbouncer.ini"])
    assert {key: found[key] for key in ("pool_mode", "max_client_conn", "default_pool_size", "listen_port")} == {
        "pool_mode": "transaction",
        "max_client_conn": "1000",
        "default_pool_size": "25",
        "listen_port": "6432",
    }
    assert found["auth_type"] == "plain"
    pod = neotool.spec("Deployment", HOME, "pgbouncer")["template"]["spec"]
    volumes = {item["name"]: item for item in pod["volumes"]}
    assert volumes["users"]["secret"]["secretName"] == "pgbouncer-users"
    synced = neotool.spec("ExternalSecret", HOME, "pgbouncer-users")
    assert "userlist.txt" in {item["secretKey"] for item in synced["data"]}
    assert neotool.spec("Service", HOME, "pgbouncer")["type"] == "ClusterIP"


@pytest.mark.rows("NT-DAT-09")
def test_pgbouncer_is_the_only_way_in(neotool: Registered) -> None:
    """Its Service, its backend, and whom the server lets in: the pooler, and the job that dumps."""
    ports = neotool.spec("Service", HOME, "pgbouncer")["ports"]
    assert 6432 in [port["port"] for port in ports]
    text = neotool.manifest("ConfigMap", HOME, "pgbouncer-config")["data"]["pgbouncer.ini"]
    assert f"neotool = host=postgres-headless.{HOME}.svc.cluster.local port=5432 dbname=neotool" in text.splitlines()
    policy = neotool.manifest("NetworkPolicy", HOME, "postgres-allow-pgbouncer")
    assert apps(peers(policy, 5432)) == {"pgbouncer", "postgres-backup"}


@pytest.mark.rows("NT-DAT-10")
def test_more_members_stream_from_the_first() -> None:
    """More than one without replication would be as many databases."""
    (postgres,) = [store for store in SYSTEM.stores if isinstance(store, PostgreSQL)]
    several = postgres.model_copy(update={"placement": InCluster(members=3, size="100Gi")})
    stores = tuple(several if store is postgres else store for store in SYSTEM.stores)
    other = SYSTEM.model_copy(update={"stores": stores, "quota": None})
    plan = application(deployed(other, "prod", cloudflare_account=ACCOUNT), {})
    sets = objects(plan, "StatefulSet")
    assert {"postgres", "postgres-2", "postgres-3"} <= set(sets)
    assert "primary_conninfo" in objects(plan, "ConfigMap")["postgres-config"]["data"]["postgresql.conf"]


def kafka(stack: Registered) -> Manifest:
    spec: Manifest = stack.spec("StatefulSet", HOME, "kafka")
    return spec


def broker(stack: Registered) -> dict[str, str]:
    """The properties of the only broker."""
    return properties(stack.manifest("ConfigMap", HOME, "kafka-config")["data"]["kafka-0.server.properties"])


@pytest.mark.rows("NT-MSG-01")
def test_kafka_needs_no_zookeeper(neotool: Registered) -> None:
    found = broker(neotool)
    assert found["process.roles"] == "broker,controller"
    assert found["controller.quorum.voters"].startswith("0@kafka-0.")
    assert not [key for key in found if "zookeeper" in key]
    text = str([resource.inputs for resource in neotool.resources if "kubernetes" in resource.type]).lower()
    assert "zookeeper" not in text


@pytest.mark.rows("NT-MSG-02")
def test_kafka_answers_under_its_name_and_keeps_a_hundred_gibibytes(neotool: Registered) -> None:
    assert [port["port"] for port in neotool.spec("Service", HOME, "kafka")["ports"]] == [9092]
    (claim,) = kafka(neotool)["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"] == {"storage": "100Gi"}


@pytest.mark.rows("NT-MSG-03")
def test_clients_are_sent_to_the_service_and_nothing_asks_for_a_second_broker(neotool: Registered) -> None:
    found = broker(neotool)
    (container,) = kafka(neotool)["template"]["spec"]["containers"]
    assert found["node.id"] == "0"
    advertised = dict(item.split("://") for item in found["advertised.listeners"].split(","))
    assert advertised["CLIENTS"] == f"kafka.{HOME}.svc.cluster.local:9092"
    assert set(advertised) | {"CONTROLLER"} == {item.split(":")[0] for item in found["listeners"].split(",")}
    (mount,) = [item for item in container["volumeMounts"] if item["name"] == "data"]
    assert found["log.dirs"].startswith(f"{mount['mountPath']}/")
    factors = {key: int(value) for key, value in found.items() if key.endswith(("factor", ".isr", "replicas"))}
    assert factors["offsets.topic.replication.factor"] == 1
    assert set(factors.values()) == {kafka(neotool)["replicas"]} == {1}
