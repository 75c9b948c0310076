"""Pods, whatever makes them: what their containers may do, use and run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pulumi_policy import ResourceValidationArgs

from policies.documents import as_list
from policies.rules import ADVISORY, ResourceCheck, Violation, at, is_true, items, matches, resource_policy, texts

TEMPLATES: Final[Mapping[str, str]] = {
    "kubernetes:core/v1:Pod": "spec",
    "kubernetes:core/v1:ReplicationController": "spec.template.spec",
    "kubernetes:apps/v1:Deployment": "spec.template.spec",
    "kubernetes:apps/v1:StatefulSet": "spec.template.spec",
    "kubernetes:apps/v1:DaemonSet": "spec.template.spec",
    "kubernetes:apps/v1:ReplicaSet": "spec.template.spec",
    "kubernetes:argoproj.io/v1alpha1:Rollout": "spec.template.spec",
    "kubernetes:batch/v1:Job": "spec.template.spec",
    "kubernetes:batch/v1:CronJob": "spec.jobTemplate.spec.template.spec",
}
"""Type -> the path of its pod's spec."""

RUNS_FOREVER: Final = (
    "kubernetes:apps/v1:Deployment",
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:apps/v1:DaemonSet",
    "kubernetes:argoproj.io/v1alpha1:Rollout",
)

RESOURCES: Final = texts(
    "resources",
    "What every container states",
    ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory"),
)
CAPABILITIES: Final = texts("capabilities", "Capabilities that a container may add", ("NET_BIND_SERVICE",))
HOST: Final = texts("allowed", "Shell patterns of namespace/name of what may use its node")
MUTABLE_TAGS: Final = texts("mutable", "Tags that move from image to image", ("latest",))

Container = tuple[str, Mapping[str, Any]]
ContainerCheck = Callable[[ResourceValidationArgs, Mapping[str, Any], Container], Iterator[Violation]]


def spec(args: ResourceValidationArgs) -> Mapping[str, Any]:
    """The pod's spec; empty for a workload that takes its pods from elsewhere."""
    return at(args.props, TEMPLATES[args.resource_type]) or {}


def containers(args: ResourceValidationArgs, pod: Mapping[str, Any], *, starting: bool = True) -> Iterator[Container]:
    """Path and content of each container; those that only run while the pod starts on request."""
    for kind in ("initContainers", "containers"):
        for path, container in items(pod, kind):
            if starting or kind == "containers" or container.get("restartPolicy") == "Always":
                yield f"{TEMPLATES[args.resource_type]}.{path}", container


def _each(check: ContainerCheck) -> ResourceCheck:
    def checks(args: ResourceValidationArgs) -> Iterator[Violation]:
        pod = spec(args)
        for container in containers(args, pod):
            yield from check(args, pod, container)

    return checks


def _resources(args: ResourceValidationArgs, pod: Mapping[str, Any], container: Container) -> Iterator[Violation]:
    path, found = container
    for needed in RESOURCES.of(args):
        if at(found, f"resources.{needed}") is None:
            yield Violation(f"{path}.resources.{needed}", "is missing", "state what the container needs")


def _probes(args: ResourceValidationArgs) -> Iterator[Violation]:
    """A pod is ready when all of its containers are: one that the others do without needs no say in it."""
    found = list(containers(args, spec(args), starting=False))
    for path, container in found:
        if not container.get("livenessProbe"):
            yield Violation(f"{path}.livenessProbe", "is missing", "say how Kubernetes learns that it hangs")
    if found and not any(container.get("readinessProbe") for _, container in found):
        place = f"{TEMPLATES[args.resource_type]}.containers[*].readinessProbe"
        yield Violation(place, "is missing", "say how Kubernetes learns that the pod can serve")


def _non_root(args: ResourceValidationArgs, pod: Mapping[str, Any], container: Container) -> Iterator[Violation]:
    path, found = container
    if not is_true(_either(found, pod, "runAsNonRoot")):
        yield Violation(f"{path}.securityContext.runAsNonRoot", "is not true", "set it to true, here or for the pod")
    if _either(found, pod, "runAsUser") == 0:
        yield Violation(f"{path}.securityContext.runAsUser", "is 0", "choose another user")


def _either(container: Mapping[str, Any], pod: Mapping[str, Any], key: str) -> Any:
    """What holds for a container: its own setting, or its pod's."""
    own = at(container, f"securityContext.{key}")
    return at(pod, f"securityContext.{key}") if own is None else own


def _escalation(args: ResourceValidationArgs, pod: Mapping[str, Any], container: Container) -> Iterator[Violation]:
    path, found = container
    if at(found, "securityContext.allowPrivilegeEscalation") is not False:
        yield Violation(f"{path}.securityContext.allowPrivilegeEscalation", "is not false", "set it to false")


