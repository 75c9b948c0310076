"""A namespace is closed before anything moves in."""

from __future__ import annotations

from derive.application import application
from model import NoMesh, Platform, Service
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, derived, shop

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}


def test_the_namespace_comes_first_and_then_what_closes_it() -> None:
    """FS-MSH-12, FS-BYD-07: the order in which a component registers them."""
    (part,) = application(deployed(SYSTEM), HOSTS).namespaces
    assert [(item["kind"], item["metadata"]["name"]) for item in part.objects] == [
        ("Namespace", "fitsync"),
        ("ResourceQuota", "fitsync-quota"),
        ("LimitRange", "fitsync-defaults"),
        ("CiliumNetworkPolicy", "default-deny"),
        ("PeerAuthentication", "fitsync-mtls"),
        ("PeerAuthentication", "fitsync-metrics-9090"),
        ("PeerAuthentication", "fitsync-metrics-9121"),
        ("AuthorizationPolicy", "deny-all"),
        ("Sidecar", "default"),
        ("DestinationRule", "fitsync-mtls"),
        ("ServiceEntry", "userdb"),
        ("ServiceEntry", "trainingdb"),
        ("ServiceEntry", "scheduledb"),
        ("ServiceEntry", "progressdb"),
    ]
    labels = part.objects[0]["metadata"]["labels"]
    assert labels["istio-injection"] == "enabled"
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_without_a_mesh_nothing_is_injected() -> None:
    (part,) = derived(shop(platform=Platform(mesh=NoMesh()))).namespaces
    assert [item["kind"] for item in part.objects] == [
        "Namespace",
        "ResourceQuota",
        "LimitRange",
        "CiliumNetworkPolicy",
    ]
    assert "istio-injection" not in part.objects[0]["metadata"]["labels"]


def test_every_namespace_of_a_system_is_closed() -> None:
    """A namespace of one service, forgotten, would be open."""
    services = (Service(name="web", port=3000, namespace="front"), Service(name="orders", port=3001))
    plan = derived(shop(services=services))
    assert [part.namespace for part in plan.namespaces] == ["front", "shop"]
    for part in plan.namespaces:
        assert {"CiliumNetworkPolicy", "AuthorizationPolicy", "PeerAuthentication"} <= {
            item["kind"] for item in part.objects
        }


def test_every_object_says_which_deployment_it_belongs_to() -> None:
    plan = derived(shop())
    for part in (*plan.namespaces, *plan.services, *plan.stores, *plan.edge):
        for item in part.objects:
            assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "shop-dev"
