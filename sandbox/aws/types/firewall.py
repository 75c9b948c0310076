"""Security groups and network ACLs, with their rules."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Row
from sandbox.provider import ResourceError

_ARN: Final = "arn:aws:ec2:{region}:{account}:"


# -- security groups ------------------------------------------------------------------------------------


def permission(rule: Mapping[str, Any], own_id: str) -> dict[str, Any]:
    """An inline rule (``ingress[]``) as the API's IpPermission."""
    protocol = str(rule["protocol"])
    told = {"Description": rule["description"]} if rule.get("description") else {}
    groups = [*rule.get("securityGroups", ()), *([own_id] if rule.get("self") else [])]
    made: dict[str, Any] = {
        "IpProtocol": "-1" if protocol == "all" else protocol,
        "IpRanges": [{"CidrIp": cidr, **told} for cidr in rule.get("cidrBlocks", ())],
        "Ipv6Ranges": [{"CidrIpv6": cidr, **told} for cidr in rule.get("ipv6CidrBlocks", ())],
        "PrefixListIds": [{"PrefixListId": item, **told} for item in rule.get("prefixListIds", ())],
        "UserIdGroupPairs": [{"GroupId": group, **told} for group in groups],
    }
    if made["IpProtocol"] != "-1":
        made |= {"FromPort": int(rule["fromPort"]), "ToPort": int(rule["toPort"])}
    return {key: value for key, value in made.items() if value != []}


def _authorize(context: Context, side: str, rules: Any) -> None:
    permissions = [permission(rule, context.id) for rule in rules or ()]
    if permissions:
        context.call(f"AuthorizeSecurityGroup{side.title()}", GroupId=context.id, IpPermissions=permissions)


def _revoke_all(context: Context, side: str) -> None:
    group = context.call("DescribeSecurityGroups", GroupIds=[context.id])["SecurityGroups"][0]
    permissions = group["IpPermissions" if side == "ingress" else "IpPermissionsEgress"]
    if permissions:
        context.call(f"RevokeSecurityGroup{side.title()}", GroupId=context.id, IpPermissions=permissions)


def _group_rules(context: Context) -> None:
    """A new group allows nothing: the provider removes the allow-all egress rule that AWS adds."""
    _revoke_all(context, "egress")
    for side in ("ingress", "egress"):
        _authorize(context, side, context.inputs.get(side))


def _group_update(context: Context) -> None:
    for side in ("ingress", "egress"):
        if context.changed(side):
            _revoke_all(context, side)
            _authorize(context, side, context.inputs.get(side))


def _adopt_default_group(context: Context) -> str:
    filters = [{"Name": "group-name", "Values": ["default"]}]
    if context.inputs.get("vpcId"):
        filters.append({"Name": "vpc-id", "Values": [context.inputs["vpcId"]]})
    context.id = context.call("DescribeSecurityGroups", Filters=filters)["SecurityGroups"][0]["GroupId"]
    _revoke_all(context, "ingress")
    _group_rules(context)
    return context.id


def _no_twin(context: Context) -> None:
    """AWS refuses a rule that the group has already; moto keeps both."""
    here = _rule_identity(context.inputs)
    for live in context.cloud.index.of_type(_INGRESS_RULE, _EGRESS_RULE):
        if live.inputs["securityGroupId"] != context.inputs["securityGroupId"]:
            continue
        same_side = (live.type == _INGRESS_RULE) == (context.answer["SecurityGroupRules"][0]["IsEgress"] is False)
        if same_side and _rule_identity(live.inputs) == here:
            raise ResourceError(
                f"the same rule exists already as {live.name!r} ({live.id})",
                path="securityGroupId",
                remedy="declare it once",
            )


def _rule_identity(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key not in ("description", "tags", "region")}


def _rule_permission(context: Context) -> list[dict[str, Any]]:
    given = context.inputs
    rule: dict[str, Any] = {"protocol": given["ipProtocol"], "description": given.get("description")}
    rule |= {"fromPort": given.get("fromPort", -1), "toPort": given.get("toPort", -1)}
    for prop, place in (
        ("cidrIpv4", "cidrBlocks"),
        ("cidrIpv6", "ipv6CidrBlocks"),
        ("prefixListId", "prefixListIds"),
        ("referencedSecurityGroupId", "securityGroups"),
    ):
        if given.get(prop):
            rule[place] = [given[prop]]
    return [permission(rule, "")]


_INGRESS_RULE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_EGRESS_RULE: Final = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
_IN_PERMISSIONS: Final = dict.fromkeys(
    (
        "cidrIpv4",
        "cidrIpv6",
        "prefixListId",
        "referencedSecurityGroupId",
        "fromPort",
        "toPort",
        "ipProtocol",
        "description",
    ),
    "part of IpPermissions",
)


