"""Who can reach machines from the internet: security groups and load balancers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any, Final

from pulumi_policy import PolicyResource, ResourceValidationArgs, StackValidationArgs

from policies.documents import as_list
from policies.rules import (
    ADVISORY,
    ResourceCheck,
    Violation,
    at,
    integers,
    is_true,
    items,
    matches,
    refers,
    resource_policy,
    stack_policy,
    texts,
)

GROUP: Final = "aws:ec2/securityGroup:SecurityGroup"
FACING: Final = ("*edge*", "*public*")
"""Logical names of what faces the internet, unless configured."""

GROUPS: Final = texts("groups", "Shell patterns of the logical names of groups that face the internet", FACING)
PORTS: Final = integers("ports", "Ports that the internet may reach on these groups", (80, 443))
BALANCERS: Final = texts("balancers", "Shell patterns of the logical names of public load balancers", FACING)

_RANGES: Final = ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks")


def _everyone(rule: Any) -> str:
    """The range of a rule that lets everyone in; empty if it has none."""
    ranges = [text for key in _RANGES for text in as_list(rule.get(key))]
    return next((text for text in ranges if _is_everyone(text)), "")


def _is_everyone(text: str) -> bool:
    try:
        return ip_network(text, strict=False).prefixlen == 0
    except ValueError:
        return False


def _opened(rule: Any, path: str, ports: list[int], facing: bool) -> Iterator[Violation]:
    source = _everyone(rule)
    if not source:
        return
    first, last = rule.get("fromPort"), rule.get("toPort")
    every = str(rule.get("ipProtocol") or rule.get("protocol")) == "-1" or None in (first, last)
    if every or not facing or any(port not in ports for port in range(int(first), int(last) + 1)):
        what = "every port" if every else f"port {_number(first, last)}"
        remedy = (
            f"allow only the ports {', '.join(map(str, ports))}"
            if facing
            else "name the ranges that need it, or put the rule on a group that faces the internet (parameter 'groups')"
        )
        yield Violation(path, f"opens {what} to {source}", remedy)


def _number(first: Any, last: Any) -> str:
    return str(int(first)) if first == last else f"{int(first)}-{int(last)}"


def _ports(args: StackValidationArgs) -> list[int]:
    """Every number comes over the wire as a float."""
    return [int(port) for port in PORTS.of(args)]


def _group_of(rule: PolicyResource, args: StackValidationArgs) -> str:
    """The logical name of a rule's group; the rule's own where the group belongs to another stack."""
    groups = (item for item in args.resources if item.resource_type == GROUP)
    return next((item.name for item in groups if refers(rule, "securityGroupId", item, "id")), rule.name)


def _rule(rule: PolicyResource, args: StackValidationArgs) -> Iterator[Violation]:
    facing = matches(_group_of(rule, args), GROUPS.of(args))
    yield from _opened(rule.props, "ingress", _ports(args), facing)


def _old_rule(rule: PolicyResource, args: StackValidationArgs) -> Iterator[Violation]:
    if rule.props.get("type") == "ingress":
        yield from _rule(rule, args)


def _inline(group: PolicyResource, args: StackValidationArgs) -> Iterator[Violation]:
    for path, rule in items(group.props, "ingress"):
        yield from _opened(rule, path, _ports(args), matches(group.name, GROUPS.of(args)))


def _default_group(args: ResourceValidationArgs) -> Iterator[Violation]:
    for key in ("ingress", "egress"):
        if as_list(args.props.get(key)):
            yield Violation(key, "has rules", "remove them: what nobody gave a group to must reach nothing")


def _exposure(args: ResourceValidationArgs) -> Iterator[Violation]:
    public = not is_true(args.props.get("internal")) and args.props.get("loadBalancerType") != "gateway"
    if public and not matches(args.name, BALANCERS.of(args)):
        yield Violation(
            "internal", "is not true", "set it to true, or name the load balancer in the parameter 'balancers'"
        )
    if args.props.get("loadBalancerType") != "gateway" and not args.props.get("securityGroups"):
        yield Violation("securityGroups", "is empty", "give it a security group that says who may reach it")


def _listener(args: ResourceValidationArgs) -> Iterator[Violation]:
    """HTTP is for sending clients to HTTPS; what ends TLS speaks 1.2 or newer. TCP passes TLS on."""
    protocol, policy = args.props.get("protocol"), str(args.props.get("sslPolicy") or "")
    if protocol == "HTTP":
        for path, action in items(args.props, "defaultActions"):
            if action.get("type") != "redirect" or at(action, "redirect.protocol") != "HTTPS":
                yield Violation(path, "answers in plain HTTP", "redirect to protocol HTTPS")
    if protocol in ("HTTPS", "TLS") and not ("TLS13" in policy or "TLS-1-2" in policy):
        yield Violation(
            "sslPolicy",
            f"is '{policy}'" if policy else "is missing",
            "choose one that starts at TLS 1.2, for instance ELBSecurityPolicy-TLS13-1-2-2021-06",
        )


def _application(args: ResourceValidationArgs) -> Iterator[Violation]:
    if args.props.get("loadBalancerType") not in (None, "application"):
        return
    if not is_true(args.props.get("dropInvalidHeaderFields")):
        yield Violation("dropInvalidHeaderFields", "is not true", "set it to true")
    if not is_true(at(args.props, "accessLogs.enabled")):
        yield Violation("accessLogs.enabled", "is not true", "write access logs to a bucket")


def _public_address(*paths: str) -> ResourceCheck:
    def check(args: ResourceValidationArgs) -> Iterator[Violation]:
        for path in paths:
            places = items(args.props, path) if path else [("", args.props)]
            for place, holder in places:
                if is_true(holder.get("associatePublicIpAddress")):
                    name = f"{place}.associatePublicIpAddress".lstrip(".")
                    yield Violation(name, "is true", "put the machine behind a load balancer or Session Manager")

    return check


POLICIES: Final = [
    stack_policy(
        "open-ingress",
        "Nothing is open to 0.0.0.0/0 or ::/0, except the declared ports of groups that face the internet.",
        {
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rule,
            "aws:ec2/securityGroupRule:SecurityGroupRule": _old_rule,
            GROUP: _inline,
        },
        (GROUPS, PORTS),
    ),
    resource_policy(
        "default-group-closed",
        "A VPC's default security group lets nothing through.",
        {"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _default_group},
    ),
    resource_policy(
        "load-balancer-access",
        "A load balancer is internal unless it is declared public, and a security group says who may reach it.",
        {"aws:lb/loadBalancer:LoadBalancer": _exposure, "aws:alb/loadBalancer:LoadBalancer": _exposure},
        (BALANCERS,),
    ),
    resource_policy(
        "load-balancer-tls",
        "A load balancer serves HTTPS with TLS 1.2 or newer, and HTTP only to redirect.",
        {"aws:lb/listener:Listener": _listener, "aws:alb/listener:Listener": _listener},
    ),
    resource_policy(
        "load-balancer-http",
        "An application load balancer drops invalid headers and writes access logs.",
        {"aws:lb/loadBalancer:LoadBalancer": _application, "aws:alb/loadBalancer:LoadBalancer": _application},
        level=ADVISORY,
    ),
    resource_policy(
        "machine-public-address",
        "Machines have no public address.",
        {
            "aws:ec2/instance:Instance": _public_address(""),
            "aws:ec2/launchConfiguration:LaunchConfiguration": _public_address(""),
            "aws:ec2/launchTemplate:LaunchTemplate": _public_address("networkInterfaces"),
        },
        level=ADVISORY,
    ),
]