def _capabilities(args: ResourceValidationArgs, pod: Mapping[str, Any], container: Container) -> Iterator[Violation]:
    path, found = container
    place = f"{path}.securityContext.capabilities"
    if "ALL" not in as_list(at(found, "securityContext.capabilities.drop")):
        yield Violation(f"{place}.drop", "does not hold 'ALL'", "drop ALL and add back what is needed")
    for name in as_list(at(found, "securityContext.capabilities.add")):
        if name not in CAPABILITIES.of(args):
            yield Violation(f"{place}.add", f"holds '{name}'", "remove it, or allow it (parameter 'capabilities')")


def _seccomp(args: ResourceValidationArgs, pod: Mapping[str, Any], container: Container) -> Iterator[Violation]:
    path, found = container
    if at(_either(found, pod, "seccompProfile"), "type") not in ("RuntimeDefault", "Localhost"):
        yield Violation(
            f"{path}.securityContext.seccompProfile.type",
            "is neither 'RuntimeDefault' nor 'Localhost'",
            "set it to 'RuntimeDefault', here or for the pod",
        )


def _read_only(args: ResourceValidationArgs, pod: Mapping[str, Any], container: Container) -> Iterator[Violation]:
    path, found = container
    if not is_true(at(found, "securityContext.readOnlyRootFilesystem")):
        yield Violation(
            f"{path}.securityContext.readOnlyRootFilesystem", "is not true", "set it to true and mount what is written"
        )


def _image(args: ResourceValidationArgs, pod: Mapping[str, Any], container: Container) -> Iterator[Violation]:
    path, found = container
    image = str(found.get("image") or "")
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@sha256:" not in image and (not tag or tag in MUTABLE_TAGS.of(args)):
        yield Violation(f"{path}.image", f"is '{image}'", "name a version or a digest")


def _host(args: ResourceValidationArgs) -> Iterator[Violation]:
    if matches(_name(args), HOST.of(args)):
        return
    remedy = f"do without, or allow '{_name(args)}' (parameter 'allowed')"
    pod, place = spec(args), TEMPLATES[args.resource_type]
    for switch in ("hostNetwork", "hostPID", "hostIPC"):
        if is_true(pod.get(switch)):
            yield Violation(f"{place}.{switch}", "is true", remedy)
    for path, volume in items(pod, "volumes"):
        if volume.get("hostPath"):
            yield Violation(f"{place}.{path}.hostPath", f"is '{at(volume, 'hostPath.path')}'", remedy)
    for path, container in containers(args, pod):
        if is_true(at(container, "securityContext.privileged")):
            yield Violation(f"{path}.securityContext.privileged", "is true", remedy)
        for port, mapping in items(container, "ports"):
            if mapping.get("hostPort") and not is_true(pod.get("hostNetwork")):
                yield Violation(f"{path}.{port}.hostPort", f"is {int(mapping['hostPort'])}", remedy)


def _name(args: ResourceValidationArgs) -> str:
    metadata = args.props.get("metadata") or {}
    return f"{metadata.get('namespace') or 'default'}/{metadata.get('name') or args.name}"


def _account(args: ResourceValidationArgs) -> Iterator[Violation]:
    pod, place = spec(args), TEMPLATES[args.resource_type]
    name = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if pod and name in (None, "default"):
        yield Violation(
            f"{place}.serviceAccountName",
            "is 'default'" if name else "is missing",
            "give the workload a ServiceAccount of its own",
        )


def _all(check: ResourceCheck) -> dict[str, ResourceCheck]:
    return dict.fromkeys(TEMPLATES, check)


POLICIES: Final = [
    resource_policy(
        "pod-resources",
        "Every container states its requests and limits.",
        _all(_each(_resources)),
        (RESOURCES,),
    ),
    resource_policy(
        "pod-probes",
        "Every container that runs until it is stopped has a liveness probe, and its pod a readiness probe.",
        dict.fromkeys(RUNS_FOREVER, _probes),
    ),
    resource_policy("pod-non-root", "No container runs as root.", _all(_each(_non_root))),
    resource_policy("pod-no-escalation", "No process gains rights over its parent's.", _all(_each(_escalation))),
    resource_policy(
        "pod-capabilities",
        "Containers drop all capabilities and add back only harmless ones.",
        _all(_each(_capabilities)),
        (CAPABILITIES,),
    ),
    resource_policy("pod-seccomp", "System calls are filtered.", _all(_each(_seccomp))),
    resource_policy(
        "pod-read-only-root", "Containers cannot write to their image.", _all(_each(_read_only)), level=ADVISORY
    ),
    resource_policy(
        "pod-image-pinned", "Images are named by a version or a digest.", _all(_each(_image)), (MUTABLE_TAGS,)
    ),
    resource_policy(
        "pod-host",
        "Pods use nothing of their node: no network, processes, folders or privileges.",
        _all(_host),
        (HOST,),
    ),
    resource_policy("pod-service-account", "Every workload has a ServiceAccount of its own.", _all(_account)),
]
