"""Mutual TLS is strict everywhere but on the ports that Prometheus reads."""

from __future__ import annotations

from model import Istio, Platform, Redis, Service
from tests.unit.declared import derived, objects, shop


def test_strict_for_the_namespace_and_an_exception_per_metrics_port() -> None:
    """FS-SEC-01, FS-SEC-17: the exception selects only pods that have the port, and holds STRICT on all others."""
    system = shop(
        stores=(Redis(name="cache"),),
        services=(Service(name="orders", port=3001, metrics=9090, uses=("cache",)), Service(name="web", port=3000)),
    )
    plan = derived(system)
    found = {name: item["spec"] for name, item in objects(plan, "PeerAuthentication").items()}
    assert found == {
        "shop-mtls": {"mtls": {"mode": "STRICT"}},
        "shop-metrics-9090": {
            "selector": {"matchLabels": {"metrics-port": "9090"}},
            "mtls": {"mode": "STRICT"},
            "portLevelMtls": {"9090": {"mode": "PERMISSIVE"}},
        },
        "shop-metrics-9121": {
            "selector": {"matchLabels": {"metrics-port": "9121"}},
            "mtls": {"mode": "STRICT"},
            "portLevelMtls": {"9121": {"mode": "PERMISSIVE"}},
        },
    }
    pods = {
        name: item["spec"]["template"]["metadata"]["labels"].get("metrics-port")
        for kind in ("Deployment", "StatefulSet")
        for name, item in objects(plan, kind).items()
    }
    assert pods == {"orders": "9090", "web": None, "cache": "9121"}


def test_permissive_needs_no_exception() -> None:
    plan = derived(shop(platform=Platform(mesh=Istio(mtls="PERMISSIVE"))))
    assert set(objects(plan, "PeerAuthentication")) == {"shop-mtls"}


def test_a_store_outside_the_mesh_is_called_in_plain_text() -> None:
    """The namespace's default rule would offer it mutual TLS, which it cannot answer."""
    system = shop(stores=(Redis(name="cache", in_mesh=False),))
    plan = derived(system)
    assert objects(plan, "DestinationRule")["cache"]["spec"] == {
        "host": "cache.shop.svc.cluster.local",
        "trafficPolicy": {"tls": {"mode": "DISABLE"}},
    }
    assert set(objects(plan, "PeerAuthentication")) == {"shop-mtls", "shop-metrics-9090"}
    pod = objects(plan, "StatefulSet")["cache"]["spec"]["template"]["metadata"]["annotations"]
    assert pod["sidecar.istio.io/inject"] == "false"
