"""Kubernetes objects: order, lifetime, and secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pulumi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from components.mesh.objects import Target
from components.mesh.objects import register as register_objects
from components.mesh.parts import (
    FIRST,
    WORKLOADS,
    Addon,
    AddonArgs,
    MeshNamespace,
    MicroService,
    Objects,
    PartArgs,
)
from components.mesh.secrets import Secrets, SecretsArgs
from derive.shapes import AddonPlan, Part, SecretPlan
from systems.fitsync import SYSTEM
from tests.components import built
from tests.components.strict_monitor import Holder, Registered, Secret, StrictMonitor, plain, register

Object = dict[str, Any]


def made(kind: str, name: str, api: str = "v1", namespace: str | None = "shop") -> Object:
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
    }


def run(program: Callable[[Target], object]) -> dict[str, Registered]:
    """Kubernetes objects by ``Kind/name``."""

    def whole() -> None:
        program(built.target())

    monitor = register(whole)
    return {
        f"{item.type.rsplit(':', 1)[-1]}/{item.name}": item
        for item in monitor.resources.values()
        if item.type.startswith("kubernetes:")
    }


def only(item: Registered) -> set[str]:
    """What an object waits for."""
    return set(item.dependencies)


def test_an_object_is_its_manifest() -> None:
    """Type, name and input follow from it, so that a move between components needs an alias for the parent only."""
    manifest = {**made("Deployment", "web", "apps/v1"), "spec": {"replicas": 2}}

    def program(target: Target) -> None:
        register_objects([manifest, made("Namespace", "shop", namespace=None)], target, Holder())

    found = run(program)
    item = found["Deployment/shop/web"]
    assert (item.type, item.inputs) == ("kubernetes:apps/v1:Deployment", manifest)
    assert found["Namespace/shop"].type == "kubernetes:core/v1:Namespace"
    assert (item.parent, item.provider) == ("holder", "cluster")


def test_objects_go_with_their_cluster() -> None:
    """Without ``deleted_with``, objects of a cluster that is gone hold the whole stack's deletion up."""

    def program(target: Target) -> None:
        part = Part("web", "shop", (made("Deployment", "web", "apps/v1"), made("Service", "web")))
        MicroService("web", PartArgs(part, target))
        MeshNamespace("shop", PartArgs(Part("shop", "shop", (made("Namespace", "shop", namespace=None),)), target))
        Addon("cilium", AddonArgs(AddonPlan("cilium", (made("HelmChart", "cilium", "helm.cattle.io/v1"),)), target))
        Objects("edge", PartArgs(Part("edge", "shop", (made("Gateway", "edge", "networking.istio.io/v1"),)), target))

    found = run(program)
    assert len(found) == 5
    assert {item.deleted_with for item in found.values()} == {"lifetime"}
    assert {item.provider for item in found.values()} == {"cluster"}
    secrets = [item for item in register(built.secrets).resources.values() if item.type.startswith("kubernetes:")]
    assert {item.deleted_with for item in secrets} == {"lifetime"}


def test_objects_are_protected_on_request_only() -> None:
    def program(target: Target) -> None:
        register_objects([made("PersistentVolumeClaim", "data")], target, Holder("a"), protect=True)
        register_objects([made("ConfigMap", "data")], target, Holder("b"))

    found = run(program)
    assert found["PersistentVolumeClaim/shop/data"].protect
    assert not found["ConfigMap/shop/data"].protect


def test_a_namespace_comes_before_what_is_in_it() -> None:
    """An API server refuses an object in a namespace that is not there."""
    part = Part("shop", "shop", (made("Namespace", "shop", namespace=None), made("ResourceQuota", "quota")))
    found = run(lambda target: MeshNamespace("shop", PartArgs(part, target)))
    assert only(found["Namespace/shop"]) == set()
    assert only(found["ResourceQuota/shop/quota"]) == {"shop"}
    assert {item.parent for item in found.values()} == {"shop"}


def test_policies_come_before_the_pods_and_scaling_after() -> None:
    """A pod that runs before its policies is open for that long; an autoscaler needs its target."""
    part = Part(
        "web",
        "shop",
        (
            made("Deployment", "web", "apps/v1"),
            made("HorizontalPodAutoscaler", "web", "autoscaling/v2"),
            made("CiliumNetworkPolicy", "web-policy", "cilium.io/v2"),
            made("ServiceAccount", "web"),
        ),
    )
    found = run(lambda target: MicroService("web", PartArgs(part, target)))
    assert only(found["CiliumNetworkPolicy/shop/web-policy"]) == set()
    assert only(found["ServiceAccount/shop/web"]) == set()
    assert only(found["Deployment/shop/web"]) == {"shop/web-policy", "shop/web"}
    assert only(found["HorizontalPodAutoscaler/shop/web"]) == {"shop/web"}


def test_every_kind_of_a_service_has_its_place() -> None:
    """A policy kind that is in neither list would come after the pods that it binds."""
    after = {"HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceMonitor", "VirtualService"}
    for environment in SYSTEM.environments:
        plan = built.plan(environment).application
        kinds = {item["kind"] for part in (*plan.services, *plan.stores) for item in part.objects}
        assert {"Deployment", "ServiceAccount", "CiliumNetworkPolicy"} <= kinds
        assert kinds - FIRST - WORKLOADS <= after


