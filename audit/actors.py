"""From registered resources to actors: the only place that decides which resource is which declared thing.

A pod template belongs to the declared service, store or pooler whose name its ServiceAccount has, in the declared
namespace. A host outside the cluster belongs to the declared store or external whose DNS name it has. Beside them stand
strangers: pods that nobody declared, one per namespace and one elsewhere, so that a rule that is too wide has somebody
to admit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from audit import addons
from audit.addresses import PRIVATE, PUBLIC, Ranges, merged, ranges, without
from audit.chart_pods import CHARTS
from audit.charts import Release
from audit.cilium import policed_names
from audit.hosts import host_covers, name_matches
from audit.platform import API_SERVER, DNS, INTERNET, NODES
from audit.population import Actor, Port, Proxy
from audit.resources import Object, Registry
from audit.scope import Scope, helpers_of, pooler_of, tester_of
from audit.services import NETWORKING
from model import Bucket, ExistingCluster

STRANGER: Final = "stranger"
ELSEWHERE: Final = "elsewhere"
UNKNOWN: Final = "unknown"
INJECT: Final = "sidecar.istio.io/inject"
METADATA: Final = "169.254.169.254/32"
SOLVER: Final = {"acme.cert-manager.io/http01-solver": "true"}
"""cert-manager's own label."""
OWN_NODE: Final = "its own node"
TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("template",),
    "StatefulSet": ("template",),
    "DaemonSet": ("template",),
    "ReplicaSet": ("template",),
    "Rollout": ("template",),
    "Job": ("template",),
    "CronJob": ("jobTemplate", "spec", "template"),
    "AnalysisTemplate": ("metrics", "provider", "job", "spec", "template"),
}
"""Kinds that make pods, and where their pod template is."""


def actors(registry: Registry, scope: Scope, releases: Iterable[Release]) -> list[Actor]:
    """Everybody, each under a name of its own."""
    installed = list(releases)
    injector = any(release.chart == "istiod" for release in installed)
    namespaces = {item.name: item.labels for item in registry.objects("Namespace", group="core")}
    found = [
        *_workloads(registry, scope, namespaces, injector),
        *_chart_pods(installed, namespaces, injector),
        *_strangers(namespaces, injector),
        *_proofs(registry, scope, namespaces, injector),
        Actor(
            "cluster DNS",
            "pod",
            "kube-system",
            {"k8s-app": "kube-dns"},
            account="coredns",
            role=DNS,
            listens=frozenset({("UDP", 53), ("TCP", 53), ("TCP", 9153)}),
            hosts=("kube-dns.kube-system.svc.cluster.local",),
        ),
        *_nodes(registry, scope),
        *_outside(registry, scope),
    ]
    return _named(found)


def _named(found: list[Actor]) -> list[Actor]:
    taken = Counter(actor.name for actor in found)
    return [
        replace(actor, name=f"{actor.name} in {actor.namespace}") if taken[actor.name] > 1 else actor for actor in found
    ]


def _workloads(
    registry: Registry, scope: Scope, namespaces: Mapping[str, Mapping[str, str]], injector: bool
) -> Iterator[Actor]:
    declared = {(scope.namespace(item), item.name): f"service:{item.name}" for item in scope.system.services}
    declared |= {
        (scope.namespace(item), item.name): f"store:{item.name}"
        for item in scope.system.stores
        if scope.in_cluster(item)
    }
    declared |= {
        (scope.namespace(item), pooler.name): f"pooler:{pooler.name}"
        for item in scope.system.stores
        if (pooler := pooler_of(item))
    }
    declared |= {
        (scope.namespace(item), helper.name): f"helper:{helper.name}"
        for item in scope.system.stores
        for helper in helpers_of(item)
    }
    declared |= {
        (scope.namespace(item), tester): f"helper:{tester}"
        for item in scope.system.services
        if (tester := tester_of(item))
    }
    for kind, paths in TEMPLATES.items():
        for item in registry.objects(kind):
            template = _template(item.spec, paths)
            pod = template.get("spec") or {}
            if item.namespace not in namespaces or pod.get("hostNetwork") or not pod:
                continue
            metadata = template.get("metadata") or {}
            labels = metadata.get("labels") or {}
            account = str(pod.get("serviceAccountName") or "default")
            yield Actor(
                name=item.name,
                kind="pod",
                namespace=item.namespace,
                labels=labels,
                namespace_labels=namespaces[item.namespace],
                account=account,
                proxy=_proxy(labels, namespaces[item.namespace], injector, metadata.get("annotations")),
                named_ports={name: port for name, (_, port) in _named_ports(pod)},
                listens=frozenset(_container_ports(pod)),
                role=declared.get((item.namespace, account)) or item.name,
            )


