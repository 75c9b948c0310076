"""Orion's Vault, and the Secrets that are filled from it."""

from __future__ import annotations

import pytest

from tests.requirements.orion import SERVICES, SPACES
from tests.requirements.registered import Registered


@pytest.mark.rows("OR-CFG-01")
def test_vault_has_three_members_with_storage(orion: Registered) -> None:
    chart = orion.charts["vault"]
    assert (chart.chart, chart.namespace) == ("vault", "orion-system")
    server = chart.values["server"]
    assert not server.get("dev", {}).get("enabled")
    assert server["standalone"] == {"enabled": False}
    assert (server["ha"]["enabled"], server["ha"]["replicas"], server["ha"]["raft"]["enabled"]) == (True, 3, True)
    assert 'storage "raft"' in server["ha"]["raft"]["config"]
    for volume in ("dataStorage", "auditStorage"):
        assert (server[volume]["enabled"], server[volume]["size"]) == (True, "10Gi")


@pytest.mark.rows("OR-CFG-02")
@pytest.mark.parametrize("service", SERVICES)
def test_each_service_s_keys_come_from_vault(orion: Registered, service: str) -> None:
    space = f"orion-{service}"
    spec = orion.spec("ExternalSecret", space, f"{service}-secrets")
    assert spec["data"] == [
        {
            "secretKey": "API_KEY",
            "remoteRef": {"key": f"orion/prod/{space}/{service}-secrets", "property": "API_KEY"},
        }
    ]
    store = orion.spec("SecretStore", space, spec["secretStoreRef"]["name"])["provider"]["vault"]
    assert store["server"] == "https://vault.orion-system.svc.cluster.local:8200"
    login = store["auth"]["kubernetes"]
    assert login["serviceAccountRef"]["name"] in orion.manifests("ServiceAccount", space)
    script = orion.manifest("ConfigMap", "orion-system", "vault-bootstrap")["data"]["bootstrap.sh"]
    assert f"auth/kubernetes/role/{login['role']} " in script
    assert store["caProvider"]["name"] in orion.manifests("Secret", space)


@pytest.mark.rows("OR-CFG-02")
def test_what_the_stack_generates_gets_into_vault(orion: Registered) -> None:
    """A Secret that is filled from a path that nobody writes stays empty."""
    written = {
        (entry["match"]["remoteRef"]["remoteKey"], entry["match"]["remoteRef"]["property"])
        for item in orion.manifests("PushSecret").values()
        for entry in item["spec"]["data"]
    }
    read = {
        (entry["remoteRef"]["key"], entry["remoteRef"]["property"])
        for item in orion.manifests("ExternalSecret").values()
        for entry in item["spec"]["data"]
    }
    assert written == read
    for item in orion.manifests("PushSecret", "external-secrets").values():
        source = orion.manifest("Secret", "external-secrets", item["spec"]["selector"]["secret"]["name"])
        keys = {entry["match"]["secretKey"] for entry in item["spec"]["data"]}
        assert keys == set(source["stringData"])


@pytest.mark.rows("OR-CFG-03")
def test_every_service_s_namespace_has_settings_and_secrets(orion: Registered) -> None:
    for space in SPACES:
        assert orion.manifests("ConfigMap", space)
        assert orion.manifests("ExternalSecret", space)
