"""Data sources: what a program asks of the account."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.aws import standing
from sandbox.aws.cloud import Cloud
from sandbox.aws.types.vpc import prefix_list_id
from sandbox.provider import ResourceError


@dataclass(frozen=True)
class Question:
    """One invoke."""

    cloud: Cloud
    region: str
    account: str
    args: dict[str, Any]

    def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        return self.cloud.call(service, operation, params, self.region, self.account)

    def filters(self) -> list[dict[str, Any]]:
        return [{"Name": item["name"], "Values": list(item["values"])} for item in self.args.get("filters") or ()]


Answer = Callable[[Question], dict[str, Any]]


def answer(token: str, question: Question) -> dict[str, Any]:
    """The data source's answer; an unknown one is refused with the list of those there are."""
    found = ANSWERS.get(token)
    if found is None:
        raise ResourceError(
            f"the sandbox does not answer {token}; it answers {', '.join(sorted(ANSWERS))}",
            remedy="add it to sandbox/aws/invokes.py",
        )
    return found(question)


# -- the account ----------------------------------------------------------------------------------------


def _caller(question: Question) -> dict[str, Any]:
    arn = f"arn:aws:iam::{question.account}:user/sandbox"
    return {"accountId": question.account, "arn": arn, "userId": "AIDASANDBOX", "id": question.account}


def _region(question: Question) -> dict[str, Any]:
    region = question.args.get("name") or question.region
    endpoint = f"ec2.{region}.amazonaws.com"
    return {"name": region, "region": region, "description": region, "endpoint": endpoint, "id": region}


def _partition(question: Question) -> dict[str, Any]:
    return {"partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws", "id": "aws"}


def _zones(question: Question) -> dict[str, Any]:
    zones = question.call("ec2", "DescribeAvailabilityZones", Filters=question.filters())["AvailabilityZones"]
    excluded = {*(question.args.get("excludeNames") or ()), *(question.args.get("excludeZoneIds") or ())}
    kept = [zone for zone in zones if zone["ZoneName"] not in excluded and zone["ZoneId"] not in excluded]
    return {
        "names": [zone["ZoneName"] for zone in kept],
        "zoneIds": [zone["ZoneId"] for zone in kept],
        "groupNames": sorted({zone.get("GroupName", question.region) for zone in kept}),
        "id": question.region,
    }


# -- machine images -------------------------------------------------------------------------------------


def _image(question: Question) -> dict[str, Any]:
    """moto's own images, or one from :data:`_IMAGES` for publishers that moto does not have."""
    owners = list(question.args.get("owners") or ())
    params: dict[str, Any] = {"Filters": question.filters()}
    if owners:
        params["Owners"] = owners
    found = question.call("ec2", "DescribeImages", **params)["Images"]
    pattern = question.args.get("nameRegex")
    found = [image for image in found if not pattern or re.search(pattern, image["Name"])]
    if not found:
        return _made_image(question)
    if len(found) > 1 and not question.args.get("mostRecent"):
        raise ResourceError(
            f"{len(found)} images match", path="filters", remedy="set mostRecent, or narrow the filters"
        )
    image = max(found, key=lambda item: (str(item["CreationDate"]), item["ImageId"]))
    return {
        "id": image["ImageId"],
        "imageId": image["ImageId"],
        "architecture": image["Architecture"],
        "name": image["Name"],
        "arn": f"arn:aws:ec2:{question.region}::image/{image['ImageId']}",
        "creationDate": str(image["CreationDate"]),
        "ownerId": image["OwnerId"],
        "rootDeviceName": image.get("RootDeviceName", "/dev/xvda"),
        "rootDeviceType": image.get("RootDeviceType", "ebs"),
        "state": image.get("State", "available"),
        "virtualizationType": image.get("VirtualizationType", "hvm"),
    }


