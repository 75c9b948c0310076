"""Istio in sidecar mode: definitions, CNI plug-in, control plane, the ingress gateway, and what holds mesh-wide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from derive import choices, naming, versions
from derive.addons.chart import Release
from derive.choices import Collector
from derive.edge.doorman import doorman
from derive.mesh.egress import gateway_callers
from derive.mesh.gateway_tokens import gateway_tokens
from derive.mesh.tokens import PROXIES_FETCH_KEYS
from derive.shapes import Deployment
from manifests import envoy, istio
from manifests.base import Manifest, manifest
from model import Eks, Environment, Identity, Istio, IstioGateway, K3s, NetworkPolicies, Platform

BASE: Final = "istio-base"
CNI: Final = "istio-cni"
ISTIOD: Final = "istiod"
GATEWAY: Final = "istio-ingressgateway"
GATEWAY_PORTS: Final = {"status-port": 15021, "http2": 80, "https": 443}
"""Health, redirect, TLS: the only ports of the cluster that the edge reaches."""


def releases(deployment: Deployment, mesh: Istio) -> tuple[Release, ...]:
    """In the order of Istio's Helm installation: base, CNI plug-in, istiod, gateways."""
    replicas = replicas_over_zones(deployment.environment)
    control = istiod_values(
        mesh, replicas, choices.collector(deployment), identity(deployment.system.platform) is not None
    )
    if any(service.schedule for service in deployment.system.services):
        control["env"] |= ENDING
    before = ("cilium", naming.MESH_NAMESPACE)
    found = [
        Release(BASE, versions.ISTIO_BASE, {"base": {"validationFailurePolicy": "Fail"}}, before),
        Release(
            CNI, versions.ISTIO_CNI, cni_values(deployment.system.platform), (BASE,), ("daemonset/istio-cni-node",)
        ),
        Release(
            ISTIOD,
            versions.ISTIOD,
            control,
            (CNI,),
            ("deployment/istiod",),
        ),
    ]
    chosen = deployment.system.platform.ingress
    if isinstance(chosen, IstioGateway):
        values = gateway_values(chosen, replicas, deployment.system.platform)
        found.append(Release(GATEWAY, versions.ISTIO_GATEWAY, values, (ISTIOD,), (f"deployment/{GATEWAY}",)))
    if mesh.egress_gateway:
        name = naming.EGRESS_GATEWAY
        found.append(
            Release(
                name,
                versions.ISTIO_GATEWAY,
                egress_gateway_values(replicas, tuple(gateway_callers(deployment.system))),
                (ISTIOD,),
                (f"deployment/{name}",),
            )
        )
    return tuple(found)


def identity(platform: Platform) -> Identity | None:
    """Whose tokens the ingress gateway checks. Absent: nobody's."""
    return platform.ingress.identity if isinstance(platform.ingress, IstioGateway) else None


def replicas_over_zones(environment: Environment) -> int:
    """Two replicas where there is a second zone to put them in; otherwise a second one outlives nothing."""
    return 2 if environment.zones > 1 else 1


def cni_values(platform: Platform) -> dict[str, Any]:
    """containerd's default directories, unless the plug-in that K3s bundles runs, which has K3s' own (Istio
    documentation, "Platform prerequisites: k3s")."""
    bundled = isinstance(platform.cluster, K3s) and isinstance(platform.cni, NetworkPolicies)
    return {
        "cniConfDir": "/var/lib/rancher/k3s/agent/etc/cni/net.d" if bundled else "/etc/cni/net.d",
        "cniBinDir": "/var/lib/rancher/k3s/data/cni" if bundled else "/opt/cni/bin",
        # A configuration file of its own: a restart of Cilium cannot write over it.
        "istioOwnedCNIConfig": True,
        "excludeNamespaces": ["kube-system", versions.ISTIOD.namespace],
        "repair": {"enabled": True, "repairPods": True},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    }


def istiod_values(
    mesh: Istio, replicas: int, collector: Collector | None = None, fetches_keys: bool = False
) -> dict[str, Any]:
    """``collector``: of spans. Absent: requests are not traced. ``fetches_keys``: whether istiod itself fetches the
    keys of tokens, for they are outside the mesh."""
    sidecar = mesh.sidecar
    configuration: dict[str, Any] = {
        "enablePrometheusMerge": True,
        # What nobody declared as external is refused by the sidecar, too.
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
        "accessLogFile": "/dev/stdout",
        "accessLogEncoding": "JSON",
        # The application starts when its sidecar can carry its connections.
        "defaultConfig": {"holdApplicationUntilProxyStarts": True, **_proxies(mesh)},
    }
    if collector:
        address = {"service": naming.fqdn(collector.service, collector.namespace), "port": collector.port}
        configuration["extensionProviders"] = [{"name": TRACING, "opentelemetry": address}]
    return {
        "autoscaleMin": replicas,
        "autoscaleMax": replicas + 2,
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
        # The injector leaves the redirection to the plug-in.
        "pilot": {"cni": {"enabled": True}},
        "base": {"validationFailurePolicy": "Fail"},
        # Nodes that join with the plug-in's startup taint lose it when the plug-in runs there.
        "taint": {"enabled": True, "namespace": versions.ISTIO_CNI.namespace},
        "global": {
            "proxy": {
                "resources": {
                    "requests": {"cpu": sidecar.cpu, "memory": sidecar.memory},
                    "limits": {"cpu": sidecar.cpu_limit, "memory": sidecar.memory_limit},
                }
            }
        },
        "meshConfig": configuration,
        "env": {**({} if fetches_keys else PROXIES_FETCH_KEYS), **_authority(mesh)},
    }


