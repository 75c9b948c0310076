"""A single server behind PgBouncer with plain authentication, and its dumps: the derived programs on real ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from derive.stores.pgbouncer import USER_LIST, USERS
from manifests.base import Manifest
from tests.ports import free_port
from tests.real.bootstrap_site import AWS, NEEDS_POSTGRESQL
from tests.real.poolers import serving
from tests.real.single_server import SECRET, Pod, environment, started
from tests.unit.declared import objects
from tests.unit.pooled import ENDPOINT, plan

pytestmark = [*NEEDS_POSTGRESQL, pytest.mark.tool("pgbouncer")]
PLAN = plan()
PASSWORD = SECRET["password"]
SECRETS = {**SECRET, "username": "orders"}


@pytest.fixture(scope="module")
def pod() -> Iterator[Pod]:
    with started(PLAN, "postgres", SECRETS) as made:
        yield made


@pytest.fixture(scope="module")
def pooler(pod: Pod) -> Iterator[int]:
    """PgBouncer as derived; only addresses and folders differ, and what an older version does not know."""
    (users,) = [item.templates for item in PLAN.secrets if item.name == "pgbouncer-users"]
    passwords = {"postgres-owner": SECRET["password"], "pgbouncer-exporter": SECRET["exporter-password"]}
    port, folder = free_port(), pod.folder / "pooler"
    folder.mkdir()
    (folder / USER_LIST).write_text(users[USER_LIST].format_map(passwords))
    text = objects(PLAN, "ConfigMap")["pgbouncer-config"]["data"]["pgbouncer.ini"]
    changes = {
        "host=postgres-headless.shop.svc.cluster.local port=5432": f"host=127.0.0.1 port={pod.env['PGPORT']}",
        "listen_addr = *": "listen_addr = 127.0.0.1",
        "listen_port = 6432": f"listen_port = {port}",
        USERS: str(folder),
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    with serving(text, folder, port, pod.env):
        yield port


def ask(pod: Pod, port: int, user: str, password: str, statement: str) -> str:
    """What came, or the refusal."""
    target = f"host=127.0.0.1 port={port} user={user} password={password} dbname=shop"
    done = pod.run("psql", "-XAtq", target, "-c", statement, check=False)
    return done.stdout.strip() or done.stderr.strip()


def test_a_client_with_plain_authentication_reaches_a_server_that_takes_scram_only(pod: Pod, pooler: int) -> None:
    """NT-DAT-04, NT-DAT-08."""
    assert ask(pod, pooler, "orders", PASSWORD, "SELECT current_user") == "orders"
    assert "failed" in ask(pod, pooler, "orders", "wrong", "SELECT 1")
    methods = "SELECT string_agg(DISTINCT auth_method, ' ' ORDER BY auth_method) FROM pg_hba_file_rules"
    assert pod.login("postgres", SECRET["superuser-password"], "shop", methods) == "peer scram-sha-256"


def test_the_owner_has_no_power_beyond_its_database(pod: Pod, pooler: int) -> None:
    """Whoever takes over a service must not run programs on the server."""

    def owner(statement: str) -> str:
        return ask(pod, pooler, "orders", PASSWORD, statement)

    assert owner("CREATE TABLE IF NOT EXISTS kept (id int); SELECT count(*) FROM kept") == "0"
    assert "pg_execute_server_program" in owner("COPY kept TO PROGRAM 'id'")
    assert "permission denied" in owner("SET ROLE postgres")
    assert owner("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user") == "f"
    assert "failed" in ask(pod, pooler, "postgres", SECRET["superuser-password"], "SELECT 1")


def test_the_declared_settings_are_in_force(pod: Pod) -> None:
    """Without the library the exporter's numbers on queries stay empty."""
    statement = "SELECT count(*) > 0 FROM pg_stat_statements"
    assert pod.login("monitoring", SECRET["exporter-password"], "shop", statement) == "t"
    assert pod.login("orders", PASSWORD, "shop", "SHOW shared_buffers") == "128MB"


def container(job: Manifest, pod: Pod, changes: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """A container of the Job as a command here: its text and variables with what differs."""

    def changed(text: str) -> str:
        for old, new in changes.items():
            text = text.replace(old, new)
        return text

    env = {name: changed(value) for name, value in environment(job, SECRETS).items()}
    return [changed(word) for word in (*job["command"], *job.get("args", ()))], {**pod.env, **env}


@pytest.mark.tool("aws")
@pytest.mark.skipif(AWS is None, reason="the AWS CLI is not installed")
def test_a_dump_arrives_and_comes_back_and_old_ones_go(pod: Pod, root: Path) -> None:
    """NT-BKP-02: the Job's two containers one after the other, against another provider's S3 API; then the runbook."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key-1", aws_secret_access_key="key-2"
    )
    s3.create_bucket(Bucket="shop-dev")
    today = datetime.now(UTC)
    names = {days: f"postgres/{today - timedelta(days=days):%Y%m%d-%H%M%S}-postgres.dump" for days in (29, 31, 400)}
    for key in (*names.values(), "postgres/README", "assets/20200101-000000-logo"):
        s3.put_object(Bucket="shop-dev", Key=key, Body=b"old")
    job = objects(PLAN, "CronJob")["postgres-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    folder = pod.folder / "copy"
    pod.run("mkdir", str(folder))
    pod.login("orders", PASSWORD, "shop", "CREATE TABLE moved AS SELECT generate_series(1, 100) AS id")
    changes = {
        "/copy": str(folder),
        ENDPOINT: endpoint,
        "postgres.shop.svc.cluster.local": "127.0.0.1",
        "5432": pod.env["PGPORT"],
    }
    try:
        for each in (*job["initContainers"], *job["containers"]):
            command, env = container(each, pod, changes)
            Pod(pod.folder, pod.server, pod.exporter, env).run(*command)
        found = {item["Key"] for item in s3.list_objects_v2(Bucket="shop-dev")["Contents"]}
        (made,) = found - {*names.values(), "postgres/README", "assets/20200101-000000-logo"}
        assert made.startswith(f"postgres/{today:%Y%m%d}-")
        assert found == {made, names[29], "postgres/README", "assets/20200101-000000-logo"}
        dump = pod.folder / "fetched.dump"
        dump.write_bytes(s3.get_object(Bucket="shop-dev", Key=made)["Body"].read())
        dump.chmod(0o644)
    finally:
        server.stop()
    pod.login("orders", PASSWORD, "shop", "DROP TABLE moved")
    (restore,) = re.findall(r"-- sh -c '([^']+)'", (root / "docs/runbooks/object-storage.md").read_text())
    pod.run("sh", "-c", f"{restore} <{dump}")
    assert pod.login("orders", PASSWORD, "shop", "SELECT count(*) || ' ' || sum(id) FROM moved") == "100 5050"