_PUBLISHERS: Final[Mapping[str, str]] = {
    "099720109477": "ubuntu",
    "amazon": "amazon",
    "137112412989": "amazon",
    "136693071363": "debian",
    "092701018921": "bottlerocket",
}


def _made_image(question: Question) -> dict[str, Any]:
    """A stable id for a publisher's image by name pattern; nothing for a publisher that is not known."""
    owners = list(question.args.get("owners") or ())
    names = [value for item in question.args.get("filters") or () if item["name"] == "name" for value in item["values"]]
    publisher = next((_PUBLISHERS[owner] for owner in owners if owner in _PUBLISHERS), None)
    if publisher is None or not names:
        raise ResourceError("no image matches", path="filters", remedy="check owners and the name pattern")
    architectures = [
        value
        for item in question.args.get("filters") or ()
        if item["name"] == "architecture"
        for value in item["values"]
    ]
    arm = "arm64" in names[0] or "arm64" in architectures
    name = names[0].replace("*", "20250610")
    image = made_ami(f"{publisher}:{names[0]}:{question.region}")
    return {
        "id": image,
        "imageId": image,
        "architecture": "arm64" if arm else "x86_64",
        "name": name,
        "arn": f"arn:aws:ec2:{question.region}::image/{image}",
        "creationDate": "2025-06-10T00:00:00.000Z",
        "ownerId": owners[0],
        "rootDeviceName": "/dev/sda1" if publisher == "ubuntu" else "/dev/xvda",
        "rootDeviceType": "ebs",
        "state": "available",
        "virtualizationType": "hvm",
    }


def made_ami(key: str) -> str:
    """An image id that stands for a published image that moto does not have."""
    return f"ami-{zlib.crc32(key.encode()):08x}{zlib.adler32(key.encode()):08x}"[:21]


_PUBLIC_PARAMETERS: Final = (
    re.compile(
        r"^/aws/service/ami-amazon-linux-latest/al2023-ami-(kernel-[\w.]+|minimal-kernel-[\w.]+)-(x86_64|arm64)$"
    ),
    re.compile(
        r"^/aws/service/canonical/ubuntu/server/[\w.]+/stable/(current|\d+)/(amd64|arm64)/hvm/ebs-gp[23]/ami-id$"
    ),
    re.compile(r"^/aws/service/bottlerocket/aws-k8s-1\.\d+(-nvidia)?/(x86_64|arm64)/(latest|[\d.]+)/image_id$"),
    re.compile(
        r"^/aws/service/eks/optimized-ami/1\.\d+/amazon-linux-2023/(x86_64|arm64)/standard/recommended/image_id$"
    ),
)
"""Public parameters whose value is an image id (AWS Systems Manager, 'Calling public parameters')."""


def _parameter(question: Question) -> dict[str, Any]:
    name = str(question.args["name"])
    try:
        found = question.call(
            "ssm", "GetParameter", Name=name, WithDecryption=question.args.get("withDecryption", True)
        )
        value, kind, version = found["Parameter"]["Value"], found["Parameter"]["Type"], found["Parameter"]["Version"]
    except ResourceError as error:
        if not any(pattern.match(name) for pattern in _PUBLIC_PARAMETERS):
            raise ResourceError(f"there is no parameter {name!r}", path="name") from error
        value, kind, version = made_ami(f"{name}:{question.region}"), "String", 1
    account = "" if name.startswith("/aws/") else question.account
    return {
        "name": name,
        "value": value,
        "insecureValue": value if kind != "SecureString" else "",
        "type": kind,
        "version": version,
        "arn": f"arn:aws:ssm:{question.region}:{account}:parameter{'' if name.startswith('/') else '/'}{name}",
        "id": name,
    }


# -- policies -------------------------------------------------------------------------------------------


