"""FitSync, data stores: the database machines, their names, volumes and passwords; Redis; the alternative inside."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox.state import Resource
from tests.requirements.fitsync import DATABASES, PORTS, SPOKES, ZONES
from tests.requirements.network import database_group, rules, tiers
from tests.requirements.policies import DNS, ISTIOD, apps, network
from tests.requirements.registered import Machine, Registered, bundle, containers, environment, machine


def hosts(stack: Registered) -> dict[str, Resource]:
    """Database machines by the name in front of ``.database.internal`` that leads to them."""
    zone = stack.one("route53.Zone", name="database.internal")
    by_address = {item.inputs["privateIp"]: item for item in stack.all("ec2.Instance")}
    found = {}
    for record in stack.all("route53.Record", zoneId=zone.id):
        (address,) = record.inputs["records"]
        found[record.inputs["name"].removesuffix(".database.internal")] = by_address[address]
    return found


def boot(instance: Resource) -> Machine:
    return machine(instance.inputs["userData"])


def files(stack: Registered, instance: Resource) -> dict[str, str]:
    """What the machine fetches at boot."""
    key = boot(instance).settings["BUNDLE_URL"].split("/", 3)[3]
    return bundle(stack.one("s3.BucketObjectv2", key=key).inputs["content"])


def data_volume(stack: Registered, instance: Resource) -> Resource:
    """The volume beside the machine's root volume."""
    attached = stack.one("ec2.VolumeAttachment", instanceId=instance.id)
    return stack.by_id("ebs.Volume", attached.inputs["volumeId"])


def primaries(stack: Registered) -> dict[str, Resource]:
    found = hosts(stack)
    return {name: found[name] for name in DATABASES}


@pytest.mark.rows("FS-DAT-01")
def test_four_machines_in_the_database_subnets_without_public_addresses(spoke: Registered) -> None:
    allowed = {subnet.id for subnet in tiers(spoke)["db"]}
    found = hosts(spoke)
    standbys = {f"{name}-standby" for name in DATABASES} if spoke.stack == "prod" else set[str]()
    assert set(found) == set(DATABASES) | standbys
    assert len({instance.id for instance in found.values()}) == len(found) == len(spoke.all("ec2.Instance"))
    for instance in found.values():
        assert instance.inputs["subnetId"] in allowed
        assert instance.inputs["associatePublicIpAddress"] is False
        assert instance.inputs["vpcSecurityGroupIds"] == [database_group(spoke)]


@pytest.mark.rows("FS-DAT-02")
def test_prods_machines_and_volumes_have_the_required_size(prod: Registered) -> None:
    for instance in hosts(prod).values():
        assert instance.inputs["instanceType"] == "t3.medium"
        volume = data_volume(prod, instance).inputs
        assert (volume["type"], volume["size"]) == ("gp3", 100)


@pytest.mark.rows("FS-DAT-03", "FS-AVL-03")
@pytest.mark.parametrize("database", DATABASES)
def test_prods_standby_follows_its_primary_from_another_zone(prod: Registered, database: str) -> None:
    found = hosts(prod)
    primary, standby = found[database], found[f"{database}-standby"]
    zones = [
        prod.by_id("ec2.Subnet", instance.inputs["subnetId"]).inputs["availabilityZone"]
        for instance in (primary, standby)
    ]
    assert zones[0] != zones[1]
    assert boot(standby).settings["PRIMARY_HOST"] == f"{database}.database.internal"
    slot = boot(standby).settings["SLOT"]
    configuration = files(prod, standby)["/etc/postgresql/postgresql.conf"]
    assert f"primary_slot_name = '{slot}'" in configuration
    assert re.search(rf"primary_conninfo = 'host={database}\.database\.internal user=replicator ", configuration)
    sent = files(prod, primary)
    assert "wal_level = 'replica'" in sent["/etc/postgresql/postgresql.conf"]
    assert "pg_create_physical_replication_slot(:'slot', true)" in sent["/etc/postgresql/bootstrap.sql"]
    assert f"\\set slot '{slot}'" in sent["/etc/postgresql/bootstrap.sql"]
    network_of_standby = ".".join(standby.inputs["privateIp"].split(".")[:3]) + ".0/24"
    assert f'hostssl replication "replicator" {network_of_standby} scram-sha-256' in sent["/etc/postgresql/pg_hba.conf"]
    group = database_group(prod)
    for direction in ("Ingress", "Egress"):
        assert ("tcp", 5432, 5432, group) in rules(prod, group, direction)


