"""What is declared to leave by the egress gateway can leave by nothing else, and only for whom it was declared."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from derive.addons.istio import egress_gateway_values
from derive.application import ApplicationPlan
from model import DeclarationError, External, Istio, Platform, System
from tests.unit.declared import derived, objects, shop

GATEWAY = "istio-egressgateway.istio-system.svc.cluster.local"


def external(**changes: Any) -> External:
    fields: dict[str, Any] = {"name": "pay", "hosts": ("api.pay.example",), "used_by": ("orders",)}
    return External(**{**fields, "through_gateway": True, **changes})


def declared(*externals: External, **mesh: Any) -> System:
    return shop(externals=externals or (external(),), platform=Platform(mesh=Istio(**{"egress_gateway": True, **mesh})))


def spec(plan: ApplicationPlan, kind: str, name: str) -> Any:
    return objects(plan, kind)[name]["spec"]


def test_sidecar_to_gateway_by_mutual_tls_to_host() -> None:
    plan = derived(declared())
    assert spec(plan, "ServiceEntry", "pay") == {
        "hosts": ["api.pay.example"],
        "exportTo": ["istio-system", "shop"],
        "location": "MESH_EXTERNAL",
        "resolution": "DNS",
        "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}],
    }
    assert spec(plan, "Gateway", "pay-egress") == {
        "selector": {"istio": "egressgateway"},
        "servers": [
            {
                "port": {"number": 443, "name": "api-pay-example-443", "protocol": "TLS"},
                "hosts": ["api.pay.example"],
                "tls": {"mode": "ISTIO_MUTUAL"},
            }
        ],
    }
    assert spec(plan, "DestinationRule", "istio-egressgateway") == {
        "host": GATEWAY,
        "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
        "subsets": [
            {
                "name": "api-pay-example",
                "trafficPolicy": {
                    "portLevelSettings": [
                        {"port": {"number": 443}, "tls": {"mode": "ISTIO_MUTUAL", "sni": "api.pay.example"}}
                    ]
                },
            }
        ],
    }
    assert spec(plan, "VirtualService", "api-pay-example-egress") == {
        "hosts": ["api.pay.example"],
        "gateways": ["mesh", "pay-egress"],
        "tls": [
            {
                "match": [{"gateways": ["mesh"], "port": 443, "sniHosts": ["api.pay.example"]}],
                "route": [{"destination": {"host": GATEWAY, "subset": "api-pay-example", "port": {"number": 443}}}],
            }
        ],
        "tcp": [
            {
                "match": [{"gateways": ["pay-egress"], "port": 443}],
                "route": [{"destination": {"host": "api.pay.example", "port": {"number": 443}}}],
            }
        ],
    }
    assert "shop/api.pay.example" in spec(plan, "Sidecar", "orders")["egress"][0]["hosts"]


def test_a_pattern_is_handed_on_to_the_very_host_that_is_named() -> None:
    """A gateway that knew one address for all of a vendor's hosts would send every customer's calls there."""
    plan = derived(declared(external(hosts=("pay.example", "*.pay.example"))))
    assert spec(plan, "ServiceEntry", "pay")["hosts"] == ["pay.example"]
    entry = spec(plan, "ServiceEntry", "pay-any")
    assert (entry["hosts"], entry["resolution"]) == (["*.pay.example"], "NONE")
    hops = {item["name"]: item for item in spec(plan, "DestinationRule", "istio-egressgateway")["subsets"]}
    (level,) = hops["any-pay-example"]["trafficPolicy"]["portLevelSettings"]
    assert level["tls"] == {"mode": "ISTIO_MUTUAL", "sni": "any.pay.example"}
    assert spec(plan, "Gateway", "pay-egress")["servers"][1] == {
        "port": {"number": 443, "name": "any-pay-example-443", "protocol": "TLS"},
        "hosts": ["*.pay.example"],
        "tls": {"mode": "ISTIO_MUTUAL"},
    }
    (inwards,) = spec(plan, "VirtualService", "any-pay-example-egress")["tls"]
    assert inwards["match"] == [{"gateways": ["mesh"], "port": 443, "sniHosts": ["*.pay.example"]}]
    (rule,) = spec(plan, "AuthorizationPolicy", "egress-gateway")["rules"]
    assert rule["when"] == [{"key": "connection.sni", "values": ["pay.example", "*.pay.example"]}]


def test_the_name_inside_is_held_to_the_pattern_that_the_caller_was_let_out_for() -> None:
    """A pod that got past its own proxy could name one host to the gateway and call another vendor's."""
    hosts = {"pay": "*.pay.example", "maps": "*.maps.example"}
    plan = derived(declared(*(external(name=name, hosts=(host,)) for name, host in hosts.items())))
    filters = spec(plan, "EnvoyFilter", "egress-patterns")
    assert filters["workloadSelector"] == {"labels": {"istio": "egressgateway"}}
    parts: dict[tuple[str, str], Any] = {}
    for patch in filters["configPatches"]:
        assert patch["match"]["context"] == "GATEWAY"
        parts[patch["applyTo"], patch["patch"]["value"].get("name")] = patch["patch"]["value"]
        if patch["applyTo"] == "NETWORK_FILTER":
            listener = patch["match"]["listener"]
            parts["CHAIN", listener["filterChain"]["sni"]] = (
                listener["portNumber"],
                patch["patch"]["value"]["typed_config"]["cluster"],
            )
    for host in hosts.values():
        port, hop = parts["CHAIN", host]
        (group,) = parts["CLUSTER", hop]["load_assignment"]["endpoints"]
        (endpoint,) = group["lb_endpoints"]
        inner = endpoint["endpoint"]["address"]["envoy_internal_address"]["server_listener_name"]
        (chain,) = parts["LISTENER", inner]["filter_chains"]
        assert chain["filter_chain_match"] == {"server_names": [host]}
        named, onwards = (item["typed_config"] for item in chain["filters"])
        assert (port, named["port_value"]) == (443, 443)
        resolved = parts["CLUSTER", onwards["cluster"]]["cluster_type"]["typed_config"]
        assert resolved["dns_cache_config"] == named["dns_cache_config"]
        log = onwards["access_log"][0]["typed_config"]["log_format"]["json_format"]
        assert log["requested_server_name"] == "%REQUESTED_SERVER_NAME%"


