"""A pooler stands between a database and its users: both ends know it, and nobody gets past it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from derive.application import ApplicationPlan, application
from model import Pooler, PostgreSQL, Service, System
from tests.unit.declared import deployed, derived, objects, shop, variables

INSIDE = {"orderdb": "cluster"}


def pooled(**pooler: Any) -> System:
    """``orders`` uses ``orderdb`` through ``pgbouncer``; ``web`` does not."""
    return shop(
        stores=(PostgreSQL(name="orderdb", pooler=Pooler(name="pgbouncer", **pooler)),),
        services=(
            Service(name="web", port=3000, tier="frontend"),
            Service(name="orders", port=3001, metrics=9090, uses=("orderdb",)),
        ),
    )


def inside(**pooler: Any) -> ApplicationPlan:
    return application(deployed(pooled(**pooler), placements=INSIDE), {})


def test_the_settings_are_exactly_these() -> None:
    config = objects(inside(), "ConfigMap")["pgbouncer-config"]["data"]
    assert config == {
        "pgbouncer.ini": "[databases]\n"
        "orderdb = host=orderdb-headless.shop.svc.cluster.local port=5432 dbname=orderdb\n"
        "[pgbouncer]\nlisten_addr = *\nlisten_port = 6432\nunix_socket_dir =\nauth_type = scram-sha-256\n"
        "auth_file = /etc/pgbouncer/users/userlist.txt\nstats_users = exporter\npool_mode = transaction\n"
        "max_client_conn = 1000\ndefault_pool_size = 25\nmax_prepared_statements = 200\n"
        "ignore_startup_parameters = extra_float_digits\nserver_tls_sslmode = disable\n"
    }


def test_a_database_outside_must_prove_its_name_to_the_pooler() -> None:
    """The pooler hands it the password."""
    plan = derived(pooled())
    config = objects(plan, "ConfigMap")["pgbouncer-config"]["data"]["pgbouncer.ini"]
    assert "orderdb = host=orderdb.database.internal port=5432 dbname=orderdb\n" in config
    assert config.endswith("server_tls_sslmode = verify-full\nserver_tls_ca_file = /etc/pgbouncer/users/ca.crt\n")
    volumes = objects(plan, "Deployment")["pgbouncer"]["spec"]["template"]["spec"]["volumes"]
    assert [item["key"] for item in volumes[1]["secret"]["items"]] == ["userlist.txt", "ca.crt"]


@pytest.mark.parametrize("plan", [inside(port=5432), derived(pooled(port=5432))], ids=["inside", "outside"])
def test_services_are_told_the_pooler_instead_of_the_database(plan: ApplicationPlan) -> None:
    """A service that knows the database's own address would look for it in vain, or exhaust its connections."""
    told = {name: value for name, value in variables(plan, "orders").items() if name.startswith("DB_")}
    assert told == {
        "DB_HOST": "pgbouncer.shop.svc.cluster.local",
        "DB_PORT": "5432",
        "DB_NAME": "orderdb",
        "DB_USER": ("orderdb-credentials", "username"),
        "DB_PASSWORD": ("orderdb-credentials", "password"),
        "DB_SSLMODE": "disable",
    }
    volumes = objects(plan, "Deployment")["orders"]["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["tmp"]


def apps(rules: list[dict[str, Any]], side: str) -> set[str]:
    found = set()
    for rule in rules:
        for peer in rule.get(side, []):
            found.add(peer["matchLabels"].get("app", ""))
            found |= {name for match in peer.get("matchExpressions", []) for name in match["values"]}
    return found - {""}


def test_only_the_pooler_reaches_the_database_and_only_its_users_reach_the_pooler() -> None:
    policies = {name: item["spec"] for name, item in objects(inside(), "CiliumNetworkPolicy").items()}
    assert apps(policies["orderdb-policy"]["ingress"], "fromEndpoints") == {"pgbouncer"}
    assert apps(policies["pgbouncer-policy"]["ingress"], "fromEndpoints") == {"orders"}
    assert apps(policies["pgbouncer-policy"]["egress"], "toEndpoints") == {"orderdb", "istiod"}
    assert apps(policies["orders-policy"]["egress"], "toEndpoints") == {"pgbouncer", "istiod"}
    allowed = objects(inside(), "AuthorizationPolicy")["orderdb-authz"]["spec"]["rules"]
    principals = [name for rule in allowed for each in rule.get("from", []) for name in each["source"]["principals"]]
    assert principals == ["cluster.local/ns/shop/sa/pgbouncer"]


def test_outside_the_pooler_alone_may_leave_for_the_database() -> None:
    policies = {
        name: item["spec"]["egress"] for name, item in objects(derived(pooled()), "CiliumNetworkPolicy").items()
    }
    leaving = {name for name, rules in policies.items() if any("toFQDNs" in rule for rule in rules)}
    assert leaving == {"pgbouncer-policy"}


def test_the_pooler_is_hardened_spread_and_measured() -> None:
    plan = inside()
    spec = objects(plan, "Deployment")["pgbouncer"]["spec"]
    pod = spec["template"]["spec"]
    assert (spec["replicas"], pod["securityContext"]["runAsUser"]) == (2, 998)
    assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in pod["containers"])
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "pgbouncer" in objects(plan, "PodDisruptionBudget")
    service = objects(plan, "Service")["pgbouncer"]
    assert service["metadata"]["labels"]["monitoring"] == "enabled"
    assert [port["port"] for port in service["spec"]["ports"]] == [6432, 9127]
    assert "pgbouncer" not in objects(inside(members=1), "PodDisruptionBudget")


def test_its_user_list_is_a_secret_made_of_the_server_s_own_passwords() -> None:
    (secret,) = [plan for plan in inside().secrets if plan.name == "pgbouncer-users"]
    assert secret.templates == {"userlist.txt": '"orders" "{orderdb-owner}"\n"exporter" "{pgbouncer-exporter}"\n'}
    assert secret.passwords == {"exporter-password": "pgbouncer-exporter"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: inside(members=3),
            "pooler 'pgbouncer' may open 3 x 25 connections to 'orderdb', whose role may have 50; "
            "lower pool_size or members of stores['orderdb'].pooler",
        ),
        (
            lambda: shop(stores=(PostgreSQL(name="orderdb", pooler=Pooler(name="orders")),)),
            "'orders' is declared more than once; names are unique in a system",
        ),
    ],
)
def test_poolers_that_cannot_work_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
