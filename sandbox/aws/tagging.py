"""Tags: at creation where the operation takes them, by the service's tagging operation otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, OperationModel, Shape, StructureShape

from sandbox.aws.context import MISSING, Context
from sandbox.aws.row import Row
from sandbox.provider import ResourceError


@dataclass(frozen=True)
class Tagger:
    """A service's tagging operations. ``names`` is the parameter that names what is tagged."""

    tag: str
    untag: str
    names: str
    tags: str = "Tags"
    keys: str = "TagKeys"
    by: str = "{arn}"


TAGGERS: Mapping[str, Tagger | None] = {
    "acm": Tagger("AddTagsToCertificate", "RemoveTagsFromCertificate", "CertificateArn", keys="Tags"),
    "apigatewayv2": Tagger("TagResource", "UntagResource", "ResourceArn"),
    "backup": Tagger("TagResource", "UntagResource", "ResourceArn", keys="TagKeyList"),
    "cloudfront": Tagger("TagResource", "UntagResource", "Resource"),
    "cloudwatch": Tagger("TagResource", "UntagResource", "ResourceARN"),
    "ec2": Tagger("CreateTags", "DeleteTags", "Resources", keys="Tags", by="{id}"),
    "ecr": Tagger("TagResource", "UntagResource", "resourceArn", "tags", "tagKeys"),
    "eks": Tagger("TagResource", "UntagResource", "resourceArn", "tags", "tagKeys"),
    "eks.nodegroup": None,  # moto tags clusters only; the state has the tags
    "elasticache": Tagger("AddTagsToResource", "RemoveTagsFromResource", "ResourceName"),
    "elbv2": Tagger("AddTags", "RemoveTags", "ResourceArns"),
    "events": Tagger("TagResource", "UntagResource", "ResourceARN"),
    "kms": Tagger("TagResource", "UntagResource", "KeyId", by="{id}"),
    "lambda": Tagger("TagResource", "UntagResource", "Resource"),
    "logs": Tagger("TagResource", "UntagResource", "resourceArn", "tags", "tagKeys"),
    "rds": Tagger("AddTagsToResource", "RemoveTagsFromResource", "ResourceName"),
    "s3": Tagger("PutBucketTagging", "", "Bucket", "Tagging", by="{bucket}"),
    "secretsmanager": Tagger("TagResource", "UntagResource", "SecretId", by="{id}"),
    "sns": Tagger("TagResource", "UntagResource", "ResourceArn"),
    "sqs": Tagger("TagQueue", "UntagQueue", "QueueUrl", by="{id}"),
    "wafv2": Tagger("TagResource", "UntagResource", "ResourceARN"),
    "iam.role": Tagger("TagRole", "UntagRole", "RoleName", by="{id}"),
    "iam.policy": Tagger("TagPolicy", "UntagPolicy", "PolicyArn", by="{id}"),
    "iam.user": Tagger("TagUser", "UntagUser", "UserName", by="{id}"),
    "iam.instanceprofile": Tagger("TagInstanceProfile", "UntagInstanceProfile", "InstanceProfileName", by="{id}"),
    "iam.openidconnectprovider": Tagger(
        "TagOpenIDConnectProvider", "UntagOpenIDConnectProvider", "OpenIDConnectProviderArn", by="{id}"
    ),
    "route53": Tagger("ChangeTagsForResource", "", "ResourceId", "AddTags", by="{id}"),
    "ssm": Tagger("AddTagsToResource", "RemoveTagsFromResource", "ResourceId", by="{id}"),
}
_EXTRA: Mapping[str, Mapping[str, str]] = {
    "route53.hostedzone": {"ResourceType": "hostedzone"},
    "route53.healthcheck": {"ResourceType": "healthcheck"},
    "ssm.parameter": {"ResourceType": "Parameter"},
    "ssm.document": {"ResourceType": "Document"},
    "ssm.association": {"ResourceType": "Association"},
}


def noun(operation: str) -> str:
    """``CreateTransitGatewayRouteTable`` -> ``TransitGatewayRouteTable``."""
    return re.sub(r"^(Create|Put|Run|Request|Allocate|Register|Import)", "", operation)


def creation_params(operation: OperationModel, row: Row, tags: Mapping[str, str]) -> dict[str, Any] | None:
    """The tag parameters of a create; None when it has none, so that the tagging operation must do it."""
    shape = operation.input_shape
    if shape is None:
        return None
    if "TagSpecifications" in shape.members or "TagSpecification" in shape.members:
        member = "TagSpecifications" if "TagSpecifications" in shape.members else "TagSpecification"
        kind = row.tag_type or re.sub(r"(?<!^)(?=[A-Z])", "-", noun(operation.name)).lower()
        return {member: [{"ResourceType": kind, "Tags": as_pairs(tags)}]} if tags else {}
    for name, member_shape in shape.members.items():
        if re.fullmatch(r"(\w*[a-z])?[Tt]ags", name):
            if not tags:
                return {}
            return {name: _tags_in(member_shape, tags)}
    return None


def as_pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def retag(context: Context, row: Row, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Bring the tags of a live resource from ``old`` to ``new``."""
    name = f"{row.service}.{noun(row.create).lower()}"
    tagger = TAGGERS.get(name, TAGGERS.get(row.service))
    if tagger is None or row.store or old == new:
        return
    target = context.fill(row.tag_key or tagger.by)
    if target is MISSING:
        raise ResourceError(f"{row.service} cannot tag {context.name!r}: {tagger.by} is not known")
    base = {tagger.names: target, **_EXTRA.get(name, {})}
    gone = [key for key in old if key not in new]
    if gone and tagger.untag:
        _send(context, row.service, tagger.untag, base, tagger.keys, dict.fromkeys(gone, ""), keys_only=True)
    if new:
        _send(context, row.service, tagger.tag, base, tagger.tags, new, keys_only=False)


def _send(
    context: Context,
    service: str,
    operation: str,
    base: Mapping[str, Any],
    member: str,
    tags: Mapping[str, str],
    *,
    keys_only: bool,
) -> None:
    shape = context.cloud.operation(service, operation).input_shape
    assert shape is not None, operation
    params = {name: [value] if isinstance(shape.members[name], ListShape) else value for name, value in base.items()}
    place = shape.members[member]
    if not keys_only:
        params[member] = _tags_in(place, tags)
    elif isinstance(place, ListShape) and isinstance(place.member, StructureShape):
        params[member] = [dict([next(iter(pair.items()))]) for pair in _pairs_of(place, tags)]
    else:
        params[member] = {"Items": list(tags)} if isinstance(place, StructureShape) else list(tags)
    context.call_service(service, operation, **params)


def _tags_in(shape: Shape, tags: Mapping[str, str]) -> Any:
    """Tags in the form that a parameter takes: a map, a list of pairs, or a structure around such a list."""
    if isinstance(shape, StructureShape):
        return {name: _tags_in(member, tags) for name, member in list(shape.members.items())[:1]}
    return _pairs_of(shape, tags) if isinstance(shape, ListShape) else dict(tags)


def _pairs_of(shape: ListShape, tags: Mapping[str, str]) -> list[dict[str, str]]:
    pair = shape.member
    assert isinstance(pair, StructureShape), shape.name
    names = list(pair.members)
    key = next(name for name in names if name.lower().endswith("key"))
    value = next(name for name in names if name.lower().endswith("value"))
    return [{key: tag, value: text} for tag, text in tags.items()]