@pytest.mark.parametrize("host", ["*", "*.com", "*.co.uk", "*.amazonaws.com"])
def test_a_pattern_of_everybody_s_names_is_refused(host: str) -> None:
    """It would be the catch-all that the gateway is there to prevent."""
    with pytest.raises(ValidationError, match="external 'pay': anybody can have a name under"):
        external(hosts=(host,))


@pytest.mark.parametrize("host", ["*.pay.example", "*.pay.co.uk", "*.us-east-1.amazonaws.com", "*.datadoghq.com"])
def test_a_pattern_of_one_owner_is_admitted(host: str) -> None:
    assert external(hosts=(host,)).patterns == (host,)


@pytest.mark.parametrize("changes", [{"protocol": "TCP"}, {"protocol": "HTTPS", "originate": True}])
def test_a_pattern_needs_a_handshake_that_names_the_host(changes: dict[str, Any]) -> None:
    """Plain connections name nobody: any address on that port would do."""
    with pytest.raises(
        ValidationError, match=r"which host of '\*.pay.example' is called is read from the caller's TLS"
    ):
        external(hosts=("*.pay.example",), **changes)


def test_what_a_pattern_stands_for_is_not_named_again() -> None:
    with pytest.raises(ValidationError, match=r"'\*.pay.example' stands for 'api.pay.example' already"):
        external(hosts=("api.pay.example", "*.pay.example"))


