"""NGINX as the ingress: the audit finds what was planned as declared, and every way in which it could differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from audit.scope import Scope
from model import NetworkPolicies, NoMesh, System
from tests.audit.planned import REGION, audited, judged, planned
from tests.unit.fronted import fronted

PLATFORMS: dict[str, dict[str, Any]] = {
    "mesh": {},
    "policies by address": {"cni": NetworkPolicies()},
    "no mesh": {"mesh": NoMesh()},
}


def declared(**platform: Any) -> System:
    if "mesh" in platform:
        return fronted(platform=platform, firewalls=())
    return fronted(platform=platform)


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_what_is_planned_is_as_declared(platform: dict[str, Any]) -> None:
    report = audited(declared(**platform))
    assert [item.text for item in report.differences] == []
    assert report.notes == []


def test_what_each_host_answers() -> None:
    """A host is shared by path; port 80 leads to port 443; metrics are on no host."""
    doors = audited(declared()).doors
    assert {door: answer for door, answer in doors.items() if "any-other-path" in door or "orders" in door} == {
        f"{host}:{port}{path}": "redirect to HTTPS" if port == 80 else to
        for host, path, to in (
            ("dev.shop.example", "/any-other-path", "web:3000"),
            ("api.dev.shop.example", "/any-other-path", "orders:3001"),
            ("www.dev.shop.example", "/any-other-path", "web:3000"),
            ("www.dev.shop.example", "/orders", "orders:3001"),
        )
        for port in (80, 443)
    }
    assert {answer for door, answer in doors.items() if door.endswith(":443/metrics")} == {"no route"}


Item = dict[str, Any]
Change = Callable[[list[Item]], None]


def one(items: list[Item], kind: str, name: str, namespace: str | None = None) -> Item:
    return next(
        item
        for item in items
        if item["kind"] == kind
        and item["metadata"]["name"] == name
        and namespace in (None, item["metadata"].get("namespace"))
    )


def values(change: Callable[[dict[str, Any]], None]) -> Change:
    def changed(items: list[Item]) -> None:
        spec = one(items, "HelmChart", "nginx-ingress")["spec"]
        found = yaml.safe_load(spec["valuesContent"])
        change(found["controller"])
        spec["valuesContent"] = yaml.safe_dump(found)

    return changed


def removed(kind: str, name: str) -> Change:
    return lambda items: items.remove(one(items, kind, name))


MUTATIONS: dict[str, tuple[Change, str]] = {
    "pods instead of the Service": (
        lambda items: one(items, "Ingress", "web-apex")["metadata"]["annotations"].clear(),
        "dev.shop.example:443/any-other-path",
    ),
    "a certificate is lost": (removed("Secret", "api-tls-cert"), "no certificate: Secret api-tls-cert is not in back"),
    "an Ingress is lost": (removed("Ingress", "orders-www"), "www.dev.shop.example:443/orders"),
    "another backend": (
        lambda items: one(items, "Ingress", "orders-api")["spec"]["rules"][0]["http"]["paths"][0]["backend"][
            "service"
        ].update(port={"number": 9090}),
        "api.dev.shop.example:443/any-other-path",
    ),
    "a host of its own twice": (
        lambda items: one(items, "Ingress", "web-www")["metadata"]["annotations"].pop(
            "nginx.org/mergeable-ingress-type"
        ),
        "several Ingresses that do not share the host",
    ),
    "no redirect": (
        values(lambda controller: controller["config"]["entries"].update({"ssl-redirect": "false"})),
        "web:3000 in plain text",
    ),
    "metrics for everybody": (
        values(lambda controller: controller["config"]["entries"].pop("server-snippets")),
        "dev.shop.example:443/metrics",
    ),
    "the sidecar stops clients": (
        values(lambda controller: controller["pod"].update(annotations={})),
        "nginx-ingress",
    ),
    "another account": (
        values(lambda controller: controller["serviceAccount"].update(name="somebody")),
        "nginx-ingress -> web on 3000",
    ),
    "the sidecar knows nobody": (
        lambda items: one(items, "Sidecar", "nginx-ingress")["spec"].update(egress=[{"hosts": ["istio-system/*"]}]),
        "dev.shop.example:443/any-other-path",
    ),
    "the policy is lost": (removed("CiliumNetworkPolicy", "ingress-controller"), "nginx-ingress"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_change_is_found(name: str) -> None:
    change, text = MUTATIONS[name]
    system = declared()
    document = planned(system)
    resources = document["deployment"]["resources"]
    items = [resource["outputs"] for resource in resources if resource["type"].startswith("kubernetes:")]
    before = list(items)
    change(items)
    gone = [item for item in before if not any(item is kept for kept in items)]
    document["deployment"]["resources"] = [
        resource for resource in resources if not any(resource["outputs"] is item for item in gone)
    ]
    found = [item.text for item in judged(document, Scope(system, "dev", REGION)).differences]
    assert any(text in item for item in found), found
