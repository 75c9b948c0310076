"""FitSync, autoscaling and availability."""

from __future__ import annotations

import pytest

from tests.requirements.fitsync import BACKENDS, PORTS
from tests.requirements.registered import Registered


@pytest.mark.rows("FS-AVL-01", "FS-BYD-10")
def test_prods_autoscalers_keep_three_and_grow(prod: Registered) -> None:
    found = prod.manifests("HorizontalPodAutoscaler", "fitsync")
    assert set(found) == set(BACKENDS)
    for name, item in found.items():
        spec = item["spec"]
        assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        assert spec["minReplicas"] == 3
        assert spec["maxReplicas"] > 3
        (metric,) = spec["metrics"]
        assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
        (container,) = prod.spec("Deployment", "fitsync", name)["template"]["spec"]["containers"]
        assert container["resources"]["requests"]["cpu"], "utilization is a share of the request"


@pytest.mark.rows("FS-AVL-02")
def test_a_failing_pod_is_ejected_and_restarted(spoke: Registered) -> None:
    outliers = spoke.spec("DestinationRule", "fitsync", "fitsync-mtls")["trafficPolicy"]["outlierDetection"]
    assert outliers["consecutive5xxErrors"] == 5
    for name in PORTS:
        pod = spoke.spec("Deployment", "fitsync", name)["template"]["spec"]
        assert pod.get("restartPolicy", "Always") == "Always"
        assert pod["containers"][0]["livenessProbe"]["failureThreshold"] == 3
