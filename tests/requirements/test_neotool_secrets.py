"""Neotool's Vault, and the Secrets that are synced from it."""

from __future__ import annotations

import re

import pytest

from derive.addons.additions import additions
from derive.cloud import Allow
from stacks.settings import validated
from tests.platforms import Platforms
from tests.requirements.neotool import HOME, release, values
from tests.requirements.registered import Manifest, Registered, containers, environment

VAULT = f"http://vault.{HOME}.svc.cluster.local:8200"


def server(stack: Registered) -> Manifest:
    found: Manifest = values(stack, "vault")["server"]
    return found


def script(stack: Registered) -> str:
    text: str = stack.manifest("ConfigMap", HOME, "vault-bootstrap")["data"]["bootstrap.sh"]
    return text


@pytest.mark.rows("NT-VLT-01")
def test_vault_is_hashicorp_s_chart_under_its_own_name(neotool: Registered) -> None:
    """Flux puts the namespace before the name of a release that has none of its own."""
    spec = release(neotool, "vault")
    source = spec["chart"]["spec"]["sourceRef"]
    repository = neotool.spec("HelmRepository", source["namespace"], source["name"])
    assert (repository["url"], spec["chart"]["spec"]["chart"]) == ("https://helm.releases.hashicorp.com", "vault")
    assert spec["releaseName"] == "vault"
    assert spec.get("targetNamespace", HOME) == HOME
    assert values(neotool, "vault")["fullnameOverride"] == "vault"


@pytest.mark.rows("NT-VLT-02")
def test_vault_keeps_its_data_on_a_volume(neotool: Registered) -> None:
    storage = server(neotool)["dataStorage"]
    assert storage == {"enabled": True, "size": "10Gi", "storageClass": "local-path"}


@pytest.mark.rows("NT-VLT-03")
def test_vault_is_a_server_with_integrated_storage_and_an_audit_log(neotool: Registered) -> None:
    assert "dev" not in server(neotool)
    raft = server(neotool)["ha"]["raft"]
    assert raft["enabled"]
    assert 'storage "raft"' in raft["config"]
    assert server(neotool)["auditStorage"]["enabled"]
    assert "vault audit enable file file_path=/vault/audit/" in script(neotool)


@pytest.mark.rows("NT-VLT-04")
def test_each_consumer_signs_in_with_its_account_for_a_day(neotool: Registered) -> None:
    assert server(neotool)["authDelegator"] == {"enabled": True}
    text = script(neotool)
    assert "vault auth enable kubernetes" in text
    roles = re.findall(
        r"vault write auth/kubernetes/role/(\S+) bound_service_account_names=(\S+) \\\n"
        r" +bound_service_account_namespaces=(\S+) token_policies=(\S+) \\\n +token_ttl=24h\n",
        text,
    )
    assert len(roles) == text.count("auth/kubernetes/role/") == 2
    accounts = neotool.manifests("ServiceAccount")
    for role, account, namespace, policy in roles:
        assert f"vault policy write {policy} -" in text, role
        assert f"{namespace}/{account}" in accounts
    assert 'path "secret/data/neotool/prod/production/*" {\n  capabilities = ["read"]\n}' in text


@pytest.mark.rows("NT-VLT-05")
def test_an_operator_unseals_vault(neotool: Registered) -> None:
    assert "seal " not in server(neotool)["ha"]["raft"]["config"]
    assert neotool.all("kms.Key") == []
    assert "vault operator unseal" in script(neotool)


