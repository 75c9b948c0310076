"""Secrets from the platform's Vault: each namespace reads its own values, and what the stack makes gets there once."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from derive.addons.additions import additions
from derive.plan import system_plan
from derive.shapes import STACK_CA
from manifests.base import Manifest
from model import ExternalSecrets, Redis, Service, System, Vault, hours, minutes
from tests.unit.declared import deployed, derived
from tests.unit.equipped import equipped


def stocked(vault: Vault, reader: ExternalSecrets | None = None) -> System:
    """A service with a key and a store, and another without any."""
    system = equipped((vault, reader or ExternalSecrets(store="vault")))
    services = (Service(name="orders", port=3001, uses=("cache",), keys=("API_KEY",)), Service(name="web", port=3000))
    return system.model_copy(
        update={"services": services, "stores": (Redis(name="cache", namespace="shop-data"),), "calls": ()}
    )


def found(system: System, kind: str, **facts: Any) -> dict[tuple[str, str], Manifest]:
    parts = derived(system, **{"given": GIVEN, **facts}).vaulted
    return {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item
        for part in parts
        for item in part.objects
        if item["kind"] == kind
    }


def script(system: System) -> str:
    (made,) = additions(deployed(system))["vault"].before
    text: str = made["data"]["bootstrap.sh"]
    return text


def policies(text: str) -> dict[str, dict[str, list[str]]]:
    """Policy -> path -> capabilities."""
    return {
        name: {
            path: re.findall(r'"(\w+)"', rights) for path, rights in re.findall(r'path "(.+)" {\n  cap.* = (.*)', body)
        }
        for name, body in re.findall(r"vault policy write (\S+) - <<'POLICY'\n(.*?)POLICY", text, re.DOTALL)
    }


TALL = Vault(namespace="shop-system")
GIVEN = frozenset({"mail", "team", "duty"})
"""What the operators of an equipped system give: the receivers' secrets."""


def test_pods_read_what_vault_holds_and_the_stack_fills_its_source() -> None:
    """A Secret that the stack made too would be fought over by two writers."""
    system = stocked(TALL)
    plan = derived(system, given=GIVEN)
    made = {(secret.namespace, secret.name) for secret in plan.secrets}
    filled = found(system, "ExternalSecret")
    assert {("shop", "orders-secrets"), ("shop", "cache-credentials"), ("shop-data", "cache-credentials")} <= set(
        filled
    )
    assert made.isdisjoint(filled)
    assert {("external-secrets", f"{space}.{name}") for space, name in filled} <= made
    spec = filled["shop", "orders-secrets"]["spec"]
    assert spec["secretStoreRef"] == {"kind": "SecretStore", "name": "vault"}
    assert spec["refreshInterval"] == "5m"
    assert spec["data"] == [
        {"secretKey": "API_KEY", "remoteRef": {"key": "shop/dev/shop/orders-secrets", "property": "API_KEY"}}
    ]
    pushed = found(system, "PushSecret")["external-secrets", "shop.orders-secrets"]["spec"]
    assert pushed["selector"] == {"secret": {"name": "shop.orders-secrets"}}
    assert pushed["updatePolicy"] == "Replace", "what is made anew would never arrive"
    (entry,) = pushed["data"]
    assert entry["match"]["remoteRef"] == {"remoteKey": "shop/dev/shop/orders-secrets", "property": "API_KEY"}


def test_every_key_of_a_secret_makes_the_whole_way() -> None:
    """A password that the store knows and its users do not."""
    system = stocked(TALL)
    sources = {
        secret.name: {*secret.literals, *secret.passwords, *secret.templates, *secret.given}
        for secret in derived(system, given=GIVEN).secrets
        if secret.namespace == "external-secrets" and secret.name != "vault-ca"
    }
    pushed = {
        name: {entry["match"]["secretKey"] for entry in item["spec"]["data"]}
        for (_, name), item in found(system, "PushSecret").items()
    }
    read = {
        f"{space}.{name}": {entry["secretKey"] for entry in item["spec"]["data"]}
        for (space, name), item in found(system, "ExternalSecret").items()
    }
    assert sources == pushed == read
    assert all(sources.values())


def test_what_no_setting_has_is_written_by_hand() -> None:
    """NT-ESO-04, NT-BKP-03: what others issued goes to Vault once, by whoever may, and nothing sets it back."""
    system = stocked(TALL)
    receivers = ("shop-monitoring", "alertmanager-receivers")
    read = found(system, "ExternalSecret", given=frozenset({"team"}))[receivers]["spec"]["data"]
    assert {entry["secretKey"] for entry in read} == {"mail", "team", "duty"}
    source = ("external-secrets", ".".join(receivers))
    pushed = found(system, "PushSecret", given=frozenset({"team"}))[source]["spec"]["data"]
    assert {entry["match"]["secretKey"] for entry in pushed} == {"team"}
    assert source not in found(system, "PushSecret", given=frozenset())
    assert ".".join(receivers) not in {secret.name for secret in derived(system).secrets}
    assert "vault kv put secret/shop/dev/shop-monitoring/alertmanager-receivers duty=... mail=... team=..." in script(
        system
    )


