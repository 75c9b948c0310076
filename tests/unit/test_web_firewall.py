"""The firewall before a service: it blocks, spares health checks and metrics, and needs no way out of the pod."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model import ApplicationFirewall, NoMesh, Probe, Service, System
from model.base import mistakes
from tests.unit.declared import derived, objects
from tests.unit.fronted import WEB, fronted


def guarded(service: Service = WEB) -> System:
    return fronted(services=(service, Service(name="orders", port=3001)))


def test_the_core_rule_set_blocks() -> None:
    """OR-SEC-01. The recommended settings switch the engine to mere detection, so it is switched on after them."""
    web = WEB.model_copy(update={"metrics": 9090, "startup": Probe(path="/started")})
    assert objects(derived(guarded(web)), "WasmPlugin")["web-firewall"]["spec"] == {
        "selector": {"matchLabels": {"app": "web"}},
        "url": "file:///var/lib/web-firewall/plugin.wasm",
        "phase": "AUTHZ",
        "failStrategy": "FAIL_CLOSE",
        "match": [{"mode": "SERVER", "ports": [{"number": 3000}]}],
        "pluginConfig": {
            "directives_map": {
                "default": [
                    "Include @recommended-conf",
                    "SecRuleEngine On",
                    'SecRule REQUEST_FILENAME "@streq /health" "id:10001,phase:1,pass,nolog,ctl:ruleEngine=Off"',
                    'SecRule REQUEST_FILENAME "@streq /started" "id:10002,phase:1,pass,nolog,ctl:ruleEngine=Off"',
                    "Include @crs-setup-conf",
                    "Include @owasp_crs/*.conf",
                ]
            },
            "default_directives": "default",
        },
    }


def test_the_node_fetches_the_module_and_the_pod_stays_closed() -> None:
    plan = derived(guarded())
    template = objects(plan, "Deployment")["web"]["spec"]["template"]
    image = {"reference": "ghcr.io/corazawaf/coraza-proxy-wasm:0.6.0", "pullPolicy": "IfNotPresent"}
    assert {"name": "web-firewall", "image": image} in template["spec"]["volumes"]
    assert template["metadata"]["annotations"]["sidecar.istio.io/userVolumeMount"] == (
        '{"web-firewall": {"mountPath": "/var/lib/web-firewall", "readOnly": true}}'
    )
    assert objects(plan, "ServiceEntry") == {}


def test_only_the_declared_service_has_one() -> None:
    plan = derived(guarded())
    assert objects(plan, "WasmPlugin").keys() == {"web-firewall"}
    volumes = objects(plan, "Deployment")["orders"]["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["tmp"]


REFUSED = {
    "a service that is not there": (
        {"firewalls": (ApplicationFirewall(at="wep"),)},
        "service 'wep' in firewalls[0].at is not declared; did you mean 'web'?",
    ),
    "two before one": (
        {"firewalls": (ApplicationFirewall(at="web"), ApplicationFirewall(at="web"))},
        "firewalls[1]: 'web' has a firewall already; keep one",
    ),
    "no requests": (
        {"services": (Service(name="web", port=3000, protocol="tcp"),), "calls": (), "routes": ()},
        "firewalls[0]: 'web' serves no HTTP, and the firewall reads requests; remove it",
    ),
    "no mesh": (
        {"platform": {"mesh": NoMesh()}},
        "firewalls[0]: the firewall of 'web' runs in its sidecar, and there is no mesh; set platform.mesh to Istio()",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_a_firewall_that_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        fronted(**changes)
    assert mistakes(caught.value) == message