def test_the_gateway_lets_out_by_host_and_identity() -> None:
    """A service that is let out to one host must not get to another service's."""
    plan = derived(declared(external(), external(name="maps", hosts=("maps.example", "m.example"), used_by=("web",))))
    assert spec(plan, "AuthorizationPolicy", "egress-gateway") == {
        "selector": {"matchLabels": {"istio": "egressgateway"}},
        "action": "ALLOW",
        "rules": [
            {
                "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/orders"]}}],
                "to": [{"operation": {"ports": ["443"]}}],
                "when": [{"key": "connection.sni", "values": ["api.pay.example"]}],
            },
            {
                "from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}],
                "to": [{"operation": {"ports": ["443"]}}],
                "when": [{"key": "connection.sni", "values": ["maps.example", "m.example"]}],
            },
        ],
    }


def test_tls_is_passed_through_where_the_mesh_says_so() -> None:
    """Opening the caller's TLS, or wrapping it once more, would not be a pass-through; the name alone leads on."""
    plan = derived(declared(egress_tls="PASSTHROUGH"))
    (server,) = spec(plan, "Gateway", "pay-egress")["servers"]
    assert (server["port"]["protocol"], server["hosts"], server["tls"]) == (
        "TLS",
        ["api.pay.example"],
        {"mode": "PASSTHROUGH"},
    )
    routes = spec(plan, "VirtualService", "api-pay-example-egress")
    assert routes["tls"] == [
        {
            "match": [{"gateways": [gateway], "port": 443, "sniHosts": ["api.pay.example"]}],
            "route": [{"destination": {"host": host, "port": {"number": 443}}}],
        }
        for gateway, host in (("mesh", GATEWAY), ("pay-egress", "api.pay.example"))
    ]
    assert "tcp" not in routes
    assert "istio-egressgateway" not in objects(plan, "DestinationRule")
    assert spec(plan, "AuthorizationPolicy", "egress-gateway")["rules"] == [
        {
            "to": [{"operation": {"ports": ["443"]}}],
            "when": [{"key": "connection.sni", "values": ["api.pay.example"]}],
        }
    ]


def test_plain_tcp_is_told_apart_by_the_hop_s_own_name() -> None:
    """Mail upgrades to TLS later, so its first bytes name nobody."""
    mail = external(name="mail", hosts=("smtp.example",), port=587, further_ports=(465,), protocol="TCP")
    plan = derived(declared(mail))
    assert spec(plan, "ServiceEntry", "mail")["ports"] == [
        {"number": 587, "name": "tcp", "protocol": "TCP"},
        {"number": 465, "name": "tcp-465", "protocol": "TCP"},
    ]
    routes = spec(plan, "VirtualService", "smtp-example-egress")
    assert [(route["match"], route["route"][0]["destination"]) for route in routes["tcp"]] == [
        (
            [{"gateways": [gateway], "port": port}],
            {"host": GATEWAY, "subset": "smtp-example", "port": {"number": port}}
            if gateway == "mesh"
            else {"host": "smtp.example", "port": {"number": port}},
        )
        for port in (587, 465)
        for gateway in ("mesh", "mail-egress")
    ]
    assert "tls" not in routes


def test_the_gateway_makes_https_of_plain_calls() -> None:
    plan = derived(declared(external(protocol="HTTPS", originate=True), egress_limit=100))
    assert spec(plan, "ServiceEntry", "pay")["ports"] == [
        {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 443}
    ]
    rule = objects(plan, "DestinationRule")["api-pay-example"]
    assert (rule["metadata"]["namespace"], rule["spec"]) == (
        "istio-system",
        {
            "host": "api.pay.example",
            "exportTo": ["."],
            "trafficPolicy": {
                "portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "SIMPLE", "sni": "api.pay.example"}}]
            },
        },
    )
    assert [route["match"] for route in spec(plan, "VirtualService", "api-pay-example-egress")["http"]] == [
        [{"gateways": ["mesh"], "port": 80}],
        [{"gateways": ["pay-egress"], "port": 80}],
    ]
    assert spec(plan, "Gateway", "pay-egress")["servers"][0]["port"]["protocol"] == "HTTPS"
    patches = spec(plan, "EnvoyFilter", "egress-limit")["configPatches"]
    assert [patch["applyTo"] for patch in patches] == ["NETWORK_FILTER", "HTTP_FILTER"]


