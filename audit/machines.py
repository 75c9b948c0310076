"""The networks as registered against the networks as declared: routes, security groups, load balancers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from audit.balancers import Balancers
from audit.expected_network import OVERLAY, WEB_PORTS, NetworkExpectation
from audit.findings import Difference, Kind, Report
from audit.firewall import EVERYTHING, Firewall, Way
from audit.platform import KUBERNETES
from audit.resources import Registry
from audit.routes import NOWHERE, Routes, outside
from audit.scope import Scope
from audit.sites import DATABASE, EDGE, ENTRY, INTERNET, MANAGED, NODE, OPERATORS, Site, Sites
from model import HubAndSpoke

ROUTE = "route"
GROUP = {"ingress": "security group, inbound", "egress": "security group, outbound"}
BALANCER = "load balancer"
NAME = "public name"


class Machines:
    """Evaluators over the registered networks."""

    def __init__(self, registry: Registry, scope: Scope, environment: str | None) -> None:
        """``environment``: None audits the hub."""
        self._scope = scope
        self._environment = environment
        self.sites = Sites(registry, scope)
        self.routes = Routes(registry, self.sites)
        self.firewall = Firewall(registry)
        self.balancers = Balancers(registry, self.sites)
        self._expected = NetworkExpectation(scope, self.sites)

    def judge(self, report: Report) -> None:
        """Add every difference, and the table of who reaches which machine."""
        report.differences += [*self._routes(), *self._groups(), *self._balancers()]
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for machine in self.sites.machines:
            for other in (*self.sites.machines, *self.sites.places):
                found[_label(other), _label(machine)] |= self.reach(other, machine)
        report.machines |= {ends: ", ".join(sorted(ports)) for ends, ports in found.items() if ports}

    def reach(self, source: Site, machine: Site) -> frozenset[str]:
        """Ports on which a machine or a place reaches a machine: both groups, the way there and the way back."""
        if not self.connected(source, machine):
            return frozenset()
        inbound = self.firewall.ports(machine, "ingress", source)
        if not source.is_machine:
            return inbound
        outbound = self.firewall.ports(source, "egress", machine)
        if EVERYTHING in outbound:
            return inbound
        return outbound if EVERYTHING in inbound else inbound & outbound

    def connected(self, source: Site, target: Site) -> bool:
        """Whether packets go there and back."""
        return self._leads(source, target) and self._leads(target, source)

    def _leads(self, source: Site, target: Site) -> bool:
        exposed = self._scope.exposed
        if source.role == INTERNET or (exposed and source.role == OPERATORS):
            door = target.role == EDGE or (exposed and target.role == NODE)
            return target.is_machine and door and self._leads(target, source)
        if not source.is_machine:
            return all(NOWHERE not in self.routes.path(source, place) for place in self._places(target))
        starts = [self.sites.by_subnet[name] for name in source.subnets if name in self.sites.by_subnet]
        return bool(starts) and all(
            NOWHERE not in self.routes.path(start, place) for start in starts for place in self._places(target)
        )

    def _places(self, site: Site) -> list[Site]:
        if not site.is_machine:
            return [site]
        return [self.sites.by_subnet[name] for name in site.subnets if name in self.sites.by_subnet]

    def _routes(self) -> Iterator[Difference]:
        sources = [*self.sites.subnets.values(), *outside(self.sites, self._environment)]
        for source in sources:
            for place in self.sites.places:
                if not place.vpc and not source.subnets:
                    continue
                found, wanted = self.routes.path(source, place), self._expected.path(source, place)
                if found != wanted:
                    detail = f"goes by {_listed(found)}, declared is {_listed(wanted)}"
                    yield Difference(
                        ROUTE,
                        _kind({NOWHERE} ^ found, {NOWHERE} ^ wanted),
                        (source.name,),
                        place.name,
                        "",
                        detail=detail,
                    )

    def _groups(self) -> Iterator[Difference]:
        ways: tuple[Way, ...] = ("ingress", "egress")
        for machine in self.sites.machines:
            for way in ways:
                for other in (*self.sites.machines, *self.sites.places):
                    found = self.firewall.ports(machine, way, other)
                    wanted = self._expected.ports(machine, way, other)
                    if found != wanted:
                        ends = (other.name, machine.name) if way == "ingress" else (machine.name, other.name)
                        detail = f"lets through {_listed(found)}, declared is {_listed(wanted)}"
                        yield Difference(
                            GROUP[way],
                            _kind(found, wanted),
                            (ends[0],),
                            ends[1],
                            _listed(found ^ wanted),
                            detail=detail,
                        )

    def _balancers(self) -> Iterator[Difference]:
        hosts = self._hosts()
        joined = {self.balancers.aliases.get(host, "") for host in hosts} if self._environment else set()
        for site in self.sites.machines:
            if site.role not in (EDGE, ENTRY):
                continue
            wanted = self._expected.listeners(site, joined)
            found = self.balancers.roles(site.name)
            if wanted is None:
                wanted = dict.fromkeys(WEB_PORTS, frozenset({"a target group"}))
                ports = self.balancers.forwarding
                found = {port: wanted[80] if (site.name, port) in ports else frozenset() for port in found}
            for port in sorted(found.keys() | wanted.keys()):
                if found.get(port) != wanted.get(port):
                    detail = (
                        f"port {port} leads to {_listed(found.get(port) or ())}, "
                        f"declared is {_listed(wanted.get(port) or ())}"
                    )
                    yield Difference(BALANCER, "changed", ("the internet",), site.name, f"TCP {port}", detail=detail)
            yield from self._alike(site)
        if not isinstance(self._scope.system.network, HubAndSpoke):
            # Whoever publishes its names does so outside of AWS.
            return
        edges = {site.name for site in self.sites.machines if site.role == EDGE}
        for host in hosts:
            if self.balancers.aliases.get(host, "") not in edges:
                detail = "the name leads to no public load balancer"
                yield Difference(NAME, "closed", ("the internet",), host, "", detail=detail)

    def _alike(self, balancer: Site) -> Iterator[Difference]:
        """Whichever of its machines gets a request, it has both doors; and every server answers for the API."""
        listeners = self.balancers.listeners(balancer.name)
        if balancer.role == ENTRY and self._environment:
            servers, wanted = len(listeners.get(KUBERNETES, ())), self._scope.settings.servers
            if wanted and not self._scope.managed and servers != wanted.count:
                detail = f"port {KUBERNETES} leads to {servers} servers, declared are {wanted.count}"
                yield Difference(BALANCER, "changed", ("operators",), balancer.name, f"TCP {KUBERNETES}", detail=detail)
        targets = {port: {name for name, _ in listeners.get(port, ())} for port in WEB_PORTS}
        every = {name for names in targets.values() for name in names}
        for port, names in targets.items():
            if names and names != every:
                detail = f"port {port} leads to {_listed(names)}, but not to {_listed(every - names)}"
                yield Difference(BALANCER, "closed", ("the internet",), balancer.name, f"TCP {port}", detail=detail)

    def _hosts(self) -> list[str]:
        """Public names of the environment, or of all environments for the hub."""
        system = self._scope.system
        names = [self._environment] if self._environment else list(system.environments)
        found = []
        for name in names:
            domain = system.environments[name].domain
            found += [domain if route.host == "@" else f"{route.host}.{domain}" for route in system.routes]
        return list(dict.fromkeys(found))

    def nodes_reach(self, name: str, port: int) -> bool:
        """Whether every node reaches a machine of that name on a TCP port."""
        machines = [site for site in self.sites.machines if site.name == name and site.role in (DATABASE, MANAGED)]
        nodes = [site for site in self.sites.machines if site.role == NODE]
        return bool(machines and nodes) and all(
            self.reach(node, machine) & {EVERYTHING, f"TCP {port}"} for node in nodes for machine in machines
        )

    def nodes_reach_internet(self, port: int) -> bool:
        """Whether nodes get out to the internet on a TCP port."""
        nodes = [site for site in self.sites.machines if site.role == NODE]
        internet = next(site for site in self.sites.places if site.role == INTERNET)
        return bool(nodes) and all(
            self.firewall.ports(node, "egress", internet) & {EVERYTHING, f"TCP {port}"}
            and NOWHERE not in self.routes.path(self.sites.by_subnet[subnet], internet)
            for node in nodes
            for subnet in node.subnets
        )

    def nodes_reach_each_other(self) -> bool:
        """Whether pods on different nodes can speak at all: on every port, or on the overlay's, between nodes whose
        tiers are declared to speak."""
        nodes = [site for site in self.sites.machines if site.role == NODE]
        overlay = {EVERYTHING, OVERLAY}
        return all(
            overlay & self.reach(one, other)
            for one in nodes
            for other in nodes
            if overlay & self._expected.ports(other, "ingress", one)
        )


def _label(site: Site) -> str:
    """Machines and subnets of one kind under one name."""
    if site.is_machine:
        return f"{site.owner} {site.role}s"
    return f"{site.owner} {site.role} subnets" if site.subnets else site.name


def _kind(found: frozenset[str] | set[str], wanted: frozenset[str] | set[str]) -> Kind:
    if (wanted and not found) or (found < wanted):
        return "closed"
    return "open" if found > wanted or EVERYTHING in found else "changed"


def _listed(names: object) -> str:
    assert isinstance(names, frozenset | set | tuple)
    return ", ".join(sorted(names)) or "nothing"
