"""Security groups: what a machine may send, and what it admits, by the other end's addresses and groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from audit.addresses import Ranges, common, merged, ranges, size
from audit.resources import Registry
from audit.sites import INTERNET6, Site

Way = Literal["ingress", "egress"]
EVERYTHING: Final = "everything"
INGRESS_TYPE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_TYPE: Final = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"


@dataclass(frozen=True)
class Rule:
    """One rule of a group with one kind of peer."""

    ports: str
    addresses: Ranges = ()
    group: str = ""
    prefix_list: str = ""
    ipv6: bool = False


class Firewall:
    """All rules of all registered groups."""

    def __init__(self, registry: Registry) -> None:
        self._rules: dict[tuple[str, Way], list[Rule]] = defaultdict(list)
        ways: tuple[tuple[str, Way], ...] = ((INGRESS_TYPE, "ingress"), (EGRESS_TYPE, "egress"))
        for type_, way in ways:
            for item in registry.of(type_):
                self._rules[str(item.values["securityGroupId"]), way].append(_rule(item.values))
        for item in registry.of(
            "aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
        ):
            for _, way in ways:
                for block in item.inputs.get(way) or ():
                    self._rules[item.id, way] += _inline(block, item.id)
        for item in registry.of("aws:ec2/securityGroupRule:SecurityGroupRule"):
            way = "ingress" if item.values["type"] == "ingress" else "egress"
            group = str(item.values["securityGroupId"])
            sources = [str(source)] if (source := item.values.get("sourceSecurityGroupId")) else []
            self._rules[group, way] += _inline({**item.values, "securityGroups": sources}, group)

    def ports(self, machine: Site, way: Way, other: Site) -> frozenset[str]:
        """Ports that a machine's groups let through. Where only a part of the other end is meant, it says so."""
        found: dict[str, list[Ranges]] = defaultdict(list)
        for group in machine.groups or ():
            for rule in self._rules.get((group, way), ()):
                covered = _covered(rule, other)
                if covered is not None:
                    found[rule.ports].append(covered)
        whole = size(other.addresses)
        names = {
            ports if size(merged(part for piece in pieces for part in piece)) == whole else f"{ports} (a part of it)"
            for ports, pieces in found.items()
        }
        return frozenset({EVERYTHING}) if EVERYTHING in names else frozenset(names)


def _covered(rule: Rule, other: Site) -> Ranges | None:
    """The other end's addresses that a rule means; None when it means none."""
    if rule.ipv6:
        return () if other.role == INTERNET6 else None
    if rule.group:
        return other.addresses if rule.group in (other.groups or ()) else None
    if rule.prefix_list:
        return other.addresses if rule.prefix_list == other.prefix_list else None
    return common(rule.addresses, other.addresses) or None


def _rule(values: Mapping[str, Any]) -> Rule:
    return Rule(
        ports=port_text(values.get("ipProtocol"), values.get("fromPort"), values.get("toPort")),
        addresses=ranges(str(values["cidrIpv4"])) if values.get("cidrIpv4") else (),
        group=str(values.get("referencedSecurityGroupId") or ""),
        prefix_list=str(values.get("prefixListId") or ""),
        ipv6=bool(values.get("cidrIpv6")),
    )


def _inline(block: Mapping[str, Any], own: str) -> Iterator[Rule]:
    ports = port_text(block.get("protocol"), block.get("fromPort"), block.get("toPort"))
    for cidr in block.get("cidrBlocks") or ():
        yield Rule(ports, addresses=ranges(str(cidr)))
    for _ in block.get("ipv6CidrBlocks") or ():
        yield Rule(ports, ipv6=True)
    for prefix in block.get("prefixListIds") or ():
        yield Rule(ports, prefix_list=str(prefix))
    for group in (*(block.get("securityGroups") or ()), *([own] if block.get("self") else [])):
        yield Rule(ports, group=str(group))


def port_text(protocol: Any, low: Any, high: Any) -> str:
    """``TCP 443``, ``UDP 8000-8010``, or ``everything``."""
    name = str(protocol)
    if name in ("-1", "all"):
        return EVERYTHING
    first, last = int(low if low is not None else 0), int(high if high is not None else 65535)
    return f"{name.upper()} {first}" if first == last else f"{name.upper()} {first}-{last}"
