"""A single-page app behind CloudFront."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components.edge.certificate import PublicCertificate, PublicCertificateArgs, alias
from components.storage.bucket import PrivateBucket, PrivateBucketArgs, closed
from derive.edge.site import ASSET_SECONDS, ROOT, ROUTER, SitePlan

EVERYWHERE: Final = "us-east-1"
"""The region of CloudFront's certificates and logs (CloudFront developer guide, "Requirements for certificates")."""
UNCACHED: Final = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
"""AWS's cache policy ``CachingDisabled``."""
ALL_BUT_HOST: Final = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
"""AWS's origin request policy ``AllViewerExceptHostHeader``: the API knows itself by its own name."""
FILES: Final = "files"
API: Final = "api"
METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
READS: Final = ("GET", "HEAD")
YEAR: Final = 365 * 24 * 60 * 60


@dataclass(frozen=True)
class SiteArgs:
    """The plan, and the public zone of its name."""

    plan: SitePlan
    zone_id: pulumi.Input[str]
    log_days: int


class Site(pulumi.ComponentResource):
    """A private bucket for the app's files, a distribution that alone may read it, and the app's name.

    Browsers get files over TLS 1.2 or later and are told to ask for nothing else; pages are not framed. Paths of the
    API go to the API, uncached. The bucket keeps old versions, so that an app can be put back.
    Costs: by request and traffic; the bucket by volume. Outputs: the site's address, the bucket's name, and the
    distribution's id, for whoever puts new files there.
    """

    url: pulumi.Output[str]
    bucket: pulumi.Output[str]
    distribution_id: pulumi.Output[str]

    def __init__(self, name: str, args: SiteArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:edge:Site", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        files = PrivateBucket(
            f"{name}-files", PrivateBucketArgs(for_services=True, protect=args.plan.protect), self._children
        )
        distribution = self._create_distribution(files)
        aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=files.bucket,
            policy=pulumi.Output.all(files.arn, distribution.arn).apply(lambda arns: _read_by(*arns)),
            opts=self._children,
        )
        self._create_log(distribution)
        target = (distribution.domain_name, distribution.hosted_zone_id)
        alias(f"{name}-record", args.zone_id, args.plan.host, target, self._children)
        self.url = pulumi.Output.from_input(f"https://{args.plan.host}")
        self.bucket, self.distribution_id = files.bucket, distribution.id
        self.register_outputs({"url": self.url, "bucket": self.bucket, "distribution_id": self.distribution_id})

    def _create_distribution(self, files: PrivateBucket) -> aws.cloudfront.Distribution:
        plan = self._args.plan
        certificate = PublicCertificate(
            f"{self._name}-host",
            PublicCertificateArgs(plan.host, self._args.zone_id, EVERYWHERE),
            self._children,
        )
        access = aws.cloudfront.OriginAccessControl(
            f"{self._name}-access",
            name=self._name,
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=self._children,
        )
        router = aws.cloudfront.Function(
            f"{self._name}-router",
            name=f"{self._name}-router",
            runtime="cloudfront-js-2.0",
            comment="Addresses of the app are the app's page",
            code=ROUTER,
            opts=self._children,
        )
        headers, kept = self._headers().id, self._kept().id
        return aws.cloudfront.Distribution(
            f"{self._name}-distribution",
            enabled=True,
            aliases=[plan.host],
            default_root_object=ROOT,
            http_version="http2and3",
            is_ipv6_enabled=True,
            origins=[
                aws.cloudfront.DistributionOriginArgs(
                    origin_id=FILES, domain_name=files.domain_name, origin_access_control_id=access.id
                ),
                *([_api_origin(plan.api_host)] if plan.api_host else []),
            ],
            default_cache_behavior=aws.cloudfront.DistributionDefaultCacheBehaviorArgs(
                target_origin_id=FILES,
                viewer_protocol_policy="redirect-to-https",
                allowed_methods=list(READS),
                cached_methods=list(READS),
                cache_policy_id=UNCACHED,
                response_headers_policy_id=headers,
                compress=True,
                function_associations=[
                    aws.cloudfront.DistributionDefaultCacheBehaviorFunctionAssociationArgs(
                        event_type="viewer-request", function_arn=router.arn
                    )
                ],
            ),
            ordered_cache_behaviors=[_assets(plan.assets, kept, headers), *(_api(path, headers) for path in plan.api)],
            restrictions=aws.cloudfront.DistributionRestrictionsArgs(
                geo_restriction=aws.cloudfront.DistributionRestrictionsGeoRestrictionArgs(restriction_type="none")
            ),
            viewer_certificate=aws.cloudfront.DistributionViewerCertificateArgs(
                acm_certificate_arn=certificate.arn,
                ssl_support_method="sni-only",
                minimum_protocol_version="TLSv1.2_2021",
            ),
            tags={"Name": self._name},
            opts=self._children,
        )

    def _kept(self) -> aws.cloudfront.CachePolicy:
        nothing = aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginArgs(
            cookies_config=aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginCookiesConfigArgs(
                cookie_behavior="none"
            ),
            headers_config=aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginHeadersConfigArgs(
                header_behavior="none"
            ),
            query_strings_config=(
                aws.cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginQueryStringsConfigArgs(
                    query_string_behavior="none"
                )
            ),
            enable_accept_encoding_brotli=True,
            enable_accept_encoding_gzip=True,
        )
        return aws.cloudfront.CachePolicy(
            f"{self._name}-assets",
            name=f"{self._name}-assets",
            comment="Files whose names change with their contents",
            min_ttl=ASSET_SECONDS,
            default_ttl=ASSET_SECONDS,
            max_ttl=ASSET_SECONDS,
            parameters_in_cache_key_and_forwarded_to_origin=nothing,
            opts=self._children,
        )

    def _headers(self) -> aws.cloudfront.ResponseHeadersPolicy:
        security = aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs(
            strict_transport_security=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigStrictTransportSecurityArgs(
                access_control_max_age_sec=YEAR, include_subdomains=True, override=True
            ),
            content_type_options=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigContentTypeOptionsArgs(
                override=True
            ),
            frame_options=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigFrameOptionsArgs(
                frame_option="DENY", override=True
            ),
            referrer_policy=aws.cloudfront.ResponseHeadersPolicySecurityHeadersConfigReferrerPolicyArgs(
                referrer_policy="same-origin", override=True
            ),
        )
        return aws.cloudfront.ResponseHeadersPolicy(
            f"{self._name}-headers",
            name=f"{self._name}-headers",
            security_headers_config=security,
            opts=self._children,
        )

    def _create_log(self, distribution: aws.cloudfront.Distribution) -> None:
        """Who asked for what, in a log with an end."""
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-log",
            name=f"/aws/cloudfront/{self._name}",
            retention_in_days=self._args.log_days,
            region=EVERYWHERE,
            opts=self._children,
        )
        source = aws.cloudwatch.LogDeliverySource(
            f"{self._name}-requests",
            name=f"{self._name}-requests",
            log_type="ACCESS_LOGS",
            resource_arn=distribution.arn,
            region=EVERYWHERE,
            opts=self._children,
        )
        destination = aws.cloudwatch.LogDeliveryDestination(
            f"{self._name}-kept",
            name=f"{self._name}-kept",
            output_format="json",
            delivery_destination_configuration=(
                aws.cloudwatch.LogDeliveryDestinationDeliveryDestinationConfigurationArgs(
                    destination_resource_arn=logs.arn
                )
            ),
            region=EVERYWHERE,
            opts=self._children,
        )
        aws.cloudwatch.LogDelivery(
            f"{self._name}-delivery",
            delivery_source_name=source.name,
            delivery_destination_arn=destination.arn,
            region=EVERYWHERE,
            opts=self._children,
        )


