"""F5 NGINX Ingress Controller: the public door of platforms that do not use the mesh's own gateway.

Its sidecar leaves what comes in from outside alone, and gives what goes on to services the mesh's TLS. NGINX has ended
the client's TLS and read the request by then; to the sidecar the connection is opaque, and the Service's address says
where it goes. So the request keeps the host name that the client asked for.
"""

from __future__ import annotations

from typing import Any, Final

from derive import naming, versions
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import API_SERVER, Entities, Flow, Pods, Rule, to_routed, to_tools
from derive.addons.istio import replicas_over_zones
from derive.cluster.placement import placement
from derive.edge.doorman import INGRESS_CLASS, NGINX, Doorman, doorman
from derive.edge.tools import tools
from derive.mesh.traffic import ALWAYS_KNOWN
from derive.services.workloads import sidecar_annotations
from derive.shapes import Deployment
from manifests import istio, pods
from manifests.base import Manifest
from model import DeclarationError, Istio, Nginx
from model.sources import source_ranges

READY: Final = 8081
METRICS: Final = 9113
PUBLIC: Final = (80, 443, READY)
USER: Final = 101
"""``nginx`` in the image."""
API: Final = f"default/{naming.fqdn('kubernetes', 'default')}"
HSTS_SECONDS: Final = 365 * 86400
COMPRESSED: Final = "application/javascript application/json image/svg+xml text/css text/plain text/xml"
"""Beside HTML, which NGINX compresses anyway."""


def addition(deployment: Deployment, choice: Nginx) -> Addition:
    system = deployment.system
    door = doorman(system.platform)
    source = housed(versions.NGINX, door.namespace)
    meshed = isinstance(system.platform.mesh, Istio)
    istiod = (Flow((Pods({"app": "istiod"}, naming.MESH_NAMESPACE),), (naming.ISTIOD_PORT,)),) if meshed else ()
    proxy = (Measured(door.labels, naming.SIDECAR_METRICS_PORT, path="/stats/prometheus"),) if meshed else ()
    outbound = (API_SERVER, *istiod, *to_routed(system), *to_tools(tools(deployment)))
    return Addition(
        release=Release(
            name=NGINX,
            source=source,
            values=values(deployment, choice, door),
            requires=("cilium", "istiod"),
            ready=(f"deployment/{NGINX}-controller",),
        ),
        rules=(Rule("ingress-controller", door.labels, (Flow(Entities(("all",)), PUBLIC),), outbound),),
        settings=(sidecar(deployment, door),) if meshed else (),
        measured=(Measured(door.labels, METRICS), *proxy),
    )


def sidecar(deployment: Deployment, door: Doorman) -> Manifest:
    """What its proxy reaches: the API server, and each routed Service on its ports, as opaque connections."""
    system = deployment.system
    behind: dict[int, list[str]] = {}
    for name, port in dict.fromkeys((route.to, naming.route_port(system, route)) for route in system.routes):
        namespace = naming.service_namespace(system, system.service(name))
        behind.setdefault(port, []).append(f"{namespace}/{naming.fqdn(name, namespace)}")
    for tool in tools(deployment):
        host = f"{tool.namespace}/{naming.fqdn(tool.service, tool.namespace)}"
        behind.setdefault(tool.port, []).append(host)
    return istio.sidecar(NGINX, door.namespace, door.labels, [*ALWAYS_KNOWN, API], opaque=behind)


