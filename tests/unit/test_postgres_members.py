"""Replicas and archives of a database in the cluster: what is made, who may reach whom, and what is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from derive.application import ApplicationPlan, application
from derive.cloud import Allow
from derive.observability import observability
from derive.plan import system_plan
from derive.stores.postgres_server import program
from model import (
    Bucket,
    DeclarationError,
    InCluster,
    PostgresBackup,
    PostgreSQL,
    Recovery,
    Service,
    days,
    hours,
    minutes,
)
from model.base import mistakes
from model.schedules import gaps
from tests.unit.declared import deployed, objects, shop
from tests.unit.replicated import BACKUP, STORE, replicated, states


def plan(**state: Any) -> ApplicationPlan:
    return application(deployed(replicated(), database_states=states(**state)), {})


def pods(found: ApplicationPlan) -> dict[str, Any]:
    """The databases' pod templates by StatefulSet."""
    return {name: item["spec"]["template"] for name, item in objects(found, "StatefulSet").items()}


def settings(found: ApplicationPlan) -> dict[str, str]:
    text = objects(found, "ConfigMap")[f"{STORE}-config"]["data"]["postgresql.conf"]
    return dict(line.replace("'", "").split(" = ", 1) for line in text.splitlines())


def test_members_have_a_part_a_volume_and_a_place_each() -> None:
    """OR-DAT-01, OR-DAT-04, OR-DAT-06, OR-BEY-01, OR-BEY-02."""
    made = objects(plan(), "StatefulSet")
    assert [item["spec"]["replicas"] for item in made.values()] == [1, 1, 1]
    assert [item["metadata"]["labels"]["role"] for item in made.values()] == ["primary", "replica", "replica"]
    selectors = [item["spec"]["selector"]["matchLabels"] for item in made.values()]
    assert selectors == [{"app": STORE, "member": name} for name in made], "each set finds its own pod only"
    for item in made.values():
        (claim,) = item["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["resources"]["requests"] == {"storage": "100Gi"}
        spread = item["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        assert all(each["labelSelector"] == {"matchLabels": {"app": STORE}} for each in spread)
        server = item["spec"]["template"]["spec"]["containers"][0]
        assert {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"} in server["env"]
        assert server["image"] == "postgres:16-alpine"
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert server[probe]["exec"]["command"][0] == "pg_isready"
    assert objects(plan(), "PodDisruptionBudget")[STORE]["spec"]["selector"] == {"matchLabels": {"app": STORE}}


def test_services_lead_to_the_primary_and_to_the_replicas() -> None:
    """OR-DAT-07, OR-DAT-10."""
    made = objects(plan(), "Service")
    assert made[STORE]["spec"]["selector"] == {"app": STORE, "role": "primary"}
    assert made[f"{STORE}-replicas"]["spec"]["selector"] == {"app": STORE, "role": "replica"}
    assert made[f"{STORE}-headless"]["spec"]["clusterIP"] == "None"
    assert {item["spec"]["serviceName"] for item in objects(plan(), "StatefulSet").values()} == {f"{STORE}-headless"}
    config = objects(plan(), "ConfigMap")["pgbouncer-config"]["data"]["pgbouncer.ini"]
    assert "orderdb_ro = host=orderdb-replicas.shop.svc.cluster.local port=5432 dbname=orderdb\n" in config


def test_the_server_is_started_with_its_configuration_and_an_audit_trail() -> None:
    """OR-DAT-05, OR-DAT-08, OR-BKP-02."""
    for template in pods(plan()).values():
        server = template["spec"]["containers"][0]
        assert server["command"][:3] == ["postgres", "-c", "config_file=/etc/postgresql/postgresql.conf"]
        mounted = {mount["name"]: mount["mountPath"] for mount in server["volumeMounts"]}
        (volume,) = [each for each in template["spec"]["volumes"] if each["name"] == "config"]
        assert mounted["config"] == "/etc/postgresql"
        assert volume["configMap"]["name"] in objects(plan(), "ConfigMap")
    found = settings(plan())
    assert (found["log_statement"], found["log_connections"]) == ("ddl", "on")
    assert (found["synchronous_standby_names"], found["synchronous_commit"]) == ("ANY 1 (*)", "on")
    assert (found["archive_mode"], found["archive_timeout"]) == ("on", "60")
    assert found["archive_command"] == "/opt/pgbackrest/pgbackrest --stanza=orderdb archive-push %p"


def test_only_the_declared_reach_a_member() -> None:
    """Services reach the pooler, never a member; the Jobs reach pgBackRest's port, never SQL."""
    policies = {name: item["spec"] for name, item in objects(plan(), "CiliumNetworkPolicy").items()}
    inbound = {
        (peer, port["port"])
        for rule in policies[f"{STORE}-policy"]["ingress"]
        for source in rule["fromEndpoints"]
        for peer in source.get("matchExpressions", [{"values": ["prometheus"]}])[0]["values"]
        for port in rule["toPorts"][0]["ports"]
    }
    assert inbound == {
        (STORE, "5432"),
        ("pgbouncer", "5432"),
        (f"{STORE}-backup", "8432"),
        ("prometheus", "9187"),
        ("prometheus", "15020"),
    }
    rules = objects(plan(), "AuthorizationPolicy")[f"{STORE}-authz"]["spec"]["rules"]
    assert [rule["to"][0]["operation"]["ports"] for rule in rules] == [["5432"], ["8432"], ["9187"]]
    known = objects(plan(), "Sidecar")["pgbouncer"]["spec"]["egress"][0]["hosts"]
    assert "shop/orderdb-replicas.shop.svc.cluster.local" in known, "or the mesh would refuse reads"


def test_who_backs_up_reaches_the_bucket_and_asks_for_its_role() -> None:
    """OR-BKP-05."""
    policies = {name: item["spec"] for name, item in objects(plan(), "CiliumNetworkPolicy").items()}
    for name in (STORE, f"{STORE}-backup", f"{STORE}-backup-exporter"):
        egress = policies[f"{name}-policy"]["egress"]
        assert {"matchName": "s3.eu-central-1.amazonaws.com"} in [
            host for rule in egress for host in rule.get("toFQDNs", [])
        ]
        assert ["169.254.169.254/32"] in [rule.get("toCIDR") for rule in egress]
    assert not any("toCIDR" in rule for rule in policies["pgbouncer-policy"]["egress"])
    annotations = pods(plan())[STORE]["metadata"]["annotations"]
    assert annotations["traffic.sidecar.istio.io/excludeOutboundIPRanges"] == "169.254.169.254/32"


def test_the_jobs_alone_may_delete() -> None:
    """Who takes over the database must not be able to destroy its backups."""
    found = {grant.account: grant.statements for grant in system_plan(deployed(replicated())).grants}
    bucket = "${bucket-arn:backups}"
    listing = Allow(("s3:ListBucket",), (bucket,), {"StringLike": {"s3:prefix": "orderdb/*"}})
    below = (f"{bucket}/orderdb/*",)
    assert found == {
        STORE: (listing, Allow(("s3:GetObject", "s3:PutObject"), below)),
        f"{STORE}-backup": (
            listing,
            Allow(("s3:GetObject", "s3:PutObject"), below),
            Allow(("s3:DeleteObject",), below),
        ),
        f"{STORE}-backup-exporter": (listing, Allow(("s3:GetObject",), below)),
    }
    assert {str(each) for each in system_plan(deployed(replicated())).references} == {bucket, "${bucket:backups}"}


def test_jobs_run_at_their_times_and_never_over_one_another() -> None:
    """OR-BKP-01."""
    jobs = objects(plan(), "CronJob")
    assert {name: item["spec"]["schedule"] for name, item in jobs.items()} == {
        f"{STORE}-backup-full": "0 2 * * *",
        f"{STORE}-backup-incremental": "0 */6 * * *",
    }
    for name, kind in ((f"{STORE}-backup-full", "full"), (f"{STORE}-backup-incremental", "incr")):
        job = jobs[name]["spec"]["jobTemplate"]["spec"]
        assert job["activeDeadlineSeconds"] == 7200, "from midnight to two"
        assert job["template"]["spec"]["containers"][0]["command"][-1].endswith(f"--type={kind} backup")
    keys = [
        volume["secret"]
        for volume in (
            *jobs[f"{STORE}-backup-full"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"],
            *pods(plan())[STORE]["spec"]["volumes"],
        )
        if "secret" in volume
    ]
    assert [key["defaultMode"] for key in keys] == [0o440, 0o440], "pgBackRest refuses a key that all may read"


def test_a_promotion_changes_parts_and_no_names() -> None:
    """A StatefulSet under another name would start with another volume."""
    before, after = plan(), plan(primary=f"{STORE}-2")
    assert objects(before, "StatefulSet").keys() == objects(after, "StatefulSet").keys()
    parts = {name: template["metadata"]["labels"]["role"] for name, template in pods(after).items()}
    assert parts == {f"{STORE}-2": "primary", STORE: "replica", f"{STORE}-3": "replica"}
    assert next(iter(pods(after))) == f"{STORE}-2", "the others wait for it, so it comes first"
    assert objects(before, "Service")[STORE] == objects(after, "Service")[STORE]


def test_a_restore_goes_beside_what_is_there() -> None:
    restored = plan(history=2, restore="2026-08-01T11:59:00+02:00")
    for template in pods(restored).values():
        told = {entry["name"]: entry.get("value") for entry in template["spec"]["initContainers"][-1]["env"]}
        assert told["PGDATA"] == "/var/lib/postgresql/data/pgdata-h2"
        assert told["RESTORE"] == "2026-08-01 09:59:00.000000+00", "as pgBackRest reads a time"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            {"primary": "orderdb-4"},
            "databaseStates.orderdb names 'orderdb-4', which is no member of it; did you mean 'orderdb-3'?",
        ),
        (
            {"volumes": {STORE: 2}},
            "databaseStates.orderdb: volumes, snapshot and source are for databases on machines; "
            "in the cluster use primary, history and restore",
        ),
    ],
)
def test_a_state_that_cannot_be_is_refused(state: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        plan(**state)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: InCluster(members=2, synchronous=2),
            "2 synchronous replicas of 2 members, one of which is the primary: raise placement.members to 3, "
            "or no commit would ever be acknowledged",
        ),
        (
            lambda: PostgresBackup(incremental=None, recovery=Recovery(rto=hours(1), rpo=hours(6))),
            "backups are up to 1 d apart, but recovery.rpo is 6 h; run full or incremental backups more often, "
            "or promise less",
        ),
        (
            lambda: InCluster(size="1Ti", backup=PostgresBackup(recovery=Recovery(rto=hours(2), rpo=hours(6)))),
            "a volume of 1Ti takes 8388 s to write at 125 MiB/s, but recovery.rto is 2 h; "
            "use a smaller volume, or promise less",
        ),
        (
            lambda: PostgresBackup(full="0 25 * * *"),
            "'0 25 * * *' is no cron schedule (Bad hour); write minute, hour, day of month, month and day of week",
        ),
        (
            lambda: with_bucket(Bucket(name="backups", keep=days(365))),
            "bucket 'backups' deletes objects after 365 d, also those that the backups of 'orderdb' still need; "
            "set stores['backups'].keep to None: backups expire by themselves",
        ),
        (
            lambda: with_bucket(Bucket(name="backups", keep=None, glacier=days(30))),
            "bucket 'backups' moves objects to Glacier after 30 d, but backups of 'orderdb' are kept for 30 d, and "
            "from Glacier nothing is restored in time; keep them for less, or raise stores['backups'].glacier",
        ),
    ],
)
def test_a_promise_that_cannot_be_kept_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        make()
    assert mistakes(refusal.value) == message