def _read_by(bucket: str, distribution: str) -> str:
    """The files for this distribution only. It may not list them: what is missing is refused, like what is secret."""
    reading = {
        "Sid": "Site",
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": f"{bucket}/*",
        "Condition": {"StringEquals": {"AWS:SourceArn": distribution}},
    }
    return closed(bucket, reading)


def _api_origin(host: str) -> aws.cloudfront.DistributionOriginArgs:
    return aws.cloudfront.DistributionOriginArgs(
        origin_id=API,
        domain_name=host,
        custom_origin_config=aws.cloudfront.DistributionOriginCustomOriginConfigArgs(
            http_port=80, https_port=443, origin_protocol_policy="https-only", origin_ssl_protocols=["TLSv1.2"]
        ),
    )


def _assets(
    path: str, policy: pulumi.Input[str], headers: pulumi.Input[str]
) -> aws.cloudfront.DistributionOrderedCacheBehaviorArgs:
    return aws.cloudfront.DistributionOrderedCacheBehaviorArgs(
        path_pattern=path,
        target_origin_id=FILES,
        viewer_protocol_policy="redirect-to-https",
        allowed_methods=list(READS),
        cached_methods=list(READS),
        cache_policy_id=policy,
        response_headers_policy_id=headers,
        compress=True,
    )


def _api(path: str, headers: pulumi.Input[str]) -> aws.cloudfront.DistributionOrderedCacheBehaviorArgs:
    return aws.cloudfront.DistributionOrderedCacheBehaviorArgs(
        path_pattern=path,
        target_origin_id=API,
        viewer_protocol_policy="https-only",
        allowed_methods=list(METHODS),
        cached_methods=list(READS),
        cache_policy_id=UNCACHED,
        origin_request_policy_id=ALL_BUT_HOST,
        response_headers_policy_id=headers,
        compress=True,
    )