def test_an_addon_s_objects_follow_each_other_and_its_settings_come_last() -> None:
    """An object of a kind that the chart defines is refused before the chart is there."""
    plan = AddonPlan(
        "istio",
        (made("Namespace", "istio-system", namespace=None), made("HelmChart", "istio", "helm.cattle.io/v1")),
        settings=(made("Telemetry", "mesh", "telemetry.istio.io/v1"), made("PeerAuthentication", "mesh", "x.io/v1")),
    )
    found = run(lambda target: Addon("istio", AddonArgs(plan, target)))
    assert only(found["HelmChart/shop/istio"]) == {"istio-system"}
    assert only(found["Telemetry/shop/mesh"]) == {"shop/istio"}
    assert only(found["PeerAuthentication/shop/mesh"]) == {"shop/istio"}


def test_a_component_s_dependants_wait_for_its_objects() -> None:
    """``depends_on`` a component must mean its children, or services start before their namespace is closed.

    Pulumi makes nothing in a component before what the component itself waits for.
    """
    names = Part("shop", "shop", (made("Namespace", "shop", namespace=None), made("NetworkPolicy", "default-deny")))
    web = Part("web", "shop", (made("Deployment", "web", "apps/v1"),))

    def program() -> None:
        target = built.target()
        space = MeshNamespace("shop", PartArgs(names, target))
        MicroService("web", PartArgs(web, target), pulumi.ResourceOptions(depends_on=[space]))

    assert register(program).one("wheelhouse:mesh:MicroService").dependencies >= {"shop", "shop/default-deny"}


@cache
def secrets() -> StrictMonitor:
    return register(built.secrets)


def data(name: str) -> Object:
    found = secrets().of("kubernetes:core/v1:Secret")[f"shop/{name}"].inputs
    return {**found, "stringData": found["stringData"]}


@pytest.mark.parametrize("name", ["userdb", "cache", "web-tls"])
def test_a_secret_s_values_are_secret(name: str) -> None:
    """Literals as well: a user name beside a password is nobody's business."""
    values = data(name)["stringData"]
    assert isinstance(values, Secret) or all(isinstance(value, Secret) for value in values.values())


def test_secrets_are_filled_with_the_generated_values() -> None:
    """A placeholder that stays in the text is a password that everybody knows."""
    made_ = secrets().of("random:index/randomPassword:RandomPassword")
    results = {name: item.outputs["result"] for name, item in made_.items()}
    assert plain(data("userdb")["stringData"]) == {"username": "user", "password": results["shop-userdb-owner"]}
    assert plain(data("cache")["stringData"]) == {"users.acl": f"user app on >{results['shop-cache']} ~*"}
    assert data("userdb")["type"] == "Opaque"


def test_a_certificate_is_issued_for_its_names() -> None:
    own = secrets().of("tls:index/locallySignedCert:LocallySignedCert")["shop-web-tls"]
    values = plain(data("web-tls")["stringData"])
    assert data("web-tls")["type"] == "kubernetes.io/tls"
    assert values.keys() == {"tls.crt", "tls.key"}
    assert values["tls.crt"] == own.outputs["certPem"]
    key = load_pem_private_key(values["tls.key"].encode(), None)
    assert key.public_key() == x509.load_pem_x509_certificate(values["tls.crt"].encode()).public_key()
    request = secrets().of("tls:index/certRequest:CertRequest")["shop-web-tls-request"].inputs
    assert request["dnsNames"] == ["app.shop.example"]
    assert own.parent == "secrets"


def test_what_a_controller_writes_is_left_alone() -> None:
    """An update during a release would otherwise undo it."""
    route, plain_route = made("VirtualService", "web"), made("VirtualService", "other")
    moved = {("VirtualService", "web"): ("spec.http[*].route[*].weight",)}
    part = Part("web", "shop", (route, plain_route), moved)
    for found in (
        run(lambda target: MicroService("web", PartArgs(part, target))),
        run(lambda target: Objects("web", PartArgs(part, target))),
    ):
        assert found["VirtualService/shop/web"].ignore_changes == ("spec.http[*].route[*].weight",)
        assert found["VirtualService/shop/other"].ignore_changes == ()


def test_objects_that_somebody_else_takes_over_stay_when_they_are_given_up() -> None:
    """Handed over to Git, a service must not be deleted first."""

    def program(target: Target) -> None:
        holder = Holder()
        register_objects([made("Service", "kept")], replace(target, retained=True), holder)
        register_objects([made("Service", "own")], target, holder)

    found = {item.name: item.retained for item in run(program).values()}
    assert found == {"shop/kept": True, "shop/own": False}


def test_a_deploy_key_is_made_once_and_its_public_half_told() -> None:
    """The private half stays in the cluster's Secret and, encrypted, in the state."""
    plan = SecretPlan(name="deploy", namespace="shop", literals={"known_hosts": "host key"}, key_pair=True)
    told: dict[str, pulumi.Output[str]] = {}

    def program(target: Target) -> None:
        args = SecretsArgs((plan,), {}, built.authority(), target, {})
        told.update(Secrets("shop-secrets", args).public_keys)

    (secret,) = run(program).values()
    assert set(secret.inputs["stringData"]) == {"identity", "identity.pub", "known_hosts"}
    assert set(told) == {"deploy"}