def values(deployment: Deployment, choice: Nginx, door: Doorman) -> dict[str, Any]:
    """``Local``: a node passes to its own pods only, so NGINX sees who connects, and the edge counts on nodes that
    run one."""
    replicas = choice.replicas or replicas_over_zones(deployment.environment)
    mesh = deployment.system.platform.mesh
    injection = {key: value for key, value in sidecar_annotations(mesh).items() if not key.endswith("/inject")}
    if isinstance(mesh, Istio):
        ports = ",".join(str(port) for port in (*PUBLIC, METRICS))
        injection["traffic.sidecar.istio.io/excludeInboundPorts"] = ports
        label = {"sidecar.istio.io/inject": "true"}
    else:
        label = OUTSIDE_MESH
    security = {**pods.CONTAINER_SECURITY, "runAsUser": USER, "runAsNonRoot": True}
    size = resources("100m", "128Mi", "512Mi")
    nodes = door.ports.ports
    controller: dict[str, Any] = {
        "replicaCount": replicas,
        "enableCustomResources": False,
        "ingressClass": {"name": INGRESS_CLASS, "create": True},
        "serviceAccount": {"name": door.account},
        "config": {"entries": entries(deployment, choice)},
        "service": {
            "type": "NodePort",
            "externalTrafficPolicy": "Local",
            "httpPort": {"nodePort": nodes[80]},
            "httpsPort": {"nodePort": nodes[443]},
            "customPorts": [
                {
                    "name": "readiness",
                    "port": READY,
                    "targetPort": READY,
                    "nodePort": door.ports.health,
                    "protocol": "TCP",
                }
            ],
        },
        "readyStatus": {"enable": True, "port": READY},
        "reportIngressStatus": {"enable": False},
        "telemetryReporting": {"enable": False},
        "nginxStatus": {"enable": False},
        "pod": {"annotations": injection, "extraLabels": label},
        "podSecurityContext": {
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
            # The kernel lets any user bind the low ports inside the pod, which Kubernetes counts as safe.
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        },
        # The program's file carries this capability: where it may not be had, the file cannot be started.
        "securityContext": {**security, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
        "initContainerSecurityContext": security,
        "resources": size,
        "initContainerResources": size,
        "topologySpreadConstraints": pods.spread(door.labels),
        **placement(deployment.system.platform, choice.pool),
    }
    if replicas > 1:
        controller["podDisruptionBudget"] = {"enabled": True, "maxUnavailable": 1}
    return {"controller": controller, "prometheus": {"create": True, "port": METRICS}}


def entries(deployment: Deployment, choice: Nginx) -> dict[str, str]:
    """The ConfigMap: what holds for every host."""
    for route in deployment.system.routes:
        if route.prefix == "/metrics" or route.prefix.startswith("/metrics/"):
            raise DeclarationError(
                f"a route to '{route.to}' publishes '{route.prefix}', which the ingress refuses: metrics are read "
                "inside; give it another prefix"
            )
    found = {
        "ssl-protocols": "TLSv1.3",
        "ssl-redirect": "true",
        "http2": "true",
        "server-tokens": "false",
        "hsts": "true",
        "hsts-max-age": str(HSTS_SECONDS),
        "hsts-include-subdomains": "true",
        "lb-method": "round_robin",
        "http-snippets": _http(choice.rate, deployment.environment.domain),
        "server-snippets": _server(choice.rate),
    }
    if choice.trusted is not None:
        found["set-real-ip-from"] = ",".join(source_ranges(choice.trusted))
        found["real-ip-header"] = "CF-Connecting-IP"
    return found


def _http(rate: int, domain: str) -> str:
    """Compression, the limit of requests, and headers that are added where the application has set none itself.

    ``$edge_origin`` is the caller's page if it is of the environment's own domain.
    """
    own = domain.replace(".", "\\.")
    return f"""\
gzip on;
gzip_min_length 1024;
gzip_proxied any;
gzip_vary on;
gzip_types {COMPRESSED};
proxy_request_buffering on;
limit_req_zone $binary_remote_addr zone=clients:10m rate={rate}r/s;
map $upstream_http_x_content_type_options $edge_content_type_options {{ "" "nosniff"; default ""; }}
map $upstream_http_x_frame_options $edge_frame_options {{ "" "DENY"; default ""; }}
map $http_origin $edge_origin {{ default ""; "~^https://([a-z0-9-]+\\.)*{own}$" $http_origin; }}
map $upstream_http_access_control_allow_origin $edge_allowed_origin {{ "" $edge_origin; default ""; }}
map "$request_method $edge_origin" $edge_preflight {{ "~^OPTIONS https:" "1"; default ""; }}
map $edge_preflight $edge_allowed_methods {{ "" ""; default "GET, POST, PUT, PATCH, DELETE"; }}
map $edge_preflight $edge_allowed_headers {{ "" ""; default "Authorization, Content-Type"; }}
"""


def _server(rate: int) -> str:
    """NGINX sends no header whose value is empty."""
    return f"""\
limit_req zone=clients burst={2 * rate} nodelay;
limit_req_status 429;
add_header X-Content-Type-Options $edge_content_type_options always;
add_header X-Frame-Options $edge_frame_options always;
add_header Access-Control-Allow-Origin $edge_allowed_origin always;
add_header Access-Control-Allow-Methods $edge_allowed_methods always;
add_header Access-Control-Allow-Headers $edge_allowed_headers always;
add_header Vary Origin always;
if ($edge_preflight) {{ return 204; }}
location = /metrics {{ return 404; }}
location ^~ /metrics/ {{ return 404; }}
"""
