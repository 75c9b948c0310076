"""Orion's stores: PostgreSQL with its pooler, Redis, RabbitMQ."""

from __future__ import annotations

import pytest

from tests.requirements.orion import container
from tests.requirements.registered import Manifest, Registered, containers, environment

DATA = "orion-data"
MEMBERS = ("orion", "orion-2", "orion-3")


def member(stack: Registered, name: str) -> Manifest:
    found: Manifest = stack.spec("StatefulSet", DATA, name)
    return found


def claim(spec: Manifest) -> Manifest:
    (found,) = spec["volumeClaimTemplates"]
    own: Manifest = found["spec"]
    return own


def file(stack: Registered, config: str, name: str) -> dict[str, str]:
    """The settings of a configuration file: ``name = value``, quotes apart."""
    text = stack.manifest("ConfigMap", DATA, config)["data"][name]
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("'") for key, value in pairs}


@pytest.mark.rows("OR-DAT-01")
def test_postgresql_has_a_primary_and_two_replicas(orion: Registered) -> None:
    roles = []
    for name in MEMBERS:
        spec = member(orion, name)
        assert (spec["replicas"], container(spec["template"])["image"]) == (1, "postgres:16-alpine")
        roles.append(spec["template"]["metadata"]["labels"]["role"])
    assert roles == ["primary", "replica", "replica"]


@pytest.mark.rows("OR-DAT-02", "OR-DAT-06")
@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_has_its_size_its_probes_and_its_directory(orion: Registered, name: str) -> None:
    own = container(member(orion, name)["template"])
    assert own["resources"] == {
        "requests": {"cpu": "1", "memory": "2Gi"},
        "limits": {"cpu": "2", "memory": "4Gi"},
    }
    for probe in ("livenessProbe", "readinessProbe"):
        assert own[probe]["exec"]["command"][0] == "pg_isready"
    assert environment(own)["PGDATA"] == "/var/lib/postgresql/data/pgdata"
    assert "/var/lib/postgresql/data" in {mount["mountPath"] for mount in own["volumeMounts"]}


@pytest.mark.rows("OR-DAT-03")
@pytest.mark.parametrize("name", MEMBERS)
def test_an_exporter_stands_beside_each_member(orion: Registered, name: str) -> None:
    (exporter,) = [item for item in containers(member(orion, name)["template"]) if item["name"] == "exporter"]
    assert exporter["image"].startswith("quay.io/prometheuscommunity/postgres-exporter:v")
    for side in ("requests", "limits"):
        assert exporter["resources"][side] == {"cpu": "100m", "memory": "128Mi"}


@pytest.mark.rows("OR-DAT-04")
@pytest.mark.parametrize("name", MEMBERS)
def test_each_member_has_an_encrypted_volume_of_its_own(orion: Registered, name: str) -> None:
    spec = claim(member(orion, name))
    assert spec["accessModes"] == ["ReadWriteOnce"]
    assert (spec["storageClassName"], spec["resources"]["requests"]["storage"]) == ("gp3", "100Gi")
    storage = orion.manifests("StorageClass")["gp3"]
    assert (storage["provisioner"], storage["parameters"]["encrypted"]) == ("ebs.csi.aws.com", "true")


@pytest.mark.rows("OR-DAT-05")
@pytest.mark.parametrize("name", MEMBERS)
def test_the_server_starts_with_its_file_and_writes_an_audit_trail(orion: Registered, name: str) -> None:
    found = member(orion, name)["template"]["spec"]
    assert "config_file=/etc/postgresql/postgresql.conf" in container({"spec": found})["command"]
    mounted = {volume["configMap"]["name"] for volume in found["volumes"] if "configMap" in volume}
    for volume in found["volumes"]:
        mounted |= {
            source["configMap"]["name"]
            for source in volume.get("projected", {}).get("sources", ())
            if "configMap" in source
        }
    assert {"orion-config", "orion-init"} <= mounted
    assert mounted <= set(orion.manifests("ConfigMap", DATA))
    settings = file(orion, "orion-config", "postgresql.conf")
    assert (settings["log_statement"], settings["log_connections"]) == ("ddl", "on")


@pytest.mark.rows("OR-DAT-07")
def test_the_database_has_a_headless_service_and_one_with_an_address(orion: Registered) -> None:
    for name in MEMBERS:
        assert member(orion, name)["serviceName"] == "orion-headless"
    headless, own = orion.spec("Service", DATA, "orion-headless"), orion.spec("Service", DATA, "orion")
    assert headless["clusterIP"] == "None"
    assert (own["type"], own.get("clusterIP")) == ("ClusterIP", None)
    assert 5432 in [port["port"] for port in headless["ports"]]
    assert 5432 in [port["port"] for port in own["ports"]]


