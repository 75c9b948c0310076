"""Values that AWS refuses and moto accepts.

Some rules hold wherever a property of that name occurs (:data:`BY_NAME`); others belong to one type. Limits are
AWS's service quotas and API reference as of 2025.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from moto.ec2.models.instance_types import INSTANCE_TYPES

from sandbox.provider import UNKNOWN, ResourceError, has_unknown

Rule = Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]

LOG_RETENTION_DAYS: Final = (
    0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
SECURITY_GROUP_PROTOCOLS: Final = frozenset({"-1", "all", "tcp", "udp", "icmp", "icmpv6"})
_CIDR_NAMES: Final = frozenset(
    [
        "cidrBlock",
        "cidrBlocks",
        "cidrIpv4",
        "destinationCidrBlock",
        "targetNetworkCidr",
        "clientCidrBlock",
        "ipv6CidrBlock",
        "cidrIpv6",
        "ipv6CidrBlocks",
        "destinationIpv6CidrBlock",
        "transitGatewayCidrBlocks",
    ]
)
_POLICY_NAMES: Final = frozenset({"policy", "assumeRolePolicy"})
_IAM_NAME: Final = re.compile(r"^[\w+=,.@-]+$")
_VOLUME_LIMITS: Final[Mapping[str, tuple[int, int, int]]] = {
    "gp3": (3000, 80_000, 500),
    "io1": (100, 64_000, 50),
    "io2": (100, 256_000, 1000),
}
"""Volume type to least iops, most iops, most iops per GiB."""


def check(type_: str, inputs: Mapping[str, Any]) -> None:
    """Raise :class:`ResourceError` for the first value that AWS would refuse."""
    for path, message in _problems(type_, inputs):
        raise ResourceError(message, path=path)


def _problems(type_: str, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _by_name(inputs, "")
    for rule in BY_TYPE.get(type_, ()):
        yield from rule(inputs)


def _by_name(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        here = f"{path}.{key}" if path else key
        for position, element in enumerate(item if isinstance(item, list) else [item]):
            place = f"{here}[{position}]" if isinstance(item, list) else here
            if isinstance(element, Mapping) and key != "tags":
                yield from _by_name(element, place)
            elif isinstance(element, str) and key in _CIDR_NAMES:
                yield from _network(place, element)
            elif isinstance(element, str) and key in _POLICY_NAMES:
                yield from _policy(place, element, trust=key == "assumeRolePolicy")


def _network(path: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        ipaddress.ip_network(text, strict=True)
    except ValueError as error:
        try:
            proper = ipaddress.ip_network(text, strict=False)
        except ValueError:
            yield path, f"{text!r} is not a CIDR block ({error})"
        else:
            yield path, f"{text} has host bits set; did you mean {proper}?"


def _policy(path: str, text: str, *, trust: bool) -> Iterator[tuple[str, str]]:
    try:
        document = json.loads(text)
    except ValueError as error:
        yield path, f"is not JSON ({error})"
        return
    if not isinstance(document, dict) or "Statement" not in document:
        return
    if document.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
        yield path, f"policy version {document['Version']!r} is not 2012-10-17 or 2008-10-17"
    statements = document["Statement"]
    for position, statement in enumerate(statements if isinstance(statements, list) else [statements]):
        where = f"{path}.Statement[{position}]"
        if statement.get("Effect") not in ("Allow", "Deny"):
            yield where, f"Effect must be Allow or Deny, not {statement.get('Effect')!r}"
        if not statement.keys() & {"Action", "NotAction"}:
            yield where, "has no Action"
        for action in _as_list(statement.get("Action", [])):
            if action != "*" and not re.fullmatch(r"[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+", str(action)):
                yield where, f"{action!r} is not an action (service:Action)"
        if trust and not statement.keys() & {"Principal", "NotPrincipal"}:
            yield where, "a trust policy must name a Principal"
        if trust and statement.keys() & {"Resource", "NotResource"}:
            yield where, "a trust policy cannot name a Resource"


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# -- by type --------------------------------------------------------------------------------------------


def _ports(path: str, rule: Mapping[str, Any], protocol: Any) -> Iterator[tuple[str, str]]:
    if UNKNOWN in (protocol, rule.get("fromPort"), rule.get("toPort")):
        return
    if str(protocol).lower() not in SECURITY_GROUP_PROTOCOLS and not _is_protocol_number(str(protocol)):
        yield f"{path}protocol", f"{protocol!r} is not a protocol (tcp, udp, icmp, icmpv6, -1 or a number 0-255)"
    low, high = rule.get("fromPort"), rule.get("toPort")
    if str(protocol).lower() in ("-1", "all"):
        if (low or 0) not in (0, -1) or (high or 0) not in (0, -1):
            yield f"{path}fromPort", "protocol -1 covers every port: leave the ports out, or give 0"
        return
    if str(protocol).lower() in ("tcp", "udp", "6", "17"):
        for name, port in (("fromPort", low), ("toPort", high)):
            if port is None or not 0 <= port <= 65535:
                yield f"{path}{name}", f"port {port} is not in 0-65535"
        if low is not None and high is not None and low > high:
            yield f"{path}fromPort", f"the range {low}-{high} is upside down"


def _is_protocol_number(text: str) -> bool:
    return text.isdigit() and int(text) <= 255


def _rule_resource(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _ports("", inputs, inputs.get("ipProtocol", inputs.get("protocol")))
    sources = [key for key in ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId") if key in inputs]
    if "ipProtocol" in inputs and len(sources) != 1:
        yield "cidrIpv4", f"exactly one source or destination is allowed, not {len(sources)} {sources}"
    yield from _description(inputs)


def _inline_rules(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for side in ("ingress", "egress"):
        rules = inputs.get(side)
        seen: list[Any] = []
        for position, rule in enumerate(rules if isinstance(rules, list) else []):
            if not isinstance(rule, Mapping):
                continue
            path = f"{side}[{position}]"
            yield from _ports(f"{path}.", rule, rule.get("protocol"))
            plain = {key: value for key, value in rule.items() if key != "description"}
            if not has_unknown(plain) and plain in seen:
                yield path, "the same rule is given twice"
            seen.append(plain)
    yield from _description(inputs)


def _description(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    text = inputs.get("description")
    if isinstance(text, str) and not re.fullmatch(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}", text):
        yield "description", "may hold up to 255 letters, digits, blanks and ._-:/()#,@[]+=&;{}!$* only"


def _group_name(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = inputs.get("name")
    if isinstance(name, str) and (name.startswith("sg-") or len(name) > 255):
        yield "name", "a security group's name has up to 255 characters and does not begin with sg-"


def _length(limit: int, pattern: str = "", prop: str = "name", what: str = "") -> Rule:
    def rule(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        name = inputs.get(prop)
        if isinstance(name, str):
            if len(name) > limit:
                yield prop, f"{name!r} has {len(name)} characters; AWS allows {limit}"
            elif pattern and not re.fullmatch(pattern, name):
                yield prop, f"{name!r} is not allowed: {what}"

    return rule


def _volume(path: str, volume: Mapping[str, Any], kind: Any, size: Any) -> Iterator[tuple[str, str]]:
    iops, throughput = volume.get("iops"), volume.get("throughput")
    if has_unknown([kind, size, iops, throughput]):
        return
    if kind not in (None, "gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"):
        yield f"{path}type", f"{kind!r} is not a volume type"
    if iops and kind in _VOLUME_LIMITS:
        least, most, per_gib = _VOLUME_LIMITS[kind]
        if not least <= iops <= most:
            yield f"{path}iops", f"{kind} allows {least}-{most} iops, not {iops}"
        elif size and iops > max(least, per_gib * size):
            yield (
                f"{path}iops",
                f"{kind} allows {per_gib} iops per GiB: {iops} need {-(-iops // per_gib)} GiB, not {size}",
            )
    elif iops and kind:
        yield f"{path}iops", f"{kind} takes no iops"
    if throughput:
        if kind != "gp3":
            yield f"{path}throughput", f"only gp3 takes a throughput, not {kind}"
        elif not 125 <= throughput <= 2000:
            yield f"{path}throughput", f"gp3 allows 125-2000 MiB/s, not {throughput}"
        elif throughput > 0.25 * (iops or 3000):
            yield f"{path}throughput", f"gp3 allows 0.25 MiB/s per iops: {throughput} need {4 * throughput} iops"


def _ebs_volume(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _volume("", inputs, inputs.get("type", "gp2"), inputs.get("size"))
    if inputs.get("kmsKeyId") and inputs.get("encrypted") is not True:
        yield "kmsKeyId", "needs encrypted = true"


def _block_devices(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    root = inputs.get("rootBlockDevice")
    if isinstance(root, Mapping):
        yield from _volume("rootBlockDevice.", root, root.get("volumeType"), root.get("volumeSize"))
    for prop, inner in (("ebsBlockDevices", ""), ("blockDeviceMappings", "ebs")):
        devices = inputs.get(prop)
        for position, device in enumerate(devices if isinstance(devices, list) else []):
            volume = device.get(inner) if inner and isinstance(device, Mapping) else device
            if isinstance(volume, Mapping):
                path = f"{prop}[{position}].{inner + '.' if inner else ''}"
                yield from _volume(path, volume, volume.get("volumeType"), volume.get("volumeSize"))


def _instance_type(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = inputs.get("instanceType")
    if isinstance(kind, str) and kind not in INSTANCE_TYPES:
        family = kind.partition(".")[0]
        near = sorted(name for name in INSTANCE_TYPES if name.startswith(f"{family}."))
        yield "instanceType", f"{kind!r} is not an instance type; of {family} there are: {', '.join(near) or 'none'}"


def _route(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    endings = ("GatewayId", "gatewayId", "EndpointId", "InterfaceId", "ConnectionId", "coreNetworkArn")
    targets = [key for key in inputs if key.endswith(endings)]
    if len(targets) != 1:
        yield "gatewayId", f"a route has exactly one target, not {len(targets)}"
    places = [key for key in inputs if key.startswith("destination")]
    if len(places) != 1:
        yield "destinationCidrBlock", f"a route has exactly one destination, not {len(places)}"


def _inline_routes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    routes = inputs.get("routes")
    for position, route in enumerate(routes if isinstance(routes, list) else []):
        if isinstance(route, Mapping) and not any(key.endswith(("Id", "Arn")) for key in route):
            yield f"routes[{position}]", "a route has exactly one target, not 0"


def _transit_route(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if bool(inputs.get("blackhole")) == ("transitGatewayAttachmentId" in inputs):
        yield "transitGatewayAttachmentId", "give either an attachment or blackhole = true"


def _group_sizes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    least, most, wanted = inputs.get("minSize"), inputs.get("maxSize"), inputs.get("desiredCapacity")
    if isinstance(least, (int, float)) and isinstance(most, (int, float)):
        if least > most:
            yield "minSize", f"{least} is more than maxSize {most}"
        elif isinstance(wanted, (int, float)) and not least <= wanted <= most:
            yield "desiredCapacity", f"{wanted} is not between minSize {least} and maxSize {most}"
    templates = [key for key in ("launchTemplate", "launchConfiguration", "mixedInstancesPolicy") if key in inputs]
    if len(templates) != 1:
        yield "launchTemplate", "give exactly one of launchTemplate, launchConfiguration and mixedInstancesPolicy"


def _retention(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    days = inputs.get("retentionInDays", 0)
    if isinstance(days, (int, float)) and days not in LOG_RETENTION_DAYS:
        yield "retentionInDays", f"{days} is not one of {', '.join(map(str, LOG_RETENTION_DAYS))}"


def _listener(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    port, protocol = inputs.get("port"), inputs.get("protocol")
    if isinstance(port, (int, float)) and not 1 <= port <= 65535:
        yield "port", f"port {port} is not in 1-65535"
    if protocol in ("HTTPS", "TLS") and "certificateArn" not in inputs:
        yield "certificateArn", f"a {protocol} listener needs a certificate"


def _key_window(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    days = inputs.get("deletionWindowInDays")
    if isinstance(days, (int, float)) and not 7 <= days <= 30:
        yield "deletionWindowInDays", f"{days} is not in 7-30"


def _alias_name(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = inputs.get("name")
    if isinstance(name, str) and not re.fullmatch(r"alias/(?!aws/)[a-zA-Z0-9/_-]+", name):
        yield "name", f"{name!r} must be alias/ and letters, digits, /, _ or -; alias/aws/ is AWS's own"


def _alarm(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    operators = (
        "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
        "LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold",
    )  # fmt: skip
    operator, period = inputs.get("comparisonOperator"), inputs.get("period")
    if isinstance(operator, str) and operator not in operators:
        yield "comparisonOperator", f"{operator!r} is not one of {', '.join(operators)}"
    if isinstance(period, (int, float)) and period not in (10, 20, 30) and (period <= 0 or period % 60):
        yield "period", f"{period} is not 10, 20, 30 or a multiple of 60 seconds"


_BUCKET = _length(
    63, r"(?!xn--)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "bucket",
    "3-63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit",
)  # fmt: skip
_ELB_NAME = _length(
    32, r"(?!internal-)[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?", "name", "letters, digits and hyphens inside only"
)


def _iam_name(limit: int) -> Rule:
    return _length(limit, _IAM_NAME.pattern, "name", "letters, digits and +=,.@_- only")


BY_TYPE: Final[Mapping[str, tuple[Rule, ...]]] = {
    "aws:ec2/securityGroup:SecurityGroup": (_inline_rules, _group_name),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": (_inline_rules,),
    "aws:ec2/securityGroupRule:SecurityGroupRule": (_rule_resource,),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (_rule_resource,),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (_rule_resource,),
    "aws:ec2/route:Route": (_route,),
    "aws:ec2/routeTable:RouteTable": (_inline_routes,),
    "aws:ec2transitgateway/route:Route": (_transit_route,),
    "aws:ebs/volume:Volume": (_ebs_volume,),
    "aws:ec2/instance:Instance": (_block_devices, _instance_type),
    "aws:ec2/launchTemplate:LaunchTemplate": (_block_devices, _instance_type, _length(128)),
    "aws:autoscaling/group:Group": (_group_sizes, _length(255)),
    "aws:lb/loadBalancer:LoadBalancer": (_ELB_NAME,),
    "aws:lb/targetGroup:TargetGroup": (_ELB_NAME,),
    "aws:lb/listener:Listener": (_listener,),
    "aws:iam/role:Role": (_iam_name(64),),
    "aws:iam/user:User": (_iam_name(64),),
    "aws:iam/policy:Policy": (_iam_name(128),),
    "aws:iam/rolePolicy:RolePolicy": (_iam_name(128),),
    "aws:iam/instanceProfile:InstanceProfile": (_iam_name(128),),
    "aws:kms/key:Key": (_key_window,),
    "aws:kms/alias:Alias": (_alias_name,),
    "aws:s3/bucket:Bucket": (_BUCKET,),
    "aws:cloudwatch/logGroup:LogGroup": (_retention, _length(512)),
    "aws:cloudwatch/metricAlarm:MetricAlarm": (_alarm, _length(255)),
    "aws:sqs/queue:Queue": (_length(80),),
    "aws:sns/topic:Topic": (_length(256),),
}