def _policy_document(question: Question) -> dict[str, Any]:
    sources = [
        *(question.args.get("sourcePolicyDocuments") or ()),
        *(question.args.get("overridePolicyDocuments") or ()),
    ]
    statements = [item for source in sources for item in json.loads(source)["Statement"]]
    statements += [_statement(item) for item in question.args.get("statements") or ()]
    document: dict[str, Any] = {"Version": question.args.get("version") or "2012-10-17"}
    if question.args.get("policyId"):
        document["Id"] = question.args["policyId"]
    document["Statement"] = statements
    text = json.dumps(document, indent=2)
    return {
        "json": text,
        "minifiedJson": json.dumps(document, separators=(",", ":")),
        "id": str(zlib.crc32(text.encode())),
    }


def _statement(given: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"Sid": given["sid"]} if given.get("sid") else {}
    made["Effect"] = given.get("effect") or "Allow"
    for prop, key in (
        ("actions", "Action"),
        ("notActions", "NotAction"),
        ("resources", "Resource"),
        ("notResources", "NotResource"),
    ):
        if given.get(prop):
            made[key] = _single(given[prop])
    for prop, key in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if given.get(prop):
            made[key] = _principals(given[prop])
    conditions: dict[str, dict[str, Any]] = {}
    for condition in given.get("conditions") or ():
        conditions.setdefault(condition["test"], {})[condition["variable"]] = _single(condition["values"])
    return made | ({"Condition": conditions} if conditions else {})


def _principals(given: list[Mapping[str, Any]]) -> Any:
    if any(item["type"] == "*" for item in given):
        return "*"
    merged: dict[str, list[str]] = {}
    for item in given:
        merged.setdefault(item["type"], []).extend(item["identifiers"])
    return {kind: _single(sorted(names)) for kind, names in merged.items()}


def _single(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else list(values)


# -- the network ----------------------------------------------------------------------------------------


def _prefix_list(question: Question) -> dict[str, Any]:
    name = question.args.get("name") or ""
    made = prefix_list_id(name, question.region)
    if not made:
        for service in ("s3", "dynamodb"):
            if prefix_list_id(service, question.region) == question.args.get("prefixListId"):
                made, name = question.args["prefixListId"], f"com.amazonaws.{question.region}.{service}"
    if not made:
        raise ResourceError(f"there is no AWS prefix list {name!r}", path="name")
    cidrs = ["52.216.0.0/15", "54.231.0.0/16"] if "s3" in name else ["52.94.0.0/22"]
    return {"id": made, "name": name, "prefixListId": made, "cidrBlocks": cidrs}


def _managed_prefix_list(question: Question) -> dict[str, Any]:
    plain = _prefix_list(question)
    entries = [{"cidr": cidr, "description": ""} for cidr in plain["cidrBlocks"]]
    return {
        "id": plain["id"],
        "name": plain["name"],
        "arn": f"arn:aws:ec2:{question.region}:aws:prefix-list/{plain['id']}",
        "addressFamily": "IPv4",
        "entries": entries,
        "maxEntries": 0,
        "ownerId": "AWS",
        "version": 1,
        "tags": {},
    }


def _tags(described: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags") or ()}


def _one(
    question: Question, operation: str, member: str, ids: str, id_: Any, more: list[dict[str, Any]]
) -> dict[str, Any]:
    filters = question.filters() + more
    filters += [{"Name": f"tag:{key}", "Values": [value]} for key, value in (question.args.get("tags") or {}).items()]
    params: dict[str, Any] = {"Filters": filters}
    if id_:
        params[ids] = [id_]
    found = question.call("ec2", operation, **params)[member]
    if len(found) != 1:
        raise ResourceError(f"{len(found)} {member} match, not one", path="filters")
    result: dict[str, Any] = found[0]
    return result


def _vpc(question: Question) -> dict[str, Any]:
    more = [{"Name": "isDefault", "Values": ["true"]}] if question.args.get("default") else []
    vpc = _one(question, "DescribeVpcs", "Vpcs", "VpcIds", question.args.get("id"), more)
    main = question.call(
        "ec2",
        "DescribeRouteTables",
        Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}, {"Name": "association.main", "Values": ["true"]}],
    )["RouteTables"]
    return {
        "id": vpc["VpcId"],
        "arn": f"arn:aws:ec2:{question.region}:{question.account}:vpc/{vpc['VpcId']}",
        "cidrBlock": vpc["CidrBlock"],
        "cidrBlockAssociations": [],
        "default": vpc["IsDefault"],
        "dhcpOptionsId": vpc.get("DhcpOptionsId", ""),
        "enableDnsHostnames": True,
        "enableDnsSupport": True,
        "instanceTenancy": vpc.get("InstanceTenancy", "default"),
        "mainRouteTableId": main[0]["RouteTableId"] if main else "",
        "ownerId": question.account,
        "state": "available",
        "tags": _tags(vpc),
    }


