"""Custom resources: their kind is served, by an add-on or a definition that is there before, and they fit it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.kubernetes import addons, helm
from sandbox.kubernetes.patterns import translated
from sandbox.provider import UNKNOWN
from tests.sandbox.kubernetes_objects import DEFINITION, Cluster, helm_chart, namespace, put, thing

FOLDER = Path(os.environ["CRDS_DIR"]) if os.environ.get("CRDS_DIR") else None
ROUTE = thing("networking.istio.io/v1", "VirtualService", spec={"hosts": ["web"], "http": []})
APPLICATION = thing(
    "argoproj.io/v1alpha1",
    "Application",
    "istio",
    "kube-system",
    spec={
        "project": "default",
        "destination": {"namespace": "istio-system"},
        "source": {"repoURL": "https://x", "chart": "base", "targetRevision": "1.30.3"},
    },
)
FLUX = thing(
    "helm.toolkit.fluxcd.io/v2",
    "HelmRelease",
    "istio",
    "kube-system",
    spec={"interval": "5m", "chart": {"spec": {"chart": "base", "sourceRef": {"kind": "HelmRepository", "name": "x"}}}},
)
SIZED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "mode": {"type": "string", "enum": ["fast", "slow"]},
                "note": {"type": "string", "nullable": True, "pattern": "^[a-z]+$"},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "template": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {}},
            },
            "oneOf": [{"required": ["port"]}, {"required": ["mode"]}],
        }
    },
}
GADGETS = put(DEFINITION, "spec.versions.0.schema.openAPIV3Schema", SIZED)
GADGET = thing("example.com/v1", "Gadget", spec={"size": 3, "port": "http"})


@pytest.fixture
def cluster() -> Cluster:
    return Cluster().apply_all(namespace())


def test_without_its_add_on_a_custom_resource_is_refused(cluster: Cluster) -> None:
    assert cluster.refusal(ROUTE) == (
        "VirtualService needs the CustomResourceDefinitions of networking.istio.io; install chart 'base' before it"
    )


def test_a_group_that_nobody_knows_needs_its_definition(cluster: Cluster) -> None:
    assert cluster.refusal(GADGET) == (
        "Gadget needs the CustomResourceDefinitions of example.com; declare them before it"
    )


@pytest.mark.parametrize(
    "installers",
    [
        [helm_chart("base")],
        [helm_chart("oci://registry.example/charts/base")],
        [helm_chart("https://x/base-1.30.3.tgz")],
        [helm_chart("argo-cd"), APPLICATION],
        [helm_chart("flux2"), FLUX],
    ],
    ids=["chart", "oci", "archive", "argo", "flux"],
)
def test_every_way_to_install_an_add_on_serves_its_kinds(cluster: Cluster, installers: list[dict[str, Any]]) -> None:
    cluster.apply_all(*installers)
    assert cluster.refusal(ROUTE) == ""


def test_the_add_on_must_be_live_before(cluster: Cluster) -> None:
    """Declared is enough for a preview; in an update a missing dependency shows."""
    cluster.check(helm_chart("base"))
    cluster.check(ROUTE)
    assert cluster.refusal(ROUTE).startswith("VirtualService needs the CustomResourceDefinitions")


def test_k3s_brings_its_own_kinds(cluster: Cluster) -> None:
    assert cluster.refusal(helm_chart("cilium")) == ""


def test_definitions_that_the_chart_leaves_out(cluster: Cluster) -> None:
    """cert-manager's chart installs its definitions only when told to."""
    issuer = thing("cert-manager.io/v1", "ClusterIssuer", "ca", "", spec={"selfSigned": {}})
    cluster.apply(helm_chart("cert-manager"))
    assert cluster.refusal(issuer) == (
        "ClusterIssuer needs the CustomResourceDefinitions of cert-manager.io; chart 'cert-manager' is there but does "
        "not install them: set crds.enabled to true"
    )
    cluster.apply(helm_chart("cert-manager", valuesContent="crds: {enabled: true}"))
    assert cluster.refusal(issuer) == ""


def test_set_values_count_like_values_content(cluster: Cluster) -> None:
    cluster.apply(helm_chart("external-secrets", set={"installCRDs": "false"}))
    assert "set installCRDs to true" in cluster.refusal(thing("external-secrets.io/v1", "ExternalSecret", spec={}))


