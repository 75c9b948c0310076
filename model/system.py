"""The system: services, stores and the graph between them, checked as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from ipaddress import IPv4Network
from itertools import combinations
from typing import Self

from pydantic import model_validator

from model.addons import Placed, Velero, consistent
from model.base import DeclarationError, Declared, Host, Name, did_you_mean, span
from model.edge import unpublishable
from model.environment import Environment
from model.ingress import IstioGateway, Nginx
from model.network import HubAndSpoke, Network, SingleVpc
from model.observability import Alert, Dashboard
from model.platform import Istio, K3s, Platform
from model.stores import Bucket, PostgreSQL, Store, backup_of, helpers_of
from model.traffic import ApplicationFirewall, Call, External, Route, ServicePolicy, Tokens, Topic
from model.workloads import REQUESTS, Quota, Resources, Service


class System(Declared):
    """Everything that is declared of one system. Cross-references are checked on construction."""

    name: Name
    domain: Host
    namespace: Name | None = None
    """The Kubernetes namespace of its services. Absent: the system's name."""
    services: tuple[Service, ...]
    stores: tuple[Store, ...] = ()
    calls: tuple[Call, ...] = ()
    policies: tuple[ServicePolicy, ...] = ()
    topics: tuple[Topic, ...] = ()
    routes: tuple[Route, ...] = ()
    externals: tuple[External, ...] = ()
    tokens: tuple[Tokens, ...] = ()
    firewalls: tuple[ApplicationFirewall, ...] = ()
    alerts: tuple[Alert, ...] = ()
    """Beside those that are derived from what the system has."""
    dashboards: tuple[Dashboard, ...] = ()
    """Pages beside, or panels within, those that are derived from the graph."""
    platform: Platform = Platform()
    quota: Quota | None = None
    """Of each namespace. Absent: exactly what the namespace declares at its maximum."""
    defaults: Resources | None = None
    """Of containers that declare none. Absent: the platform's."""
    viewers: str | None = None
    """A group of people that may look at everything in the system's namespaces but Secrets. Absent: there is none."""
    network: Network
    environments: dict[Name, Environment]

    @property
    def home(self) -> str:
        return self.namespace or self.name

    def service(self, name: str) -> Service:
        return self._services[name]

    def store(self, name: str) -> Store:
        return self._stores[name]

    def in_region(self, region: str) -> System:
        """With the hosts outside as they are called in a region."""
        return self.model_copy(update={"externals": tuple(external.in_region(region) for external in self.externals)})

    def callers(self, name: str) -> tuple[str, ...]:
        """Services that may call ``name``, in declared order."""
        return tuple(self._callers[name])

    def callees(self, name: str) -> tuple[str, ...]:
        """Services that ``name`` may call, in declared order."""
        return tuple(self._callees[name])

    def users(self, store: str) -> tuple[str, ...]:
        """Services that connect to a store, in declared order."""
        return tuple(self._users[store])

    def __copy__(self) -> Self:
        """Without what was looked up: a copy is made in order to differ."""
        copied = super().__copy__()
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    @cached_property
    def _services(self) -> dict[str, Service]:
        return {service.name: service for service in self.services}

    @cached_property
    def _stores(self) -> dict[str, Store]:
        return {store.name: store for store in self.stores}

    @cached_property
    def _callers(self) -> dict[str, list[str]]:
        return _grouped((call.callee, call.caller) for call in self.calls)

    @cached_property
    def _callees(self) -> dict[str, list[str]]:
        return _grouped((call.caller, call.callee) for call in self.calls)

    @cached_property
    def _users(self) -> dict[str, list[str]]:
        return _grouped((store, service.name) for service in self.services for store in service.uses)

    def policy(self, to: str) -> ServicePolicy | None:
        return next((policy for policy in self.policies if policy.to == to), None)

    @model_validator(mode="after")
    def _references(self) -> System:
        services = {service.name for service in self.services}
        stores = {store.name for store in self.stores}
        names = self._names()
        duplicates = sorted(name for name in set(names) if names.count(name) > 1)
        if duplicates:
            raise DeclarationError(f"'{duplicates[0]}' is declared more than once; names are unique in a system")
        for place, name, kind in self._mentions():
            known = {"service": services, "store": stores, "target": services | stores}[kind]
            if name not in known:
                raise DeclarationError(f"{kind} '{name}' in {place} is not declared{did_you_mean(name, known)}")
        return self

    def _names(self) -> list[str]:
        """Of everything that gets pods of its own, or is reached by name."""
        own = [part.name for part in (*self.services, *self.stores)]
        beside = [name for service in self.services for name in service.helpers]
        return own + beside + [name for store in self.stores for name in helpers_of(store)]

    def _mentions(self) -> Iterator[tuple[str, str, str]]:
        for i, call in enumerate(self.calls):
            yield f"calls[{i}].caller", call.caller, "service"
            yield f"calls[{i}].callee", call.callee, "service"
        for service in self.services:
            for name in service.uses:
                yield f"services['{service.name}'].uses", name, "store"
        for i, policy in enumerate(self.policies):
            yield f"policies[{i}].to", policy.to, "target"
        for i, topic in enumerate(self.topics):
            yield f"topics[{i}].broker", topic.broker, "store"
            for name in topic.publishers:
                yield f"topics[{i}].publishers", name, "service"
            for name in topic.subscribers:
                yield f"topics[{i}].subscribers", name, "service"
        for i, route in enumerate(self.routes):
            yield f"routes[{i}].to", route.to, "service"
        for i, external in enumerate(self.externals):
            for name in external.used_by:
                yield f"externals[{i}].used_by", name, "service"
        for i, tokens in enumerate(self.tokens):
            yield f"tokens[{i}].at", tokens.at, "service"
            yield f"tokens[{i}].keys_from", tokens.keys_from, "service"
        for i, firewall in enumerate(self.firewalls):
            yield f"firewalls[{i}].at", firewall.at, "service"
        for store in self.stores:
            if isinstance(store, PostgreSQL) and store.owner:
                yield f"stores['{store.name}'].owner", store.owner, "service"

    @model_validator(mode="after")
    def _graph(self) -> System:
        seen: set[tuple[str, str]] = set()
        for i, call in enumerate(self.calls):
            if call.caller == call.callee:
                raise DeclarationError(f"calls[{i}]: '{call.caller}' calls itself; a call joins two services")
            if (call.caller, call.callee) in seen:
                raise DeclarationError(f"calls[{i}]: '{call.caller}' -> '{call.callee}' is declared twice; keep one")
            seen.add((call.caller, call.callee))
            if self.service(call.callee).port is None:
                raise DeclarationError(f"calls[{i}].callee: '{call.callee}' serves no port; give it one")
        for i, tokens in enumerate(self.tokens):
            if (tokens.at, tokens.keys_from) not in seen:
                raise DeclarationError(
                    f"tokens[{i}]: '{tokens.at}' fetches keys from '{tokens.keys_from}' but does not call it; "
                    f"declare Call(caller='{tokens.at}', callee='{tokens.keys_from}')"
                )
        for i, topic in enumerate(self.topics):
            for name in (*topic.publishers, *topic.subscribers):
                if topic.broker not in self.service(name).uses:
                    raise DeclarationError(
                        f"topics[{i}]: '{name}' takes part in '{topic.name}' but does not use '{topic.broker}'; "
                        f"add it to services['{name}'].uses"
                    )
        self._refuse_cycles()
        return self

    @model_validator(mode="after")
    def _routed_ports(self) -> System:
        for i, route in enumerate(self.routes):
            ports = self.service(route.to).request_ports
            if route.port and route.port not in ports:
                known = ", ".join(map(str, ports)) or "none"
                raise DeclarationError(
                    f"routes[{i}].port: '{route.to}' answers no requests on {route.port}; it does on: {known}"
                )
        return self

    @model_validator(mode="after")
    def _one_checks_tokens(self) -> System:
        ingress = self.platform.ingress
        if self.tokens and isinstance(ingress, IstioGateway) and ingress.identity:
            raise DeclarationError(
                "tokens are checked at the ingress (platform.ingress.identity) and at services (tokens): the mesh "
                "fetches keys in one way only; keep one of them"
            )
        return self

    def _refuse_cycles(self) -> None:
        """A cycle of synchronous calls can wait for itself: no timeout budget holds on it."""
        try:
            TopologicalSorter({service.name: self.callees(service.name) for service in self.services}).prepare()
        except CycleError as error:
            cycle = " -> ".join(reversed(error.args[1]))
            raise DeclarationError(f"calls form a cycle: {cycle}; use a topic for one of them") from error

    @model_validator(mode="after")
    def _firewalls(self) -> System:
        guarded = [firewall.at for firewall in self.firewalls]
        for i, name in enumerate(guarded):
            if name in guarded[:i]:
                raise DeclarationError(f"firewalls[{i}]: '{name}' has a firewall already; keep one")
            if self.service(name).port is None or self.service(name).protocol not in REQUESTS:
                raise DeclarationError(
                    f"firewalls[{i}]: '{name}' serves no HTTP, and the firewall reads requests; remove it"
                )
            if not isinstance(self.platform.mesh, Istio):
                raise DeclarationError(
                    f"firewalls[{i}]: the firewall of '{name}' runs in its sidecar, and there is no mesh; "
                    "set platform.mesh to Istio()"
                )
        return self

    @model_validator(mode="after")
    def _edges(self) -> System:
        for name, environment in self.environments.items():
            for mistake in unpublishable(environment.api, environment.site, self.routes):
                raise DeclarationError(f"environments['{name}'].{mistake}")
            if environment.api and not isinstance(self.network, SingleVpc):
                raise DeclarationError(
                    f"environments['{name}'].api reaches a load balancer in a network of its own, and '{self.name}' "
                    "has a hub's edge; set network to SingleVpc(...), or leave the API out"
                )
        return self

    @model_validator(mode="after")
    def _backups(self) -> System:
        buckets = {store.name: store for store in self.stores if isinstance(store, Bucket)}
        for whose, name, keep in self._kept():
            bucket = buckets.get(name)
            if bucket and bucket.at:
                raise DeclarationError(
                    f"the backups of '{whose}' go to bucket '{name}', which is kept elsewhere, and are written by "
                    "pods' roles; use a bucket without 'at' (of a database, a dump may go there)"
                )
            if bucket and bucket.keep is not None:
                raise DeclarationError(
                    f"bucket '{name}' deletes objects after {span(bucket.keep)}, also those that the backups of "
                    f"'{whose}' still need; set stores['{name}'].keep to None: backups expire by themselves"
                )
            if bucket and bucket.glacier is not None and bucket.glacier <= keep:
                raise DeclarationError(
                    f"bucket '{name}' moves objects to Glacier after {span(bucket.glacier)}, but backups of '{whose}' "
                    f"are kept for {span(keep)}, and from Glacier nothing is restored in time; keep them for less, or "
                    f"raise stores['{name}'].glacier"
                )
        return self

    def _kept(self) -> Iterator[tuple[str, str, timedelta]]:
        """Backups that consist of what was written at different times: whose, the bucket, and for how long."""
        for store in self.stores:
            if backup := backup_of(store):
                yield store.name, backup.bucket, backup.keep
        for addon in self.platform.addons:
            if isinstance(addon, Velero):
                yield addon.kind, addon.bucket, addon.keep

    @model_validator(mode="after")
    def _pools(self) -> System:
        pools = {pool.name for pool in self.platform.pools}
        tiers = {tier.name for tier in self.network.tiers}
        for pool in self.platform.pools:
            if pool.tier and pool.tier not in tiers:
                raise DeclarationError(
                    f"platform.pools['{pool.name}'].tier '{pool.tier}' is no tier of the network"
                    f"{did_you_mean(pool.tier, tiers)}"
                )
        for name, environment in self.environments.items():
            for pool_name in sorted(environment.pools.keys() ^ pools):
                place = f"environments['{name}'].pools"
                if pool_name in pools:
                    raise DeclarationError(f"{place} has no '{pool_name}'; give the pool its size")
                raise DeclarationError(
                    f"{place} names '{pool_name}', which is no pool of the platform{did_you_mean(pool_name, pools)}"
                )
        return self

    def _pools_named(self) -> Iterator[tuple[str, str | None]]:
        """Everything that can be given to a pool of workers, by its place in the declaration."""
        for addon in self.platform.addons:
            if isinstance(addon, Placed):
                yield f"platform.addons['{addon.kind}']", addon.pool
        yield "platform.observability", self.platform.observability.pool
        if isinstance(self.platform.ingress, Nginx):
            yield "platform.ingress", self.platform.ingress.pool
        for service in self.services:
            yield f"services['{service.name}']", service.pool
        for store in self.stores:
            if not isinstance(store, Bucket):
                yield f"stores['{store.name}']", store.pool

    @model_validator(mode="after")
    def _addons(self) -> System:
        pools = {pool.name for pool in self.platform.pools}
        kinds = {"alertmanager", *(addon.kind for addon in self.platform.addons)}
        for place, pool in self._pools_named():
            if pool and pool not in pools:
                raise DeclarationError(f"{place}.pool '{pool}' is no pool of the platform{did_you_mean(pool, pools)}")
        for name, environment in self.environments.items():
            for kind in environment.without:
                if kind not in kinds:
                    raise DeclarationError(
                        f"environments['{name}'].without names '{kind}', which is no add-on of the platform"
                        f"{did_you_mean(kind, kinds)}"
                    )
            left = [addon for addon in self.platform.addons if addon.kind not in environment.without]
            consistent(left, isinstance(self.platform.mesh, Istio), f"add-ons of environment '{name}'")
            self._released({addon.kind for addon in left}, name)
        return self

    def _released(self, kinds: set[str], environment: str) -> None:
        """Only a controller carries out what goes beyond a rolling update."""
        changes = self.environments[environment].services
        for name in changes:
            if name not in self._services:
                raise DeclarationError(
                    f"environments['{environment}'].services names '{name}', which is no service"
                    f"{did_you_mean(name, self._services)}"
                )
        for service in self.services:
            change = changes.get(service.name)
            release = (change and change.release) or service.release
            if release.kind != "rolling" and "argo-rollouts" not in kinds:
                raise DeclarationError(
                    f"service '{service.name}' is released by {release.kind}, but environment '{environment}' "
                    "has nobody who does that; add ArgoRollouts() to platform.addons, or use Rolling()"
                )

    @model_validator(mode="after")
    def _ranges(self) -> System:
        ranges = {f"environments['{name}'].cidr": env.cidr for name, env in self.environments.items()}
        if isinstance(self.network, HubAndSpoke):
            ranges["network.hub"] = self.network.hub
        if isinstance(self.platform.cluster, K3s):
            ranges["platform.cluster.pods"] = self.platform.cluster.pods
            ranges["platform.cluster.services"] = self.platform.cluster.services
        for (place, cidr), (other, taken) in combinations(ranges.items(), 2):
            if IPv4Network(cidr).overlaps(IPv4Network(taken)):
                raise DeclarationError(f"{place} {cidr} overlaps {other} {taken}; choose a range of its own")
        return self


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Values by key, both in their order; no values for a key that does not occur."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found