def _proxies(mesh: Istio) -> dict[str, Any]:
    """What every proxy counts, and for how long it asks its certificate to hold."""
    found: dict[str, Any] = {}
    if mesh.statistics:
        found["proxyStatsMatcher"] = {"inclusionRegexps": [f".*{part}.*" for part in mesh.statistics]}
    if mesh.certificates:
        found["proxyMetadata"] = {"SECRET_TTL": _hours(mesh.certificates)}
    return found


def _authority(mesh: Istio) -> dict[str, str]:
    return {"DEFAULT_WORKLOAD_CERT_TTL": _hours(mesh.certificates)} if mesh.certificates else {}


def _hours(time: timedelta) -> str:
    """Go's notation, e.g. ``24h0m0s``."""
    seconds = int(time.total_seconds())
    return f"{seconds // 3600}h{seconds // 60 % 60}m{seconds % 60}s"


ENDING: Final = {"ENABLE_NATIVE_SIDECARS": "true"}
"""Sidecars that end with the containers beside them, said outright where Jobs must complete; otherwise istiod looks at
the nodes' version."""
TRACING: Final = "otel-tracing"


def gateway_values(gateway: IstioGateway, replicas: int, platform: Platform) -> dict[str, Any]:
    """Every node leads here, also those without a pod of the gateway (the policy ``Cluster``), so every node is a
    target of the edge: on K3s by its service load balancer, which opens ports 80, 443 and 15021, on EKS by ports that
    Kubernetes gives out. An existing cluster brings a load balancer of its own."""
    managed = isinstance(platform.cluster, Eks)
    ports = _service_ports(GATEWAY_PORTS)
    if managed:
        known = doorman(platform).ports
        numbers = {15021: known.health, **known.ports}
        ports = [{**port, "nodePort": numbers[port["port"]]} for port in ports]
    return {
        "serviceAccount": {"create": True, "name": gateway.account},
        "service": {
            "type": "NodePort" if managed else "LoadBalancer",
            "externalTrafficPolicy": "Cluster",
            "ports": ports,
        },
        **_gateway_pods(replicas),
    }


def egress_gateway_values(replicas: int, ports: tuple[int, ...]) -> dict[str, Any]:
    """``ports``: those that services call on it."""
    named = {"status-port": GATEWAY_PORTS["status-port"], **{f"tls-{port}": port for port in ports}}
    return {"service": {"type": "ClusterIP", "ports": _service_ports(named)}, **_gateway_pods(replicas)}


def _service_ports(named: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "port": port, "protocol": "TCP", "targetPort": port} for name, port in named.items()]


def _gateway_pods(replicas: int) -> dict[str, Any]:
    """Not root: the kernel lets any user bind the low ports inside the pod, which Kubernetes counts as safe."""
    values: dict[str, Any] = {
        "autoscaling": {"enabled": True, "minReplicas": replicas, "maxReplicas": replicas + 3},
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        },
    }
    if replicas > 1:
        values["podDisruptionBudget"] = {"maxUnavailable": 1}
    return values


def mesh_defaults(deployment: Deployment, mesh: Istio) -> tuple[Manifest, ...]:
    """What holds for every namespace of the mesh unless one says otherwise: mutual TLS, and the share of traces."""
    found = [istio.peer_authentication("default", naming.MESH_NAMESPACE, mesh.mtls)]
    telemetry: dict[str, Any] = {"accessLogging": [{"providers": [{"name": "envoy"}]}]}
    if choices.collector(deployment):
        telemetry["tracing"] = [{"providers": [{"name": TRACING}], "randomSamplingPercentage": mesh.traces}]
    chosen = deployment.system.platform.ingress
    if isinstance(chosen, IstioGateway):
        found += [*_gateway_guards(chosen), *gateway_tokens(deployment)]
    found.append(manifest("telemetry.istio.io/v1", "Telemetry", "mesh-default", naming.MESH_NAMESPACE, spec=telemetry))
    return tuple(found)


def _gateway_guards(gateway: IstioGateway) -> list[Manifest]:
    """What the ingress gateway asks of every request, whatever route it takes."""
    where = (naming.MESH_NAMESPACE, naming.GATEWAY_LABELS)
    found = []
    if gateway.limit:
        found.append(envoy.request_limit("ingress-limit", *where, gateway.limit.per_second, gateway.limit.burst))
    if gateway.identity:
        issuer, keys = gateway.identity.issuer, gateway.identity.keys
        found.append(istio.request_authentication("ingress-tokens", *where, issuer, keys))
    return found