@pytest.mark.rows("NT-VLT-05")
def test_a_key_unseals_it_if_the_stack_says_so(platforms: Platforms) -> None:
    """A key of the stack's own, and of the rights to it those three that unsealing takes, for the node's role."""
    result = platforms.bench("neotool-prod").good("preview", "neotool-prod", {"vaultAutoUnseal": "true"})
    changed = {(step.op, step.type.rpartition(":")[2]) for step in result.steps if step.op not in ("same", "read")}
    assert ("create", "Key") in changed
    assert ("update", "RolePolicy") in changed
    known = {"system": "neotool", "environment": "prod", "region": "us-east-1", "vault_auto_unseal": "true"}
    deployment = validated({**known, "cloudflare_account": "0" * 32}, "neotool-prod").deployment()
    vault = additions(deployment)["vault"]
    (grant,) = vault.grants
    rights = ("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey")
    assert (grant.namespace, grant.account, grant.statements) == (
        HOME,
        "vault",
        (Allow(rights, ("${key-arn:vault}",)),),
    )
    assert 'seal "awskms"' in vault.release.values["server"]["ha"]["raft"]["config"]


@pytest.mark.rows("NT-ESO-01")
def test_external_secrets_brings_its_kinds(neotool: Registered) -> None:
    spec = release(neotool, "external-secrets", "external-secrets")
    source = spec["chart"]["spec"]["sourceRef"]
    assert (
        neotool.spec("HelmRepository", source["namespace"], source["name"])["url"]
        == "https://charts.external-secrets.io"
    )
    assert spec["chart"]["spec"]["chart"] == "external-secrets"
    assert spec["values"]["installCRDs"] is True


@pytest.mark.rows("NT-ESO-02")
def test_the_store_signs_in_to_vault_with_an_account_that_there_is(neotool: Registered) -> None:
    stores = neotool.manifests("SecretStore", HOME)
    (store,) = stores.values()
    assert store["apiVersion"] == "external-secrets.io/v1"
    provider = store["spec"]["provider"]["vault"]
    assert provider["server"] == VAULT
    login = provider["auth"]["kubernetes"]
    assert f"auth/kubernetes/role/{login['role']} " in script(neotool)
    assert login["serviceAccountRef"]["name"] in neotool.manifests("ServiceAccount", HOME)


@pytest.mark.rows("NT-ESO-03")
def test_every_secret_is_refreshed_within_five_minutes(neotool: Registered) -> None:
    found = neotool.manifests("ExternalSecret")
    assert found
    for name, item in found.items():
        spec, namespace = item["spec"], item["metadata"]["namespace"]
        assert spec["refreshInterval"] == "5m", name
        assert spec["secretStoreRef"]["kind"] == "SecretStore"
        assert spec["secretStoreRef"]["name"] in neotool.manifests("SecretStore", namespace)


@pytest.mark.rows("NT-ESO-04")
def test_credentials_keys_and_tokens_come_from_vault(neotool: Registered) -> None:
    """And none of them is also a Secret that the stack writes itself."""
    found = neotool.manifests("ExternalSecret", HOME)
    assert {"postgres-credentials", "api-keys", "jwt-secrets", "r2-credentials"} <= set(found)
    for name, item in found.items():
        keys = {entry["remoteRef"]["key"] for entry in item["spec"]["data"]}
        assert keys == {f"neotool/prod/{HOME}/{name}"}
    assert set(found).isdisjoint(neotool.manifests("Secret", HOME))


@pytest.mark.rows("NT-ESO-04", "NT-BKP-03")
def test_every_synced_secret_that_pods_read_is_there_with_its_keys(neotool: Registered) -> None:
    """A pod waits for ever for a key that nobody syncs."""
    synced = {
        name: {entry["secretKey"] for entry in item["spec"]["data"]}
        for name, item in neotool.manifests("ExternalSecret", HOME).items()
    }
    asked: dict[str, set[str]] = {}
    for _, name, template in neotool.pods():
        if name.startswith(f"{HOME}/"):
            for container in containers(template):
                for value in environment(container).values():
                    if isinstance(value, tuple):
                        asked.setdefault(value[0], set()).add(value[1])
    assert asked.keys() >= {"postgres-credentials", "api-keys", "jwt-secrets", "r2-credentials", "pgbouncer-users"}
    for secret, keys in asked.items():
        assert keys <= synced[secret], secret
