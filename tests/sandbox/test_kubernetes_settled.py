"""What is found once everything is declared: references, quotas, limits, autoscalers, budgets."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.provider import UNKNOWN
from tests.sandbox.kubernetes_objects import (
    AUTOSCALER,
    BINDING,
    BUDGET,
    CLAIM,
    INGRESS,
    Cluster,
    container,
    helm_chart,
    namespace,
    put,
    service,
    thing,
    workload,
)

ENV = "spec.template.spec.containers[0].env[0].valueFrom"
ACCOUNT = thing("v1", "ServiceAccount", "web")


def using(kind: str, name: str, key: str, **rest: Any) -> dict[str, Any]:
    field = "secretKeyRef" if kind == "Secret" else "configMapKeyRef"
    source = {field: {"name": name, "key": key, **rest}}
    return workload(containers=[container(env=[{"name": "A", "valueFrom": source}])])


def findings(*bodies: dict[str, Any]) -> list[str]:
    cluster = Cluster().apply_all(namespace())
    return cluster.apply_all(*bodies).findings()


def test_a_whole_that_is_sound_has_no_findings() -> None:
    bodies = (service(), workload(), AUTOSCALER, BUDGET, INGRESS, BINDING, CLAIM, ACCOUNT)
    assert findings(*bodies) == []


# -- references --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            workload(serviceAccountName="robot"),
            "spec.template.spec.serviceAccountName: Deployment 'shop/web': ServiceAccount 'robot' does not exist in "
            "namespace 'shop'",
        ),
        (
            using("Secret", "db", "password"),
            f"{ENV}.secretKeyRef: Deployment 'shop/web': Secret 'db' does not exist in namespace 'shop'",
        ),
        (
            using("ConfigMap", "settings", "a"),
            f"{ENV}.configMapKeyRef: Deployment 'shop/web': ConfigMap 'settings' does not exist in namespace 'shop'",
        ),
        (
            workload(containers=[container(envFrom=[{"secretRef": {"name": "db"}}])]),
            "spec.template.spec.containers[0].envFrom[0].secretRef: Deployment 'shop/web': Secret 'db' does not exist "
            "in namespace 'shop'",
        ),
        (
            workload(volumes=[{"name": "a", "secret": {"secretName": "tls"}}]),
            "spec.template.spec.volumes[0].secret: Deployment 'shop/web': Secret 'tls' does not exist in namespace "
            "'shop'",
        ),
        (
            workload(volumes=[{"name": "a", "projected": {"sources": [{"configMap": {"name": "ca"}}]}}]),
            "spec.template.spec.volumes[0].projected.sources[0].configMap: Deployment 'shop/web': ConfigMap 'ca' does "
            "not exist in namespace 'shop'",
        ),
        (
            workload(volumes=[{"name": "a", "persistentVolumeClaim": {"claimName": "data"}}]),
            "spec.template.spec.volumes[0].persistentVolumeClaim.claimName: Deployment 'shop/web': "
            "PersistentVolumeClaim 'data' does not exist in namespace 'shop'",
        ),
        (
            workload(imagePullSecrets=[{"name": "registry"}]),
            "spec.template.spec.imagePullSecrets: Deployment 'shop/web': Secret 'registry' does not exist in "
            "namespace 'shop'",
        ),
        (
            workload(priorityClassName="gold"),
            "spec.template.spec.priorityClassName: Deployment 'shop/web': PriorityClass 'gold' does not exist",
        ),
        (
            workload("StatefulSet"),
            "spec.serviceName: StatefulSet 'shop/web': Service 'web' does not exist in namespace 'shop'",
        ),
        (
            put(BINDING, "roleRef", {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}),
            "roleRef: RoleBinding 'shop/x': Role 'reader' does not exist",
        ),
        (INGRESS, "spec.rules: Ingress 'shop/x': Service 'web' does not exist in namespace 'shop'"),
        (
            put(CLAIM, "spec.storageClassName", "gp3"),
            "spec.storageClassName: PersistentVolumeClaim 'shop/x': StorageClass 'gp3' does not exist",
        ),
        (
            service(),
            "spec.selector: Service 'shop/web': no pod in namespace 'shop' has the labels {'app': 'web'}",
        ),
    ],
)
def test_missing(body: dict[str, Any], message: str) -> None:
    """Each of these leaves a pod pending, or traffic without an answer, for ever."""
    assert findings(body) == [message]


def test_a_key_that_the_secret_lacks() -> None:
    secret = thing("v1", "Secret", "db", stringData={"user": "a"}, data={"pass": "Yg=="})
    assert findings(using("Secret", "db", "password"), secret) == [
        f"{ENV}.secretKeyRef: Deployment 'shop/web': Secret 'db' has no key 'password' (it has pass, user)"
    ]
    assert findings(using("Secret", "db", "user"), secret) == []


def test_a_key_that_a_volume_picks() -> None:
    volume = {"name": "a", "configMap": {"name": "settings", "items": [{"key": "b", "path": "b"}]}}
    settings = thing("v1", "ConfigMap", "settings", data={"a": "1"})
    assert findings(workload(volumes=[volume]), settings) == [
        "spec.template.spec.volumes[0].configMap.items[0]: Deployment 'shop/web': ConfigMap 'settings' has no key 'b' "
        "(it has a)"
    ]


def test_optional_references_may_lead_nowhere() -> None:
    assert findings(using("Secret", "db", "password", optional=True)) == []


def test_one_missing_object_is_told_once() -> None:
    """A pod names its Secret in many places."""
    env = [{"name": n, "valueFrom": {"secretKeyRef": {"name": "db", "key": n}}} for n in ("a", "b")]
    assert len(findings(workload(containers=[container(env=env)]))) == 1


def test_order_does_not_matter() -> None:
    """A pod waits for its Secret; the finding is about the end, not about who came first."""
    assert findings(using("Secret", "db", "a"), thing("v1", "Secret", "db", stringData={"a": "b"})) == []


def external(**spec: Any) -> dict[str, Any]:
    full = {"secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"}, **spec}
    return thing("external-secrets.io/v1", "ExternalSecret", "db", spec=full)


CERTIFICATE = thing(
    "cert-manager.io/v1", "Certificate", spec={"secretName": "db", "issuerRef": {"name": "ca"}, "dnsNames": ["a"]}
)
DATA = [{"secretKey": "password", "remoteRef": {"key": "shop/db"}}]


@pytest.mark.parametrize(
    ("maker", "key", "found"),
    [
        (external(data=DATA), "password", True),
        (external(data=DATA), "user", False),
        (external(data=DATA, target={"name": "other"}), "password", False),
        (external(dataFrom=[{"extract": {"key": "shop/db"}}]), "anything", True),
        (external(data=DATA, target={"template": {"data": {"url": "x"}}}), "url", True),
        (external(data=DATA, target={"template": {"data": {"url": "x"}}}), "password", False),
        (external(data=DATA, target={"template": {"data": {"url": "x"}, "mergePolicy": "Merge"}}), "password", True),
        (CERTIFICATE, "tls.crt", True),
        (CERTIFICATE, "password", False),
    ],
)
def test_secrets_that_controllers_make(maker: dict[str, Any], key: str, found: bool) -> None:
    cluster = Cluster().apply_all(
        namespace(),
        helm_chart("external-secrets"),
        helm_chart("cert-manager", set={"crds.enabled": "true"}),
        helm_chart("rabbitmq-cluster-operator"),
        maker,
        using("Secret", "db", key),
    )
    assert (cluster.findings() == []) is found


def test_secrets_of_operators_have_names_of_their_own() -> None:
    cluster = Cluster().apply_all(namespace(), helm_chart("rabbitmq-cluster-operator"))
    cluster.apply(thing("rabbitmq.com/v1beta1", "RabbitmqCluster", "events", spec={}))
    cluster.apply(using("Secret", "events-default-user", "password"))
    assert cluster.findings() == []


def test_what_a_chart_makes_is_named_after_its_release() -> None:
    """Charts are not rendered; refusing what they may make would refuse working programs."""
    chart = helm_chart("valkey", targetNamespace="shop")
    assert findings(chart, using("Secret", "valkey-users", "a")) == []
    assert len(findings(chart, using("Secret", "users", "a"))) == 1


def test_storage_classes_that_a_chart_makes() -> None:
    driver = helm_chart("aws-ebs-csi-driver", valuesContent="storageClasses: [{name: gp3}]")
    assert findings(driver, put(CLAIM, "spec.storageClassName", "gp3")) == []


def test_the_clusters_own_config_maps() -> None:
    assert findings(using("ConfigMap", "kube-root-ca.crt", "ca.crt")) == []


def test_a_name_that_is_unknown_in_a_preview_may_be_the_one() -> None:
    cluster = Cluster().apply_all(namespace())
    cluster.check(put(thing("v1", "Secret"), "metadata.name", UNKNOWN))
    cluster.check(using("Secret", "db", "a"))
    assert cluster.findings() == []


def test_a_preview_finds_what_an_update_would() -> None:
    cluster = Cluster()
    cluster.check(namespace())
    cluster.check(using("Secret", "db", "a"))
    assert len(cluster.findings()) == 1


def test_a_reference_to_what_is_no_longer_declared() -> None:
    """The object is live until the end of the run, and gone after it."""
    cluster = Cluster().apply_all(namespace(), thing("v1", "Secret", "db", stringData={"a": "b"}))
    cluster.provider.restore(list(cluster.saved.values()))
    cluster.apply_all(namespace(), using("Secret", "db", "a"))
    assert len(cluster.findings()) == 1


def test_a_named_target_port_is_a_port_of_every_pod() -> None:
    assert findings(workload(), put(service(), "spec.ports.0.targetPort", "admin")) == [
        "spec.ports[0].targetPort: Service 'shop/web': Deployment 'shop/web' has no container port named 'admin'"
    ]


# -- autoscalers and budgets -------------------------------------------------------------------


def test_an_autoscaler_has_a_target() -> None:
    assert findings(AUTOSCALER) == [
        "spec.scaleTargetRef: HorizontalPodAutoscaler 'shop/x': Deployment 'shop/web' does not exist"
    ]


def test_utilization_needs_requests() -> None:
    bare = put(workload(), "spec.template.spec.containers.0.resources", {"requests": {"memory": "1Gi"}})
    assert findings(AUTOSCALER, bare) == [
        "spec.metrics[0]: HorizontalPodAutoscaler 'shop/x': container 'app' of Deployment 'shop/web' sets no cpu "
        "request to measure utilization by"
    ]
    filled = thing("v1", "LimitRange", spec={"limits": [{"type": "Container", "defaultRequest": {"cpu": "1"}}]})
    assert findings(AUTOSCALER, bare, filled) == []


def test_two_autoscalers_of_one_target() -> None:
    other = put(AUTOSCALER, "metadata.name", "y")
    assert findings(AUTOSCALER, other, workload()) == [
        "spec.scaleTargetRef: HorizontalPodAutoscaler 'shop/y': Deployment 'shop/web' is scaled by "
        "HorizontalPodAutoscaler 'shop/x' too"
    ]


def test_a_budget_protects_something() -> None:
    assert findings(BUDGET) == ["spec.selector: PodDisruptionBudget 'shop/x': selects no pod in namespace 'shop'"]
    assert findings(BUDGET, helm_chart("web", targetNamespace="shop")) == []


# -- quotas and limits -------------------------------------------------------------------------


def quota(**hard: str) -> dict[str, Any]:
    found = {name.replace("__", ".").replace("_per_", "/"): value for name, value in hard.items()}
    return thing("v1", "ResourceQuota", "q", spec={"hard": found})


def allows(name: str) -> str:
    return f"spec.hard.{name}: ResourceQuota 'shop/q': allows {name}"


def test_quota_counts_the_most_replicas() -> None:
    """A quota that holds today's replicas and not the autoscaler's maximum fails under load."""
    assert findings(workload(), quota(requests__cpu="500m")) == []
    assert findings(workload(), AUTOSCALER, quota(requests__cpu="500m")) == [
        f"{allows('requests.cpu')} 500m, but the workloads of namespace 'shop' need 600m "
        "at full scale (Deployment web 6 x 100m)"
    ]


def test_quota_counts_keda_jobs_and_init_containers() -> None:
    scaled = thing(
        "keda.sh/v1alpha1",
        "ScaledObject",
        spec={"scaleTargetRef": {"name": "web"}, "maxReplicaCount": 4, "triggers": []},
    )
    big = [{"name": "init", "image": "x", "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Mi"}}}]
    job = thing(
        "batch/v1",
        "Job",
        "load",
        spec={"parallelism": 3, "template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}},
    )
    assert findings(helm_chart("keda"), workload(initContainers=big), scaled, job, quota(cpu="4", pods="6")) == [
        f"{allows('cpu')} 4, but the workloads of namespace 'shop' need 4300m at full "
        "scale (Deployment web 4 x 1, Job load 3 x 100m)",
        f"{allows('pods')} 6, but namespace 'shop' declares 7",
    ]


def test_quota_demands_what_it_bounds() -> None:
    """With a quota on limits.cpu, pods without such a limit are refused one by one, silently."""
    assert findings(workload(), quota(limits__cpu="4")) == [
        "spec.hard.limits.cpu: ResourceQuota 'shop/q': container 'app' of Deployment 'shop/web' sets no cpu in its "
        "limits, so its pods are refused"
    ]
    filled = thing("v1", "LimitRange", spec={"limits": [{"type": "Container", "default": {"cpu": "1"}}]})
    assert findings(workload(), quota(limits__cpu="4"), filled) == []


def test_quota_counts_objects_and_storage() -> None:
    claims = [{"metadata": {"name": "data"}, "spec": CLAIM["spec"]}]
    stateful = put(workload("StatefulSet"), "spec.volumeClaimTemplates", claims)
    bodies = (service(type="LoadBalancer"), stateful, CLAIM, thing("v1", "ConfigMap"))
    assert findings(
        *bodies,
        quota(
            requests__storage="14Gi",
            services__loadbalancers="0",
            configmaps="1",
            count_per_statefulsets__apps="0",
            persistentvolumeclaims="1",
        ),
    ) == [
        f"{allows('requests.storage')} 14Gi, but namespace 'shop' declares 15Gi",
        f"{allows('services.loadbalancers')} 0, but namespace 'shop' declares 1",
        f"{allows('configmaps')} 1, but namespace 'shop' declares 2",
        f"{allows('count/statefulsets.apps')} 0, but namespace 'shop' declares 1",
    ]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (
            {"type": "Container", "min": {"cpu": "200m"}},
            "container 'app' asks for 100m of cpu; a Container has at least 200m",
        ),
        (
            {"type": "Container", "max": {"memory": "128Mi"}},
            "container 'app' has a limit of 256Mi of memory; a Container has at most 128Mi",
        ),
        (
            {"type": "Container", "max": {"cpu": "2"}},
            "container 'app' has no limit of cpu; a Container has at most 2",
        ),
        (
            {"type": "Container", "maxLimitRequestRatio": {"memory": "1"}},
            "container 'app' has a memory limit of 2 times its request; at most 1 is allowed",
        ),
        (
            {"type": "Pod", "max": {"memory": "128Mi"}},
            "the pod has a limit of 256Mi of memory; a Pod has at most 128Mi",
        ),
    ],
)
def test_limits(limit: dict[str, Any], message: str) -> None:
    bounds = thing("v1", "LimitRange", spec={"limits": [limit]})
    assert findings(bounds, workload()) == [f"Deployment 'shop/web': {message}"]


def test_limits_of_claims() -> None:
    bounds = thing("v1", "LimitRange", spec={"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}]})
    assert findings(bounds, CLAIM) == [
        "PersistentVolumeClaim 'shop/x': has a limit of 5Gi of storage; a PersistentVolumeClaim has at most 1Gi"
    ]
