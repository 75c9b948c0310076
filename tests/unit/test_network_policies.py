"""Network policies say exactly what is declared: a rule too many is a hole, one too few an outage."""

from __future__ import annotations

import pytest

from derive.application import application
from derive.mesh.network_policies import cilium_default_deny, standard_default_deny
from model import Call, DeclarationError, External, NetworkPolicies, NoMesh, Platform, PostgreSQL, Redis, Route, Service
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, derived, objects, shop

HOSTS = {name: f"{name}.database.internal" for name in ("userdb", "trainingdb", "scheduledb", "progressdb")}
PROMETHEUS = {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "monitoring", "app.kubernetes.io/name": "prometheus"}}
DNS = {
    "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s:k8s-app": "kube-dns"}}],
    "toPorts": [
        {
            "ports": [{"port": "53", "protocol": "UDP"}, {"port": "53", "protocol": "TCP"}],
            "rules": {"dns": [{"matchPattern": "*"}]},
        }
    ],
}
ISTIOD = {
    "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "istio-system", "app": "istiod"}}],
    "toPorts": [{"ports": [{"port": "15012", "protocol": "TCP"}]}],
}


def tcp(*ports: int) -> list[dict[str, object]]:
    return [{"ports": [{"port": str(port), "protocol": "TCP"} for port in ports]}]


def apps(*names: str) -> list[dict[str, object]]:
    return [{"matchLabels": {"app": name}} for name in names]


def test_the_user_service_hears_its_five_callers_and_reaches_its_own_database_only() -> None:
    """FS-SEC-08, FS-SEC-09, FS-SEC-10, FS-SEC-15, FS-SEC-17."""
    policy = objects(application(deployed(SYSTEM), HOSTS), "CiliumNetworkPolicy")["user-service-policy"]
    assert policy["spec"] == {
        "endpointSelector": {"matchLabels": {"app": "user-service"}},
        "ingress": [
            {
                "fromEndpoints": apps(
                    "api-gateway", "training-service", "schedule-service", "progress-service", "notification-service"
                ),
                "toPorts": tcp(3001),
            },
            {"fromEndpoints": [PROMETHEUS], "toPorts": tcp(9090, 15020)},
        ],
        "egress": [
            {"toEndpoints": apps("redis"), "toPorts": tcp(6379)},
            {"toFQDNs": [{"matchName": "userdb.database.internal"}], "toPorts": tcp(5432)},
            DNS,
            ISTIOD,
        ],
    }


def test_the_api_gateway_hears_the_frontend_and_the_ingress_gateway_of_the_mesh() -> None:
    """FS-SEC-07: without its namespace the gateway's selector matches nothing."""
    policy = objects(application(deployed(SYSTEM), HOSTS), "CiliumNetworkPolicy")["api-gateway-ingress"]
    gateway = {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "istio-system", "istio": "ingressgateway"}}
    assert policy["spec"]["ingress"] == [
        {"fromEndpoints": [gateway], "toPorts": tcp(4000)},
        {"fromEndpoints": apps("frontend"), "toPorts": tcp(4000)},
        {"fromEndpoints": [PROMETHEUS], "toPorts": tcp(9090, 15020)},
    ]


def test_redis_hears_its_users_of_the_application_tier_and_says_nothing() -> None:
    """FS-SEC-11, FS-SEC-12: the frontend is not among them, and nothing but DNS and istiod is reached."""
    policy = objects(application(deployed(SYSTEM), HOSTS), "CiliumNetworkPolicy")["redis-policy"]
    users = [
        "api-gateway",
        "notification-service",
        "progress-service",
        "schedule-service",
        "training-service",
        "user-service",
    ]
    selector = {
        "matchLabels": {"tier": "application"},
        "matchExpressions": [{"key": "app", "operator": "In", "values": users}],
    }
    assert policy["spec"]["ingress"] == [
        {"fromEndpoints": [selector], "toPorts": tcp(6379)},
        {"fromEndpoints": [PROMETHEUS], "toPorts": tcp(9121, 15020)},
    ]
    assert policy["spec"]["egress"] == [DNS, ISTIOD]


def test_every_workload_is_under_a_policy() -> None:
    """FS-SEC-13: what no policy selects would be cut off by the default deny."""
    policies = objects(application(deployed(SYSTEM), HOSTS), "CiliumNetworkPolicy")
    selected = {
        policy["spec"]["endpointSelector"]["matchLabels"]["app"]
        for name, policy in policies.items()
        if name != "default-deny"
    }
    assert selected == {service.name for service in SYSTEM.services} | {"redis"}


def test_default_deny_enforces_both_directions() -> None:
    """An absent list would leave Cilium's side open; an absent policy type the standard's."""
    assert cilium_default_deny("shop")["spec"] == {"endpointSelector": {}, "ingress": [{}], "egress": [{}]}
    assert standard_default_deny("shop")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [],
    }


def test_without_callers_only_the_scrape_of_the_sidecar_comes_in() -> None:
    policy = objects(derived(shop()), "CiliumNetworkPolicy")["web-policy"]
    assert policy["spec"]["ingress"] == [{"fromEndpoints": [PROMETHEUS], "toPorts": tcp(15020)}]
    assert policy["spec"]["egress"] == [DNS, ISTIOD]