def test_the_script_gives_each_namespace_its_own_values() -> None:
    """One role for all would let every namespace read every password."""
    text = script(stocked(TALL))
    assert policies(text) == {
        "shop": {"secret/data/shop/dev/shop/*": ["read"]},
        "shop-data": {"secret/data/shop/dev/shop-data/*": ["read"]},
        "shop-monitoring": {"secret/data/shop/dev/shop-monitoring/*": ["read"]},
        "vault-writer": {
            "secret/data/shop/dev/*": ["create", "read", "update"],
            "secret/metadata/shop/dev/*": ["create", "read", "update"],
        },
    }
    assert "vault auth enable kubernetes" in text
    roles = re.findall(
        r"role/(\S+) bound_service_account_names=(\S+) \\\n +bound_service_account_namespaces=(\S+) "
        r"token_policies=(\S+) \\\n +token_ttl=24h",
        text,
    )
    assert set(roles) == {
        ("shop", "vault-reader", "shop", "shop"),
        ("shop-data", "vault-reader", "shop-data", "shop-data"),
        ("shop-monitoring", "vault-reader", "shop-monitoring", "shop-monitoring"),
        ("vault-writer", "vault-writer", "external-secrets", "vault-writer"),
    }
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0


def test_stores_sign_in_as_the_accounts_that_the_roles_name() -> None:
    system = stocked(TALL)
    text = script(system)
    accounts = set(found(system, "ServiceAccount"))
    for (space, _), item in found(system, "SecretStore").items():
        login = item["spec"]["provider"]["vault"]["auth"]["kubernetes"]
        account = login["serviceAccountRef"]["name"]
        assert (space, account) in accounts
        bound = f"role/{login['role']} bound_service_account_names={account} \\\n"
        assert f"{bound}  bound_service_account_namespaces={space} " in text


@pytest.mark.parametrize("tls", [True, False])
def test_clients_and_server_speak_the_same(tls: bool) -> None:
    """A client of HTTPS at a server of HTTP, or the other way about, reads nothing."""
    system = stocked(Vault(namespace="shop-system", tls=tls, members=1, auto_unseal=False))
    scheme = "https" if tls else "http"
    addition = additions(deployed(system))["vault"]
    values: dict[str, Any] = yaml.safe_load(yaml.safe_dump(dict(addition.release.values["server"])))
    configuration = values["ha"]["raft"]["config"]
    assert ("tls_disable = true" in configuration) is not tls
    assert f'leader_api_addr = "{scheme}://vault-0' in configuration
    assert (values["volumes"][0]["name"] == "tls") is tls
    assert addition.release.values["global"]["tlsDisable"] is not tls
    assert addition.measured[0].tls is tls
    assert bool(addition.secrets) is tls
    provider = found(system, "SecretStore")["shop", "vault"]["spec"]["provider"]["vault"]
    assert provider["server"] == f"{scheme}://vault.shop-system.svc.cluster.local:8200"
    assert ("caProvider" in provider) is tls
    authorities = {
        secret.namespace: dict(secret.passwords) for secret in derived(system).secrets if secret.name == "vault-ca"
    }
    spaces = {"shop", "shop-data", "shop-monitoring", "external-secrets"} if tls else set()
    assert authorities == {space: {"ca.crt": STACK_CA} for space in spaces}
    assert f'export VAULT_ADDR="{scheme}://' in script(system)


def test_times_are_the_declaration_s() -> None:
    system = stocked(Vault(token_ttl=hours(1)), ExternalSecrets(store="vault", refresh=minutes(90), namespace="safe"))
    assert "token_ttl=1h" in script(system)
    assert found(system, "ExternalSecret")["shop", "orders-secrets"]["spec"]["refreshInterval"] == "90m"
    assert {space for space, _ in found(system, "PushSecret")} == {"safe"}
    assert "bound_service_account_namespaces=safe" in script(system)


def test_a_value_made_anew_is_written_before_it_is_read_and_read_before_pods_start() -> None:
    """A pod that starts too early keeps the old value until somebody restarts it."""
    system, rotations = stocked(TALL), {"orders-secrets-api-key": 2}
    pushed = found(system, "PushSecret", rotations=rotations)
    written = pushed.keys() - found(system, "PushSecret").keys()
    assert written == {("external-secrets", "shop.orders-secrets.2")}, (
        "under its old name it is ready from the last time"
    )
    assert (
        pushed["external-secrets", "shop.orders-secrets.2"]["spec"]["selector"]["secret"]["name"]
        == "shop.orders-secrets"
    )
    mark = {"wheelhouse/rotated": "orders-secrets-api-key=2"}
    (again,) = [
        name
        for name, item in found(system, "ExternalSecret", rotations=rotations).items()
        if mark.items() <= item["metadata"]["annotations"].items()
    ]
    assert again == ("shop", "orders-secrets")
    plan = system_plan(deployed(system, rotations=rotations)).application
    assert [part.name for part in plan.vaulted] == ["vault-writes", "vault-reads"]
    restarted = {
        item["metadata"]["name"]
        for part in (*plan.services, *plan.stores)
        for item in part.objects
        if item["kind"] in ("Deployment", "StatefulSet")
        and mark.items() <= item["spec"]["template"]["metadata"].get("annotations", {}).items()
    }
    assert restarted == {"orders"}


def test_what_reads_a_value_waits_until_it_is_there() -> None:
    """Pods that start while Vault is sealed fail, and the deployment with them, with no word about Vault."""
    for kind in ("PushSecret", "ExternalSecret"):
        for item in found(stocked(TALL), kind).values():
            assert item["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"


def test_without_vault_the_stack_makes_the_secrets_itself() -> None:
    """Also where External Secrets reads AWS beside a Vault for other purposes."""
    system = stocked(TALL, ExternalSecrets(store="aws"))
    plan = derived(system)
    assert plan.vaulted == ()
    assert ("shop", "orders-secrets") in {(secret.namespace, secret.name) for secret in plan.secrets}
    assert policies(script(system)) == {}