@pytest.mark.rows("FS-DAT-04")
def test_the_private_zone_resolves_four_names_to_four_targets(spoke: Registered) -> None:
    zone = spoke.one("route53.Zone", name="database.internal")
    assert [vpc["vpcId"] for vpc in zone.inputs["vpcs"]] == [spoke.one("ec2.Vpc").id]
    records = [spoke.one("route53.Record", name=f"{name}.database.internal").inputs for name in DATABASES]
    assert {(record["type"], record["ttl"], record["zoneId"]) for record in records} == {("A", 60, zone.id)}
    targets = [address for record in records for address in record["records"]]
    assert len(set(targets)) == 4
    assert all(address.startswith(f"{SPOKES[spoke.stack]}.") for address in targets)


@pytest.mark.rows("FS-DAT-05")
def test_every_database_listens_on_5432_and_no_other_port_is_named(spoke: Registered) -> None:
    for instance in hosts(spoke).values():
        assert "\nport = '5432'\n" in files(spoke, instance)["/etc/postgresql/postgresql.conf"]
    other = re.compile(r"(?<!\d)543[345](?!\d)")
    for resource in spoke.resources:
        if resource.type.startswith(("aws:vpc/", "kubernetes:")):
            named = [line for line in repr(resource.inputs.get("spec", resource.inputs)).split() if other.search(line)]
            assert not named, resource.name


@pytest.mark.rows("FS-DAT-07")
def test_databases_run_postgresql_15_and_come_up_without_the_internet(spoke: Registered) -> None:
    """Packages are in the region's S3, which the gateway endpoint reaches; nothing else is fetched."""
    endpoint = spoke.one("ec2.VpcEndpoint").inputs
    assert (endpoint["vpcEndpointType"], endpoint["serviceName"]) == ("Gateway", "com.amazonaws.eu-west-1.s3")
    assert not endpoint.get("policy"), "the packages' buckets are not ours"
    for subnet in tiers(spoke)["db"]:
        table = spoke.one("ec2.RouteTableAssociation", subnetId=subnet.id).inputs["routeTableId"]
        assert table in endpoint["routeTableIds"]
    for instance in hosts(spoke).values():
        found = boot(instance)
        assert found.settings["MAJOR"] == "15"
        assert "postgresql15-server" in found.settings["PACKAGES"].split()
        assert found.settings["BUNDLE_URL"].startswith("s3://")
        everything = "".join((*found.files.values(), *files(spoke, instance).values()))
        assert set(re.findall(r"https?://([\w.-]+)", everything)) <= {"169.254.169.254"}


@pytest.mark.rows("FS-DAT-08")
def test_each_database_user_has_a_random_password_that_its_service_alone_gets(spoke: Registered) -> None:
    random = [item.outputs["result"] for item in spoke.all("index.RandomPassword")]
    passwords = {}
    for database, service in DATABASES.items():
        secret = spoke.manifest("Secret", "fitsync", f"{database}-credentials")["stringData"]
        assert {"username", "password"} <= set(secret)
        assert random.count(secret["password"]) == 1
        passwords[database] = secret["password"]
        assert (
            f"\\set role '{secret['username']}'"
            in files(spoke, hosts(spoke)[database])["/etc/postgresql/bootstrap.sql"]
        )
        users = {name for _, name, template in spoke.pods() if f"{database}-credentials" in repr(template["spec"])}
        assert users == {f"fitsync/{service}"}
        holders = {
            name
            for name, item in spoke.manifests("Secret").items()
            if secret["password"] in item["stringData"].values()
        }
        assert holders == {f"fitsync/{database}-credentials"}
    assert len(set(passwords.values())) == 4


@pytest.mark.rows("FS-DAT-10")
def test_data_is_on_a_volume_of_its_own_that_outlives_the_machine(spoke: Registered) -> None:
    for instance in hosts(spoke).values():
        volume = data_volume(spoke, instance)
        assert boot(instance).settings["VOLUME_ID"] == volume.id
        assert instance.urn not in volume.dependencies, "the machine's replacement must not replace the volume"
        assert not instance.inputs.get("ebsBlockDevices")
        zone = spoke.by_id("ec2.Subnet", instance.inputs["subnetId"]).inputs["availabilityZone"]
        assert volume.inputs["availabilityZone"] == zone
        assert (
            f"data_directory = '{boot(instance).settings['MOUNT']}/data'"
            in files(spoke, instance)["/etc/postgresql/postgresql.conf"]
        )
    letters = {data_volume(spoke, item).inputs["availabilityZone"][-1] for item in hosts(spoke).values()}
    assert letters == set(ZONES[spoke.stack])


def redis(stack: Registered) -> Any:
    return stack.spec("StatefulSet", "fitsync", "redis")


def redis_configuration(stack: Registered) -> dict[str, str]:
    text = stack.manifest("ConfigMap", "fitsync", "redis-config")["data"]["redis.conf"]
    return dict(line.split(" ", 1) for line in text.splitlines() if line)


