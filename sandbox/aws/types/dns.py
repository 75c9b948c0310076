"""Route 53."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError

RECORD: Final = "aws:route53/record:Record"


def _first_vpc(context: Context) -> dict[str, str] | None:
    vpcs = context.inputs.get("vpcs") or ()
    return _vpc(context, vpcs[0]) if vpcs else None


def _vpc(context: Context, given: Mapping[str, Any]) -> dict[str, str]:
    return {"VPCId": given["vpcId"], "VPCRegion": given.get("vpcRegion") or context.region}


def _other_vpcs(context: Context) -> None:
    for given in (context.inputs.get("vpcs") or ())[1:]:
        context.call("AssociateVPCWithHostedZone", HostedZoneId=context.id, VPC=_vpc(context, given))


def _zone_updated(context: Context) -> None:
    now, before = ({item["vpcId"]: item for item in bag.get("vpcs") or ()} for bag in (context.inputs, context.old))
    for vpc in now.keys() - before.keys():
        context.call("AssociateVPCWithHostedZone", HostedZoneId=context.id, VPC=_vpc(context, now[vpc]))
    for vpc in before.keys() - now.keys():
        context.call("DisassociateVPCFromHostedZone", HostedZoneId=context.id, VPC=_vpc(context, before[vpc]))


def _name_servers(context: Context) -> list[str]:
    servers = (context.answer.get("DelegationSet") or {}).get("NameServers")
    return list(servers or context.outputs.get("nameServers") or [])


def _empty_zone(context: Context) -> None:
    if not context.inputs.get("forceDestroy"):
        return
    for record in context.call("ListResourceRecordSets", HostedZoneId=context.id)["ResourceRecordSets"]:
        if record["Type"] not in ("NS", "SOA"):
            _send(context, "DELETE", record, context.id)


def full_name(context: Context) -> str:
    """A record's name with its zone's behind it, as the real provider completes it."""
    zone = str(context.call("GetHostedZone", Id=context.inputs["zoneId"])["HostedZone"]["Name"]).rstrip(".")
    name = str(context.inputs["name"]).rstrip(".")
    if not name:
        return zone
    return name if name == zone or name.endswith(f".{zone}") else f"{name}.{zone}"


def _record(context: Context, given: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"Name": full_name(context), "Type": given["type"]}
    if given.get("aliases"):
        alias = given["aliases"][0]
        record["AliasTarget"] = {
            "HostedZoneId": alias["zoneId"],
            "DNSName": alias["name"],
            "EvaluateTargetHealth": alias["evaluateTargetHealth"],
        }
    else:
        if not given.get("records") or given.get("ttl") is None:
            raise ResourceError("give records with a ttl, or aliases", path="records")
        record["TTL"] = int(given["ttl"])
        record["ResourceRecords"] = [{"Value": _quoted(given["type"], value)} for value in given["records"]]
    if given.get("setIdentifier"):
        record["SetIdentifier"] = given["setIdentifier"]
    for policy in given.get("weightedRoutingPolicies") or ():
        record["Weight"] = int(policy["weight"])
    for policy in given.get("failoverRoutingPolicies") or ():
        record["Failover"] = policy["type"]
    for policy in given.get("latencyRoutingPolicies") or ():
        record["Region"] = policy["region"]
    if given.get("healthCheckId"):
        record["HealthCheckId"] = given["healthCheckId"]
    return record


def _quoted(kind: str, value: str) -> str:
    return f'"{value}"' if kind == "TXT" and not value.startswith('"') else value


def _send(context: Context, action: str, record: Mapping[str, Any], zone: str) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": dict(record)}]}
    context.call("ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch=batch)


def _create_record(context: Context) -> str:
    given = context.inputs
    zone = context.call("GetHostedZone", Id=given["zoneId"])["HostedZone"]["Name"].rstrip(".")
    name = full_name(context)
    if given["type"] == "CNAME" and name == zone:
        raise ResourceError(
            f"a CNAME cannot stand at the apex of zone {zone}", path="type", remedy="use an alias record"
        )
    for live in context.cloud.index.of_type(RECORD):
        if live.inputs.get("zoneId") == given["zoneId"] and live.outputs.get("fqdn") == name:
            kinds = {live.inputs["type"], given["type"]}
            if "CNAME" in kinds and len(kinds) > 1:
                raise ResourceError(f"{name} has a {live.inputs['type']} record: a CNAME stands alone", path="type")
    _send(context, "UPSERT" if given.get("allowOverwrite") else "CREATE", _record(context, given), given["zoneId"])
    identifier = f"_{given['setIdentifier']}" if given.get("setIdentifier") else ""
    return f"{given['zoneId']}_{name}_{given['type']}{identifier}"


def _update_record(context: Context) -> None:
    _send(context, "UPSERT", _record(context, context.inputs), context.inputs["zoneId"])


def _delete_record(context: Context) -> None:
    _send(context, "DELETE", _record(context, context.inputs), context.inputs["zoneId"])


_VPC_PARAMS: Final = {"vpcId": "VPC.VPCId", "vpcRegion": "VPC.VPCRegion", "zoneId": "HostedZoneId"}
_VPC_ARGS: Final = {
    "HostedZoneId": "{zoneId}",
    "VPC": lambda c: {"VPCId": c.inputs["vpcId"], "VPCRegion": c.inputs.get("vpcRegion") or c.region},
}

ROWS: Final[Mapping[str, Row]] = {
    "aws:route53/zone:Zone": Row(
        "route53",
        "CreateHostedZone",
        id=lambda c: c.answer["HostedZone"]["Id"].removeprefix("/hostedzone/"),
        key={"Id": "{id}"},
        args={
            "CallerReference": "{hex17}",
            "VPC": _first_vpc,
            "HostedZoneConfig": lambda c: {"PrivateZone": bool(c.inputs.get("vpcs"))},
        },
        rename={"comment": "HostedZoneConfig.Comment"},
        ignore={"vpcs": "the first at creation, the others by a call each", "forceDestroy": "how the provider deletes"},
        calls=(Call("UpdateHostedZoneComment", "comment", rename={"comment": "Comment"}, on_create=False),),
        after_create=_other_vpcs,
        on_update=_zone_updated,
        before_delete=_empty_zone,
        replace="name delegationSetId",
        arn="arn:aws:route53:::hostedzone/{id}",
        outputs={
            "zoneId": "{id}",
            "nameServers": _name_servers,
            "primaryNameServer": lambda c: next(iter(_name_servers(c)), ""),
            "comment": lambda c: c.inputs.get("comment", "Managed by Pulumi"),
        },
        delete="DeleteHostedZone",
        auto_name="",
    ),
    RECORD: Row(
        "route53",
        make=_create_record,
        on_update=_update_record,
        before_delete=_delete_record,
        links={"zoneId": "aws:route53/zone:Zone"},
        replace="zoneId name type setIdentifier",
        outputs={"fqdn": full_name},
        auto_name="",
        delete_first=True,
    ),
    "aws:route53/zoneAssociation:ZoneAssociation": Row(
        "route53",
        "AssociateVPCWithHostedZone",
        id="{zoneId}:{vpcId}",
        rename=_VPC_PARAMS,
        args=_VPC_ARGS,
        links={"zoneId": "aws:route53/zone:Zone"},
        replace="vpcId vpcRegion zoneId",
        outputs={"owningAccount": "{account}", "vpcRegion": "{region}"},
        delete="DisassociateVPCFromHostedZone",
        delete_args=_VPC_ARGS,
    ),
    "aws:route53/vpcAssociationAuthorization:VpcAssociationAuthorization": Row(
        "route53",
        "CreateVPCAssociationAuthorization",
        id="{zoneId}:{vpcId}",
        rename=_VPC_PARAMS,
        store=True,
        links={"zoneId": "aws:route53/zone:Zone"},
        replace="vpcId vpcRegion zoneId",
        outputs={"vpcRegion": "{region}"},
    ),
    "aws:route53/healthCheck:HealthCheck": Row(
        "route53",
        "CreateHealthCheck",
        id="HealthCheck.Id",
        key={"HealthCheckId": "{id}"},
        nest="HealthCheckConfig",
        rename={
            "fqdn": "HealthCheckConfig.FullyQualifiedDomainName",
            "ipAddress": "HealthCheckConfig.IPAddress",
            "enableSni": "HealthCheckConfig.EnableSNI",
            "invertHealthcheck": "HealthCheckConfig.Inverted",
        },
        args={"CallerReference": "{hex17}"},
        ignore={"referenceName": "part of the caller reference", "triggers": "how the provider updates"},
        replace="type requestInterval measureLatency",
        arn="arn:aws:route53:::healthcheck/{id}",
        delete="DeleteHealthCheck",
    ),
}
