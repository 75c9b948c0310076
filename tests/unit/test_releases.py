"""Releases beyond a rolling update: what the controller refers to must exist under the names it is given."""

from __future__ import annotations

import re
from typing import Any

import pytest

from audit.scope import Scope
from derive.application import ApplicationPlan
from manifests.base import Manifest
from model import (
    ArgoRollouts,
    BlueGreen,
    Canary,
    ExtraPort,
    NoMesh,
    Platform,
    Route,
    Service,
    ServicePolicy,
    System,
    seconds,
)
from tests.audit.planned import REGION, judged, planned
from tests.unit.declared import derived, environment, objects, parts, shop

PLATFORM = Platform(addons=(ArgoRollouts(),))
STAGES = (5, 25, 50, 100)


def released(**changes: Any) -> System:
    return shop(**{"platform": PLATFORM, **changes})


def canary(**fields: Any) -> System:
    """``orders`` is called from outside on two paths, and from inside."""
    return released(
        services=(Service(**{"name": "orders", "port": 3001, "release": Canary(stages=STAGES), **fields}),),
        routes=(Route(host="www", to="orders"), Route(host="www", prefix="/v2", to="orders")),
        policies=(ServicePolicy(to="orders", timeout=seconds(5)),),
    )


def strategy(plan: ApplicationPlan, name: str) -> Manifest:
    found: Manifest = objects(plan, "Rollout")[name]["spec"]["strategy"]
    return found


def steps(stage: int | None) -> list[Manifest]:
    chosen = {} if stage is None else {"orders": stage}
    found: list[Manifest] = strategy(derived(canary(), releases=chosen), "orders")["canary"]["steps"]
    return found


