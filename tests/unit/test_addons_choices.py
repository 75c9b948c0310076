"""Add-ons that a platform asks for by name: what is installed, in which order, with which values."""

from __future__ import annotations

import kubernetes_validate  # type: ignore[import-untyped]  # the package ships no types
import pytest

from derive.addons import addon_secrets, addons
from derive.addons.additions import MAKERS, additions
from derive.choices import storage_class
from derive.plan import system_plan
from model import (
    CertManager,
    Eks,
    ExistingCluster,
    ExternalSecrets,
    Jaeger,
    Kiali,
    MetricsServer,
    NetworkPolicies,
    Nginx,
    NoMesh,
    Observability,
    Platform,
    Vault,
)
from model.addons import AddonChoice
from tests.unit.declared import deployed, shop
from tests.unit.equipped import EVERYTHING, charts, equipped, values

KINDS = {
    "cilium": lambda: equipped(),
    "standard": lambda: equipped(cni=NetworkPolicies()),
    "no mesh": lambda: equipped(
        tuple(c for c in EVERYTHING if not isinstance(c, Kiali)), mesh=NoMesh(), ingress=Nginx()
    ),
    "jaeger": lambda: equipped((Jaeger(), Kiali())),
    "one of its own": lambda: equipped((*EVERYTHING,), observability=Observability(namespace="shop")),
}


