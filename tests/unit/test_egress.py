"""What is declared to leave by the egress gateway can leave by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from model import DeclarationError, External, Istio, Platform, System
from tests.unit.declared import derived, objects, shop


def declared(egress_gateway: bool = True, **changes: Any) -> System:
    fields: dict[str, Any] = {"name": "pay", "hosts": ("api.pay.example",), "used_by": ("orders",)}
    external = External(**{**fields, "through_gateway": True, **changes})
    return shop(externals=(external,), platform=Platform(mesh=Istio(egress_gateway=egress_gateway)))


def test_mesh_to_gateway_to_host() -> None:
    plan = derived(declared())
    gateway = "istio-egressgateway.istio-system.svc.cluster.local"
    assert objects(plan, "ServiceEntry")["pay"]["spec"]["exportTo"] == ["istio-system", "shop"]
    assert objects(plan, "Gateway")["pay-egress"]["spec"] == {
        "selector": {"istio": "egressgateway"},
        "servers": [
            {
                "port": {"number": 443, "name": "tls", "protocol": "TLS"},
                "hosts": ["api.pay.example"],
                "tls": {"mode": "PASSTHROUGH"},
            }
        ],
    }
    assert objects(plan, "VirtualService")["pay-egress"]["spec"] == {
        "hosts": ["api.pay.example"],
        "gateways": ["mesh", "pay-egress"],
        "tls": [
            {
                "match": [{"gateways": ["mesh"], "port": 443, "sniHosts": ["api.pay.example"]}],
                "route": [{"destination": {"host": gateway, "port": {"number": 443}}}],
            },
            {
                "match": [{"gateways": ["pay-egress"], "port": 443, "sniHosts": ["api.pay.example"]}],
                "route": [{"destination": {"host": "api.pay.example", "port": {"number": 443}}}],
            },
        ],
    }
    assert "shop/api.pay.example" in objects(plan, "Sidecar")["orders"]["spec"]["egress"][0]["hosts"]


def test_the_network_admits_the_gateway_and_not_the_host() -> None:
    egress = objects(derived(declared()), "CiliumNetworkPolicy")["orders-policy"]["spec"]["egress"]
    assert egress[0] == {
        "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "istio-system", "istio": "egressgateway"}}],
        "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}],
    }
    assert not any("toFQDNs" in rule for rule in egress)


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (
            declared(egress_gateway=False),
            "external 'pay' leaves by the egress gateway, which the platform does not have; "
            "set platform.mesh.egress_gateway to True",
        ),
        (
            declared(protocol="TCP"),
            "external 'pay' leaves by the egress gateway, which tells hosts apart by the name in the TLS handshake; "
            "declare protocol TLS and full host names, or set through_gateway to False",
        ),
    ],
)
def test_what_cannot_pass_the_gateway_is_refused(system: System, message: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        derived(system)
    assert str(refusal.value) == message
