"""Security groups with one resource per rule, so that a rule can come and go without touching the group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from derive.network import firewall


@dataclass(frozen=True)
class SecurityGroupsArgs:
    """The groups of one VPC."""

    vpc_id: pulumi.Input[str]
    groups: tuple[firewall.Group, ...]
    prefix_lists: Mapping[str, pulumi.Input[str]]
    """Ids of the prefix lists that rules may name."""


class SecurityGroups(pulumi.ComponentResource):
    """The security groups of a VPC, exactly as derived. Costs nothing. Outputs: the id of each group by name."""

    ids: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: SecurityGroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:network:SecurityGroups", name, None, opts)
        self._children = pulumi.ResourceOptions(parent=self)
        self.ids = {group.name: self._create_group(name, group, args.vpc_id) for group in args.groups}
        for group in args.groups:
            for rule in group.rules:
                self._create_rule(f"{name}-{group.name}", self.ids[group.name], rule, args.prefix_lists)
        self.register_outputs({"ids": self.ids})

    def _create_group(self, name: str, group: firewall.Group, vpc_id: pulumi.Input[str]) -> pulumi.Output[str]:
        return aws.ec2.SecurityGroup(
            f"{name}-{group.name}",
            vpc_id=vpc_id,
            description=group.description,
            tags={"Name": f"{name}-{group.name}"},
            opts=self._children,
        ).id

    def _create_rule(
        self,
        name: str,
        group_id: pulumi.Output[str],
        rule: firewall.Rule,
        prefix_lists: Mapping[str, pulumi.Input[str]],
    ) -> None:
        known = rule.peer in prefix_lists or rule.peer in self.ids
        kind = aws.vpc.SecurityGroupIngressRule if rule.direction == "ingress" else aws.vpc.SecurityGroupEgressRule
        kind(
            f"{name}-{rule.key}",
            security_group_id=group_id,
            ip_protocol="-1" if rule.port is None else rule.protocol,
            from_port=rule.port,
            to_port=rule.port,
            prefix_list_id=prefix_lists.get(rule.peer),
            referenced_security_group_id=self.ids.get(rule.peer),
            cidr_ipv4=None if known else rule.peer,
            description=rule.description,
            opts=self._children,
        )
