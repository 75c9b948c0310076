"""FitSync's databases in the cluster: what the derived container is told, done on a real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from derive.application import application
from systems.fitsync import SYSTEM
from tests.real.bootstrap_site import NEEDS_POSTGRESQL
from tests.real.fitsync_tier import NAMES
from tests.real.single_server import SECRET, Pod, environment, started
from tests.unit.declared import deployed, objects, variables

pytestmark = NEEDS_POSTGRESQL
PLAN = application(deployed(SYSTEM, placements=dict.fromkeys(NAMES, "cluster")), {})


@pytest.fixture(scope="module")
def pod() -> Iterator[Pod]:
    with started(PLAN, "userdb") as made:
        yield made


def test_the_container_becomes_ready_by_its_own_probe(pod: Pod) -> None:
    """The probe's command runs in the container's environment; a wrong name in it restarts a healthy server."""
    for probe in ("readinessProbe", "livenessProbe"):
        port = str(pod.server["ports"][0]["containerPort"])
        command = [word.replace(f" {port} ", f" {pod.env['PGPORT']} ") for word in pod.server[probe]["exec"]["command"]]
        assert "accepting connections" in pod.run(*command).stdout


def test_the_service_logs_in_with_what_it_is_told(pod: Pod) -> None:
    """FS-DAT-12, FS-DAT-08: name, port, user and password come from the two ends of one Secret."""
    told = variables(PLAN, "user-service")
    assert told["DB_HOST"] == "userdb.fitsync.svc.cluster.local"
    assert (told["DB_PORT"], told["DB_SSLMODE"]) == (str(pod.server["ports"][0]["containerPort"]), "disable")
    assert told["DB_USER"] == ("userdb-credentials", "username")
    user, password = (SECRET[told[name][1]] for name in ("DB_USER", "DB_PASSWORD"))
    assert (
        pod.login(user, password, told["DB_NAME"], "CREATE TABLE kept (id int); SELECT current_database()") == "userdb"
    )
    assert "password authentication failed" in pod.login(user, "wrong", told["DB_NAME"], "SELECT 1", check=False)
    settings = "SELECT current_setting('password_encryption') || ' ' || current_setting('data_checksums')"
    assert pod.login(user, password, "userdb", settings) == "scram-sha-256 on"
    methods = "SELECT DISTINCT auth_method FROM pg_hba_file_rules WHERE type <> 'local'"
    assert pod.login(user, password, "userdb", methods) == "scram-sha-256"


def test_the_exporter_reads_statistics_and_nothing_else(pod: Pod) -> None:
    """With the owner's login, as the image makes it, whoever takes over the exporter would own every row."""
    told = environment(pod.exporter)
    user, password = told["DATA_SOURCE_USER"], told["DATA_SOURCE_PASS"]
    assert told["DATA_SOURCE_URI"] == "localhost:5432/userdb?sslmode=disable"
    owner = (SECRET["username"], SECRET["password"])
    pod.login(*owner, "userdb", "CREATE TABLE IF NOT EXISTS watched (id int)")
    statistics = "SELECT pg_database_size('userdb') > 0 AND count(*) > 0 FROM pg_stat_activity"
    assert pod.login(user, password, "userdb", statistics) == "t"
    for statement in (
        "SELECT * FROM public.watched",
        "CREATE TABLE public.mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "SET ROLE user_service",
        "SELECT rolpassword FROM pg_authid",
        "COPY (SELECT 1) TO PROGRAM 'id'",
    ):
        assert pod.login(user, password, "userdb", statement, check=False) == "ERROR:  42501", statement
    for database in ("postgres", "template1"):
        refused = pod.login(user, password, database, "SELECT 1", check=False)
        assert "permission denied for database" in refused


def test_the_runbook_s_dump_and_restore_move_every_row(pod: Pod, root: Path) -> None:
    """There is no archive here: these two commands are the backup, and the way to the machines and back."""
    dump, restore = re.findall(r"-- sh -c '([^']+)'", (root / "docs/runbooks/postgresql.md").read_text())
    owner = (SECRET["username"], SECRET["password"], "userdb")
    pod.login(*owner, "CREATE TABLE moved AS SELECT generate_series(1, 100) AS id")
    pod.run("sh", "-c", f"{dump} >{pod.folder}/dump")
    pod.login(*owner, "DROP TABLE moved")
    pod.run("sh", "-c", f"{restore} <{pod.folder}/dump")
    assert pod.login(*owner, "SELECT count(*) || ' ' || sum(id) FROM moved") == "100 5050"


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_the_row_holds(name: str) -> None:
    """FS-DAT-12, for each of the four."""
    item = objects(PLAN, "StatefulSet")[name]
    spec, pod = item["spec"], item["spec"]["template"]
    assert (item["metadata"]["namespace"], spec["serviceName"], spec["replicas"]) == ("fitsync", name, 1)
    assert pod["metadata"]["labels"]["app"] == name
    server = next(each for each in pod["spec"]["containers"] if each["name"] == "postgres")
    assert server["image"] == "postgres:15-alpine"
    told = {entry["name"]: entry for entry in server["env"]}
    assert told["POSTGRES_DB"]["value"] == name
    keys = [told[f"POSTGRES_{part}"]["valueFrom"]["secretKeyRef"] for part in ("USER", "PASSWORD")]
    assert keys == [{"name": f"{name}-credentials", "key": key} for key in ("username", "password")]
    assert server["ports"] == [{"name": "postgres", "containerPort": 5432, "protocol": "TCP"}]
    mounts = {mount["name"]: mount["mountPath"] for mount in server["volumeMounts"]}
    assert mounts["postgres-storage"] == "/var/lib/postgresql/data"
    (claim,) = spec["volumeClaimTemplates"]
    assert claim == {
        "metadata": {"name": "postgres-storage"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local-path",
            "resources": {"requests": {"storage": "20Gi"}},
        },
    }
    service = objects(PLAN, "Service")[name]["spec"]
    assert (service["selector"], service["ports"][0]["port"]) == ({"app": name}, 5432)


@pytest.mark.parametrize("name", NAMES)
def test_one_setting_moves_a_database_and_nothing_else(name: str) -> None:
    """FS-DAT-12: ``wheelhouse:databases``; the owner then knows another host, and no other service knows any."""
    hosts = {other: f"{other}.database.internal" for other in NAMES if other != name}
    mixed = application(deployed(SYSTEM, placements={name: "cluster"}), hosts)
    owner = next(service.name for service in SYSTEM.services if name in service.uses)
    told = {service.name: variables(mixed, service.name).get("DB_HOST") for service in SYSTEM.services}
    assert told[owner] == f"{name}.fitsync.svc.cluster.local"
    assert {host for host in told.values() if host} == {told[owner], *hosts.values()}
    policies = {key: item["spec"] for key, item in objects(mixed, "CiliumNetworkPolicy").items()}
    selecting = {
        key
        for key, policy in policies.items()
        for rule in policy["egress"]
        for peer in rule.get("toEndpoints", [])
        if peer.get("matchLabels", {}).get("app") == name
    }
    assert selecting == {f"{owner}-policy"}
    (clients, scrapes) = policies[f"{name}-policy"]["ingress"]
    assert clients["fromEndpoints"][0]["matchExpressions"][0]["values"] == [owner]
    assert {port["port"] for port in clients["toPorts"][0]["ports"]} == {"5432"}
    assert "9187" in {port["port"] for port in scrapes["toPorts"][0]["ports"]}, "Prometheus reaches the exporter"