def test_a_canary_moves_every_route_that_leads_to_it() -> None:
    """A route left out would keep sending everybody to both versions alike."""
    plan = derived(canary())
    assert objects(plan, "Deployment") == {}
    assert strategy(plan, "orders")["canary"]["trafficRouting"] == {
        "istio": {
            "virtualServices": [
                {"name": "orders", "routes": ["orders-0", "orders-1"]},
                {"name": "orders-internal", "routes": ["orders-0"]},
            ],
            "destinationRule": {"name": "orders", "stableSubsetName": "stable", "canarySubsetName": "canary"},
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


def test_without_a_setting_the_controller_goes_through_all_stages_and_watches_each() -> None:
    pause = {"pause": {"duration": "300s"}}
    assert steps(None) == [
        {"setWeight": 5},
        pause,
        {"setWeight": 25},
        pause,
        {"setWeight": 50},
        pause,
        {"setWeight": 100},
    ]


def test_the_setting_walks_the_stages_and_holds_at_each() -> None:
    """Changed steps are taken from the first one on: one share further back, half the canary's pods are stopped and
    all traffic leaves it; only the next one, and all traffic leaves it until its pods have started."""
    assert steps(1) == [{"setWeight": 5}, {"pause": {}}]
    assert steps(2) == [{"setWeight": 5}, {"setWeight": 25}, {"pause": {}}]
    assert steps(3) == [{"setWeight": 25}, {"setWeight": 50}, {"pause": {}}]
    assert steps(4) == [{"setWeight": 50}, {"setWeight": 100}]


def weights(plan: ApplicationPlan) -> list[tuple[int, ...]]:
    """Of every route that is part of a canary."""
    routes = [route for item in objects(plan, "VirtualService").values() for route in item["spec"]["http"]]
    return [tuple(to["weight"] for to in route["route"]) for route in routes]


@pytest.mark.parametrize("stage", [1, 2, 3, 4, 0])
def test_at_every_stage_the_shares_are_the_whole_and_nothing_else_is_open(stage: int) -> None:
    """The registered weights are the stable version's. The audit reads what the controller makes of them."""
    plan = derived(canary(), releases={"orders": stage})
    assert weights(plan) == [(100, 0)] * 3
    shares = [step["setWeight"] for step in steps(stage) if "setWeight" in step]
    assert shares == sorted(set(shares))
    assert shares[-1] == (0, *STAGES)[stage]
    document = planned(canary(), releases={"orders": stage})
    for resource in document["deployment"]["resources"]:
        if resource["type"].endswith(":VirtualService"):
            for route in resource["outputs"]["spec"]["http"]:
                for to in route["route"]:
                    share = shares[-1]
                    to["weight"] = share if to["destination"]["subset"] == "canary" else 100 - share
    assert judged(document, Scope(canary(), "dev", REGION)).differences == []


def test_giving_up_is_one_step_to_the_stable_version() -> None:
    assert steps(0) == [{"setWeight": 0}, {"pause": {}}]


def test_what_the_controller_writes_is_not_set_back() -> None:
    """An update during a release would otherwise send all traffic to one version, or to both alike."""
    moved = [part.moved for part in parts(derived(canary())) if part.moved]
    assert moved == [
        {
            ("VirtualService", "orders-internal"): ("spec.http[*].route[*].weight",),
            ("DestinationRule", "orders"): ("spec.subsets[*].labels",),
        },
        {("VirtualService", "orders"): ("spec.http[*].route[*].weight",)},
    ]
    forced = objects(derived(canary()), "VirtualService")["orders"]["metadata"]["annotations"]
    assert forced == {"pulumi.com/patchForce": "true"}


def test_calls_to_a_second_port_stay_on_it() -> None:
    """A route without a port would lead gRPC to the port of HTTP."""
    plan = derived(canary(extra_ports=(ExtraPort(name="grpc", port=3002, protocol="grpc"),)))
    routes = objects(plan, "VirtualService")["orders-internal"]["spec"]["http"]
    assert [(route["name"], route["match"]) for route in routes] == [
        ("orders-0", [{"port": 3001}]),
        ("orders-1", [{"port": 3002}]),
    ]
    for route in routes:
        numbers = {to["destination"]["port"]["number"] for to in route["route"]}
        assert numbers == {route["match"][0]["port"]}
    moved = strategy(plan, "orders")["canary"]["trafficRouting"]["istio"]["virtualServices"]
    assert moved[1] == {"name": "orders-internal", "routes": ["orders-0", "orders-1"]}


def test_the_mesh_tells_two_versions_apart() -> None:
    """With one label for both, its metrics and Kiali's picture show a single version that is released."""
    found = objects(derived(canary(), tags={"orders": f"{'b' * 40}_{'x' * 40}"}), "Rollout")["orders"]["spec"]
    assert found["template"]["metadata"]["labels"]["version"] == f"{'b' * 40}_{'x' * 22}"
    assert found["selector"] == {"matchLabels": {"app": "orders"}}, "a selector never changes"


def test_a_canary_is_measured_by_the_answers_of_its_own_pods() -> None:
    plan = derived(canary())
    assert strategy(plan, "orders")["canary"]["analysis"] == {
        "templates": [{"templateName": "orders-errors"}],
        "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}],
        "startingStep": 1,
    }
    (metric,) = objects(plan, "AnalysisTemplate")["orders-errors"]["spec"]["metrics"]
    assert "count" not in metric
    asked = metric["provider"]["prometheus"]
    assert asked["address"] == "http://kube-prometheus-stack-prometheus.monitoring.svc.cluster.local:9090"
    new = 'reporter="destination",namespace="shop",pod=~"orders-{{args.hash}}-.*"'
    assert asked["query"] == (
        f'(sum(rate(istio_requests_total{{{new},response_code=~"5.."}}[2m])) or vector(0)) / '
        f"sum(rate(istio_requests_total{{{new}}}[2m]))"
    )
    assert metric["successCondition"] == "len(result) == 0 || isNaN(result[0]) || result[0] <= 0.05"


def blue_green(**fields: Any) -> System:
    web = Service(**{"name": "web", "port": 3000, "tier": "frontend", "release": BlueGreen(), **fields})
    return released(services=(web,))


def test_blue_green_has_a_service_for_each_version_and_is_tested_before_and_after_the_switch() -> None:
    plan = derived(blue_green())
    new = [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}]
    assert strategy(plan, "web") == {
        "blueGreen": {
            "activeService": "web",
            "previewService": "web-preview",
            "autoPromotionEnabled": True,
            "scaleDownDelaySeconds": 600,
            "prePromotionAnalysis": {"templates": [{"templateName": "web-smoke-test"}], "args": new},
            "postPromotionAnalysis": {"templates": [{"templateName": "web-errors"}], "args": new},
        }
    }
    assert objects(plan, "Service")["web-preview"]["spec"]["selector"] == {"app": "web"}
    (after,) = objects(plan, "AnalysisTemplate")["web-errors"]["spec"]["metrics"]
    assert after["count"] == 5, "an analysis without an end would keep the release open for ever"
    (part,) = [part for part in plan.services if part.name == "web"]
    assert dict(part.moved) == {("Service", "web"): ("spec.selector",), ("Service", "web-preview"): ("spec.selector",)}
    # Both versions, the tester, and a pod of an earlier release that is still stopping.
    assert objects(plan, "ResourceQuota")["shop-quota"]["spec"]["hard"]["pods"] == "4"


def test_a_blue_green_release_that_was_given_up_waits_beside_the_stable_version() -> None:
    plan = derived(blue_green(), releases={"web": 0})
    assert strategy(plan, "web")["blueGreen"]["autoPromotionEnabled"] is False
    assert strategy(derived(blue_green(), releases={"web": 1}), "web")["blueGreen"]["autoPromotionEnabled"] is True


def test_the_tester_asks_the_new_version_only_and_is_the_only_one_who_may() -> None:
    plan = derived(blue_green(release=BlueGreen(smoke_test=("/", "/login"))))
    (metric,) = objects(plan, "AnalysisTemplate")["web-smoke-test"]["spec"]["metrics"]
    spec = metric["provider"]["job"]["spec"]
    pod = spec["template"]["spec"]
    assert (spec["backoffLimit"], pod["restartPolicy"], pod["serviceAccountName"]) == (0, "Never", "web-smoke-test")
    host = "web-preview.shop.svc.cluster.local"
    urls = [text for text in pod["containers"][0]["args"] if text.startswith("http")]
    assert urls == [f"http://{host}:3000/", f"http://{host}:3000/login"]
    assert objects(plan, "AuthorizationPolicy")["web-authz"]["spec"]["rules"] == [
        {
            "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web-smoke-test"]}}],
            "to": [{"operation": {"ports": ["3000"], "methods": ["GET"], "paths": ["/", "/login"]}}],
        }
    ]
    known = objects(plan, "Sidecar")["web-smoke-test"]["spec"]["egress"][0]["hosts"]
    assert f"shop/{host}" in known
    assert "shop/web.shop.svc.cluster.local" not in known
    (scraped,) = objects(plan, "CiliumNetworkPolicy")["web-smoke-test-policy"]["spec"]["ingress"]
    assert scraped["toPorts"] == [{"ports": [{"port": "15020", "protocol": "TCP"}]}]
    assert "web-smoke-test" in objects(plan, "ServiceAccount")