def test_values_that_are_unknown_in_a_preview_do_not_refuse(cluster: Cluster) -> None:
    cluster.check(helm_chart("cert-manager", valuesContent=UNKNOWN))
    cluster.check(thing("cert-manager.io/v1", "Issuer", spec={}))


def test_charts_that_share_a_group_bring_only_their_part(cluster: Cluster) -> None:
    cluster.apply(helm_chart("argo-cd"))
    assert cluster.refusal(thing("argoproj.io/v1alpha1", "AnalysisTemplate", spec={})) == (
        "AnalysisTemplate needs the CustomResourceDefinitions of argoproj.io; install chart 'argo-rollouts' before it"
    )


def test_a_misspelt_kind_is_found_without_schemas() -> None:
    cluster = Cluster(crds_dir=None).apply_all(namespace(), helm_chart("base"))
    assert cluster.refusal(thing("networking.istio.io/v1", "VirtualServices", spec={})) == (
        "kind: networking.istio.io has no kind 'VirtualServices'; did you mean 'VirtualService'?"
    )


def test_a_version_that_is_not_served(cluster: Cluster) -> None:
    cluster.apply(helm_chart("external-secrets"))
    message = cluster.refusal(thing("external-secrets.io/v1beta1", "ExternalSecret", spec={}))
    assert message.startswith("apiVersion: ExternalSecret is served as external-secrets.io/v1")
    assert message.endswith("not as external-secrets.io/v1beta1")


def test_charts_go_where_a_namespace_is(cluster: Cluster) -> None:
    chart = helm_chart("base", targetNamespace="istio-system")
    assert cluster.refusal(chart) == "spec.targetNamespace: namespace 'istio-system' does not exist"
    cluster.apply(put(chart, "spec.createNamespace", True))
    assert cluster.refusal(thing("v1", "ConfigMap", "x", "istio-system")) == ""


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("spec.sise", 3, "spec: unknown field 'sise'; did you mean 'size'?"),
        ("spec.size", 12, "spec.size: 12 is not in 1-9"),
        ("spec.size", "3", "spec.size: '3' is not of type integer"),
        ("spec.size", None, "spec: size is required"),
        ("spec.note", "UP", "spec.note: 'UP' does not match ^[a-z]+$"),
        ("spec.labels", {"a": 1}, "spec.labels.a: 1 is not of type string"),
        ("spec.port", [1], "spec.port: [1] is not of type integer or string"),
        ("status", {}, "unknown field 'status'"),
        ("metadata.labls", {}, "metadata: unknown field 'labls'; did you mean 'labels'?"),
    ],
)
def test_declared_definitions_are_strict(cluster: Cluster, path: str, value: Any, message: str) -> None:
    """An API server drops unknown fields of custom resources; a policy without its rule would then allow all."""
    cluster.apply(GADGETS)
    assert cluster.refusal(put(GADGET, path, value)).startswith(message)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.free", {"anything": [1]}),
        ("spec.port", 8080),
        ("spec.labels", {"a": "b"}),
        ("spec.template", {"apiVersion": "v1", "kind": "Pod", "metadata": {}}),
    ],
)
def test_declared_definitions_are_not_stricter_than_they_say(cluster: Cluster, path: str, value: Any) -> None:
    cluster.apply(GADGETS)
    assert cluster.refusal(put(GADGET, path, value)) == ""


def test_unknown_values_satisfy_a_definition(cluster: Cluster) -> None:
    cluster.apply(GADGETS)
    assert cluster.check(put(GADGET, "spec.size", UNKNOWN))["spec"]["size"] is UNKNOWN
    assert cluster.check(put(GADGET, "spec", UNKNOWN))["spec"] is UNKNOWN


def test_the_sdks_underscored_names_are_read_as_dashed(cluster: Cluster) -> None:
    """The Python SDK sends ``x_kubernetes_preserve_unknown_fields``."""
    schema = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
    cluster.apply(put(DEFINITION, "spec.versions.0.schema.openAPIV3Schema", schema))
    assert cluster.refusal(thing("example.com/v1", "Gadget", spec={"a": 1})) == ""


def test_a_changed_definition_counts_at_once(cluster: Cluster) -> None:
    cluster.apply_all(GADGETS, GADGET)
    cluster.apply(put(GADGETS, "spec.versions.0.schema.openAPIV3Schema.properties.spec.properties.size.maximum", 2))
    assert cluster.refusal(GADGET) == "spec.size: 3 is not in 1-2"