def _rule_update(context: Context) -> None:
    """Every property of a rule but its group changes in place."""
    given = context.inputs
    request = {
        "IpProtocol": given["ipProtocol"],
        "FromPort": int(given.get("fromPort", -1)),
        "ToPort": int(given.get("toPort", -1)),
        "CidrIpv4": given.get("cidrIpv4"),
        "CidrIpv6": given.get("cidrIpv6"),
        "PrefixListId": given.get("prefixListId"),
        "ReferencedGroupId": given.get("referencedSecurityGroupId"),
        "Description": given.get("description"),
    }
    rule = {key: value for key, value in request.items() if value is not None}
    context.call(
        "ModifySecurityGroupRules",
        GroupId=given["securityGroupId"],
        SecurityGroupRules=[{"SecurityGroupRuleId": context.id, "SecurityGroupRule": rule}],
    )


def _rule_row(side: str) -> Row:
    return Row(
        "ec2",
        f"AuthorizeSecurityGroup{side}",
        id="SecurityGroupRules[0].SecurityGroupRuleId",
        rename={"securityGroupId": "GroupId"},
        ignore=_IN_PERMISSIONS,
        args={"IpPermissions": _rule_permission},
        tag_type="security-group-rule",
        after_create=_no_twin,
        on_update=_rule_update,
        arn=_ARN + "security-group-rule/{id}",
        outputs={"securityGroupRuleId": "{id}"},
        delete=f"RevokeSecurityGroup{side}",
        delete_args={"GroupId": "{securityGroupId}", "SecurityGroupRuleIds": ["{id}"]},
        replace="securityGroupId",
        auto_name="",
    )


def _old_rule(context: Context) -> str:
    given = context.inputs
    rule = {**given, "securityGroups": [given["sourceSecurityGroupId"]] if given.get("sourceSecurityGroupId") else []}
    side = given["type"].title()
    context.call(
        f"AuthorizeSecurityGroup{side}",
        GroupId=given["securityGroupId"],
        IpPermissions=[permission(rule, given["securityGroupId"])],
    )
    return f"sgrule-{zlib.crc32(repr(sorted(given.items())).encode())}"


def _delete_old_rule(context: Context) -> None:
    given = context.inputs
    rule = {**given, "securityGroups": [given["sourceSecurityGroupId"]] if given.get("sourceSecurityGroupId") else []}
    context.call(
        f"RevokeSecurityGroup{given['type'].title()}",
        GroupId=given["securityGroupId"],
        IpPermissions=[permission(rule, given["securityGroupId"])],
    )


# -- network ACLs ---------------------------------------------------------------------------------------


def _acl_entries(context: Context) -> None:
    for egress, side in ((False, "ingress"), (True, "egress")):
        for rule in context.inputs.get(side) or ():
            context.call("CreateNetworkAclEntry", NetworkAclId=context.id, Egress=egress, **_acl_entry(rule))


def _acl_entry(rule: Mapping[str, Any]) -> dict[str, Any]:
    protocol = {"tcp": "6", "udp": "17", "icmp": "1", "all": "-1"}.get(str(rule["protocol"]), str(rule["protocol"]))
    entry: dict[str, Any] = {
        "RuleNumber": int(rule.get("ruleNo", rule.get("ruleNumber", 100))),
        "Protocol": protocol,
        "RuleAction": rule.get("action", rule.get("ruleAction")),
        "CidrBlock": rule.get("cidrBlock"),
        "Ipv6CidrBlock": rule.get("ipv6CidrBlock"),
    }
    if protocol in ("6", "17"):
        entry["PortRange"] = {"From": int(rule["fromPort"]), "To": int(rule["toPort"])}
    return {key: value for key, value in entry.items() if value is not None}


def _clear_acl(context: Context, *, kept: bool) -> None:
    acl = context.call("DescribeNetworkAcls", NetworkAclIds=[context.id])["NetworkAcls"][0]
    for entry in acl["Entries"] if not kept else ():
        if entry["RuleNumber"] != 32767:
            context.call(
                "DeleteNetworkAclEntry", NetworkAclId=context.id, RuleNumber=entry["RuleNumber"], Egress=entry["Egress"]
            )


def _acl_created(context: Context) -> None:
    _acl_entries(context)
    for subnet in context.inputs.get("subnetIds") or ():
        _associate_acl(context, subnet, context.id)


def _acl_updated(context: Context) -> None:
    if context.changed("ingress") or context.changed("egress"):
        _clear_acl(context, kept=False)
        _acl_entries(context)
    gone = set(context.old.get("subnetIds") or ()) - set(context.inputs.get("subnetIds") or ())
    for subnet in sorted(gone):
        _associate_acl(context, subnet, _default_acl(context, subnet))
    for subnet in context.inputs.get("subnetIds") or ():
        _associate_acl(context, subnet, context.id)


def _acl_deleted(context: Context) -> None:
    acl = context.call("DescribeNetworkAcls", NetworkAclIds=[context.id])["NetworkAcls"][0]
    for association in acl["Associations"]:
        _associate_acl(context, association["SubnetId"], _default_acl(context, association["SubnetId"]))