def test_every_kind_has_a_maker() -> None:
    """A kind that can be declared and is silently not installed would be the worst of both."""
    declarable = {choice.model_fields["kind"].default for choice in AddonChoice.__args__[0].__args__}
    assert declarable == set(MAKERS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_requirement_comes_earlier(kind: str) -> None:
    """An add-on that waits for a later one would wait for ever."""
    seen: set[str] = set()
    for plan in addons(deployed(KINDS[kind]())):
        assert set(plan.requires) <= seen, plan.name
        assert plan.name not in seen
        seen.add(plan.name)


def test_the_order_avoids_every_race() -> None:
    """Volumes and webhooks before what uses them, definitions before rules, a store before its shipper."""
    assert list(charts(deployed(equipped()))) == [
        "cilium",
        "aws-ebs-csi-driver",
        "cert-manager",
        "external-secrets",
        "argo-rollouts",
        "istio-base",
        "istio-cni",
        "istiod",
        "istio-ingressgateway",
        "istio-egressgateway",
        "kube-prometheus-stack",
        "prometheus-adapter",
        "loki",
        "alloy",
        "tempo",
        "kiali",
        "cluster-autoscaler",
        "vertical-pod-autoscaler",
        "vault",
        "headlamp",
        "external-dns",
        "velero",
        "argocd",
    ]
    found = {plan.name: plan.requires for plan in addons(deployed(equipped()))}
    assert "aws-ebs-csi-driver" in found["kube-prometheus-stack"]
    assert {"aws-ebs-csi-driver", "shop-monitoring"} <= set(found["loki"])
    assert "loki" in found["alloy"]


@pytest.mark.parametrize("kind", KINDS)
def test_built_in_objects_are_valid(kind: str) -> None:
    found = [
        item
        for plan in addons(deployed(KINDS[kind]()))
        for item in (*plan.objects, *plan.settings)
        if item["apiVersion"] in ("v1", "batch/v1", "rbac.authorization.k8s.io/v1", "networking.k8s.io/v1")
    ]
    assert {item["kind"] for item in found} >= {"Job", "Namespace"}
    for item in found:
        kubernetes_validate.validate(item, "1.36", strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_each_object_is_made_once(kind: str) -> None:
    """The second of two objects of one name would silently replace the first, or fail."""
    plan = system_plan(deployed(KINDS[kind]()))
    groups = [*plan.application.namespaces, *plan.application.services, *plan.application.edge, *plan.observability]
    items = [item for group in groups for item in group.objects]
    items += [item for addon in plan.addons for item in (*addon.objects, *addon.settings)]
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in items]
    assert sorted(map(str, names)) == sorted(map(str, set(names)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_namespace_exists_before_anything_is_put_into_it(kind: str) -> None:
    plan = system_plan(deployed(KINDS[kind]()))
    made = {"kube-system"}
    for addon in plan.addons:
        for item in addon.objects:
            if item["kind"] == "Namespace":
                made.add(item["metadata"]["name"])
            else:
                assert item["metadata"].get("namespace") in {*made, None}
                assert item.get("spec", {}).get("targetNamespace") in {*made, None}
    for secret in plan.secrets:
        spaces = {group.namespace for group in plan.application.namespaces}
        assert secret.namespace in made | spaces


def test_an_environment_goes_without_what_its_table_says() -> None:
    system = equipped()
    here, there = additions(deployed(system, "dev")), additions(deployed(system, "test"))
    assert here.keys() - there.keys() == {"velero", "kiali", "tempo"}
    kinds = {item["kind"] for plan in addons(deployed(system, "test")) for item in plan.settings}
    assert "Telemetry" in kinds
    (telemetry,) = [
        item for plan in addons(deployed(system, "test")) for item in plan.settings if item["kind"] == "Telemetry"
    ]
    assert "tracing" not in telemetry["spec"], "spans that nobody takes"


def test_k3s_and_eks_bring_their_own_metrics_server() -> None:
    """A second one would fight over the same API."""
    assert "metrics-server" not in additions(deployed(equipped()))
    assert "metrics-server" not in additions(deployed(equipped(cluster=Eks())))
    assert "metrics-server" in additions(deployed(equipped((MetricsServer(),), cluster=ExistingCluster())))


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (Platform(), "local-path"),
        (Platform(cluster=Eks()), None),
        (Platform(addons=EVERYTHING[-1:]), "gp3"),
        (Platform(cluster=Eks(), addons=EVERYTHING[-1:]), "gp3"),
    ],
)
def test_the_storage_class_is_decided_in_one_place(platform: Platform, expected: str | None) -> None:
    assert storage_class(deployed(shop(platform=platform))) == expected


def test_every_volume_is_of_the_class_that_was_asked_for() -> None:
    """A claim without a class that two defaults compete for would be bound by chance."""
    system = equipped()
    stack = charts(deployed(system))["kube-prometheus-stack"]["valuesContent"]
    assert stack.count("storageClassName: gp3") == 2
    assert values("loki", system)["singleBinary"]["persistence"]["storageClass"] == "gp3"
    assert values("tempo", system)["persistence"]["storageClassName"] == "gp3"
    assert values("vault", system)["server"]["dataStorage"]["storageClass"] == "gp3"
    cluster = system_plan(deployed(system)).k3s
    assert cluster.server(0, "arn", "bucket").local_storage is False
    assert system_plan(deployed(shop())).k3s.server(0, "arn", "bucket").local_storage is True


def test_the_storage_class() -> None:
    """An object of its own: what volumes are made by is seen beside them, not in a chart's values."""
    (found,) = additions(deployed(equipped()))["ebs-csi"].settings
    assert found == {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "gp3", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "ebs.csi.aws.com",
        "parameters": {"type": "gp3", "encrypted": "true", "kmsKeyId": "${key-arn:volumes}"},
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }
    assert "storageClasses" not in values("ebs-csi", equipped())


def test_the_autoscaler_finds_its_pools_and_knows_its_bounds() -> None:
    found = values("cluster-autoscaler", equipped())
    assert found["autoDiscovery"] == {"clusterName": "shop-dev"}
    assert found["extraArgs"]["scale-down-utilization-threshold"] == 0.5
    assert found["extraArgs"]["max-nodes-total"] == 20
    assert found["customArgs"] == [
        "--startup-taint=node.cilium.io/agent-not-ready",
        "--startup-taint=cni.istio.io/not-ready",
    ]
    pools = {pool.name: pool.tags for pool in system_plan(deployed(equipped())).k3s.pools}
    owned = {"k8s.io/cluster-autoscaler/enabled": "true", "k8s.io/cluster-autoscaler/shop-dev": "owned"}
    template = "k8s.io/cluster-autoscaler/node-template"
    assert pools == {
        "agents": owned,
        "watching": {
            **owned,
            f"{template}/label/tier": "watching",
            f"{template}/taint/tier": "watching:NoSchedule",
        },
    }
    assert [pool.tags for pool in system_plan(deployed(shop())).k3s.pools] == [{}]


def test_vault_is_no_toy() -> None:
    """Never dev mode: storage of its own, TLS, an audit log, and unsealing by a key that the stack owns."""
    found = values("vault", equipped())["server"]
    assert "dev" not in found
    assert found["standalone"] == {"enabled": False}
    assert found["ha"]["replicas"] == 3
    assert found["dataStorage"]["enabled"]
    assert found["auditStorage"]["enabled"]
    text = found["ha"]["raft"]["config"]
    assert 'kms_key_id = "${key-arn:vault}"' in text
    assert text.count("retry_join") == 3
    assert "tls_disable" not in text
    sealed = values("vault", equipped((Vault(auto_unseal=False, members=1),)))["server"]["ha"]
    assert "awskms" not in sealed["raft"]["config"]
    assert sealed["disruptionBudget"]["enabled"] is False


def test_external_secrets_read_aws() -> None:
    (found,) = additions(deployed(equipped((ExternalSecrets(store="aws"),))))["external-secrets"].settings
    assert found["kind"] == "ClusterSecretStore"
    assert found["spec"]["provider"] == {"aws": {"service": "SecretsManager", "region": "eu-central-1"}}


@pytest.mark.parametrize(("env", "server"), [("dev", "acme-v02"), ("test", "acme-staging-v02")])
def test_certificates_are_proven_by_dns(env: str, server: str) -> None:
    """A wildcard can be proven in no other way."""
    (issuer,) = additions(deployed(equipped(), env))["cert-manager"].settings
    acme = issuer["spec"]["acme"]
    assert acme["server"] == f"https://{server}.api.letsencrypt.org/directory"
    token = {"name": "cloudflare-api-token", "key": "cloudflare-api-token"}
    assert acme["solvers"] == [
        {"dns01": {"cloudflare": {"apiTokenSecretRef": token}}, "selector": {"dnsZones": ["shop.example"]}}
    ]


def test_an_authority_of_ones_own_signs_with_a_key_that_cert_manager_keeps() -> None:
    found = additions(deployed(equipped((CertManager(),))))["cert-manager"]
    assert [item["kind"] for item in found.settings] == ["ClusterIssuer", "Certificate", "ClusterIssuer"]
    assert found.settings[-1]["spec"] == {"ca": {"secretName": found.settings[1]["spec"]["secretName"]}}
    assert found.secrets == ()


def test_definitions_outlive_their_charts() -> None:
    """Without them Kubernetes deletes every certificate, and every Rollout with its pods."""
    assert values("cert-manager", equipped())["crds"] == {"enabled": True, "keep": True}
    assert values("argo-rollouts", equipped())["keepCRDs"] is True


def test_names_are_published_behind_the_proxy_and_only_own_records_are_touched() -> None:
    found = values("external-dns", equipped())
    assert found["extraArgs"] == ["--txt-wildcard-replacement=wildcard", "--cloudflare-proxied"]
    assert (found["domainFilters"], found["txtOwnerId"]) == (["shop.example"], "shop-dev")


def test_backups_are_daily_and_take_the_volumes_along() -> None:
    found = values("velero", equipped())
    assert found["schedules"]["daily"]["schedule"] == "0 3 * * *"
    assert found["schedules"]["daily"]["template"]["defaultVolumesToFsBackup"] is True
    assert found["deployNodeAgent"] is True
    (store,) = found["configuration"]["backupStorageLocation"]
    assert (store["bucket"], store["prefix"]) == ("${bucket:backups}", "velero")
    assert found["credentials"] == {"useSecret": False}


def test_the_dashboard_may_do_nothing_itself() -> None:
    found = values("headlamp", equipped())
    assert found["clusterRoleBinding"] == {"create": False}
    assert "ingress" not in found, "the doors are the stack's"


def test_values_hold_no_secret_and_every_given_one_has_a_name() -> None:
    system = equipped()
    given = {name for secret in addon_secrets(deployed(system)) for name in secret.given.values()}
    # Argo CD, too, tells the Slack channel; it reads no Secret that comes by way of Vault.
    assert given == {"cloudflare-api-token", "team"}
    assert system_plan(deployed(system)).given == frozenset(given)
    receivers = frozenset({"team", "mail", "duty"})
    assert system_plan(deployed(system, given=receivers)).given == given | receivers, (
        "by way of Vault, or written there"
    )
    assert system_plan(deployed(shop())).given == frozenset()


def test_services_can_share_a_namespace_with_add_ons() -> None:
    """It is made before the add-ons and once; a quota of what services declare would refuse the charts' pods."""
    system = equipped(EVERYTHING, observability=Observability(namespace="shop"))
    plan = system_plan(deployed(system))
    (part,) = plan.application.namespaces
    kinds = [item["kind"] for item in part.objects]
    assert not {"Namespace", "ResourceQuota"} & set(kinds)
    (space,) = [addon for addon in plan.addons if addon.name == "shop"]
    labels = space.objects[0]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "baseline"
    assert labels["istio-injection"] == "enabled"
    assert "default-deny" not in [item["metadata"]["name"] for item in space.settings]
    assert "default-deny" in [item["metadata"]["name"] for item in part.objects]


def test_derivation_is_pure() -> None:
    assert addons(deployed(equipped())) == addons(deployed(equipped()))
