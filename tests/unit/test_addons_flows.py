"""Who reaches whom among the add-ons that were asked for, in both notations, and who may ask for credentials."""

from __future__ import annotations

from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # the package ships no types
import pytest

from derive.addons import addons
from derive.addons.aws import METADATA
from derive.addons.flows import (
    API_SERVER,
    Addresses,
    Entities,
    Flow,
    Hosts,
    Pods,
    Rule,
    cilium_policy,
    completed,
    standard_policy,
    webhook,
)
from derive.shapes import AddonPlan
from manifests.base import Manifest
from model import Cilium, Eks, ExternalSecrets, NetworkPolicies
from tests.unit.declared import deployed
from tests.unit.equipped import EVERYTHING, equipped

APP = "app.kubernetes.io/name"
SPACE = "k8s:io.kubernetes.pod.namespace"
HOME = "shop-monitoring"
CONNECTIONS = {
    # Prometheus reads what is measured, but for what lives in kube-system, where no policy holds.
    *(
        (("prometheus", HOME), target, port)
        for target, port in (
            (("loki", HOME), 3100),
            (("tempo", HOME), 3200),
            (("cert-manager", "shop-ingress"), 9402),
            (("external-secrets", "external-secrets"), 8080),
            (("external-dns", "external-dns"), 7979),
            (("argo-rollouts", "argo-rollouts"), 8090),
            (("vault", "shop-system"), 8200),
            (("velero", "velero"), 8085),
        )
    ),
    (("prometheus-adapter", HOME), ("prometheus", HOME), 9090),
    (("argo-rollouts", "argo-rollouts"), ("prometheus", HOME), 9090),
    (("kiali", "istio-system"), ("prometheus", HOME), 9090),
    (("kiali", "istio-system"), ("grafana", HOME), 3000),
    (("kiali", "istio-system"), ("tempo", HOME), 3200),
    (("grafana", HOME), ("loki", HOME), 3100),
    (("grafana", HOME), ("tempo", HOME), 3200),
    *((("loki", HOME), ("loki", HOME), port) for port in (7946, 9095)),
    (("external-secrets", "external-secrets"), ("vault", "shop-system"), 8200),
    *((("vault", "shop-system"), ("vault", "shop-system"), port) for port in (8200, 8201)),
}
"""Every connection with an add-on that was asked for at one of its ends, both of them under policies."""
ASKED = {name for pair in CONNECTIONS for name, _ in pair[:2]} - {"prometheus", "grafana"}


def policies(kind: str, system: Any) -> list[Manifest]:
    return [item for plan in addons(deployed(system)) for item in plan.settings if item["kind"] == kind]


def ends(policy: Manifest, direction: str, side: str, here: str) -> set[tuple[tuple[str, str], int]]:
    """Pods by their label ``name`` that a Cilium policy's direction opens, with the ports."""
    return {
        ((peer["matchLabels"][APP], peer["matchLabels"].get(SPACE, here)), int(entry["port"]))
        for rule in policy["spec"][direction]
        for peer in rule.get(side, ())
        if APP in peer.get("matchLabels", {})
        for entry in rule["toPorts"][0]["ports"]
    }


def test_exactly_these_connections_are_possible() -> None:
    """Open at one end only, a connection fails; open at both and not meant, it is a hole."""
    out, into = set(), set()
    for policy in policies("CiliumNetworkPolicy", equipped()):
        space = policy["metadata"]["namespace"]
        name = policy["spec"]["endpointSelector"].get("matchLabels", {}).get(APP)
        if name:
            for other, port in ends(policy, "egress", "toEndpoints", space):
                out.add(((name, space), other, port))
            for other, port in ends(policy, "ingress", "fromEndpoints", space):
                into.add((other, (name, space), port))
    managed = {end for pair in CONNECTIONS for end in pair[:2]}
    asked = {pair for pair in out & into if {pair[0][0], pair[1][0]} & ASKED}
    assert asked == CONNECTIONS
    one_sided = {pair for pair in out ^ into if pair[0] in managed and pair[1] in managed}
    assert one_sided == set()