def test_what_leaves_is_limited_in_all() -> None:
    """A bucket for each filter chain would let every host have the whole limit."""
    plan = derived(declared(egress_limit=100))
    limit = spec(plan, "EnvoyFilter", "egress-limit")
    assert limit["workloadSelector"] == {"labels": {"istio": "egressgateway"}}
    (patch,) = limit["configPatches"]
    settings = patch["patch"]["value"]["typed_config"]
    assert settings["share_key"] == "egress"
    assert settings["token_bucket"] == {"max_tokens": 100, "tokens_per_fill": 100, "fill_interval": "1s"}
    assert not objects(derived(declared()), "EnvoyFilter")


def test_the_gateway_answers_on_the_ports_that_are_called() -> None:
    """The chart's own ports are 80 and 443: mail would find no Service."""
    ports = egress_gateway_values(1, (443, 587))["service"]["ports"]
    assert [(port["name"], port["port"]) for port in ports] == [
        ("status-port", 15021),
        ("tls-443", 443),
        ("tls-587", 587),
    ]


def test_the_network_admits_the_gateway_and_not_the_host() -> None:
    egress = spec(derived(declared()), "CiliumNetworkPolicy", "orders-policy")["egress"]
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
            declared(external(), external(name="pay-any", hosts=("*.pay.example",))),
            "externals 'pay' and 'pay-any' both lead to api.pay.example by the egress gateway; make them one, with "
            "further_ports",
        ),
        (
            declared(external(), external(name="pay-mail", port=587, protocol="TCP")),
            "externals 'pay' and 'pay-mail' both lead to api.pay.example by the egress gateway; make them one, with "
            "further_ports",
        ),
        (
            declared(
                external(), external(name="maps", hosts=("m.example",), used_by=("web",)), egress_tls="PASSTHROUGH"
            ),
            "external 'pay' is not used by 'web', which calls others on port 443 of the egress gateway; passing TLS "
            "through, it cannot tell callers apart: set platform.mesh.egress_tls to ISTIO_MUTUAL",
        ),
        (
            declared(external(port=587, protocol="TCP"), egress_tls="PASSTHROUGH"),
            "external 'pay' does not begin with TLS, and the egress gateway passes nothing else through; set "
            "platform.mesh.egress_tls to ISTIO_MUTUAL",
        ),
    ],
)
def test_what_cannot_pass_the_gateway_is_refused(system: System, message: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        derived(system)
    assert str(refusal.value) == message


def test_only_what_leaves_by_the_gateway_can_be_made_https() -> None:
    with pytest.raises(ValidationError, match="external 'pay': the egress gateway makes HTTPS of the calls"):
        external(originate=True)


def test_a_limit_without_a_gateway_limits_nothing() -> None:
    with pytest.raises(ValidationError, match="egress_limit limits the egress gateway, which is not there"):
        Istio(egress_limit=5)
    with pytest.raises(ValidationError, match="egress_tls is the egress gateway's, which is not there"):
        Istio(egress_tls="PASSTHROUGH")


def test_hosts_beside_the_gateway_have_names_that_kubernetes_takes() -> None:
    """A pattern has a star, which no object's name may have."""
    plan = derived(declared(external(hosts=("s3.example", "*.s3.example"), through_gateway=False)))
    found = {name: item["spec"]["hosts"] for name, item in objects(plan, "ServiceEntry").items()}
    assert found == {"pay": ["s3.example"], "pay.any.s3.example": ["*.s3.example"]}
