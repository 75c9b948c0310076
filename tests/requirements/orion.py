"""What the tests of Orion's rows share: its services, and who there is to reach them."""

from __future__ import annotations

from ipaddress import IPv4Address

from tests.requirements.registered import Manifest, Registered
from tests.requirements.standard import Pod

SERVICES = {"gateway": 3000, "auth": 3001, "user": 3002, "notification": 3003}
SPACES = tuple(f"orion-{service}" for service in SERVICES)
INTERNET = IPv4Address("93.184.216.34")
NGINX = ("orion-ingress", {"app.kubernetes.io/name": "nginx-ingress"})
PROMETHEUS = ("orion-monitoring", {"app.kubernetes.io/name": "prometheus"})
DNS = ("kube-system", {"k8s-app": "kube-dns"})
ISTIOD = ("istio-system", {"app": "istiod"})
EGRESS = ("istio-system", {"istio": "egressgateway"})


def pod(name: str, namespace: str | None = None) -> Pod:
    """A service's pods, or a store's."""
    return namespace or f"orion-{name}", {"app": name}


def stranger(namespace: str = "somewhere") -> Pod:
    return namespace, {"app": "stranger"}


def store(name: str) -> Pod:
    return pod(name, "orion-data")


def container(template: Manifest) -> Manifest:
    """The first container of a pod template."""
    found: Manifest = template["spec"]["containers"][0]
    return found


def template(stack: Registered, service: str, namespace: str | None = None) -> Manifest:
    found: Manifest = stack.workload(namespace or f"orion-{service}", service)["spec"]["template"]
    return found
