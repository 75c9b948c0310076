"""Load balancers, target groups, listeners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError

_BALANCER_ATTRIBUTES: Final[Mapping[str, str]] = {
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "enableHttp2": "routing.http2.enabled",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "xffHeaderProcessingMode": "routing.http.xff_header_processing.mode",
    "clientKeepAlive": "client_keep_alive.seconds",
    "enableWafFailOpen": "waf.fail_open.enabled",
    "dnsRecordClientRoutingPolicy": "dns_record.client_routing_policy",
}
_GROUP_ATTRIBUTES: Final[Mapping[str, str]] = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "slowStart": "slow_start.duration_seconds",
    "preserveClientIp": "preserve_client_ip.enabled",
    "proxyProtocolV2": "proxy_protocol_v2.enabled",
    "connectionTermination": "deregistration_delay.connection_termination.enabled",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
}
_ATTRIBUTE: Final = "set as an attribute by a second call"
_HEALTH: Final[Mapping[str, str]] = {
    "enabled": "HealthCheckEnabled",
    "interval": "HealthCheckIntervalSeconds",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
    "timeout": "HealthCheckTimeoutSeconds",
    "healthyThreshold": "HealthyThresholdCount",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) else str(value)


def _attributes(context: Context, names: Mapping[str, str]) -> list[dict[str, str]]:
    given = context.inputs
    found = {key: _text(given[prop]) for prop, key in names.items() if given.get(prop) is not None}
    logs = given.get("accessLogs") or {}
    if logs:
        found["access_logs.s3.enabled"] = _text(logs.get("enabled", False))
        found["access_logs.s3.bucket"] = _text(logs.get("bucket", ""))
        found["access_logs.s3.prefix"] = _text(logs.get("prefix", ""))
    sticky = given.get("stickiness") or {}
    if sticky:
        found["stickiness.enabled"] = _text(sticky.get("enabled", True))
        found["stickiness.type"] = sticky["type"]
    return [{"Key": key, "Value": value} for key, value in found.items()]


_PRIVATE_LINK: Final = "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic"


def _balancer_attributes(context: Context) -> None:
    attributes = _attributes(context, _BALANCER_ATTRIBUTES)
    if attributes:
        context.call("ModifyLoadBalancerAttributes", LoadBalancerArn=context.id, Attributes=attributes)


def _balancer_created(context: Context) -> None:
    """AWS wants an application load balancer in two zones at least; moto takes one subnet."""
    subnets = context.inputs.get("subnets") or [item["subnetId"] for item in context.inputs.get("subnetMappings") or ()]
    if context.inputs.get("loadBalancerType", "application") == "application" and len(subnets) < 2:
        raise ResourceError("an application load balancer needs subnets in two zones at least", path="subnets")
    _balancer_attributes(context)
    if context.inputs.get(_PRIVATE_LINK):
        _balancer_groups(context)


def _balancer_groups(context: Context) -> None:
    """moto keeps the groups and forgets whether they hold for traffic by PrivateLink, which AWS has beside them."""
    given = {"LoadBalancerArn": context.id, "SecurityGroups": context.inputs["securityGroups"]}
    enforced = context.inputs.get(_PRIVATE_LINK)
    chosen = {"EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic": enforced} if enforced else {}
    context.call("SetSecurityGroups", **given, **chosen)


def _balancer_updated(context: Context) -> None:
    _balancer_attributes(context)
    if context.changed("securityGroups") or context.changed(_PRIVATE_LINK):
        _balancer_groups(context)
    if context.changed("subnets"):
        context.call("SetSubnets", LoadBalancerArn=context.id, Subnets=context.inputs["subnets"])


def _unprotect(context: Context) -> None:
    if context.inputs.get("enableDeletionProtection"):
        raise ResourceError(
            f"load balancer {context.inputs['name']!r} is protected from deletion",
            path="enableDeletionProtection",
            remedy="set it to false and update first",
        )


def _health(check: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for prop, param in _HEALTH.items():
        if check.get(prop) is not None:
            value = check[prop]
            made[param] = (
                value if prop == "enabled" else _text(value) if prop in ("port", "path", "protocol") else int(value)
            )
    if check.get("matcher"):
        made["Matcher"] = {"GrpcCode" if "grpc" in str(check.get("protocol")) else "HttpCode": check["matcher"]}
    return made


def _group_attributes(context: Context) -> None:
    attributes = _attributes(context, _GROUP_ATTRIBUTES)
    if attributes:
        context.call("ModifyTargetGroupAttributes", TargetGroupArn=context.id, Attributes=attributes)


def _group_updated(context: Context) -> None:
    _group_attributes(context)
    if context.changed("healthCheck"):
        context.call("ModifyTargetGroup", TargetGroupArn=context.id, **_health(context.inputs.get("healthCheck") or {}))


def _free_port(context: Context) -> None:
    """AWS refuses a second listener on a port; moto takes it."""
    found = context.call("DescribeListeners", LoadBalancerArn=context.inputs["loadBalancerArn"])["Listeners"]
    if sum(listener.get("Port") == context.inputs.get("port") for listener in found) > 1:
        raise ResourceError(f"the load balancer listens on {int(context.inputs['port'])} already", path="port")


def _suffix(context: Context) -> str:
    return context.id.split(":", 5)[5].removeprefix("loadbalancer/")


_LISTENER_RENAME: Final[Mapping[str, Any]] = {
    "certificateArn": lambda arn: {"Certificates": [{"CertificateArn": arn}]},
    "defaultActions.redirect": "RedirectConfig",
    "defaultActions.fixedResponse": "FixedResponseConfig",
    "defaultActions.forward": "ForwardConfig",
    "defaultActions.forward.targetGroups.arn": "TargetGroupArn",
    "defaultActions.forward.stickiness": "TargetGroupStickinessConfig",
    "defaultActions.forward.stickiness.duration": "DurationSeconds",
    "defaultActions.authenticateOidc": "AuthenticateOidcConfig",
    "defaultActions.authenticateCognito": "AuthenticateCognitoConfig",
}
_ACTION_RENAME: Final = {key.replace("defaultActions", "actions"): value for key, value in _LISTENER_RENAME.items()}

_LISTENER: Final = Row(
    "elbv2",
    "CreateListener",
    id="Listeners[0].ListenerArn",
    key="ListenerArn",
    rename=_LISTENER_RENAME,
    ignore={"tcpIdleTimeoutSeconds": "moto has no such attribute"},
    calls=(
        Call("ModifyListener", "port protocol sslPolicy certificateArn defaultActions alpnPolicy", on_create=False),
    ),
    after_create=_free_port,
    replace="loadBalancerArn",
    outputs={"arn": "{id}", "sslPolicy": "@Listeners[0].SslPolicy"},
    delete="DeleteListener",
)
_RULE: Final = Row(
    "elbv2",
    "CreateRule",
    id="Rules[0].RuleArn",
    key="RuleArn",
    rename={
        **_ACTION_RENAME,
        "conditions": lambda conditions: {"Conditions": [_condition(item) for item in conditions]},
    },
    args={"Priority": 1},
    replace="listenerArn",
    outputs={"arn": "{id}"},
    delete="DeleteRule",
)


def _condition(given: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "hostHeader": ("host-header", "HostHeaderConfig"),
        "pathPattern": ("path-pattern", "PathPatternConfig"),
        "httpRequestMethod": ("http-request-method", "HttpRequestMethodConfig"),
        "sourceIp": ("source-ip", "SourceIpConfig"),
    }
    for prop, (field, param) in names.items():
        if given.get(prop):
            return {"Field": field, param: {"Values": list(given[prop].get("values") or ())}}
    header = given.get("httpHeader")
    if header:
        config = {"HttpHeaderName": header["httpHeaderName"], "Values": list(header["values"])}
        return {"Field": "http-header", "HttpHeaderConfig": config}
    raise ResourceError(f"the sandbox has no such condition: {', '.join(given)}", path="conditions")


_BALANCER: Final = Row(
    "elbv2",
    "CreateLoadBalancer",
    id="LoadBalancers[0].LoadBalancerArn",
    key="LoadBalancerArn",
    name_max=32,
    rename={
        "name": "Name",
        "loadBalancerType": "Type",
        "internal": lambda internal: {"Scheme": "internal" if internal else "internet-facing"},
        "subnetMappings.privateIpv4Address": "PrivateIPv4Address",
    },
    ignore={
        **dict.fromkeys(_BALANCER_ATTRIBUTES, _ATTRIBUTE),
        "accessLogs": _ATTRIBUTE,
        _PRIVATE_LINK: "set with the groups",
    },
    after_create=_balancer_created,
    on_update=_balancer_updated,
    before_delete=_unprotect,
    replace="name internal loadBalancerType customerOwnedIpv4Pool",
    read=("DescribeLoadBalancers", {"LoadBalancerArns": ["{id}"]}, "LoadBalancers[0]"),
    outputs={
        "arn": "{id}",
        "arnSuffix": _suffix,
        "dnsName": "@DNSName",
        "zoneId": "@CanonicalHostedZoneId",
        "subnets": "@AvailabilityZones[].SubnetId",
        "internal": lambda c: bool(c.inputs.get("internal")),
    },
    delete="DeleteLoadBalancer",
)
_TARGETS: Final = Row(
    "elbv2",
    "CreateTargetGroup",
    id="TargetGroups[0].TargetGroupArn",
    key="TargetGroupArn",
    name_max=32,
    rename={"name": "Name", "healthCheck": _health},
    ignore={**dict.fromkeys(_GROUP_ATTRIBUTES, _ATTRIBUTE), "stickiness": _ATTRIBUTE},
    after_create=_group_attributes,
    on_update=_group_updated,
    replace="name port protocol protocolVersion targetType vpcId ipAddressType",
    outputs={"arn": "{id}", "arnSuffix": _suffix},
    delete="DeleteTargetGroup",
)
_ATTACHMENT: Final = Row(
    "elbv2",
    "RegisterTargets",
    id="{targetGroupArn}-{hex17}",
    rename={
        "targetGroupArn": "TargetGroupArn",
        "targetId": "Targets.Id",
        "port": "Targets.Port",
        "availabilityZone": "Targets.AvailabilityZone",
    },
    replace="targetGroupArn targetId port availabilityZone",
    delete="DeregisterTargets",
    delete_args={"TargetGroupArn": "{targetGroupArn}", "Targets": [{"Id": "{targetId}"}]},
)

ROWS: Final[Mapping[str, Row]] = {
    f"aws:{module}/{name}": row
    for module in ("lb", "alb")
    for name, row in (
        ("loadBalancer:LoadBalancer", _BALANCER),
        ("targetGroup:TargetGroup", _TARGETS),
        ("listener:Listener", _LISTENER),
        ("listenerRule:ListenerRule", _RULE),
        ("targetGroupAttachment:TargetGroupAttachment", _ATTACHMENT),
    )
}
