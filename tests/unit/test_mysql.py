"""MySQL in the cluster: data on its volume, room for every pool, passwords from Secrets, an exporter, and dumps."""

from __future__ import annotations

import pytest

from derive.stores.mysql import configuration
from model import Backup, MySQL, Resources, Service
from tests.unit.declared import derived, objects, shop, variables
from tests.unit.test_secrets import keys, references

SYSTEM = shop(
    services=(Service(name="main", port=9084, uses=("mysql",)), Service(name="stream", port=9085, uses=("mysql",))),
    stores=(MySQL(name="mysql", database="gym", backup=Backup(schedule="0 3 * * *")),),
)


def test_the_server_keeps_its_data_and_has_room_for_every_pool() -> None:
    """GY-DAT-01, GY-DAT-04, GY-DAT-05, GY-CFG-01."""
    plan = derived(SYSTEM)
    spec = objects(plan, "StatefulSet")["mysql"]["spec"]
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"] == {"requests": {"storage": "10Gi"}}
    server, exporter = spec["template"]["spec"]["containers"]
    assert server["volumeMounts"][0] == {"name": "data", "mountPath": "/var/lib/mysql", "subPath": "mysql"}
    assert {
        entry["name"]: entry.get("value") or entry["valueFrom"]["secretKeyRef"]["key"] for entry in server["env"]
    } == {
        "MYSQL_DATABASE": "gym",
        "MYSQL_ROOT_HOST": "localhost",
        "MYSQL_USER": "username",
        "MYSQL_PASSWORD": "password",
        "MYSQL_ROOT_PASSWORD": "root-password",
        "EXPORTER_PASSWORD": "exporter-password",
    }
    assert exporter["ports"] == [{"name": "metrics", "containerPort": 9104, "protocol": "TCP"}]
    settings = objects(plan, "ConfigMap")["mysql-config"]["data"]["server.cnf"].split("\n")
    assert {"max_connections = 1000", "innodb_buffer_pool_size = 268435456", "port = 3306", "skip_log_bin"} <= set(
        settings
    )


def test_the_server_has_memory_for_all_its_connections_at_once() -> None:
    """With half of 1 GiB for pages and 1000 connections it is killed when it is needed most."""
    roomy = MySQL(name="mysql", max_connections=151, resources=Resources(memory_limit="4Gi"))
    assert "innodb_buffer_pool_size = 2013265920" in configuration(roomy), "15 chunks of 128 MiB"
    assert "innodb_buffer_pool_size = 134217728" in configuration(MySQL(name="mysql", max_connections=4000))


@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        ("mirror.example:5000/library/mysql:8.4.9", True),
        (f"mysql@sha256:{'0' * 64}", True),
        ("mirror.example:5000/library/mysql", False),
        ("mysql:latest", False),
        ("mysql", False),
    ],
)
def test_an_image_of_one_s_own_is_pinned(image: str, pinned: bool) -> None:
    """GY-BYD-05: a data directory that the next start's server does not read."""
    if pinned:
        assert MySQL(name="mysql", image=image).image == image
    else:
        with pytest.raises(ValueError, match="image"):
            MySQL(name="mysql", image=image)


def test_users_are_told_where_it_is_and_get_no_more_than_they_need() -> None:
    """GY-SVC-07, GY-NET-05."""
    plan = derived(SYSTEM)
    assert {name: value for name, value in variables(plan, "main").items() if name.startswith("MYSQL")} == {
        "MYSQL_HOST": "mysql.shop.svc.cluster.local",
        "MYSQL_PORT": "3306",
        "MYSQL_DATABASE": "gym",
        "MYSQL_USER": ("mysql-credentials", "username"),
        "MYSQL_PASSWORD": ("mysql-credentials", "password"),
    }
    made = {(item.namespace, item.name, key) for item in plan.secrets for key in keys(item)}
    assert made == set(references(plan))
    port = objects(plan, "Service")["mysql"]["spec"]["ports"][0]
    assert port == {"name": "mysql", "port": 3306, "targetPort": 3306, "protocol": "TCP", "appProtocol": "tcp"}


def test_a_dump_is_of_one_moment_and_shows_no_password() -> None:
    """GY-BYD-06."""
    job = objects(derived(SYSTEM), "CronJob")["mysql-backup"]
    (fetch,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"]
    assert {"--single-transaction", "--user=gym", "gym"} <= set(fetch["command"])
    assert not [word for word in fetch["command"] if "password" in word]
