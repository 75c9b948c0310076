"""AWS WAF before an API."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from model import WebFirewall


@dataclass(frozen=True)
class ApiFirewallArgs:
    """The rules, and what they stand before."""

    rules: WebFirewall
    stage_arn: pulumi.Input[str]


class ApiFirewall(pulumi.ComponentResource):
    """A regional web ACL before a stage: how often one address may ask, then AWS's managed rules.

    An address that asks too often is refused until its last window has fewer requests.
    Costs: by the month, by rule and by request.
    """

    def __init__(self, name: str, args: ApiFirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:edge:ApiFirewall", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        managed = [_managed(group, number) for number, group in enumerate(args.rules.managed, start=1)]
        acl = aws.wafv2.WebAcl(
            f"{name}-acl",
            name=name,
            scope="REGIONAL",
            default_action=aws.wafv2.WebAclDefaultActionArgs(allow=aws.wafv2.WebAclDefaultActionAllowArgs()),
            rules=[_rate(args.rules), *managed],
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


def _seen(metric: str) -> aws.wafv2.WebAclRuleVisibilityConfigArgs:
    """Counted, but no samples kept: requests hold what is nobody's affair."""
    return aws.wafv2.WebAclRuleVisibilityConfigArgs(
        cloudwatch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=False
    )