def with_bucket(bucket: Bucket) -> object:
    store = PostgreSQL(name=STORE, placement=InCluster(backup=BACKUP))
    return shop(stores=(store, bucket), services=(Service(name="orders", port=3001, uses=(STORE,)),))


def test_the_times_between_runs() -> None:
    """The longest is what a loss costs; the shortest is what a run may take."""
    assert gaps("0 2 * * *", "0 */6 * * *") == (hours(2), hours(6))
    assert gaps("*/15 * * * *") == (minutes(15), minutes(15))
    assert gaps("0 0 1 * *")[1] == timedelta(days=31)


@pytest.mark.tool("shellcheck")
@pytest.mark.parametrize("name", ["prepare-postgres", "bring-pgbackrest"])
def test_shellcheck_finds_nothing_in_the_pods_programs(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(program(name))
    done = subprocess.run(["shellcheck", tmp_path / name], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.tool("promtool")
@pytest.mark.parametrize(
    ("ages", "alert", "fires"),
    [
        ("21000+60x60", "DatabaseBackupOverdue", True),
        ("20000+60x10 0+60x50", "DatabaseBackupOverdue", False),
        ("_x60", "DatabaseBackupUnknown", True),
        ("0+60x60", "DatabaseBackupUnknown", False),
    ],
)
def test_an_alert_watches_the_recovery_point(ages: str, alert: str, fires: bool, tmp_path: Path) -> None:
    """OR-BKP-09: 21600 s, whichever type of backup came last; and silence is no good news."""
    found = [
        item["spec"]
        for part in observability(deployed(replicated()))
        for item in part.objects
        if item["kind"] == "PrometheusRule"
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(found[0]))
    metric = "pgbackrest_backup_since_last_completion_seconds"
    inputs = [
        {"series": f'{metric}{{stanza="{STORE}",backup_type="incr"}}', "values": ages},
        {"series": f'{metric}{{stanza="{STORE}",backup_type="full"}}', "values": ages.replace("0+", "80000+")},
    ]
    expected = [{"labels": "{}", "value": int(fires)}]
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    check = [{"expr": query, "eval_time": "45m", "exp_samples": expected}]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": inputs, "promql_expr_test": check}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "test.yml"], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
