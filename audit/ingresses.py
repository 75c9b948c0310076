"""The doors behind an ingress controller: what NGINX, or Traefik, answers for every host, port and path (Ingress
objects)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from audit.charts import Release
from audit.doors import CLOSED, NO_ROUTE, REDIRECT, Answer, Door, led, secrets
from audit.hosts import host_covers
from audit.population import Mask, Population, bits
from audit.resources import Object, Registry
from audit.routing import Routing
from audit.services import Hosts, target

NGINX_CHART: Final = "nginx-ingress"
TRAEFIK_CHART: Final = "traefik"
MERGED: Final = "nginx.org/mergeable-ingress-type"
BY_SERVICE: Final = "nginx.org/use-cluster-ip"
PLAIN, TLS = 80, 443
_TO_HTTPS: Final = "--entrypoints.web.http.redirections.entrypoint"
_ENTRANCES: Final = "traefik.ingress.kubernetes.io/router.entrypoints"
_REFUSED: Final = re.compile(r"location (=|\^~) (\S+) \{ return 40[34]; \}")


class Ingresses:
    """Ingress objects of the controller's class, and what its settings refuse for all of them."""

    def __init__(
        self, registry: Registry, population: Population, hosts: Hosts, routing: Routing, release: Release, pods: Mask
    ) -> None:
        """``pods``: the controller's."""
        self._population, self._names, self._routing, self._pods = population, hosts, routing, pods
        self._secrets = set(secrets(registry))
        settings = release.value("controller.config.entries", {})
        self._redirects = str(settings.get("ssl-redirect", "true")).lower() == "true"
        self._refused = _REFUSED.findall(str(settings.get("server-snippets", "")))
        self._read(registry, str(release.value("controller.ingressClass.name", "nginx")))

    def _read(self, registry: Registry, own: str) -> None:
        """Ingresses of the controller's own class, and of the default one."""
        self._objects: dict[str, list[Object]] = defaultdict(list)
        for item in registry.objects("Ingress", group="networking.k8s.io"):
            if item.spec.get("ingressClassName") in (own, None):
                for rule in item.spec.get("rules") or ():
                    self._objects[str(rule.get("host", ""))].append(item)

    def hosts(self) -> set[str]:
        """Every host that an Ingress names."""
        return set(self._objects)

    def ports(self) -> set[int]:
        return {PLAIN, TLS}

    def paths(self, host: str) -> set[str]:
        """Paths that Ingresses of a host name, and those that are refused on every host."""
        found = {path for _, path in self._refused}
        for name, items in self._objects.items():
            if host_covers(name, host):
                found |= {str(path["path"]) for item in items for path in _paths(item, name)}
        return found

    def published(self) -> Mask:
        """Pods behind any host."""
        found = 0
        for host, items in self._objects.items():
            for path in (path for item in items for path in _paths(item, host)):
                found |= self.answer(Door(host.replace("*", "any"), TLS, str(path["path"]))).backends
        return found

    def answer(self, door: Door) -> Answer:
        """What a request gets. A host that no Ingress names has no certificate: its handshake is refused."""
        names = sorted(
            (name for name in self._objects if host_covers(name, door.host)),
            key=lambda name: (name.startswith("*"), -len(name)),
        )
        if not names or door.port not in (PLAIN, TLS):
            return Answer(CLOSED)
        host = names[0]
        items = self._objects[host]
        kinds = sorted(_annotations(item).get(MERGED, "") for item in items)
        if len(items) > 1 and (kinds[0] != "master" or set(kinds[1:]) != {"minion"}):
            return Answer("several Ingresses that do not share the host")
        front = next((item for item in items if _annotations(item).get(MERGED) != "minion"), items[0])
        secret = next(
            (str(tls.get("secretName")) for tls in front.spec.get("tls") or () if host in (tls.get("hosts") or ())), ""
        )
        if door.port == PLAIN:
            return Answer(REDIRECT) if secret and self._redirects else self._led(host, door, "{} in plain text")
        if (front.namespace, secret) not in self._secrets:
            return Answer(f"no certificate: Secret {secret} is not in {front.namespace}")
        return self._led(host, door, "{}")

    def _led(self, host: str, door: Door, form: str) -> Answer:
        if any(door.path == path or (way == "^~" and door.path.startswith(path)) for way, path in self._refused):
            return Answer(NO_ROUTE)
        paths = [(item, path) for item in self._objects[host] for path in _paths(item, host)]
        for item, path in sorted(paths, key=lambda found: -len(str(found[1]["path"]))):
            exact = path.get("pathType") == "Exact"
            if door.path == path["path"] or (not exact and door.path.startswith(str(path["path"]))):
                found = self._backend(item, path)
                return Answer(form.format(found.what), found.backends, found.port) if found.backends else found
        return Answer(NO_ROUTE)

    def _backend(self, item: Object, path: Mapping[str, Any]) -> Answer:
        """A proxy knows the Service's address, not its pods', and only of hosts that its Sidecar names."""
        service = path["backend"]["service"]
        host = self._names.by_name.get(f"{service['name']}.{item.namespace}.svc.cluster.local")
        if host is None:
            return Answer(NO_ROUTE)
        meshed = self._pods & self._population.meshed
        known = self._routing.visible(host) & meshed and _annotations(item).get(BY_SERVICE) == "true"
        if meshed and not known:
            return Answer(NO_ROUTE)
        found = []
        for port in host.ports:
            if port.number == (service.get("port") or {}).get("number"):
                for index in bits(host.backends):
                    number = target(self._population.actors[index], port)
                    if number is not None:
                        found.append((1 << index, number))
        return led(self._population, tuple(found))


