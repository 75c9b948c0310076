"""What pods make AWS create: volumes of claims whose storage class is EBS, balancers of Services on EKS.

A claim of K3s's own class, local-path, is a folder on a node's disk and priced with that disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import yaml

from cost.errors import Unpriced
from cost.quantities import GIBIBYTE, quantity
from cost.resources import Resource
from cost.rules.storage import ebs
from cost.world import Charge, Rule, World

Values = Mapping[str, Any]
PROVISIONERS: Final = ("ebs.csi.aws.com", "kubernetes.io/aws-ebs")
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
CLASS: Final = "kubernetes:storage.k8s.io/v1:StorageClass"
ON_NODES: Final = "local-path"
"""K3s's own class, and its default; EKS has no default of its own."""
RELEASES: Final = ("kubernetes:helm.cattle.io/v1:HelmChart", "kubernetes:helm.sh/v3:Release")
SCHEME: Final = "service.beta.kubernetes.io/aws-load-balancer-scheme"
CHART: Final = "aws-ebs-csi-driver"
"""The chart whose values make storage classes."""


def claim(world: World, item: Resource) -> Iterator[Charge]:
    yield from _volume(world, item.get("spec") or {}, 1)


def stateful_set(world: World, item: Resource) -> Iterator[Charge]:
    replicas = item.get("spec.replicas")
    for template in item.rows("spec.volumeClaimTemplates"):
        yield from _volume(world, template.get("spec") or {}, 1 if replicas is None else int(replicas))


def release(world: World, item: Resource) -> Iterator[Charge]:
    """Claims in a chart's values: what Kubernetes calls a claim's spec, or a chart's usual ``persistence``."""
    for spec, replicas in _claims(helm_values(item), 1):
        yield from _volume(world, spec, replicas)


def service(world: World, item: Resource) -> Iterator[Charge]:
    """On EKS a Service of type LoadBalancer is a Network Load Balancer; K3s serves it from its nodes."""
    if item.get("spec.type") != "LoadBalancer" or not world.stack.of("aws:eks/cluster:Cluster"):
        return
    yield world.hourly("lb.network.hour")
    yield world.hourly("lb.network.lcu", world.usage["lb.lcu"])
    annotations = (item.get("metadata") or {}).get("annotations") or {}
    if annotations.get(SCHEME) == "internet-facing":
        yield world.charge("transfer.internet.gb", world.usage["lb.internet_gb"])


def helm_values(item: Resource) -> Values:
    """The values of a chart, however the resource holds them. :class:`Unpriced` when they are encrypted."""
    text = item.get("spec.valuesContent")
    if isinstance(text, Mapping):
        raise Unpriced("its chart's values are a secret; what volumes they ask for cannot be read")
    found = yaml.safe_load(text) if isinstance(text, str) else item.get("values")
    return found if isinstance(found, Mapping) else {}


def _volume(world: World, spec: Values, replicas: int) -> Iterator[Charge]:
    wanted = spec.get("storageClassName")
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if not size:
        return
    for name, default, parameters in _classes(world):
        if name == wanted or (wanted is None and default):
            values = {
                "volumeSize": _gibibytes(str(size)),
                "volumeType": parameters.get("type") or "gp3",
                "iops": parameters.get("iops"),
                "throughput": parameters.get("throughput"),
            }
            yield from ebs(world, values, replicas)
            return
    others = {str(item.get("metadata.name")) for item in world.stack.of(CLASS)}
    if wanted not in (*others, ON_NODES, *(() if world.stack.of("aws:eks/cluster:Cluster") else (None,))):
        raise Unpriced(f"a volume of {size} asks for storage class {wanted or '(default)'}, which is not in the stack")


def _gibibytes(size: str) -> Decimal:
    exact = quantity(size) / GIBIBYTE
    return Decimal(exact.numerator) / exact.denominator


def _classes(world: World) -> Iterator[tuple[str, bool, Values]]:
    """Name, whether it is the default, and parameters of each storage class that makes EBS volumes."""
    for item in world.stack.of(CLASS):
        if item.get("provisioner") in PROVISIONERS:
            yield _class(item.get("metadata") or {}, item.get("parameters") or {})
    for item in world.stack.of(*RELEASES):
        if CHART in (item.get("spec.chart"), item.get("chart")):
            for found in helm_values(item).get("storageClasses") or ():
                yield _class(found, found.get("parameters") or {})


def _class(metadata: Values, parameters: Values) -> tuple[str, bool, Values]:
    default = (metadata.get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    return str(metadata.get("name")), default, parameters


def _claims(values: Any, replicas: int) -> Iterator[tuple[Values, int]]:
    """Specs of claims with the number of replicas that stands nearest to them."""
    if isinstance(values, list):
        for value in values:
            yield from _claims(value, replicas)
    if not isinstance(values, Mapping):
        return
    for key in ("replicas", "replicaCount"):
        if isinstance(values.get(key), int):
            replicas = values[key]
    resources = values.get("resources")
    # A rule of RBAC has resources, too: a list.
    if isinstance(resources, Mapping) and (resources.get("requests") or {}).get("storage"):
        yield values, replicas
        return
    usual = values.get("persistence")
    if isinstance(usual, Mapping) and usual.get("enabled") and usual.get("size"):
        spec = {"resources": {"requests": {"storage": usual["size"]}}}
        named = usual.get("storageClass") or usual.get("storageClassName")
        yield {**spec, **({"storageClassName": named} if named else {})}, replicas
    for key, value in values.items():
        if key != "resources":
            yield from _claims(value, replicas)


RULES: Final[Mapping[str, Rule]] = {
    "kubernetes:core/v1:PersistentVolumeClaim": claim,
    "kubernetes:core/v1:Service": service,
    "kubernetes:apps/v1:StatefulSet": stateful_set,
    **dict.fromkeys(RELEASES, release),
}