@pytest.mark.rows("OR-DAT-08")
def test_replicas_are_made_from_the_primary_and_follow_it_synchronously(orion: Registered) -> None:
    settings = file(orion, "orion-config", "postgresql.conf")
    assert settings["synchronous_standby_names"] == "ANY 1 (*)"
    assert settings["synchronous_commit"] == "on"
    prepare = orion.manifest("ConfigMap", DATA, "orion-init")["data"]["prepare-postgres"]
    assert "pg_basebackup" in prepare


@pytest.mark.rows("OR-DAT-09", "OR-DAT-10")
def test_the_pooler_sends_writes_to_the_primary_and_reads_to_the_replicas(orion: Registered) -> None:
    spec = orion.spec("Deployment", DATA, "pgbouncer")
    assert spec["replicas"] == 2
    assert orion.spec("Service", DATA, "pgbouncer")["ports"][0]["port"] == 5432
    settings = file(orion, "pgbouncer-config", "pgbouncer.ini")
    assert settings["pool_mode"] == "transaction"
    assert settings["orion"].startswith("host=orion.orion-data.svc.cluster.local port=5432 ")
    assert settings["orion_ro"].startswith("host=orion-replicas.orion-data.svc.cluster.local port=5432 ")
    primary, replicas = orion.spec("Service", DATA, "orion"), orion.spec("Service", DATA, "orion-replicas")
    assert primary["selector"] == {"app": "orion", "role": "primary"}
    assert replicas["selector"] == {"app": "orion", "role": "replica"}
    for service in ("auth", "user", "notification"):
        told = environment(container(orion.workload(f"orion-{service}", service)["spec"]["template"]))
        assert (told["DB_NAME"], told["DB_READ_NAME"]) == ("orion", "orion_ro")


@pytest.mark.rows("OR-DAT-11")
def test_redis_has_three_members_with_volumes_and_passwords(orion: Registered) -> None:
    spec = member(orion, "redis")
    assert spec["replicas"] == 3
    assert claim(spec)["resources"]["requests"]["storage"] == "10Gi"
    assert {"redis", "sentinel"} <= {item["name"] for item in containers(spec["template"])}
    service = orion.spec("Service", DATA, "redis")
    assert (service["type"], service["ports"][0]["port"]) == ("ClusterIP", 6379)
    assert "aclfile" in orion.manifest("ConfigMap", DATA, "redis-config")["data"]["redis.conf"]
    users = orion.manifest("Secret", "external-secrets", "orion-data.redis-credentials")["stringData"]["users.acl"]
    assert "user default off" in users or "nopass" not in users


@pytest.mark.rows("OR-DAT-12", "OR-BEY-10")
def test_passwords_of_the_data_tier_come_from_vault_and_none_stands_in_clear(orion: Registered) -> None:
    filled = set(orion.manifests("ExternalSecret", DATA))
    assert {"orion-credentials", "redis-credentials", "rabbitmq-credentials", "pgbouncer-users"} <= filled
    for kind, name, found in orion.pods():
        for item in containers(found):
            for variable in item.get("env", ()):
                secret = any(word in variable["name"] for word in ("PASS", "TOKEN", "KEY", "COOKIE"))
                assert not (secret and "value" in variable), f"{kind} {name}: {variable['name']}"


@pytest.mark.rows("OR-MSG-01")
def test_rabbitmq_has_three_members_that_find_one_another(orion: Registered) -> None:
    spec = member(orion, "rabbitmq")
    assert spec["replicas"] == 3
    assert claim(spec)["resources"]["requests"]["storage"] == "20Gi"
    service = orion.spec("Service", DATA, "rabbitmq")
    assert (service["type"], service["ports"][0]["port"]) == ("ClusterIP", 5672)
    settings = file(orion, "rabbitmq-config", "rabbitmq.conf")
    assert settings["cluster_formation.peer_discovery_backend"] == "k8s"
    keys = {entry["secretKey"] for entry in orion.spec("ExternalSecret", DATA, "rabbitmq-credentials")["data"]}
    assert "erlang-cookie" in keys
    volumes = spec["template"]["spec"]["volumes"]
    (secrets,) = [volume["secret"] for volume in volumes if volume["name"] == "secrets"]
    assert secrets["secretName"] == "rabbitmq-credentials"


@pytest.mark.rows("OR-MSG-02")
def test_queues_have_copies_unless_told_otherwise(orion: Registered) -> None:
    assert file(orion, "rabbitmq-config", "rabbitmq.conf")["default_queue_type"] == "quorum"
