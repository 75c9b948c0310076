"""Every secret and key that a pod refers to is made, and made only where it is referred to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from derive.application import ApplicationPlan, application
from derive.shapes import STACK_CA, SecretPlan
from derive.stores.redis import acl
from model import PostgreSQL, Redis, SecretKey, Service
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, derived, parts, shop

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}


def keys(plan: SecretPlan) -> set[str]:
    certificate = {"tls.crt", "tls.key"} if plan.certificate else set()
    return {*plan.literals, *plan.passwords, *plan.templates, *certificate}


def references(plan: ApplicationPlan) -> Iterator[tuple[str, str, str]]:
    """Namespace, Secret and key of everything that pods read."""
    for part in parts(plan):
        for item in part.objects:
            spec = item.get("spec", {})
            template: Mapping[str, object] = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
            yield from ((part.namespace, *found) for found in _references(template))


def _references(node: object) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        if "secretKeyRef" in node:
            yield node["secretKeyRef"]["name"], node["secretKeyRef"]["key"]
        if "secretName" in node:
            yield from ((node["secretName"], entry["key"]) for entry in node["items"])
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


@pytest.mark.parametrize("placement", ["ec2", "cluster"])
def test_what_fitsync_s_pods_refer_to_exists(placement: str) -> None:
    """FS-CFG-01: a missing key keeps a pod from starting; one too many is a secret that nobody guards."""
    plan = application(deployed(SYSTEM, placements=dict.fromkeys(HOSTS, placement)), HOSTS)
    made = {(item.namespace, item.name, key) for item in plan.secrets for key in keys(item) if not item.certificate}
    assert made == set(references(plan))


def test_a_database_s_credentials_are_its_owner_s() -> None:
    """FS-DAT-08."""
    plan = application(deployed(SYSTEM), HOSTS)
    assert plan.secrets[0] == SecretPlan(
        name="userdb-credentials",
        namespace="fitsync",
        literals={"username": "user_service"},
        passwords={"password": "userdb-owner", "ca.crt": STACK_CA},
    )
    passwords = [item.passwords["password"] for item in plan.secrets if "password" in item.passwords]
    assert len(passwords) == len(set(passwords)) == 5


def test_secrets_follow_their_readers_into_other_namespaces() -> None:
    """A Secret cannot be read across namespaces; the value must be the same in both."""
    token = {"TOKEN": SecretKey(secret="tokens", key="one")}
    system = shop(
        stores=(Redis(name="cache"), PostgreSQL(name="orderdb")),
        services=(
            Service(name="web", port=3000, namespace="front", uses=("cache",), env=token),
            Service(name="orders", port=3001, uses=("orderdb",), env=token),
        ),
    )
    found = {(item.namespace, item.name): dict(item.passwords) for item in derived(system).secrets}
    assert found == {
        ("shop", "cache-credentials"): {"password": "cache-default", "exporter-password": "cache-exporter"},
        ("front", "cache-credentials"): {"password": "cache-default"},
        ("shop", "orderdb-credentials"): {"password": "orderdb-owner", "ca.crt": STACK_CA},
        ("front", "tokens"): {"one": "tokens-one"},
        ("shop", "tokens"): {"one": "tokens-one"},
    }


def test_redis_users_hold_passwords_by_name_only() -> None:
    text = acl(Redis(name="cache")).format_map({"cache-default": "secret-a", "cache-exporter": "secret-b"})
    assert text == (
        "user default reset on >secret-a ~* &* +@all -@admin -@dangerous +info\n"
        "user exporter reset on >secret-b +ping +info +config|get +slowlog|get +slowlog|len +latency|latest "
        "+latency|histogram +client|list +client|setname +select +cluster|info\n"
    )
