"""Samples of content delivery, web firewalls and the account's own watch."""

from __future__ import annotations

from tests.sandbox.aws_samples.documents import Sample

_BLOCK_LISTED = {
    "name": "listed",
    "priority": 0,
    "action": {"block": {}},
    "statement": {"ipSetReferenceStatement": {"arn": "${unwanted.arn}"}},
    "visibilityConfig": {"cloudwatchMetricsEnabled": True, "metricName": "listed", "sampledRequestsEnabled": True},
}

DELIVERY: list[Sample] = [
    (
        "aws:cloudfront/originAccessControl:OriginAccessControl",
        "signed",
        {
            "description": "bucket reads",
            "originAccessControlOriginType": "s3",
            "signingBehavior": "always",
            "signingProtocol": "sigv4",
        },
    ),
    (
        "aws:cloudfront/cachePolicy:CachePolicy",
        "cache-hour",
        {
            "minTtl": 0,
            "defaultTtl": 3600,
            "maxTtl": 86400,
            "parametersInCacheKeyAndForwardedToOrigin": {
                "cookiesConfig": {"cookieBehavior": "none"},
                "headersConfig": {"headerBehavior": "none"},
                "queryStringsConfig": {"queryStringBehavior": "all"},
                "enableAcceptEncodingGzip": True,
            },
        },
    ),
    (
        "aws:cloudfront/originRequestPolicy:OriginRequestPolicy",
        "forward-host",
        {
            "cookiesConfig": {"cookieBehavior": "none"},
            "headersConfig": {"headerBehavior": "whitelist", "headers": {"items": ["Host"]}},
            "queryStringsConfig": {"queryStringBehavior": "all"},
        },
    ),
    (
        "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
        "strict-headers",
        {
            "securityHeadersConfig": {
                "strictTransportSecurity": {"accessControlMaxAgeSec": 31536000, "override": True},
                "frameOptions": {"frameOption": "DENY", "override": True},
            }
        },
    ),
    (
        "aws:cloudfront/function:Function",
        "rewrite",
        {"runtime": "cloudfront-js-2.0", "code": "function handler(event) { return event.request; }", "publish": True},
    ),
    (
        "aws:cloudfront/distribution:Distribution",
        "cdn",
        {
            "enabled": True,
            "comment": "site",
            "aliases": ["www.example.com"],
            "defaultRootObject": "index.html",
            "priceClass": "PriceClass_100",
            "origins": [
                {
                    "originId": "bucket",
                    "domainName": "${data-bucket.bucketRegionalDomainName}",
                    "originAccessControlId": "${signed}",
                },
                {
                    "originId": "api",
                    "domainName": "${alb.dnsName}",
                    "customHeaders": [{"name": "X-From", "value": "cdn"}],
                    "customOriginConfig": {
                        "httpPort": 80,
                        "httpsPort": 443,
                        "originProtocolPolicy": "https-only",
                        "originSslProtocols": ["TLSv1.2"],
                    },
                },
            ],
            "defaultCacheBehavior": {
                "targetOriginId": "bucket",
                "viewerProtocolPolicy": "redirect-to-https",
                "allowedMethods": ["GET", "HEAD"],
                "cachedMethods": ["GET", "HEAD"],
                "cachePolicyId": "${cache-hour}",
                "responseHeadersPolicyId": "${strict-headers}",
            },
            "orderedCacheBehaviors": [
                {
                    "pathPattern": "/api/*",
                    "targetOriginId": "api",
                    "viewerProtocolPolicy": "https-only",
                    "allowedMethods": ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
                    "cachedMethods": ["GET", "HEAD"],
                    "cachePolicyId": "${cache-hour}",
                    "originRequestPolicyId": "${forward-host}",
                }
            ],
            "restrictions": {"geoRestriction": {"restrictionType": "whitelist", "locations": ["DE", "FR"]}},
            "loggingConfig": {"bucket": "${log-bucket.bucketDomainName}", "prefix": "cdn/"},
            "viewerCertificate": {
                "acmCertificateArn": "${cert}",
                "sslSupportMethod": "sni-only",
                "minimumProtocolVersion": "TLSv1.2_2021",
            },
        },
    ),
    (
        "aws:wafv2/ipSet:IpSet",
        "unwanted",
        {"scope": "REGIONAL", "ipAddressVersion": "IPV4", "addresses": ["198.51.100.0/24"]},
    ),
    (
        "aws:wafv2/webAcl:WebAcl",
        "shield",
        {
            "scope": "REGIONAL",
            "description": "public entry",
            "defaultAction": {"allow": {}},
            "rules": [_BLOCK_LISTED],
            "visibilityConfig": {
                "cloudwatchMetricsEnabled": True,
                "metricName": "shield",
                "sampledRequestsEnabled": True,
            },
        },
    ),
    (
        "aws:wafv2/webAclAssociation:WebAclAssociation",
        "shield-alb",
        {"webAclArn": "${shield.arn}", "resourceArn": "${alb.arn}"},
    ),
    (
        "aws:cloudtrail/trail:Trail",
        "audit",
        {
            "s3BucketName": "${log-bucket}",
            "s3KeyPrefix": "trail",
            "isMultiRegionTrail": True,
            "includeGlobalServiceEvents": True,
            "enableLogFileValidation": True,
        },
    ),
    (
        "aws:cfg/recorder:Recorder",
        "everything",
        {"roleArn": "${node.arn}", "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True}},
    ),
    (
        "aws:cfg/deliveryChannel:DeliveryChannel",
        "to-bucket",
        {"s3BucketName": "${log-bucket}", "snapshotDeliveryProperties": {"deliveryFrequency": "TwentyFour_Hours"}},
    ),
    ("aws:cfg/recorderStatus:RecorderStatus", "recording", {"name": "${everything}", "isEnabled": True}),
    (
        "aws:cloudwatch/logDeliverySource:LogDeliverySource",
        "cdn-requests",
        {"name": "cdn-requests", "logType": "ACCESS_LOGS", "resourceArn": "${cdn.arn}"},
    ),
    (
        "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination",
        "cdn-kept",
        {
            "name": "cdn-kept",
            "outputFormat": "json",
            "deliveryDestinationConfiguration": {"destinationResourceArn": "${flows.arn}"},
        },
    ),
    (
        "aws:cloudwatch/logDelivery:LogDelivery",
        "cdn-delivery",
        {"deliverySourceName": "${cdn-requests.name}", "deliveryDestinationArn": "${cdn-kept.arn}"},
    ),
    ("aws:guardduty/detector:Detector", "guard", {"enable": True, "findingPublishingFrequency": "ONE_HOUR"}),
    (
        "aws:budgets/budget:Budget",
        "month",
        {
            "budgetType": "COST",
            "timeUnit": "MONTHLY",
            "limitAmount": "500",
            "limitUnit": "USD",
            "costFilters": [{"name": "Region", "values": ["us-east-1"]}],
            "notifications": [
                {
                    "notificationType": "FORECASTED",
                    "comparisonOperator": "GREATER_THAN",
                    "threshold": 80,
                    "thresholdType": "PERCENTAGE",
                    "subscriberEmailAddresses": ["ops@example.com"],
                    "subscriberSnsTopicArns": ["${alerts.arn}"],
                }
            ],
        },
    ),
]