class TraefikIngresses(Ingresses):
    """Ingresses of Traefik: it knows a certificate wherever a host's is named, and redirects before it looks at hosts.

    What it answers for a host that no Ingress names comes from nobody behind it: the door counts as closed.
    """

    def __init__(
        self, registry: Registry, population: Population, hosts: Hosts, routing: Routing, release: Release, pods: Mask
    ) -> None:
        self._population, self._names, self._routing, self._pods = population, hosts, routing, pods
        self._secrets = set(secrets(registry))
        arguments = [str(item).lower() for item in release.value("additionalArguments", ())]
        self._redirects = f"{_TO_HTTPS}.scheme=https" in arguments and f"{_TO_HTTPS}.to=:443" in arguments
        self._refused = []
        self._read(registry, TRAEFIK_CHART)

    def answer(self, door: Door) -> Answer:
        names = sorted((name for name in self._objects if host_covers(name, door.host)), key=lambda name: -len(name))
        if not names or door.port not in (PLAIN, TLS):
            return Answer(CLOSED)
        host = names[0]
        if door.port == PLAIN:
            return Answer(REDIRECT) if self._redirects else self._served(host, door, "web", "{} in plain text")
        named = [
            (item.namespace, str(tls.get("secretName")))
            for item in self._objects[host]
            for tls in item.spec.get("tls") or ()
            if host in (tls.get("hosts") or ())
        ]
        if not any(secret in self._secrets for secret in named):
            missing = ", ".join(f"{name} in {namespace}" for namespace, name in named) or "none is named"
            return Answer(f"no certificate: {missing}")
        return self._served(host, door, "websecure", "{}")

    def _served(self, host: str, door: Door, entrance: str, form: str) -> Answer:
        """By the Ingresses that stand at an entrance; all do that name none."""
        every = self._objects[host]
        try:
            self._objects[host] = [
                item for item in every if entrance in _annotations(item).get(_ENTRANCES, entrance).split(",")
            ]
            return self._led(host, door, form)
        finally:
            self._objects[host] = every


def _annotations(item: Object) -> Mapping[str, str]:
    return (item.body.get("metadata") or {}).get("annotations") or {}


def _paths(item: Object, host: str) -> list[Mapping[str, Any]]:
    rules = [rule for rule in item.spec.get("rules") or () if str(rule.get("host", "")) == host]
    return [path for rule in rules for path in (rule.get("http") or {}).get("paths") or ()]
