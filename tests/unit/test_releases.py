"""Releases beyond a rolling update: what the controller refers to must exist under the names it is given."""

from __future__ import annotations

from model import BlueGreen, Canary, Route, Service, ServicePolicy, seconds
from tests.unit.declared import derived, environment, objects, shop


def test_a_canary_moves_every_route_that_leads_to_it() -> None:
    """A route left out would keep sending everybody to both versions alike."""
    system = shop(
        services=(Service(name="orders", port=3001, release=Canary(stages=(5, 50, 100))),),
        routes=(Route(host="www", to="orders"), Route(host="www", prefix="/v2", to="orders")),
        policies=(ServicePolicy(to="orders", timeout=seconds(5)),),
    )
    plan = derived(system)
    assert objects(plan, "Deployment") == {}
    assert objects(plan, "Rollout")["orders"]["spec"]["strategy"] == {
        "canary": {
            "steps": [
                {"setWeight": 5},
                {"pause": {"duration": "300s"}},
                {"setWeight": 50},
                {"pause": {"duration": "300s"}},
                {"setWeight": 100},
            ],
            "trafficRouting": {
                "istio": {
                    "virtualServices": [
                        {"name": "orders", "routes": ["orders-0", "orders-1"]},
                        {"name": "orders-internal", "routes": ["orders-0"]},
                    ],
                    "destinationRule": {
                        "name": "orders",
                        "stableSubsetName": "stable",
                        "canarySubsetName": "canary",
                    },
                }
            },
        }
    }
    found = objects(plan, "VirtualService")
    assert [route["name"] for route in found["orders"]["spec"]["http"]] == ["orders-0", "orders-1"]
    host = {"host": "orders.shop.svc.cluster.local", "port": {"number": 3001}}
    assert found["orders-internal"]["spec"]["http"] == [
        {
            "name": "orders-0",
            "route": [
                {"destination": {**host, "subset": "stable"}, "weight": 100},
                {"destination": {**host, "subset": "canary"}, "weight": 0},
            ],
            "timeout": "5s",
        }
    ]
    assert objects(plan, "DestinationRule")["orders"]["spec"]["subsets"] == [
        {"name": "stable", "labels": {"app": "orders"}},
        {"name": "canary", "labels": {"app": "orders"}},
    ]


def test_blue_green_has_a_service_for_each_version() -> None:
    plan = derived(shop(services=(Service(name="web", port=3000, tier="frontend", release=BlueGreen()),)))
    assert objects(plan, "Rollout")["web"]["spec"]["strategy"] == {
        "blueGreen": {"activeService": "web", "previewService": "web-preview", "autoPromotionEnabled": False}
    }
    assert objects(plan, "Service")["web-preview"]["spec"]["selector"] == {"app": "web"}
    assert objects(plan, "ResourceQuota")["shop-quota"]["spec"]["hard"]["pods"] == "2"


def test_autoscaling_targets_what_runs_the_pods() -> None:
    """An autoscaler of a Deployment that does not exist scales nothing."""
    service = Service.model_validate(
        {"name": "web", "port": 3000, "scale": {"maximum": 3}, "release": {"kind": "blue-green"}}
    )
    plan = derived(shop(services=(service,), environments={"dev": environment(autoscale=True)}))
    target = objects(plan, "HorizontalPodAutoscaler")["web"]["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}