def _subnets(question: Question) -> dict[str, Any]:
    filters = question.filters()
    filters += [{"Name": f"tag:{key}", "Values": [value]} for key, value in (question.args.get("tags") or {}).items()]
    found = question.call("ec2", "DescribeSubnets", Filters=filters)["Subnets"]
    return {"ids": sorted(subnet["SubnetId"] for subnet in found), "id": question.region}


def _zone(question: Question) -> dict[str, Any]:
    name, wanted = str(question.args.get("name") or "").rstrip("."), question.args.get("zoneId")
    private = bool(question.args.get("privateZone"))
    zones = question.call("route53", "ListHostedZones")["HostedZones"]
    if wanted:
        found = next((zone for zone in zones if standing.identity(zone) == wanted), None)
    elif private:
        found = next((z for z in zones if z["Name"].rstrip(".") == name and z["Config"]["PrivateZone"]), None)
    else:
        found = standing.zone(question.cloud, name, question.account)
    if found is None:
        raise ResourceError(f"there is no hosted zone {wanted or name!r}", path="zoneId" if wanted else "name")
    zone_id = standing.identity(found)
    return {
        "id": zone_id,
        "zoneId": zone_id,
        "arn": f"arn:aws:route53:::hostedzone/{zone_id}",
        "name": found["Name"].rstrip("."),
        "privateZone": found["Config"]["PrivateZone"],
        "resourceRecordSetCount": found.get("ResourceRecordSetCount", 0),
    }


_ELB_ACCOUNTS: Final[Mapping[str, str]] = {
    "us-east-1": "127311923021",
    "us-east-2": "033677994240",
    "us-west-1": "027434742980",
    "us-west-2": "797873946194",
    "ca-central-1": "985666609251",
    "eu-central-1": "054676820928",
    "eu-west-1": "156460612806",
    "eu-west-2": "652711504416",
    "eu-west-3": "009996457667",
    "eu-north-1": "897822967062",
    "ap-south-1": "718504428378",
    "ap-southeast-1": "114774131450",
    "ap-southeast-2": "783225319266",
    "ap-northeast-1": "582318560864",
    "sa-east-1": "507241528517",
}
"""Elastic Load Balancing's accounts (User Guide, 'Enable access logs')."""


def _elb_account(question: Question) -> dict[str, Any]:
    account = _ELB_ACCOUNTS.get(question.region)
    if account is None:
        raise ResourceError(f"Elastic Load Balancing has no account for logs in {question.region}", path="region")
    return {"id": account, "arn": f"arn:aws:iam::{account}:root", "region": question.region}


ANSWERS: Final[Mapping[str, Answer]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:ec2/getAmi:getAmi": _image,
    "aws:ssm/getParameter:getParameter": _parameter,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy_document,
    "aws:ec2/getPrefixList:getPrefixList": _prefix_list,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": _managed_prefix_list,
    "aws:ec2/getVpc:getVpc": _vpc,
    "aws:ec2/getSubnets:getSubnets": _subnets,
    "aws:route53/getZone:getZone": _zone,
    "aws:elb/getServiceAccount:getServiceAccount": _elb_account,
}