def test_in_the_cluster_databases_are_reached_by_label() -> None:
    """FS-DAT-12 and C-15: a name rule never matches a pod, a label rule never an address outside."""
    plan = application(deployed(SYSTEM, placements=dict.fromkeys(HOSTS, "cluster")), {})
    policies = objects(plan, "CiliumNetworkPolicy")
    assert {"toEndpoints": apps("userdb"), "toPorts": tcp(5432)} in policies["user-service-policy"]["spec"]["egress"]
    assert not any("toFQDNs" in rule for rule in policies["user-service-policy"]["spec"]["egress"])
    assert policies["userdb-policy"]["spec"]["ingress"][0] == {
        "fromEndpoints": [
            {
                "matchLabels": {"tier": "application"},
                "matchExpressions": [{"key": "app", "operator": "In", "values": ["user-service"]}],
            }
        ],
        "toPorts": tcp(5432),
    }


def test_externals_are_reached_by_name_or_through_the_egress_gateway() -> None:
    system = shop(
        externals=(External(name="mail", hosts=("smtp.example.com", "*.mail.example.com"), used_by=("orders",)),)
    )
    policy = objects(derived(system), "CiliumNetworkPolicy")["orders-policy"]
    assert policy["spec"]["egress"][0] == {
        "toFQDNs": [{"matchName": "smtp.example.com"}, {"matchPattern": "**.mail.example.com"}],
        "toPorts": tcp(443),
    }


def test_callers_of_other_namespaces_are_named_with_theirs() -> None:
    """A selector without a namespace would admit a pod of the same name next door instead."""
    system = shop(
        services=(Service(name="web", port=3000, namespace="front"), Service(name="orders", port=3001)),
        calls=(Call(caller="web", callee="orders"),),
    )
    policies = objects(derived(system), "CiliumNetworkPolicy")
    where = "k8s:io.kubernetes.pod.namespace"
    assert policies["orders-policy"]["spec"]["ingress"][0] == {
        "fromEndpoints": [{"matchLabels": {where: "front", "app": "web"}}],
        "toPorts": tcp(3001),
    }
    assert policies["web-policy"]["spec"]["egress"][0] == {
        "toEndpoints": [{"matchLabels": {where: "shop", "app": "orders"}}],
        "toPorts": tcp(3001),
    }


def test_the_standard_notation_says_the_same() -> None:
    system = shop(
        stores=(PostgreSQL(name="orderdb"), Redis(name="cache")),
        services=(
            Service(name="web", port=3000, tier="frontend"),
            Service(name="orders", port=3001, metrics=9090, uses=("orderdb", "cache")),
        ),
        calls=(Call(caller="web", callee="orders"),),
        routes=(Route(host="@", to="web"),),
        platform=Platform(cni=NetworkPolicies()),
    )
    policies = objects(derived(system), "NetworkPolicy")

    def pods(labels: dict[str, str], namespace: str | None = None) -> dict[str, object]:
        where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}} if namespace else {}
        return {**where, "podSelector": {"matchLabels": labels}}

    def ports(*numbers: int) -> list[dict[str, object]]:
        return [{"port": number, "protocol": "TCP"} for number in numbers]

    assert policies["orders-policy"]["spec"] == {
        "podSelector": {"matchLabels": {"app": "orders"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [pods({"app": "web"})], "ports": ports(3001)},
            {"from": [pods({"app.kubernetes.io/name": "prometheus"}, "monitoring")], "ports": ports(9090, 15020)},
        ],
        "egress": [
            {"to": [pods({"app": "cache"})], "ports": ports(6379)},
            {"to": [{"ipBlock": {"cidr": "10.1.3.0/24"}}], "ports": ports(5432)},
            {
                "to": [pods({"k8s-app": "kube-dns"}, "kube-system")],
                "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
            },
            {"to": [pods({"app": "istiod"}, "istio-system")], "ports": ports(15012)},
        ],
    }
    assert policies["web-policy"]["spec"]["ingress"][0] == {
        "from": [pods({"istio": "ingressgateway"}, "istio-system")],
        "ports": ports(3000),
    }
    assert set(policies) == {"default-deny", "web-policy", "orders-policy", "cache-policy"}


def test_without_a_mesh_nothing_of_the_mesh_is_reached() -> None:
    policy = objects(derived(shop(platform=Platform(mesh=NoMesh()))), "CiliumNetworkPolicy")["orders-policy"]
    assert policy["spec"]["egress"] == [DNS]
    assert policy["spec"]["ingress"] == [{"fromEndpoints": [PROMETHEUS], "toPorts": tcp(9090)}]


def test_a_database_outside_without_a_name_is_refused() -> None:
    system = shop(stores=(PostgreSQL(name="orderdb"),))
    with pytest.raises(DeclarationError) as refusal:
        application(deployed(system), {})
    assert str(refusal.value) == (
        "database 'orderdb' is placed outside the cluster but has no host name; place it in the cluster or let the "
        "network name its machine"
    )