def test_spans_and_logs_arrive_from_where_no_policy_of_ours_holds() -> None:
    found = {item["metadata"]["name"]: item["spec"] for item in policies("CiliumNetworkPolicy", equipped())}
    (spans,) = [rule for rule in found["tempo"]["ingress"] if rule["toPorts"][0]["ports"][0]["port"] == "4317"]
    assert [peer["matchLabels"] for peer in spans["fromEndpoints"]] == [
        {SPACE: "shop"},
        {SPACE: "istio-system", "istio": "ingressgateway"},
        {SPACE: "istio-system", "istio": "egressgateway"},
    ]
    (logs,) = [rule for rule in found["loki"]["ingress"] if "kube-system" in str(rule)]
    assert logs["fromEndpoints"][1] == {"matchLabels": {SPACE: "kube-system", APP: "alloy"}}
    for gateway in ("ingress-gateway", "egress-gateway"):
        assert {"matchLabels": {SPACE: HOME, APP: "tempo"}} in [
            peer for rule in found[gateway]["egress"] for peer in rule.get("toEndpoints", ())
        ]


def test_alertmanager_reaches_the_receivers() -> None:
    found = {item["metadata"]["name"]: item["spec"] for item in policies("CiliumNetworkPolicy", equipped())}
    ways = [
        (rule["toFQDNs"], rule["toPorts"][0]["ports"][0]["port"])
        for rule in found["alertmanager"]["egress"]
        if "toFQDNs" in rule
    ]
    assert ways == [
        ([{"matchName": "hooks.slack.com"}], "443"),
        ([{"matchName": "smtp.shop.example"}], "587"),
        ([{"matchName": "events.pagerduty.com"}], "443"),
    ]


@pytest.mark.parametrize("kind", ["CiliumNetworkPolicy", "NetworkPolicy"])
def test_credentials_are_for_those_that_are_granted_something(kind: str) -> None:
    """Any other pod that reaches the metadata service acts with the rights of all of them."""
    cni = NetworkPolicies() if kind == "NetworkPolicy" else Cilium()
    system = equipped((*(c for c in EVERYTHING if not isinstance(c, ExternalSecrets)), ExternalSecrets()), cni=cni)
    asking = {item["metadata"]["name"] for item in policies(kind, system) if "169.254.169.254/32" in str(item)}
    granted = {grant.account for plan in addons(deployed(system)) for grant in plan.grants}
    assert (
        asking
        == granted - {"ebs-csi-controller-sa", "cluster-autoscaler"}
        == {
            "loki",
            "vault",
            "velero",
            "external-secrets",
        }
    )


@pytest.mark.parametrize("kind", ["CiliumNetworkPolicy", "NetworkPolicy"])
def test_each_namespace_denies_by_default(kind: str) -> None:
    system = equipped(cni=NetworkPolicies() if kind == "NetworkPolicy" else Cilium())
    spaces = {
        item["metadata"]["name"]
        for plan in addons(deployed(system))
        for item in plan.objects
        if item["kind"] == "Namespace"
    }
    closed = {
        item["metadata"]["namespace"] for item in policies(kind, system) if item["metadata"]["name"] == "default-deny"
    }
    assert closed == spaces
    assert len(spaces) == 10


def test_pod_security_is_as_strict_as_the_pods_allow() -> None:
    levels = {
        item["metadata"]["name"]: item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for plan in addons(deployed(equipped()))
        for item in plan.objects
        if item["kind"] == "Namespace"
    }
    assert levels == {
        "istio-system": "baseline",
        HOME: "baseline",
        "shop-ingress": "restricted",
        "external-secrets": "restricted",
        "argo-rollouts": "restricted",
        "argocd": "restricted",
        "shop-system": "restricted",
        "headlamp": "restricted",
        "external-dns": "restricted",
        # Its agent reads the volumes where the kubelet mounts them.
        "velero": "privileged",
    }


def test_standard_policies_are_valid_and_say_the_same() -> None:
    system = equipped(cni=NetworkPolicies())
    found = policies("NetworkPolicy", system)
    for item in found:
        kubernetes_validate.validate(item, "1.36", strict=True)
    ours = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found}
    theirs = {
        (item["metadata"]["namespace"], item["metadata"]["name"])
        for item in policies("CiliumNetworkPolicy", equipped())
    }
    assert ours == theirs
    assert not policies("CiliumNetworkPolicy", system)


LABELS = {"app": "one"}


@pytest.mark.parametrize(
    ("rule", "cilium", "standard"),
    [
        (
            Rule("r", LABELS, (webhook(9443),)),
            {
                "fromEntities": ["kube-apiserver", "remote-node", "host"],
                "toPorts": [{"ports": [{"port": "9443", "protocol": "TCP"}]}],
            },
            {"ports": [{"port": 9443, "protocol": "TCP"}]},
        ),
        (
            Rule("r", LABELS, (Flow(Entities(("cluster",)), (80,)),)),
            {"fromEntities": ["cluster"], "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]},
            {"from": [{"namespaceSelector": {}}], "ports": [{"port": 80, "protocol": "TCP"}]},
        ),
        (
            Rule("r", LABELS, (Flow((Pods({"a": "b"}, "else"),), (80,)),)),
            {
                "fromEndpoints": [{"matchLabels": {SPACE: "else", "a": "b"}}],
                "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}],
            },
            {
                "from": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "else"}},
                        "podSelector": {"matchLabels": {"a": "b"}},
                    }
                ],
                "ports": [{"port": 80, "protocol": "TCP"}],
            },
        ),
    ],
)
def test_inbound_in_two_notations(rule: Rule, cilium: Manifest, standard: Manifest) -> None:
    assert cilium_policy(rule, "here")["spec"]["ingress"] == [cilium]
    assert standard_policy(rule, "here", "10.1.0.0/16")["spec"]["ingress"] == [standard]


PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"]


@pytest.mark.parametrize(
    ("flow", "standard"),
    [
        (
            API_SERVER,
            {
                "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
                "ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}],
            },
        ),
        (
            Flow(Hosts(("a.example",)), (443,)),
            {
                "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": PRIVATE}}],
                "ports": [{"port": 443, "protocol": "TCP"}],
            },
        ),
        (
            Flow(Hosts(("db.internal",), inside=True), (5432,)),
            {
                "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": PRIVATE}}, {"ipBlock": {"cidr": "10.1.0.0/16"}}],
                "ports": [{"port": 5432, "protocol": "TCP"}],
            },
        ),
        (
            METADATA,
            {"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}], "ports": [{"port": 80, "protocol": "TCP"}]},
        ),
        (
            Flow(Addresses(("1.1.1.1/32",)), (53,), ("UDP", "TCP")),
            {
                "to": [{"ipBlock": {"cidr": "1.1.1.1/32"}}],
                "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
            },
        ),
    ],
)
def test_ways_out_in_the_standard_notation(flow: Flow, standard: Manifest) -> None:
    policy = standard_policy(Rule("r", LABELS, (), (flow,)), "here", "10.1.0.0/16")
    dns, found = policy["spec"]["egress"]
    assert dns["ports"] == [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    assert found == standard


def test_pods_reach_the_api_by_its_services_address() -> None:
    """The network plug-in of EKS judges what a pod sends before kube-proxy leads it on: with the nodes' addresses alone
    no controller, operator or webhook in the cluster could ask the API anything."""
    policy = standard_policy(Rule("r", LABELS, (), (API_SERVER,)), "here", "10.1.0.0/16", "172.20.0.1")
    assert policy["spec"]["egress"][-1] == {
        "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}, {"ipBlock": {"cidr": "172.20.0.1/32"}}],
        "ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}],
    }
    system = equipped(cni=NetworkPolicies())
    asking = [item for item in policies("NetworkPolicy", system) if item["metadata"]["name"] == "external-secrets"]
    assert "10.43.0.1/32" in str(asking)


def test_the_other_end_is_opened_once_and_only_where_a_rule_selects_it() -> None:
    caller = Rule("caller", {"app": "caller"}, (), (Flow((Pods({"app": "callee"}, "b"),), (80,)),))
    rules = {"a": (caller,), "b": (Rule("callee", {"app": "callee"}), Rule("other", {"app": "other"}))}
    found = completed(rules, [("a", caller), ("a", caller)])
    assert found["b"] == (
        Rule("callee", {"app": "callee"}, (Flow((Pods({"app": "caller"}, "a"),), (80,)),)),
        Rule("other", {"app": "other"}),
    )
    assert found["a"] == (caller,)


def test_on_eks_each_account_has_a_role_of_its_own() -> None:
    """The pods ask for it by their token, and the metadata service stays closed to all."""
    system = equipped(cluster=Eks())
    plans: dict[str, AddonPlan] = {plan.name: plan for plan in addons(deployed(system))}
    assert not any("169.254.169.254" in str(plan.settings) for plan in plans.values())
    for name in ("loki", "velero", "vault", "cluster-autoscaler"):
        (grant,) = plans[name].grants
        chart = plans[name].chart
        assert chart
        assert f"${{role-arn:{grant.namespace}/{grant.account}}}" in str(chart.values)


def test_eks_installs_the_driver_of_volumes_itself_and_the_platform_its_class() -> None:
    plan = next(plan for plan in addons(deployed(equipped(cluster=Eks()))) if plan.name == "aws-ebs-csi-driver")
    (storage,) = plan.objects
    assert plan.chart is None
    assert (storage["kind"], storage["provisioner"]) == ("StorageClass", "ebs.csi.aws.com")
    assert storage["parameters"]["encrypted"] == "true"
    assert [grant.account for grant in plan.grants] == ["ebs-csi-controller-sa"]
