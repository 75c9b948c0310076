"""Buckets of another provider: reached by keys under an address of their own, and not made here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from derive.cloud import Allow, Grant, references
from derive.shapes import SecretPlan
from manifests import pods
from model import (
    R2,
    Backup,
    Bucket,
    DeclarationError,
    InCluster,
    PostgresBackup,
    PostgreSQL,
    Redis,
    Service,
    System,
    days,
)
from tests.unit.declared import derived, objects, shop, variables
from tests.unit.pooled import DUMP, ENDPOINT, plan, pooled


def test_a_dump_goes_there_with_keys_and_without_rights_in_the_account() -> None:
    """NT-BKP-01, NT-BKP-02: the Job may do nothing in AWS."""
    found = plan()
    job = objects(found, "CronJob")["postgres-backup"]["spec"]
    assert job["schedule"] == "0 3 * * *"
    pod = job["jobTemplate"]["spec"]["template"]["spec"]
    (send,) = pod["containers"]
    assert send["args"] == ["--endpoint-url", ENDPOINT]
    told = {entry["name"]: entry.get("value") or entry["valueFrom"]["secretKeyRef"] for entry in send["env"]}
    assert told.pop("HOME") == pods.scratch_mount()["mountPath"]
    assert told == {
        "AWS_REGION": "auto",
        "AWS_ACCESS_KEY_ID": {"name": "r2-credentials", "key": "access-key-id"},
        "AWS_SECRET_ACCESS_KEY": {"name": "r2-credentials", "key": "secret-access-key"},
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "SOURCE": "/copy/postgres.dump",
        "TARGET": "s3://shop-dev/postgres/",
        "KEEP_DAYS": "30",
    }
    assert found.grants == ()
    assert references([part.objects for part in found.stores]) == frozenset()
    assert [item for item in found.secrets if item.name == "r2-credentials"] == [
        SecretPlan(
            "r2-credentials",
            "shop",
            given={key: f"r2-credentials-{key}" for key in ("access-key-id", "secret-access-key")},
        )
    ]


def test_the_job_reaches_the_server_and_the_internet_and_nobody_else_does() -> None:
    """A dump through a pooler that shares connections by transaction would be of many moments."""
    policies = {name: item["spec"] for name, item in objects(plan(), "NetworkPolicy").items()}

    def inbound(name: str) -> list[str]:
        peers = [peer["podSelector"]["matchLabels"] for rule in policies[name]["ingress"] for peer in rule["from"]]
        return sorted(labels["app"] for labels in peers if "app" in labels)

    assert inbound("postgres-policy") == ["pgbouncer", "postgres-backup"]
    assert inbound("pgbouncer-policy") == ["orders"]
    leaving = policies["postgres-backup-policy"]["egress"]
    assert {port["port"] for rule in leaving for port in rule["ports"]} == {5432, 443, 53}


def test_a_service_is_told_where_its_objects_are() -> None:
    """NT-BKP-06."""
    told = {name: value for name, value in variables(plan(), "orders").items() if name.startswith("ARCHIVE_")}
    assert told == {
        "ARCHIVE_BUCKET": "shop-dev",
        "ARCHIVE_REGION": "auto",
        "ARCHIVE_ENDPOINT": ENDPOINT,
        "ARCHIVE_PREFIX": "assets/",
        "ARCHIVE_ACCESS_KEY_ID": ("r2-credentials", "access-key-id"),
        "ARCHIVE_SECRET_ACCESS_KEY": ("r2-credentials", "secret-access-key"),
    }


def test_in_the_account_dated_copies_need_the_right_to_list_and_to_delete_their_own() -> None:
    found = plan(pooled(Bucket(name="archive", keep=None)))
    assert found.grants == (
        Grant(
            "shop",
            "postgres-backup",
            (
                Allow(("s3:ListBucket",), ("${bucket-arn:archive}",), {"StringLike": {"s3:prefix": "postgres/*"}}),
                Allow(("s3:PutObject", "s3:DeleteObject"), ("${bucket-arn:archive}/postgres/*",)),
            ),
        ),
    )


def test_the_pooler_goes_straight_to_the_pod_of_a_single_server() -> None:
    """NT-DAT-05, NT-DAT-09."""
    found = plan()
    assert objects(found, "StatefulSet")["postgres"]["spec"]["serviceName"] == "postgres-headless"
    direct = objects(found, "Service")["postgres-headless"]["spec"]
    assert (direct["clusterIP"], direct["ports"][0]["port"]) == ("None", 5432)
    text = objects(found, "ConfigMap")["pgbouncer-config"]["data"]["pgbouncer.ini"]
    assert "shop = host=postgres-headless.shop.svc.cluster.local port=5432 dbname=shop\n" in text
    assert "auth_type = plain\n" in text


def test_members_are_dumped_from_the_primary() -> None:
    """NT-AVL-02: more members are configuration, and the dumps go on."""
    found = plan(pooled(members=3))
    assert {"postgres", "postgres-2", "postgres-3"} <= set(objects(found, "StatefulSet"))
    job = objects(found, "CronJob")["postgres-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (host,) = [entry["value"] for entry in job["initContainers"][0]["env"] if entry["name"] == "PGHOST"]
    assert host == "postgres.shop.svc.cluster.local"
    assert objects(found, "Service")["postgres"]["spec"]["selector"]["role"] == "primary"
    text = objects(found, "ConfigMap")["pgbouncer-config"]["data"]["pgbouncer.ini"]
    assert "shop_ro = host=postgres-replicas.shop.svc.cluster.local port=5432 dbname=shop\n" in text


def _keys(bucket: Bucket, **placement: object) -> System:
    return shop(
        stores=(PostgreSQL(name="orderdb", placement=InCluster.model_validate(placement)), bucket),
        services=(Service(name="orders", port=3001, uses=("orderdb",)),),
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Bucket(name="archive", at=R2(), keep=days(365)),
            "bucket 'archive' is kept elsewhere, where its own rules expire, move and copy objects; "
            "set keep to None, and neither glacier nor replica",
        ),
        (
            lambda: InCluster(backup=PostgresBackup(), dump=DUMP),
            "placement has a backup and a dump; an archive holds every moment that a dump would: keep the backup",
        ),
        (
            lambda: _keys(Bucket(name="archive", at=R2(), keep=None), backup=PostgresBackup(bucket="archive")),
            "the backups of 'orderdb' go to bucket 'archive', which is kept elsewhere, and are written by pods' roles; "
            "use a bucket without 'at' (of a database, a dump may go there)",
        ),
        (
            lambda: PostgreSQL(name="postgres"),
            "store 'postgres' would have a database 'postgres', which is the server's own; "
            "set stores['postgres'].database",
        ),
        (
            lambda: derived(pooled(), placements={"postgres": "cluster"}),
            "bucket 'archive' is kept at Cloudflare R2, but the stack names no account; "
            "set it with 'pulumi config set cloudflareAccount ID'",
        ),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises((DeclarationError, ValueError)) as refused:
        make()
    assert message in str(refused.value)


def test_copies_of_other_stores_go_there_too() -> None:
    """One Secret for all of a namespace, whoever uses the bucket."""
    stores = (
        Redis(name="cache", backup=Backup(bucket="archive", schedule="0 * * * *")),
        Redis(name="sessions", backup=Backup(bucket="archive", schedule="0 1 * * *", keep=days(7))),
        Bucket(name="archive", at=R2(), keep=None),
    )
    found = derived(shop(stores=stores), cloudflare_account="0" * 32)
    assert len([item for item in found.secrets if item.name == "r2-credentials"]) == 1
    job = objects(found, "CronJob")["cache-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert job["containers"][0]["args"] == ["s3://shop-dev/cache/dump.rdb"]
    assert found.grants == ()
