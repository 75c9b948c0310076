"""Load balancers: which machines a port of each leads to, and which public name leads to which balancer."""

from __future__ import annotations

from collections import defaultdict

from audit.addresses import Ranges, common, merged, ranges, size
from audit.resources import Registry
from audit.sites import ENTRY, NODE, Site, Sites


class Balancers:
    """Listeners, target groups and targets."""

    def __init__(self, registry: Registry, sites: Sites) -> None:
        self._sites = sites
        self._names = {
            str(item.values.get("arn") or item.id): item.name
            for item in registry.of("aws:lb/loadBalancer:LoadBalancer")
        }
        self._dns = {
            str(item.values.get("dnsName")): item.name for item in registry.of("aws:lb/loadBalancer:LoadBalancer")
        }
        ports = {
            str(item.values.get("arn") or item.id): int(item.values.get("port") or 0)
            for item in registry.of("aws:lb/targetGroup:TargetGroup")
        }
        self._targets: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._addressed: dict[tuple[str, int], Ranges] = defaultdict(tuple)
        """Addresses at which balancers, which have one in each zone, are targets."""
        for item in registry.of("aws:lb/targetGroupAttachment:TargetGroupAttachment"):
            group, address = str(item.values["targetGroupArn"]), str(item.values["targetId"])
            for site in self._targeted(address):
                target = (site.name, int(item.values.get("port") or ports.get(group, 0)))
                self._targets[group].add(target)
                if site.role == ENTRY:
                    self._addressed[target] = merged((*self._addressed[target], *ranges(address)))
        machines = {site.name for site in sites.machines if site.role == NODE}
        for item in registry.of("aws:autoscaling/group:Group"):
            for group in item.values.get("targetGroupArns") or ():
                if item.name in machines:
                    self._targets[str(group)].add((item.name, ports.get(str(group), 0)))
        made_by = {
            str(group["name"]): item.name
            for item in registry.of("aws:eks/nodeGroup:NodeGroup")
            for made in item.values.get("resources") or ()
            for group in made.get("autoscalingGroups") or ()
        }
        for item in registry.of("aws:autoscaling/attachment:Attachment"):
            group, nodes = (
                str(item.values.get("lbTargetGroupArn")),
                made_by.get(str(item.values["autoscalingGroupName"])),
            )
            if nodes in machines:
                self._targets[group].add((nodes, ports.get(group, 0)))
        groups = {str(item.values.get("arn") or item.id) for item in registry.of("aws:lb/targetGroup:TargetGroup")}
        self.forwarding: set[tuple[str, int]] = set()
        """Ports of balancers that lead to some target group, whoever fills it."""
        self._listeners: dict[str, dict[int, set[tuple[str, int]]]] = defaultdict(lambda: defaultdict(set))
        for item in registry.of("aws:lb/listener:Listener"):
            balancer = self._names.get(str(item.values["loadBalancerArn"]), "")
            port = int(item.values["port"])
            self._listeners[balancer][port] |= set()
            for action in item.values.get("defaultActions") or ():
                if str(action.get("targetGroupArn")) in groups:
                    self.forwarding.add((balancer, port))
                self._listeners[balancer][port] |= self._targets.get(str(action.get("targetGroupArn")), set())
        self.aliases: dict[str, str] = {}
        """Public name -> balancer."""
        for item in registry.of("aws:route53/record:Record"):
            for alias in item.values.get("aliases") or ():
                self.aliases[str(item.values["name"]).rstrip(".")] = self._dns.get(str(alias.get("name")), "")

    def _targeted(self, address: str) -> list[Site]:
        """The machine at an address: the one with the fewest addresses to its name, for a group has whole subnets."""
        if not address[:1].isdigit():
            return []
        wanted = ranges(address)
        found = [site for site in self._sites.machines if common(site.addresses, wanted)]
        least = min((size(site.addresses) for site in found), default=0)
        return [site for site in found if size(site.addresses) == least]

    def listeners(self, balancer: str) -> dict[int, set[tuple[str, int]]]:
        """Port -> targets (machine, port)."""
        return dict(self._listeners.get(balancer, {}))

    def roles(self, balancer: str) -> dict[int, frozenset[str]]:
        """Port -> kinds of machines and their port: ``node:443``."""
        return {
            port: frozenset(self._described(target) for target in targets)
            for port, targets in self.listeners(balancer).items()
        }

    def _described(self, target: tuple[str, int]) -> str:
        """Its kind and port; of a target in several zones, whether all of them are."""
        name, number = target
        site = next((site for site in self._sites.machines if site.name == name), None)
        known = self._addressed.get(target)
        part = " (a part of it)" if site and known and size(known) < size(site.addresses) else ""
        return f"{site.role if site else name}:{number}{part}"
