"""What an environment publishes beside its load balancer: an API and a site, and what they keep secret."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from components.edge.authorizer import SecretSource
from components.edge.public_api import Balancer, PublicApi, PublicApiArgs
from components.edge.site import Site as WebSite
from components.edge.site import SiteArgs
from components.identity.stored import StoredSecrets, StoredSecretsArgs
from stacks.common import Stack
from stacks.network import Site

Values = Mapping[str, pulumi.Output[str]]


def store(stack: Stack, passwords: Values, given: Values, databases: Values) -> StoredSecrets | None:
    """The secrets in the account's secret store, where the plan has some."""
    if not stack.plan.stored:
        return None
    environment = stack.deployment.environment
    args = StoredSecretsArgs(
        stack.plan.stored,
        passwords,
        given,
        stack.deployment.facts.region,
        databases,
        environment.log_days,
        environment.protect,
    )
    return StoredSecrets(f"{stack.name}-secrets-store", args, stack.options)


def publish(
    stack: Stack, site: Site, stored: StoredSecrets | None, passwords: Values
) -> tuple[PublicApi | None, WebSite | None]:
    """The API and the site of the plan, with their names in the public zone, which is there already."""
    plan = stack.plan
    api = _api(stack, site, stored, passwords) if plan.api else None
    shown = None
    if plan.site:
        # CloudFront asks for the API's name when the first request comes, not before.
        args = SiteArgs(plan.site, _zone(stack, plan.site.zone), stack.deployment.environment.log_days)
        shown = WebSite(plan.site.name, args, stack.options)
    return api, shown


def _api(stack: Stack, site: Site, stored: StoredSecrets | None, passwords: Values) -> PublicApi:
    plan = stack.plan.api
    if plan is None or site.edge is None or stored is None:
        raise AssertionError("an API has a load balancer in its own network, and a stored key")
    secret = plan.authorizer.secret
    return PublicApi(
        plan.name,
        PublicApiArgs(
            plan=plan,
            region=stack.deployment.facts.region,
            zone_id=_zone(stack, plan.zone),
            balancer=Balancer(site.edge.arn, site.edge.dns_name, site.edge.zone_id),
            keys=SecretSource(stored.arns[secret], stored.key_arn) if secret else None,
            client_key=passwords[plan.key],
        ),
        stack.options,
    )


def _zone(stack: Stack, name: str) -> pulumi.Output[str]:
    """Its id is the zone's."""
    return aws.route53.get_zone_output(
        name=name, private_zone=False, opts=pulumi.InvokeOutputOptions(provider=stack.provider)
    ).id