@pytest.mark.rows("FS-DAT-06")
def test_redis_answers_inside_the_cluster_only(spoke: Registered) -> None:
    service = spoke.spec("Service", "fitsync", "redis")
    assert (service["type"], service["selector"]) == ("ClusterIP", {"app": "redis"})
    assert {"name": "tcp-redis", "port": 6379, "targetPort": 6379, "protocol": "TCP"} in service["ports"]
    template = redis(spoke)["template"]
    assert template["metadata"]["labels"]["app"] == "redis"
    assert redis_configuration(spoke)["port"] == "6379"
    assert "redis-server" in template["spec"]["containers"][0]["command"]


@pytest.mark.rows("FS-DAT-09")
def test_redis_keeps_its_data(spoke: Registered) -> None:
    found = redis(spoke)
    (claim,) = found["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert found["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    mounts = {item["name"]: item["mountPath"] for item in found["template"]["spec"]["containers"][0]["volumeMounts"]}
    configuration = redis_configuration(spoke)
    assert configuration["dir"] == mounts[claim["metadata"]["name"]]
    assert configuration["appendonly"] == "yes"


@pytest.mark.rows("FS-DAT-11")
def test_redis_memory_is_bounded_below_its_limit_and_drops_only_what_expires(spoke: Registered) -> None:
    configuration = redis_configuration(spoke)
    assert configuration["maxmemory-policy"].startswith("volatile-")
    limit = redis(spoke)["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert limit == "256Mi"
    assert 0 < int(configuration["maxmemory"]) < 256 * 1024 * 1024


@pytest.mark.rows("FS-BYD-13")
def test_redis_asks_for_a_password(spoke: Registered) -> None:
    secret = spoke.manifest("Secret", "fitsync", "redis-credentials")["stringData"]
    assert secret["password"] in {item.outputs["result"] for item in spoke.all("index.RandomPassword")}
    users = dict(line.split(" ", 2)[1:] for line in secret["users.acl"].splitlines() if line)
    assert all("nopass" not in rule and "reset on >" in rule for rule in users.values())
    assert f">{secret['password']}" in users["default"]
    assert redis_configuration(spoke)["aclfile"] == "/etc/redis/users/users.acl"
    for name in PORTS:
        (container,) = spoke.spec("Deployment", "fitsync", name)["template"]["spec"]["containers"]
        wanted = ("redis-credentials", "password") if name != "frontend" else None
        assert environment(container).get("REDIS_PASSWORD") == wanted


@pytest.mark.rows("FS-DAT-12")
@pytest.mark.parametrize(("database", "service"), DATABASES.items())
def test_the_alternative_keeps_a_database_in_the_cluster(reconfigured: Registered, database: str, service: str) -> None:
    found = reconfigured.spec("StatefulSet", "fitsync", database)
    assert (found["serviceName"], found["replicas"]) == (database, 1)
    assert found["template"]["metadata"]["labels"]["app"] == database
    server = containers(found["template"])[0]
    assert server["image"] == "postgres:15-alpine"
    told = environment(server)
    assert told["POSTGRES_DB"] == database
    assert told["POSTGRES_USER"] == (f"{database}-credentials", "username")
    assert told["POSTGRES_PASSWORD"] == (f"{database}-credentials", "password")
    assert server["ports"] == [{"name": "postgres", "containerPort": 5432, "protocol": "TCP"}]
    assert {"name": "postgres-storage", "mountPath": "/var/lib/postgresql/data"} in server["volumeMounts"]
    (claim,) = found["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "postgres-storage"
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert claim["spec"]["storageClassName"] == "local-path"
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"

    (container,) = reconfigured.spec("Deployment", "fitsync", service)["template"]["spec"]["containers"]
    assert environment(container)["DB_HOST"] == f"{database}.fitsync.svc.cluster.local"
    inbound = network(reconfigured, "fitsync", "ingress")[database]
    assert {who for who, _, port in inbound if port == 5432} == {f"fitsync/app={service},tier=application"}
    assert apps([database], 5432) <= network(reconfigured, "fitsync", "egress")[service]
    assert network(reconfigured, "fitsync", "egress")[database] == {ISTIOD, *DNS}


@pytest.mark.rows("FS-DAT-12")
def test_the_alternative_has_no_machine_volume_or_name_for_databases(reconfigured: Registered) -> None:
    assert not reconfigured.all("ec2.Instance")
    assert not reconfigured.all("ebs.Volume")
    names = [item.inputs["name"] for item in reconfigured.all("route53.Record")]
    assert not [name for name in names if name.endswith(".database.internal")]
    assert not [name for name in reconfigured.manifests("ServiceEntry") if name.removeprefix("fitsync/") in DATABASES]
