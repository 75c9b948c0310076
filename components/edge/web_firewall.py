"""AWS WAF before an API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from model import WebFirewall


@dataclass(frozen=True)
class ApiFirewallArgs:
    """The rules, and what they stand before."""

    rules: WebFirewall
    stage_arn: pulumi.Input[str]
    signed: Sequence[str] = ()
    """Paths whose requests the managed rules do not see: they are signed, and may look like anything."""


class ApiFirewall(pulumi.ComponentResource):
    """A regional web ACL before a stage: how often one address may ask, then AWS's managed rules.

    An address that asks too often is refused until its last window has fewer requests.
    Costs: by the month, by rule and by request.
    """

    def __init__(self, name: str, args: ApiFirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:edge:ApiFirewall", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        signed = [_signed(path, number) for number, path in enumerate(args.signed, start=1)]
        managed = [_managed(group, number) for number, group in enumerate(args.rules.managed, start=1 + len(signed))]
        acl = aws.wafv2.WebAcl(
            f"{name}-acl",
            name=name,
            scope="REGIONAL",
            default_action=aws.wafv2.WebAclDefaultActionArgs(allow=aws.wafv2.WebAclDefaultActionAllowArgs()),
            rules=[_rate(args.rules), *signed, *managed],
            visibility_config=aws.wafv2.WebAclVisibilityConfigArgs(
                cloudwatch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
            ),
            opts=children,
        )
        aws.wafv2.WebAclAssociation(f"{name}-before", web_acl_arn=acl.arn, resource_arn=args.stage_arn, opts=children)
        self.register_outputs({})


def _rate(rules: WebFirewall) -> aws.wafv2.WebAclRuleArgs:
    return aws.wafv2.WebAclRuleArgs(
        name="rate",
        priority=0,
        action=aws.wafv2.WebAclRuleActionArgs(block=aws.wafv2.WebAclRuleActionBlockArgs()),
        statement=aws.wafv2.WebAclRuleStatementArgs(
            rate_based_statement=aws.wafv2.WebAclRuleStatementRateBasedStatementArgs(
                limit=rules.requests, evaluation_window_sec=rules.window, aggregate_key_type="IP"
            )
        ),
        visibility_config=_seen("rate"),
    )


def _managed(group: str, priority: int) -> aws.wafv2.WebAclRuleArgs:
    return aws.wafv2.WebAclRuleArgs(
        name=group,
        priority=priority,
        # As the group itself decides: blocked.
        override_action=aws.wafv2.WebAclRuleOverrideActionArgs(
            none=aws.wafv2.WebAclRuleOverrideActionNoneArgs()  # type: ignore[no-untyped-call] # the SDK has no types here
        ),
        statement=aws.wafv2.WebAclRuleStatementArgs(
            managed_rule_group_statement=aws.wafv2.WebAclRuleStatementManagedRuleGroupStatementArgs(
                vendor_name="AWS", name=group
            )
        ),
        visibility_config=_seen(group),
    )


def _signed(path: str, priority: int) -> aws.wafv2.WebAclRuleArgs:
    """A webhook's body is longer than AWS's common rules admit (8 KB) and full of what people wrote.

    Where the API answers under a name of AWS's own, WAF sees the stage before the path: only the end is compared.
    """
    name = path.strip("/").replace("/", "-")
    uri = aws.wafv2.WebAclRuleStatementByteMatchStatementFieldToMatchUriPathArgs()  # type: ignore[no-untyped-call] # no types
    return aws.wafv2.WebAclRuleArgs(
        name=name,
        priority=priority,
        action=aws.wafv2.WebAclRuleActionArgs(allow=aws.wafv2.WebAclRuleActionAllowArgs()),
        statement=aws.wafv2.WebAclRuleStatementArgs(
            byte_match_statement=aws.wafv2.WebAclRuleStatementByteMatchStatementArgs(
                search_string=path,
                positional_constraint="ENDS_WITH",
                field_to_match=aws.wafv2.WebAclRuleStatementByteMatchStatementFieldToMatchArgs(uri_path=uri),
                text_transformations=[
                    aws.wafv2.WebAclRuleStatementByteMatchStatementTextTransformationArgs(priority=0, type="NONE")
                ],
            )
        ),
        visibility_config=_seen(name),
    )


def _seen(metric: str) -> aws.wafv2.WebAclRuleVisibilityConfigArgs:
    """Counted, but no samples kept: requests hold what is nobody's affair."""
    return aws.wafv2.WebAclRuleVisibilityConfigArgs(
        cloudwatch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=False
    )
