"""CloudFront and WAF, and the account's own watch: CloudTrail, Config, GuardDuty, budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row

_CLOUDFRONT_ZONE: Final = "Z2FDTNDATAQYW2"
"""The hosted zone of every CloudFront distribution (Route 53 API Reference, AliasTarget)."""


def _etag(operation: str) -> Any:
    def etag(context: Context) -> str:
        return str(context.call(operation, Id=context.id)["ETag"])

    return etag


def _geo(given: Mapping[str, Any]) -> dict[str, Any]:
    locations = list(given.get("locations") or ())
    made: dict[str, Any] = {"RestrictionType": given["restrictionType"], "Quantity": len(locations)}
    return {"GeoRestriction": made | ({"Items": locations} if locations else {})}


def _behaviour(prefix: str) -> dict[str, Any]:
    return {
        f"{prefix}.cachedMethods": "AllowedMethods.CachedMethods",
        f"{prefix}.forwardedValues.cookies.whitelistedNames": "WhitelistedNames",
    }


def _logging(given: Mapping[str, Any]) -> dict[str, Any]:
    made = {"Enabled": True, "IncludeCookies": bool(given.get("includeCookies")), "Prefix": given.get("prefix", "")}
    return {"DistributionConfig": {"Logging": {**made, "Bucket": given["bucket"]}}}


def _lock_token(context: Context) -> str:
    given = context.inputs
    return str(context.call("GetWebACL", Name=given["name"], Scope=given["scope"], Id=context.id)["LockToken"])


def _ip_lock_token(context: Context) -> str:
    given = context.inputs
    return str(context.call("GetIPSet", Name=given["name"], Scope=given["scope"], Id=context.id)["LockToken"])


_CLOUDFRONT: Final[Mapping[str, Row]] = {
    "aws:cloudfront/distribution:Distribution": Row(
        "cloudfront",
        "CreateDistribution",
        id="Distribution.Id",
        nest="DistributionConfig",
        args={"DistributionConfig": {"CallerReference": "{hex17}", "Comment": ""}},
        rename={
            "origins.originId": "Id",
            "origins.customHeaders.name": "HeaderName",
            "origins.customHeaders.value": "HeaderValue",
            "origins.customOriginConfig.httpPort": "HTTPPort",
            "origins.customOriginConfig.httpsPort": "HTTPSPort",
            "orderedCacheBehaviors": "DistributionConfig.CacheBehaviors",
            **_behaviour("defaultCacheBehavior"),
            **_behaviour("orderedCacheBehaviors"),
            "restrictions.geoRestriction": _geo,
            "loggingConfig": _logging,
        },
        ignore={"waitForDeployment": "how the provider waits", "retainOnDelete": "how the provider deletes"},
        replace="continuousDeploymentPolicyId staging",
        read=("GetDistribution", {"Id": "{id}"}, "Distribution"),
        arn="arn:aws:cloudfront::{account}:distribution/{id}",
        tag_key="arn:aws:cloudfront::{account}:distribution/{id}",
        outputs={
            "domainName": "@DomainName",
            "hostedZoneId": lambda _: _CLOUDFRONT_ZONE,
            "status": lambda _: "Deployed",
            "etag": _etag("GetDistribution"),
        },
        delete="DeleteDistribution",
        delete_args={"Id": "{id}", "IfMatch": _etag("GetDistribution")},
        auto_name="",
    ),
    "aws:cloudfront/originAccessControl:OriginAccessControl": Row(
        "cloudfront",
        "CreateOriginAccessControl",
        id="OriginAccessControl.Id",
        nest="OriginAccessControlConfig",
        rename={"originAccessControlOriginType": "OriginAccessControlConfig.OriginAccessControlOriginType"},
        replace="name",
        arn="arn:aws:cloudfront::{account}:origin-access-control/{id}",
        outputs={"etag": "@ETag"},
        delete="DeleteOriginAccessControl",
        delete_args={"Id": "{id}"},
    ),
    "aws:cloudfront/cachePolicy:CachePolicy": Row(
        "cloudfront",
        "CreateCachePolicy",
        id="{uuid}",
        store=True,
        nest="CachePolicyConfig",
        args={"CachePolicyConfig": {"MinTTL": 0}},
        arn="arn:aws:cloudfront::{account}:cache-policy/{id}",
        outputs={"etag": "E{hex13}"},
    ),
    "aws:cloudfront/originRequestPolicy:OriginRequestPolicy": Row(
        "cloudfront",
        "CreateOriginRequestPolicy",
        id="{uuid}",
        store=True,
        nest="OriginRequestPolicyConfig",
        arn="arn:aws:cloudfront::{account}:origin-request-policy/{id}",
        outputs={"etag": "E{hex13}"},
    ),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": Row(
        "cloudfront",
        "CreateResponseHeadersPolicy",
        id="{uuid}",
        store=True,
        nest="ResponseHeadersPolicyConfig",
        arn="arn:aws:cloudfront::{account}:response-headers-policy/{id}",
        outputs={"etag": "E{hex13}"},
    ),
    "aws:cloudfront/function:Function": Row(
        "cloudfront",
        "CreateFunction",
        store=True,
        rename={"code": "FunctionCode", "runtime": "FunctionConfig.Runtime", "comment": "FunctionConfig.Comment"},
        args={"FunctionConfig": {"Comment": ""}},
        ignore={"publish": "how the provider updates"},
        replace="name",
        arn="arn:aws:cloudfront::{account}:function/{name}",
        outputs={"etag": "E{hex13}", "liveStageEtag": "E{hex13}", "status": lambda _: "UNASSOCIATED"},
    ),
}

_WAF: Final[Mapping[str, Row]] = {
    "aws:wafv2/webAcl:WebAcl": Row(
        "wafv2",
        "CreateWebACL",
        id="Summary.Id",
        args={"Rules": []},
        calls=(
            Call(
                "UpdateWebACL",
                "defaultAction rules description visibilityConfig",
                args={"Name": "{name}", "Scope": "{scope}", "Id": "{id}", "LockToken": _lock_token},
                on_create=False,
            ),
        ),
        replace="name scope",
        outputs={"arn": "@Summary.ARN"},
        delete="DeleteWebACL",
        delete_args={"Name": "{name}", "Scope": "{scope}", "Id": "{id}", "LockToken": _lock_token},
    ),
    "aws:wafv2/ipSet:IpSet": Row(
        "wafv2",
        "CreateIPSet",
        id="Summary.Id",
        rename={"ipAddressVersion": "IPAddressVersion"},
        args={"Addresses": []},
        replace="name scope ipAddressVersion",
        outputs={"arn": "@Summary.ARN"},
        delete="DeleteIPSet",
        delete_args={"Name": "{name}", "Scope": "{scope}", "Id": "{id}", "LockToken": _ip_lock_token},
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": Row(
        "wafv2",
        "AssociateWebACL",
        id="{webAclArn},{resourceArn}",
        rename={"webAclArn": "WebACLArn"},
        store=True,
        replace="webAclArn resourceArn",
        delete_first=True,
    ),
}


def _trail_logging(context: Context) -> None:
    if context.inputs.get("enableLogging", True):
        context.call("StartLogging", Name=context.inputs["name"])


def _filters(context: Context) -> dict[str, Any]:
    given = context.inputs
    budget: dict[str, Any] = {
        "BudgetName": given["name"],
        "BudgetType": given["budgetType"],
        "TimeUnit": given["timeUnit"],
        "BudgetLimit": {"Amount": str(given.get("limitAmount", "")), "Unit": str(given.get("limitUnit", ""))},
    }
    filters = {item["name"]: list(item["values"]) for item in given.get("costFilters") or ()}
    return budget | ({"CostFilters": filters} if filters else {})


def _warnings(context: Context) -> list[dict[str, Any]]:
    warnings = []
    for given in context.inputs.get("notifications") or ():
        people = [("EMAIL", address) for address in given.get("subscriberEmailAddresses") or ()]
        people += [("SNS", arn) for arn in given.get("subscriberSnsTopicArns") or ()]
        warnings.append(
            {
                "Notification": {
                    "NotificationType": given["notificationType"],
                    "ComparisonOperator": given["comparisonOperator"],
                    "Threshold": float(given["threshold"]),
                    "ThresholdType": given["thresholdType"],
                },
                "Subscribers": [{"SubscriptionType": kind, "Address": address} for kind, address in people],
            }
        )
    return warnings


_WATCH: Final[Mapping[str, Row]] = {
    "aws:cloudtrail/trail:Trail": Row(
        "cloudtrail",
        "CreateTrail",
        key={"Name": "{name}"},
        rename={"cloudWatchLogsGroupArn": "CloudWatchLogsLogGroupArn"},
        ignore={
            "enableLogging": "switched on by a second call",
            "eventSelectors": "moto keeps the default selectors",
            "advancedEventSelectors": "moto keeps the default selectors",
            "insightSelectors": "moto has no insights",
        },
        links={"s3BucketName": "aws:s3/bucket:Bucket"},
        after_create=_trail_logging,
        calls=(Call("UpdateTrail", "isMultiRegionTrail enableLogFileValidation", on_create=False),),
        replace="name",
        arn="arn:aws:cloudtrail:{region}:{account}:trail/{name}",
        outputs={"homeRegion": "{region}"},
        delete="DeleteTrail",
    ),
    "aws:guardduty/detector:Detector": Row(
        "guardduty",
        "CreateDetector",
        id="DetectorId",
        key={"DetectorId": "{id}"},
        args={"Enable": True},
        ignore={"datasources": "moto has no data sources"},
        calls=(Call("UpdateDetector", "enable findingPublishingFrequency", on_create=False),),
        arn="arn:aws:guardduty:{region}:{account}:detector/{id}",
        outputs={"accountId": "{account}"},
        delete="DeleteDetector",
    ),
    "aws:budgets/budget:Budget": Row(
        "budgets",
        "CreateBudget",
        id="{account}:{name}",
        args={"AccountId": "{account}", "Budget": _filters, "NotificationsWithSubscribers": _warnings},
        ignore=dict.fromkeys(
            ("name", "budgetType", "timeUnit", "limitAmount", "limitUnit", "costFilters", "notifications"), "in Budget"
        ),
        replace="name accountId",
        arn="arn:aws:budgets::{account}:budget/{name}",
        outputs={"accountId": "{account}"},
        delete="DeleteBudget",
        delete_args={"AccountId": "{account}", "BudgetName": "{name}"},
    ),
}


def _recorder(context: Context) -> dict[str, Any]:
    given = context.inputs
    group = given.get("recordingGroup") or {"allSupported": True}
    return {
        "name": given["name"],
        "roleARN": given["roleArn"],
        "recordingGroup": {
            "allSupported": group.get("allSupported", True),
            "includeGlobalResourceTypes": group.get("includeGlobalResourceTypes", False),
            "resourceTypes": list(group.get("resourceTypes") or ()),
        },
    }


def _recording(context: Context) -> None:
    on = context.inputs["isEnabled"]
    operation = "StartConfigurationRecorder" if on else "StopConfigurationRecorder"
    context.call(operation, ConfigurationRecorderName=context.inputs["name"])


def _switched(context: Context) -> str:
    _recording(context)
    return str(context.inputs["name"])


_CONFIG: Final[Mapping[str, Row]] = {
    "aws:cfg/recorder:Recorder": Row(
        "config",
        "PutConfigurationRecorder",
        args={"ConfigurationRecorder": _recorder},
        ignore={
            **dict.fromkeys(("name", "roleArn", "recordingGroup"), "in ConfigurationRecorder"),
            "recordingMode": "moto records continuously",
        },
        upsert=True,
        replace="name",
        delete="DeleteConfigurationRecorder",
        delete_args={"ConfigurationRecorderName": "{name}"},
    ),
    "aws:cfg/deliveryChannel:DeliveryChannel": Row(
        "config",
        "PutDeliveryChannel",
        nest="DeliveryChannel",
        rename={
            "name": "DeliveryChannel.name",
            "snapshotDeliveryProperties": "DeliveryChannel.configSnapshotDeliveryProperties",
        },
        links={"s3BucketName": "aws:s3/bucket:Bucket"},
        upsert=True,
        replace="name",
        delete="DeleteDeliveryChannel",
        delete_args={"DeliveryChannelName": "{name}"},
    ),
    "aws:cfg/recorderStatus:RecorderStatus": Row(
        "config",
        make=_switched,
        on_update=_recording,
        links={"name": "aws:cfg/recorder:Recorder"},
        replace="name",
        delete="StopConfigurationRecorder",
        delete_args={"ConfigurationRecorderName": "{name}"},
        auto_name="",
    ),
}

ROWS: Final[Mapping[str, Row]] = {**_CLOUDFRONT, **_WAF, **_WATCH, **_CONFIG}
