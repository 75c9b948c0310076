"""A service's own settings reach its container: ConfigMap, Secret, log directory, drain; and its namespace's quota."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from derive.application import ApplicationPlan
from model import DeclarationError, Probe, Quota, Resources, Service, seconds
from model.base import mistakes
from tests.unit.declared import derived, objects, shop


def pod(plan: ApplicationPlan, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = objects(plan, "Deployment")[name]["spec"]["template"]
    return found


def test_config_and_keys_are_variables_and_files() -> None:
    """A pod that names a ConfigMap or Secret that nobody makes never starts."""
    web = Service(name="web", port=3000, config={"ROUTES": "/api"}, keys=("API_KEY",), log_directory="/var/log/web")
    plan = derived(shop(services=(web,)))
    assert objects(plan, "ConfigMap")["web-config"]["data"] == {"ROUTES": "/api"}
    (secret,) = plan.secrets
    assert (secret.name, secret.namespace) == ("web-secrets", "shop")
    assert secret.passwords == {"API_KEY": "web-secrets-api-key"}
    spec = pod(plan, "web")["spec"]
    (container,) = spec["containers"]
    assert container["envFrom"] == [{"configMapRef": {"name": "web-config"}}, {"secretRef": {"name": "web-secrets"}}]
    mounts = {mount["mountPath"]: mount.get("readOnly") for mount in container["volumeMounts"]}
    assert {path: only for path, only in mounts.items() if "web" in path} == {
        "/etc/web/config": True,
        "/etc/web/secrets": True,
        "/var/log/web": None,
    }
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["config"] == {"name": "config", "configMap": {"name": "web-config"}}
    assert volumes["secrets"]["secret"] == {
        "secretName": "web-secrets",
        "items": [{"key": "API_KEY", "path": "API_KEY"}],
    }
    assert volumes["logs"] == {"name": "logs", "emptyDir": {"sizeLimit": "512Mi"}}


def test_a_changed_setting_restarts_the_pods() -> None:
    """Variables are read once, at the start."""

    def checksum(value: str) -> str:
        plan = derived(shop(services=(Service(name="web", port=3000, config={"MODE": value}),)))
        found: str = pod(plan, "web")["metadata"]["annotations"]["checksum/config"]
        return found

    assert checksum("a") != checksum("b")


def test_a_pod_drains_before_it_is_asked_to_stop() -> None:
    """Otherwise requests that are on their way are lost."""
    startup = Probe(failures=30, period=seconds(2))
    web = Service(name="web", port=3000, drain=seconds(5), grace=seconds(45), startup=startup)
    spec = pod(derived(shop(services=(web,))), "web")["spec"]
    (container,) = spec["containers"]
    assert spec["terminationGracePeriodSeconds"] == 45
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert (container["startupProbe"]["failureThreshold"], container["startupProbe"]["periodSeconds"]) == (30, 2)


def test_a_pause_longer_than_the_grace_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        Service(name="web", port=3000, drain=seconds(30))
    assert mistakes(caught.value) == "service 'web' drains for 30 s, but is killed after 30 s; raise its grace"


def test_a_declared_quota_is_the_namespace_s() -> None:
    quota = Quota(cpu="20", memory="40Gi", pods=50, claims=10)
    hard = objects(derived(shop(quota=quota)), "ResourceQuota")["shop-quota"]["spec"]["hard"]
    assert {key: hard[key] for key in ("requests.cpu", "requests.memory", "pods", "persistentvolumeclaims")} == {
        "requests.cpu": "20",
        "requests.memory": "40Gi",
        "pods": "50",
        "persistentvolumeclaims": "10",
    }


def test_a_quota_that_would_refuse_a_declared_pod_is_refused() -> None:
    """The last pod of a busy hour would stay away, and nobody would know why."""
    web = Service(name="web", port=3000, resources=Resources(cpu="500m", cpu_limit="1"))
    quota = Quota(cpu="1", memory="40Gi", pods=50, claims=10)
    with pytest.raises(DeclarationError) as caught:
        derived(shop(services=(web,), quota=quota))
    assert str(caught.value) == (
        "namespace 'shop' declares cpu 1800m at its maximum, the quota allows 1; "
        "raise quota.cpu or lower replicas, maxima or requests"
    )