def _template(spec: Mapping[str, Any], path: Iterable[str]) -> Mapping[str, Any]:
    """What is at the end of the path; where it leads into a list, the first that goes on. Empty: nothing is there."""
    found: Any = spec
    for key in path:
        among = found if isinstance(found, list) else [found]
        found = next((item[key] for item in among if item and key in item), None)
    return found or {}


def _container_ports(pod: Mapping[str, Any]) -> Iterator[Port]:
    for container in pod.get("containers") or ():
        for port in container.get("ports") or ():
            yield str(port.get("protocol") or "TCP"), int(port["containerPort"])


def _named_ports(pod: Mapping[str, Any]) -> Iterator[tuple[str, Port]]:
    for container in pod.get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name"):
                yield str(port["name"]), (str(port.get("protocol") or "TCP"), int(port["containerPort"]))


def _proxy(
    labels: Mapping[str, str],
    namespace: Mapping[str, str],
    injector: bool,
    annotations: Mapping[str, str] | None = None,
) -> Proxy:
    """Istio's injection: the pod's label decides, then the namespace's. The older annotation can only refuse."""
    own = labels.get(INJECT)
    if own is None and (annotations or {}).get(INJECT) == "false":
        own = "false"
    if not injector or own == "false" or namespace.get("istio-injection") == "disabled":
        return "none"
    injected = own == "true" or namespace.get("istio-injection") == "enabled" or "istio.io/rev" in namespace
    return "sidecar" if injected or "istio.io/rev" in labels else "none"


def _chart_pods(
    releases: Iterable[Release], namespaces: Mapping[str, Mapping[str, str]], injector: bool
) -> Iterator[Actor]:
    for release in releases:
        make = CHARTS.get(release.chart)
        for pod in make(release) if make else ():
            around = namespaces.get(release.namespace, {})
            name = pod.suffix or release.name
            yield Actor(
                name=name,
                kind="pod",
                namespace=release.namespace,
                labels=pod.labels,
                namespace_labels=around,
                account=pod.account,
                proxy=pod.proxy if pod.proxy != "none" else _proxy(pod.labels, around, injector),
                listens=frozenset(("TCP", port) for port in pod.ports),
                hosts=() if pod.services else (f"{name}.{release.namespace}.svc.cluster.local",),
                calls=pod.calls,
                chart=True,
                services=pod.services,
                role=pod.role,
            )


def _strangers(namespaces: Mapping[str, Mapping[str, str]], injector: bool) -> Iterator[Actor]:
    for namespace, labels in namespaces.items():
        yield Actor(
            name=f"any other pod in {namespace}",
            kind="pod",
            namespace=namespace,
            namespace_labels=labels,
            account="default",
            proxy=_proxy({}, labels, injector),
            role=STRANGER,
        )
    yield Actor("any pod elsewhere", "pod", ELSEWHERE, account="default", role=ELSEWHERE)


def _proofs(
    registry: Registry, scope: Scope, namespaces: Mapping[str, Mapping[str, str]], injector: bool
) -> Iterator[Actor]:
    """The pods that answer the certificates' authority, for as long as it asks."""
    for namespace in {item.namespace for item in registry.objects("Certificate")} if addons.proved(scope) else ():
        around = namespaces.get(namespace, {})
        yield Actor(
            "certificate proof",
            "pod",
            namespace,
            SOLVER,
            around,
            account="default",
            proxy=_proxy(SOLVER, around, injector),
            listens=frozenset({("TCP", addons.PROOF_PORT)}),
            role=addons.PROOF,
        )


def _nodes(registry: Registry, scope: Scope) -> Iterator[Actor]:
    groups = registry.of("aws:autoscaling/group:Group", "aws:eks/nodeGroup:NodeGroup")
    names = {
        name for group in groups for key in ("vpcZoneIdentifiers", "subnetIds") for name in group.values.get(key) or ()
    }
    if scope.exposed:
        names |= {item.values.get("subnetId") for item in registry.of("aws:ec2/instance:Instance")}
    subnets = [item.values["cidrBlock"] for item in registry.of("aws:ec2/subnet:Subnet") if item.id in names]
    # Those of an existing cluster are somewhere private, for all that is known.
    where = PRIVATE if isinstance(scope.system.platform.cluster, ExistingCluster) else ranges(*subnets)
    yield Actor(OWN_NODE, "host", addresses=where, role=NODES)
    yield Actor("another node", "remote-node", addresses=where, role=NODES)
    yield Actor("the Kubernetes API", "api-server", addresses=where, role=API_SERVER)