def _default_acl(context: Context, subnet: str) -> str:
    vpc = context.call("DescribeSubnets", SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default", "Values": ["true"]}]
    return str(context.call("DescribeNetworkAcls", Filters=filters)["NetworkAcls"][0]["NetworkAclId"])


def _associate_acl(context: Context, subnet: str, acl: str) -> str:
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    for found in context.call("DescribeNetworkAcls", Filters=filters)["NetworkAcls"]:
        for association in found["Associations"]:
            if association["SubnetId"] == subnet:
                answer = context.call(
                    "ReplaceNetworkAclAssociation",
                    AssociationId=association["NetworkAclAssociationId"],
                    NetworkAclId=acl,
                )
                return str(answer["NewAssociationId"])
    raise ResourceError(f"subnet {subnet} has no network ACL", path="subnetIds")


def _adopt_default_acl(context: Context) -> str:
    context.id = context.inputs["defaultNetworkAclId"]
    _clear_acl(context, kept=False)
    _acl_entries(context)
    return context.id


def _acl_dissociated(context: Context) -> None:
    subnet = context.inputs["subnetId"]
    _associate_acl(context, subnet, _default_acl(context, subnet))


def _acl_rule(context: Context) -> str:
    given = context.inputs
    egress = bool(given.get("egress"))
    context.call("CreateNetworkAclEntry", NetworkAclId=given["networkAclId"], Egress=egress, **_acl_entry(given))
    return f"nacl-{zlib.crc32(repr((given['networkAclId'], given['ruleNumber'], egress)).encode())}"


ROWS: Final[Mapping[str, Row]] = {
    "aws:ec2/securityGroup:SecurityGroup": Row(
        "ec2",
        "CreateSecurityGroup",
        id="GroupId",
        key="GroupId",
        rename={"name": "GroupName"},
        args={"Description": "Managed by Pulumi"},
        ignore={
            "ingress": "authorized by calls of their own",
            "egress": "authorized by calls of their own",
            "revokeRulesOnDelete": "how the provider deletes",
        },
        after_create=_group_rules,
        on_update=_group_update,
        replace="name description vpcId",
        read=("DescribeSecurityGroups", {"GroupIds": ["{id}"]}, "SecurityGroups[0]"),
        arn=_ARN + "security-group/{id}",
        outputs={
            "description": lambda c: c.inputs.get("description", "Managed by Pulumi"),
            "ingress": lambda c: [],
            "egress": lambda c: [],
        },
        delete="DeleteSecurityGroup",
    ),
    _INGRESS_RULE: _rule_row("Ingress"),
    _EGRESS_RULE: _rule_row("Egress"),
    "aws:ec2/securityGroupRule:SecurityGroupRule": Row(
        "ec2",
        make=_old_rule,
        before_delete=_delete_old_rule,
        replace="type protocol fromPort toPort cidrBlocks ipv6CidrBlocks prefixListIds securityGroupId self "
        "sourceSecurityGroupId",
        outputs={"securityGroupRuleId": lambda _: ""},
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Row(
        "ec2",
        make=_adopt_default_group,
        on_update=_group_update,
        replace="vpcId",
        read=("DescribeSecurityGroups", {"GroupIds": ["{id}"]}, "SecurityGroups[0]"),
        arn=_ARN + "security-group/{id}",
        outputs={"name": "@GroupName", "ingress": lambda c: [], "egress": lambda c: []},
        auto_name="",
    ),
    "aws:ec2/networkAcl:NetworkAcl": Row(
        "ec2",
        "CreateNetworkAcl",
        id="NetworkAcl.NetworkAclId",
        key="NetworkAclId",
        ignore=dict.fromkeys(("ingress", "egress", "subnetIds"), "one call each"),
        after_create=_acl_created,
        on_update=_acl_updated,
        before_delete=_acl_deleted,
        replace="vpcId",
        arn=_ARN + "network-acl/{id}",
        outputs={"ownerId": "{account}"},
        delete="DeleteNetworkAcl",
    ),
    "aws:ec2/networkAclRule:NetworkAclRule": Row(
        "ec2",
        make=_acl_rule,
        replace="networkAclId ruleNumber egress protocol ruleAction cidrBlock ipv6CidrBlock fromPort toPort "
        "icmpType icmpCode",
        delete="DeleteNetworkAclEntry",
        delete_args={
            "NetworkAclId": "{networkAclId}",
            "RuleNumber": "{ruleNumber}",
            "Egress": lambda c: bool(c.inputs.get("egress")),
        },
        delete_first=True,
    ),
    "aws:ec2/networkAclAssociation:NetworkAclAssociation": Row(
        "ec2",
        make=lambda c: _associate_acl(c, c.inputs["subnetId"], c.inputs["networkAclId"]),
        before_delete=_acl_dissociated,
        replace="subnetId networkAclId",
        delete_first=True,
    ),
    "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl": Row(
        "ec2",
        make=_adopt_default_acl,
        on_update=_acl_updated,
        replace="defaultNetworkAclId",
        read=("DescribeNetworkAcls", {"NetworkAclIds": ["{id}"]}, "NetworkAcls[0]"),
        arn=_ARN + "network-acl/{id}",
        outputs={"ownerId": "{account}"},
    ),
}
