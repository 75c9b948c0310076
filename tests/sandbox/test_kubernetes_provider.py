"""The provider's answers: identity, defaults, outputs, differences, deletion, lookup, and a rebuilt cluster."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import pytest

from sandbox.kubernetes import KubernetesProvider
from sandbox.provider import UNKNOWN, Desired, Diff, ResourceError, Saved
from tests.sandbox.kubernetes_objects import (
    BINDING,
    CLAIM,
    CONFIG,
    DEFINITION,
    SECRET,
    Cluster,
    container,
    namespace,
    put,
    service,
    thing,
    workload,
)

RELEASE = "kubernetes:helm.sh/v3:Release"


@pytest.fixture
def cluster() -> Cluster:
    return Cluster().apply_all(namespace())


def desired(type_: str, inputs: dict[str, Any], name: str = "x", urn: str = "urn:x") -> Desired:
    return Desired(urn, type_, name, inputs)


def diff(old: dict[str, Any], new: dict[str, Any], config: dict[str, Any] | None = None) -> Diff:
    api = old["apiVersion"] if "/" in old["apiVersion"] else f"core/{old['apiVersion']}"
    type_ = f"kubernetes:{api}:{old['kind']}"
    return KubernetesProvider(config).diff(Saved("urn:x", type_, "x", "shop/x", old, old), desired(type_, new))


# -- identity and defaults ---------------------------------------------------------------------


def test_ids_are_namespace_and_name(cluster: Cluster) -> None:
    """Other programs read objects by the id that the real provider gives."""
    assert cluster.apply(CONFIG).id == "shop/x"
    assert cluster.apply(namespace("other")).id == "other"


def test_a_namespaced_object_without_namespace_goes_to_the_default_one() -> None:
    assert Cluster().apply(put(CONFIG, "metadata.namespace", None)).id == "default/x"
    cluster = Cluster({"namespace": "shop"}).apply_all(namespace())
    assert cluster.apply(put(CONFIG, "metadata.namespace", None)).id == "shop/x"


def test_a_cluster_scoped_object_has_no_namespace() -> None:
    body = thing("rbac.authorization.k8s.io/v1", "ClusterRole", "x", "shop", rules=[])
    assert Cluster().refusal(body) == "metadata.namespace: a ClusterRole has no namespace"


def test_automatic_names_are_kept_by_the_next_update(cluster: Cluster) -> None:
    """A name that changed with each run would replace the object each time."""
    body = put(CONFIG, "metadata.name", None)
    first = cluster.check(body, "settings")
    assert first["metadata"]["name"].startswith("settings-")
    assert len(first["metadata"]["name"]) == len("settings-") + 8
    assert first["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    made = cluster.apply(body, "settings")
    assert cluster.apply(put(body, "data", {"a": "c"}), "settings").id == made.id


def test_whole_doubles_become_integers(cluster: Cluster) -> None:
    """Protobuf sends 8080 as 8080.0, which no schema of an integer with int32 arithmetic should see."""
    checked = cluster.check(put(service(), "spec.ports.0.port", 80.0))
    assert json.dumps(checked["spec"]["ports"][0]["port"]) == "80"


def test_type_and_body_must_agree(cluster: Cluster) -> None:
    with pytest.raises(ResourceError) as caught:
        cluster.provider.check(desired("kubernetes:apps/v1:Deployment", workload("StatefulSet")), None)
    assert str(caught.value) == "kind: 'StatefulSet' is not the 'Deployment' of the resource's type"


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        ("kubernetes:core/v1:ConfigMapList", "kubernetes:core/v1:ConfigMapList is a list of objects"),
        (
            "kubernetes:helm.sh/v4:Chart",
            "kubernetes:helm.sh/v4:Chart is rendered by the real provider's plugin, which the sandbox has not",
        ),
        (
            "kubernetes:yaml/v2:ConfigGroup",
            "kubernetes:yaml/v2:ConfigGroup is rendered by the real provider's plugin, which the sandbox has not",
        ),
        (
            "kubernetes:apps/v1:DeploymentPatch",
            "kubernetes:apps/v1:DeploymentPatch patches an object that another manages, which the sandbox does not do",
        ),
        (
            "kubernetes:policy/v1beta1:PodDisruptionBudget",
            "apiVersion: Kubernetes 1.36 does not serve policy/v1beta1 PodDisruptionBudget",
        ),
        ("kubernetes:apps/v1:Deploiment", "apiVersion: Kubernetes 1.36 does not serve apps/v1 Deploiment"),
        ("kubernetes:nonsense", "kubernetes:nonsense is not a Kubernetes resource type"),
    ],
)
def test_types_that_are_not_served(type_: str, message: str) -> None:
    """What is not implemented is an error with a way out, never silently empty."""
    with pytest.raises(ResourceError) as caught:
        KubernetesProvider().check(desired(type_, {}), None)
    assert str(caught.value) == message
    assert caught.value.remedy or "not a Kubernetes resource type" in message


def test_functions_are_refused() -> None:
    with pytest.raises(ResourceError, match="does not render with kubernetes:yaml:decode"):
        KubernetesProvider().invoke("kubernetes:yaml:decode", {})


def test_unknown_values_pass_a_preview(cluster: Cluster) -> None:
    """An image or a role that another resource makes is not known before it exists."""
    body = put(workload(), "spec.template.spec.containers.0.image", UNKNOWN)
    body = put(body, "spec.template.spec.containers.0.ports.0.containerPort", UNKNOWN)
    body = put(body, "spec.template.metadata.labels", UNKNOWN)
    body = put(body, "spec.template.spec.containers.0.resources", UNKNOWN)
    assert cluster.check(body)["spec"]["template"]["metadata"]["labels"] is UNKNOWN
    assert cluster.check(put(service(), "metadata.name", UNKNOWN))["metadata"]["name"] is UNKNOWN
    assert cluster.check(put(CONFIG, "metadata.namespace", UNKNOWN))["metadata"]["namespace"] is UNKNOWN


# -- admission ---------------------------------------------------------------------------------


def test_namespace_must_exist() -> None:
    assert Cluster().refusal(CONFIG) == "metadata.namespace: namespace 'shop' does not exist"


def test_namespace_must_be_live_not_only_declared() -> None:
    """Declared but not created yet means a missing dependency, which shows in a real cluster."""
    cluster = Cluster()
    cluster.check(namespace())
    cluster.check(CONFIG)
    assert cluster.refusal(CONFIG) == "metadata.namespace: namespace 'shop' does not exist"


def test_one_object_has_one_owner(cluster: Cluster) -> None:
    cluster.apply(CONFIG)
    assert (
        cluster.refusal(CONFIG, "again")
        == "metadata.name: ConfigMap 'shop/x' is already declared by urn:ConfigMap:shop/x"
    )


def test_versions_of_a_group_are_one_object(cluster: Cluster) -> None:
    """networking.istio.io/v1 and v1beta1 are two views of the same object."""
    cluster.apply(thing("helm.cattle.io/v1", "HelmChart", "istio", "kube-system", spec={"chart": "base"}))
    cluster.apply(thing("networking.istio.io/v1", "Sidecar", spec={}))
    message = cluster.refusal(thing("networking.istio.io/v1beta1", "Sidecar", spec={}), "again")
    assert message == "metadata.name: Sidecar 'shop/x' is already declared by urn:Sidecar:shop/x"


def test_the_clusters_own_objects_cannot_be_declared() -> None:
    message = Cluster().refusal(namespace("kube-system"))
    assert message == "metadata.name: Namespace 'kube-system' is already in every cluster"


def test_node_ports_are_unique(cluster: Cluster) -> None:
    port = [{"port": 80, "nodePort": 30080}]
    cluster.apply(service("a", type="NodePort", ports=port))
    message = cluster.refusal(service("b", type="NodePort", ports=port))
    assert message == "spec.ports[0].nodePort: 30080 is taken by Service 'shop/a'"


def test_a_renamed_resource_with_an_alias_keeps_its_object(cluster: Cluster) -> None:
    cluster.apply(CONFIG)
    old = cluster.saved["urn:ConfigMap:shop/x"]
    inputs = cluster.provider.check(desired("kubernetes:core/v1:ConfigMap", CONFIG, urn="urn:new"), old)
    assert inputs == CONFIG


# -- outputs -----------------------------------------------------------------------------------


def test_outputs_are_the_object_with_what_the_cluster_adds(cluster: Cluster) -> None:
    made = cluster.apply(service()).outputs
    assert made["metadata"].keys() == {"name", "namespace", "uid", "resourceVersion", "generation"}
    assert made["spec"]["clusterIP"].startswith("10.43.")
    assert made["spec"]["clusterIPs"] == [made["spec"]["clusterIP"]]


def test_identity_repeats_in_another_process() -> None:
    """Ids that differ from run to run would replace whatever takes them as inputs."""
    first, second = (Cluster().apply_all(namespace()).apply(service()).outputs for _ in range(2))
    assert first == second


def test_cluster_ips_do_not_collide(cluster: Cluster) -> None:
    found = [cluster.apply(service(f"s{number}")).outputs["spec"]["clusterIP"] for number in range(400)]
    assert len(set(found)) == 400


def test_updates_keep_the_address_and_count(cluster: Cluster) -> None:
    first = cluster.apply(service(type="LoadBalancer")).outputs
    second = cluster.apply(service(type="LoadBalancer", sessionAffinity="ClientIP")).outputs
    assert second["spec"]["clusterIP"] == first["spec"]["clusterIP"]
    assert second["spec"]["ports"][0]["nodePort"] == first["spec"]["ports"][0]["nodePort"]
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert (first["metadata"]["generation"], second["metadata"]["generation"]) == (1, 2)
    assert second["status"]["loadBalancer"]["ingress"][0]["hostname"]


def test_headless_services_keep_none(cluster: Cluster) -> None:
    assert cluster.apply(service(clusterIP="None")).outputs["spec"]["clusterIP"] == "None"


def test_string_data_of_a_secret_is_encoded(cluster: Cluster) -> None:
    made = cluster.apply(put(SECRET, "stringData", {"b": "plain"})).outputs
    assert base64.b64decode(made["data"]["b"]) == b"plain"
    assert made["data"]["a"] == SECRET["data"]["a"]


def test_data_of_secrets_is_secret() -> None:
    provider = KubernetesProvider()
    assert provider.secret_outputs("kubernetes:core/v1:Secret") == {"data", "stringData"}
    assert provider.secret_outputs("kubernetes:core/v1:ConfigMap") == frozenset()


# -- differences -------------------------------------------------------------------------------


def test_nothing_changed() -> None:
    assert diff(workload(), workload()) == Diff()


@pytest.mark.parametrize(
    ("body", "path", "value", "replaced"),
    [
        (workload(), "spec.replicas", 3, ()),
        (workload(), "spec.template.spec.containers.0.image", "new", ()),
        (workload(), "spec.selector.matchLabels", {"app": "b"}, ("spec",)),
        (workload("StatefulSet"), "spec.volumeClaimTemplates", [CLAIM], ("spec",)),
        (workload("StatefulSet"), "spec.serviceName", "other", ("spec",)),
        (service(clusterIP="10.43.1.1"), "spec.clusterIP", "10.43.1.2", ("spec",)),
        (service(), "spec.ports.0.port", 81, ()),
        (SECRET, "type", "custom/type", ("type",)),
        (SECRET, "data", {"a": "Yw=="}, ("data",)),
        (CONFIG, "data", {"a": "c"}, ("data",)),
        (BINDING, "roleRef.name", "edit", ("roleRef",)),
        (CONFIG, "metadata.name", "other", ("metadata",)),
        (CONFIG, "metadata.labels", {"a": "b"}, ()),
        (CLAIM, "spec.storageClassName", "gp3", ("spec",)),
        (CLAIM, "spec.resources.requests.storage", "6Gi", ()),
    ],
)
def test_what_replaces(body: dict[str, Any], path: str, value: Any, replaced: tuple[str, ...]) -> None:
    """A plan that shows an update where the real provider replaces would hide an outage."""
    found = diff(body, put(body, path, value))
    assert found.changed == (path.partition(".")[0],)
    assert found.replace == replaced
    assert found.delete_before_replace is (bool(replaced) and path != "metadata.name")


def test_configuration_makes_data_mutable() -> None:
    for enabled in (True, "true"):
        config = {"enableConfigMapMutable": enabled, "enableSecretMutable": enabled}
        assert diff(CONFIG, put(CONFIG, "data", {"a": "c"}), config).replace == ()
        assert diff(SECRET, put(SECRET, "data", {"a": "Yw=="}), config).replace == ()
        frozen = {**CONFIG, "immutable": True}
        assert diff(frozen, put(frozen, "data", {"a": "c"}), config).replace == ("data",)


def test_unknown_counts_as_changed() -> None:
    assert diff(workload(), put(workload(), "spec.replicas", UNKNOWN)).changed == ("spec",)


def test_changes_that_the_api_server_refuses(cluster: Cluster) -> None:
    expandable = thing("storage.k8s.io/v1", "StorageClass", "gp3", "", provisioner="ebs.csi.aws.com")
    cluster.apply_all(expandable, put(CLAIM, "spec.storageClassName", "gp3"))
    grown = put(put(CLAIM, "spec.storageClassName", "gp3"), "spec.resources.requests.storage", "6Gi")
    at = "spec.resources.requests.storage"
    assert cluster.refusal(grown) == f"{at}: StorageClass 'gp3' does not allow expansion"
    assert cluster.refusal(put(grown, at, "1Gi")) == f"{at}: cannot shrink from 5Gi to 1Gi"
    slow = {**expandable, "volumeBindingMode": "WaitForFirstConsumer"}
    assert cluster.refusal(slow) == "volumeBindingMode: cannot change from unset to 'WaitForFirstConsumer'"
    cluster.apply({**expandable, "allowVolumeExpansion": True})
    assert cluster.refusal(grown) == ""


# -- deletion, lookup, restoring ---------------------------------------------------------------


def test_a_namespace_goes_with_its_content(cluster: Cluster) -> None:
    cluster.apply_all(CONFIG, workload())
    cluster.provider.delete(cluster.saved["urn:Namespace:/shop"])
    assert cluster.provider.objects() == []
    cluster.provider.delete(cluster.saved["urn:ConfigMap:shop/x"])


def test_a_definition_goes_with_its_objects(cluster: Cluster) -> None:
    cluster.apply_all(DEFINITION, thing("example.com/v1", "Gadget"))
    cluster.provider.delete(cluster.saved["urn:CustomResourceDefinition:/gadgets.example.com"])
    assert [one["kind"] for one in cluster.provider.objects()] == ["Namespace"]


def test_lookup(cluster: Cluster) -> None:
    cluster.apply(CONFIG)
    assert cluster.provider.read("kubernetes:core/v1:ConfigMap", "shop/x", {}).outputs["data"] == {"a": "b"}
    assert cluster.provider.read("kubernetes:core/v1:Namespace", "kube-system", {}).id == "kube-system"
    assert cluster.provider.read("kubernetes:core/v1:Service", "kubernetes", {}).id == "default/kubernetes"
    with pytest.raises(ResourceError, match="ConfigMap 'shop/y' does not exist"):
        cluster.provider.read("kubernetes:core/v1:ConfigMap", "shop/y", {})


def test_restored_cluster_is_the_same(cluster: Cluster) -> None:
    """The next run starts from the state alone."""
    release = {"chart": "base", "name": "istio", "namespace": "shop", "values": {"a": 1}}
    inputs = cluster.provider.check(desired(RELEASE, release), None)
    made = cluster.provider.create(desired(RELEASE, inputs))
    cluster.apply_all(CONFIG, service(type="LoadBalancer"), workload(), DEFINITION, thing("example.com/v1", "Gadget"))
    saved = [*cluster.saved.values()]
    saved.insert(1, Saved("urn:x", RELEASE, "x", made.id, inputs, made.outputs))
    again = KubernetesProvider()
    again.restore(saved)
    assert sorted(again.objects(), key=str) == sorted(cluster.provider.objects(), key=str)
    assert again.read("kubernetes:core/v1:Service", "shop/web", {}) == cluster.provider.read(
        "kubernetes:core/v1:Service", "shop/web", {}
    )
    for one in saved:
        checked = again.check(Desired(one.urn, one.type, one.name, one.inputs), one)
        assert again.diff(one, Desired(one.urn, one.type, one.name, checked)) == Diff()


def test_updating_what_is_gone_is_an_error(cluster: Cluster) -> None:
    cluster.apply(workload())
    cluster.provider.delete(cluster.saved["urn:Deployment:shop/web"])
    assert cluster.refusal(workload(name="web", priority=1)) == "Deployment 'shop/web' is no longer in the cluster"


def test_creating_what_is_there_is_an_error(cluster: Cluster) -> None:
    cluster.apply(CONFIG)
    with pytest.raises(ResourceError, match="ConfigMap 'shop/x' already exists"):
        cluster.provider.create(desired("kubernetes:core/v1:ConfigMap", CONFIG))


def test_many_threads(cluster: Cluster) -> None:
    """The engine calls from many threads at once."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        provider, body = cluster.provider, service(f"s{number}")
        wanted = desired("kubernetes:core/v1:Service", body, urn=f"urn:{number}")
        try:
            provider.create(desired(wanted.type, provider.check(wanted, None), urn=wanted.urn))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({one["spec"]["clusterIP"] for one in cluster.provider.objects() if one["kind"] == "Service"}) == 32