def test_scope_comes_from_the_definition(cluster: Cluster) -> None:
    cluster.apply(put(GADGETS, "spec.scope", "Cluster"))
    assert cluster.refusal(GADGET) == "metadata.namespace: a Gadget has no namespace"
    assert cluster.apply(put(GADGET, "metadata.namespace", None)).id == "x"


def test_cluster_scoped_kinds_of_add_ons(cluster: Cluster) -> None:
    cluster.apply(helm_chart("external-secrets"))
    spec = {"provider": {"aws": {"service": "SecretsManager", "region": "eu-central-1"}}}
    assert cluster.apply(thing("external-secrets.io/v1", "ClusterSecretStore", "aws", "", spec=spec)).id == "aws"


@pytest.mark.parametrize(
    ("reference", "name"),
    [("keda", "keda"), ("oci://x/y/keda/", "keda"), ("https://x/cert-manager-v1.21.1.tgz", "cert-manager")],
)
def test_chart_names(reference: str, name: str) -> None:
    assert helm.chart_name(reference) == name


def test_every_switch_belongs_to_a_chart_that_is_listed() -> None:
    charts = {chart for group in addons.GROUPS.values() for chart in group.charts}
    assert addons.SWITCHES.keys() | addons.PARTS.keys() <= charts


# -- with the published definitions ------------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> list[dict[str, Any]]:
    if FOLDER is None:
        pytest.skip("CRDS_DIR names no folder of CustomResourceDefinitions")
    texts = [path.read_text() for path in sorted(FOLDER.glob("*.yaml"))]
    found = [one for text in texts for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]
    return [one for one in found if one["kind"] == "CustomResourceDefinition"]


def test_the_lists_agree_with_the_published_definitions(published: list[dict[str, Any]]) -> None:
    """A kind that the list lacks would be refused, one with the wrong scope would get the wrong id."""
    for one in published:
        spec, kind = one["spec"], one["spec"]["names"]["kind"]
        group = addons.GROUPS[spec["group"]]
        listed = group.cluster if spec["scope"] == "Cluster" else group.namespaced
        assert kind in listed.split(), (spec["group"], kind)
        served = {version["name"] for version in spec["versions"] if version["served"]}
        assert served <= set(group.versions.split()), (spec["group"], kind)


@pytest.mark.parametrize(
    ("pattern", "accepted", "refused"),
    [
        ("^(?i)(abort|warn)?$", "ABORT", "stop"),
        ("^((?i)sun|mon)day$", "MONday", "MONDAY"),
        (r"^\PC*$", "plain", "a\x00b"),
        (r"^[(?i)]\(a\)$", "i(a)", "I(a)"),
    ],
)
def test_patterns_of_go_mean_the_same(pattern: str, accepted: str, refused: str) -> None:
    found = translated(pattern)
    assert found is not None
    assert re.search(found, accepted)
    assert not re.search(found, refused)


def test_a_pattern_that_python_lacks_checks_nothing() -> None:
    assert translated(r"^\p{Greek}+$") is None


def patterns(schema: Any) -> Iterator[str]:
    """Every regular expression in a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for value in schema.values():
            yield from patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from patterns(value)


def test_patterns_of_published_definitions_are_readable(published: list[dict[str, Any]]) -> None:
    """They are written for Go; one that Python cannot read would fail only when an object of the kind is declared."""
    assert [one for one in set(patterns(published)) if translated(one) is None] == []


@pytest.mark.skipif(FOLDER is None, reason="CRDS_DIR names no folder of CustomResourceDefinitions")
def test_published_definitions_are_strict() -> None:
    cluster = Cluster(crds_dir=FOLDER).apply_all(namespace(), helm_chart("base"), helm_chart("cilium"))
    assert cluster.refusal(ROUTE) == ""
    assert cluster.refusal(put(ROUTE, "spec.http", [{"timeot": "3s"}])) == (
        "spec.http[0]: unknown field 'timeot'; did you mean 'timeout'?"
    )
    rules = [{"toPorts": [{"ports": [{"port": "80", "protocol": "HTTP"}]}]}]
    policy = thing("cilium.io/v2", "CiliumNetworkPolicy", spec={"endpointSelector": {}, "ingress": rules})
    assert "'HTTP' is not one of TCP, UDP, " in cluster.refusal(policy)
