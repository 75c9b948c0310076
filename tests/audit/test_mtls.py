"""PeerAuthentication and DestinationRule: which transport a port accepts, and which its callers offer."""

from __future__ import annotations

from typing import Any

import pytest

from audit.errors import AuditError
from audit.mtls import ClientModes, PeerModes, accepts
from tests.audit.small import API, WEB, manifest, population, registry

ROOT = "istio-system"
POPULATION = population()
PODS = {actor.name: POPULATION.by_name[actor.name] for actor in (WEB, API)}


def peers(spec: dict[str, Any], name: str = "policy", namespace: str = "shop") -> dict[str, Any]:
    return manifest("PeerAuthentication", "security.istio.io/v1", spec, name, namespace)


def mode(*policies: dict[str, Any], pod: str = "api", port: int = 80) -> str:
    return PeerModes(registry(*policies), POPULATION, ROOT).mode(PODS[pod], port)


MESH = peers({"mtls": {"mode": "STRICT"}}, "default", ROOT)
SPACE = peers({"mtls": {"mode": "DISABLE"}})
ONE = peers({"selector": {"matchLabels": {"app": "api"}}, "mtls": {"mode": "PERMISSIVE"}}, "one")


def test_without_a_policy_plain_text_is_accepted() -> None:
    """Istio's own default is PERMISSIVE."""
    assert mode() == "PERMISSIVE"


def test_the_narrowest_policy_wins() -> None:
    assert mode(MESH) == "STRICT"
    assert mode(MESH, SPACE) == "DISABLE"
    assert mode(MESH, SPACE, ONE) == "PERMISSIVE"
    assert mode(MESH, SPACE, ONE, pod="web") == "DISABLE"


def test_unset_inherits() -> None:
    unset = peers({"selector": {"matchLabels": {"app": "api"}}, "mtls": {"mode": "UNSET"}}, "unset")
    assert mode(MESH, unset) == "STRICT"
    assert mode(MESH, peers({})) == "STRICT"


def test_one_port_may_differ() -> None:
    ported = peers(
        {
            "selector": {"matchLabels": {"app": "api"}},
            "mtls": {"mode": "STRICT"},
            "portLevelMtls": {"9090": {"mode": "PERMISSIVE"}, "9091": {"mode": "UNSET"}},
        }
    )
    assert (mode(ported), mode(ported, port=9090), mode(ported, port=9091)) == ("STRICT", "PERMISSIVE", "STRICT")


def test_a_selector_in_the_root_namespace_is_ignored() -> None:
    """Istio reads the root namespace's policies only when they are for the whole mesh."""
    assert (
        mode(peers({"selector": {"matchLabels": {"app": "api"}}, "mtls": {"mode": "STRICT"}}, "one", ROOT))
        == "PERMISSIVE"
    )


def test_an_unknown_mode_is_an_error() -> None:
    with pytest.raises(AuditError, match="mode 'SOMETIMES' is unknown"):
        mode(peers({"mtls": {"mode": "SOMETIMES"}}))


def test_what_each_mode_accepts() -> None:
    offers = {"mutual": 0b001, "plain": 0b010, "other": 0b100}
    assert (accepts("STRICT", offers), accepts("PERMISSIVE", offers), accepts("DISABLE", offers)) == (
        0b001,
        0b011,
        0b010,
    )


HOST = "api.shop.svc.cluster.local"


def rule(host: str, tls: str | None, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    policy = {"trafficPolicy": {"tls": {"mode": tls}}} if tls else {}
    name = f"{host}-{namespace}".replace("*", "any")
    return manifest("DestinationRule", "networking.istio.io/v1", {"host": host, **policy, **spec}, name, namespace)


def offered(*rules: dict[str, Any], client: str = "shop", port: int = 80, meshed: bool = True) -> str:
    return ClientModes(registry(*rules), ROOT).offered(client, HOST, "shop", port, meshed=meshed)


def test_without_a_rule_the_mesh_decides() -> None:
    """Automatic mutual TLS: offered to whoever has a proxy, and to nobody else."""
    assert offered() == "mutual"
    assert offered(meshed=False) == "plain"


def test_a_rule_decides_for_its_host() -> None:
    assert offered(rule("*.shop.svc.cluster.local", "DISABLE")) == "plain"
    assert offered(rule("*.shop.svc.cluster.local", "DISABLE"), rule(HOST, "ISTIO_MUTUAL")) == "mutual"
    assert offered(rule("api", "SIMPLE")) == "other"
    assert offered(rule("other", "DISABLE")) == "mutual"


def test_a_rule_without_tls_leaves_it_to_the_mesh() -> None:
    """The longest host wins as a whole: what it does not say is not taken from a shorter one."""
    assert offered(rule("*.shop.svc.cluster.local", "DISABLE"), rule(HOST, None)) == "mutual"


def test_the_clients_namespace_comes_first() -> None:
    rules = (rule(HOST, "DISABLE", "far"), rule(HOST, "ISTIO_MUTUAL"), rule(HOST, "SIMPLE", ROOT))
    assert [offered(*rules, client=client) for client in ("far", "shop", "else")] == ["plain", "mutual", "mutual"]
    assert offered(rule(HOST, "SIMPLE", ROOT)) == "other"


def test_a_rule_that_is_not_exported_stays_at_home() -> None:
    own = rule(HOST, "DISABLE", exportTo=["."])
    assert offered(own) == "plain"
    assert offered(own, client="far") == "mutual"


def test_one_port_of_a_rule_may_differ() -> None:
    settings = [{"port": {"number": 81}, "tls": {"mode": "DISABLE"}}]
    mixed = rule(HOST, None, trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}, "portLevelSettings": settings})
    assert (offered(mixed), offered(mixed, port=81)) == ("mutual", "plain")


def test_a_subset_needs_its_rule() -> None:
    clients = ClientModes(registry(rule(HOST, None, subsets=[{"name": "v1", "labels": {"version": "v1"}}])), ROOT)
    assert clients.subset(HOST, "shop", "v1") == {"version": "v1"}
    assert clients.subset(HOST, "shop", "v2") is None