# -- Helm releases -----------------------------------------------------------------------------


def test_release(cluster: Cluster) -> None:
    inputs = {"chart": "keda", "version": "2.17.0", "namespace": "shop"}
    checked = cluster.provider.check(desired(RELEASE, inputs, "keda"), None)
    made = cluster.provider.create(desired(RELEASE, checked, "keda"))
    assert made.id == f"shop/{checked['name']}"
    assert made.outputs["status"]["status"] == "deployed"
    old = Saved("urn:x", RELEASE, "keda", made.id, checked, made.outputs)
    updated = {**checked, "values": {"a": 1}}
    assert cluster.provider.diff(old, desired(RELEASE, updated)) == Diff(("values",), ())
    assert cluster.provider.update(old, desired(RELEASE, updated)).outputs["status"]["revision"] == 2
    moved = cluster.provider.diff(old, desired(RELEASE, {**checked, "namespace": "default"}))
    assert moved.replace == ("namespace",)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"namespace": "shop"}, "chart"),
        ({"chart": "keda", "namespace": "nowhere"}, "namespace: namespace 'nowhere' does not exist"),
        ({"chart": "keda", "name": "x" * 54}, f"name: '{'x' * 54}' has 54 characters; a release has at most 53"),
        ({"chart": "keda", "skipCrd": True}, "skipCrd"),
    ],
)
def test_release_refusals(cluster: Cluster, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(ResourceError) as caught:
        cluster.provider.check(desired(RELEASE, inputs), None)
    assert str(caught.value).startswith(message)


def test_a_release_may_make_its_namespace(cluster: Cluster) -> None:
    inputs = {"chart": "keda", "namespace": "keda", "name": "keda", "createNamespace": True}
    cluster.provider.create(desired(RELEASE, cluster.provider.check(desired(RELEASE, inputs), None)))
    assert cluster.refusal(put(CONFIG, "metadata.namespace", "keda")) == ""


def test_container_helper_is_what_restricted_admits() -> None:
    """The other tests spoil it; were it spoilt already, they would prove nothing."""
    cluster = Cluster().apply_all(namespace("shop", **{"pod-security.kubernetes.io__enforce": "restricted"}))
    assert cluster.refusal(workload(containers=[container()])) == ""