def _outside(registry: Registry, scope: Scope) -> Iterator[Actor]:
    records, managed = _records(registry), _managed(registry)
    asked = list(dict.fromkeys(host for _, host, _ in addons.outside(scope)))
    numbers = ranges(*(host for host in asked if not host.strip("0123456789.")))
    public = without(PUBLIC, numbers)
    known: list[Actor] = []
    for store in scope.system.stores:
        if not scope.in_cluster(store):
            host = scope.host(store)
            if isinstance(store, Bucket):
                own = (host, f"any.{host}")
                known.append(Actor(store.name, "world", hosts=own, addresses=public, role=f"store:{store.name}"))
                continue
            for place, where in managed.get(host, {"": records.get(host, ())}).items():
                name = f"{store.name} in {place}" if place else store.name
                known.append(Actor(name, "world", hosts=(host,), addresses=where, role=f"store:{store.name}"))
    copied = any(helper.copies for store in scope.system.stores for helper in helpers_of(store))
    if copied or addons.METADATA in asked:
        known.append(Actor(addons.METADATA, "world", addresses=ranges(METADATA), role="metadata"))
    if copied and not any(isinstance(store, Bucket) for store in scope.system.stores):
        # Jobs reach the buckets' endpoint, and the machine's role by its metadata service.
        host = f"s3.{scope.region}.amazonaws.com"
        known.append(Actor("buckets", "world", hosts=(host, f"any.{host}"), addresses=public, role="buckets"))
    for external in scope.externals:
        for host in external.hosts:
            name = external.name if len(external.hosts) == 1 else f"{external.name}: {host}"
            role = f"external:{external.name}"
            known.append(Actor(name, "world", hosts=(host.replace("*", "any"),), addresses=public, role=role))
    taken = {host for actor in known for host in actor.hosts} | {addons.METADATA}
    for host in (host for host in asked if host.replace("*", "any") not in taken):
        if host.strip("0123456789."):
            known.append(Actor(host, "world", hosts=(host.replace("*", "any"),), addresses=public, role=f"host:{host}"))
        else:
            known.append(Actor(host, "world", addresses=ranges(host), role=f"host:{host}"))
    for host in sorted(_mentioned(registry)):
        covered = any(
            own == host or name_matches(host, own) or host_covers(host, own) for actor in known for own in actor.hosts
        )
        if host != "*" and not covered:
            known.append(Actor(host, "world", hosts=(host.replace("*", "any"),), addresses=public, role=UNKNOWN))
    yield from known
    yield Actor("the internet", "world", hosts=("undeclared.example",), addresses=public, role=INTERNET)
    stores = merged(part for actor in known for part in actor.addresses)
    yield Actor("other private addresses", "world", addresses=without(PRIVATE, stores), role=UNKNOWN)


def _managed(registry: Registry) -> dict[str, dict[str, Ranges]]:
    """Name of each managed database -> the subnets in any of which AWS gives it an address: each must be reached."""
    cidrs = {item.id: str(item.values["cidrBlock"]) for item in registry.of("aws:ec2/subnet:Subnet")}
    spread = {
        str(item.values.get("name")): {cidrs[name]: ranges(cidrs[name]) for name in item.values.get("subnetIds") or ()}
        for item in registry.of("aws:rds/subnetGroup:SubnetGroup")
    }
    return {
        str(item.values.get("address")): spread.get(str(item.values.get("dbSubnetGroupName")), {})
        for item in registry.of("aws:rds/instance:Instance")
    }


def _records(registry: Registry) -> dict[str, Ranges]:
    return {
        str(item.values["name"]).rstrip("."): ranges(*item.values["records"])
        for item in registry.of("aws:route53/record:Record")
        if item.values.get("type") == "A" and item.values.get("records")
    }


def _mentioned(registry: Registry) -> set[str]:
    entries: Iterable[Object] = registry.objects("ServiceEntry", group=NETWORKING)
    return policed_names(registry) | {str(host) for entry in entries for host in entry.spec.get("hosts") or ()}