def test_without_a_mesh_nothing_counts_answers_and_pods_make_the_shares() -> None:
    platform = Platform(addons=(ArgoRollouts(),), mesh=NoMesh())
    plan = derived(released(services=(Service(name="web", port=3000, release=Canary()),), platform=platform))
    assert set(strategy(plan, "web")["canary"]) == {"steps"}
    assert objects(plan, "AnalysisTemplate") == {}


def test_autoscaling_targets_what_runs_the_pods() -> None:
    """An autoscaler of a Deployment that does not exist scales nothing."""
    service = Service.model_validate(
        {"name": "web", "port": 3000, "scale": {"maximum": 3}, "release": {"kind": "blue-green"}}
    )
    plan = derived(released(services=(service,), environments={"dev": environment(autoscale=True)}))
    target = objects(plan, "HorizontalPodAutoscaler")["web"]["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"}


@pytest.mark.parametrize("stages", [(), (5, 50), (50, 5, 100), (5, 5, 100)])
def test_stages_that_do_not_grow_to_all_are_refused(stages: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must grow and end with 100"):
        Canary(stages=stages)


def test_a_release_that_nobody_carries_out_is_refused() -> None:
    """The API server knows no Rollout without the controller's definitions."""
    message = (
        "service 'web' is released by canary, but environment 'dev' has nobody who does that; "
        "add ArgoRollouts() to platform.addons, or use Rolling()"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        shop(services=(Service(name="web", port=3000, release=Canary()),))
