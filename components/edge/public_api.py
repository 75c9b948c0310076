"""A public REST API in front of an internal load balancer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components.edge.authorizer import SecretSource, TokenAuthorizer, TokenAuthorizerArgs
from components.edge.certificate import PublicCertificate, PublicCertificateArgs, alias
from components.edge.web_firewall import ApiFirewall, ApiFirewallArgs
from components.identity.role import ServiceRole, ServiceRoleArgs
from derive.edge.public_api import AUTHORIZER, LINK, ApiPlan

LOGGING_POLICY: Final = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
ACCESS_LOG: Final = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "address": "$context.identity.sourceIp",
    "client": "$context.identity.apiKeyId",
    "subject": "$context.authorizer.principalId",
    "method": "$context.httpMethod",
    "path": "$context.resourcePath",
    "status": "$context.status",
    "length": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "behind": "$context.integrationLatency",
    "error": "$context.error.message",
}
"""Who asked for what, and what came of it: no body, no token, no parameter's value."""


@dataclass(frozen=True)
class Balancer:
    """The internal load balancer: where it is, and what it is called."""

    arn: pulumi.Input[str]
    dns_name: pulumi.Input[str]
    zone_id: pulumi.Input[str]


@dataclass(frozen=True)
class PublicApiArgs:
    """The plan, and what the stack has for it."""

    plan: ApiPlan
    region: str
    zone_id: pulumi.Input[str]
    balancer: Balancer
    keys: SecretSource | None
    """The secret with the issuer's keys. Absent: the issuer publishes them."""
    client_key: pulumi.Input[str]
    """The API key of the clients; 20 to 128 characters. Secret."""


class PublicApi(pulumi.ComponentResource):
    """API Gateway by the plan's document: a stage with logs and limits, an authorizer, a name with a certificate, a key
    for clients, and a link to the load balancer. It answers under its own name only.

    The role by which API Gateway writes logs is the account's, one for each region: whichever stack was updated last
    has set it, and none takes it away.
    Costs: by the request; the firewall by the month, rule and request. Outputs: the API's address.
    """

    url: pulumi.Output[str]
    rest_api_id: pulumi.Output[str]

    def __init__(self, name: str, args: PublicApiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:edge:PublicApi", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        api, body = self._create_api()
        stage = self._create_stage(api, body)
        self._create_limits(api, stage)
        self._create_name(api, stage)
        if args.plan.firewall:
            ApiFirewall(
                f"{name}-firewall", ApiFirewallArgs(args.plan.firewall, stage.arn, args.plan.signed), self._children
            )
        self.rest_api_id = api.id
        self.url = pulumi.Output.from_input(f"https://{args.plan.host}")
        self.register_outputs({"url": self.url, "rest_api_id": self.rest_api_id})

    def _create_api(self) -> tuple[aws.apigateway.RestApi, pulumi.Output[str]]:
        args, plan = self._args, self._args.plan
        authorizer = TokenAuthorizer(
            f"{self._name}-authorizer",
            TokenAuthorizerArgs(plan.authorizer, args.keys, args.region, plan.log_days),
            self._children,
        )
        link = aws.apigateway.VpcLink(
            f"{self._name}-link", name=self._name, target_arn=args.balancer.arn, opts=self._children
        )
        document = json.dumps(plan.document, sort_keys=True)
        body = pulumi.Output.all(link.id, authorizer.invoke_arn).apply(
            lambda known: document.replace(LINK, known[0]).replace(AUTHORIZER, known[1])
        )
        api = aws.apigateway.RestApi(
            f"{self._name}-api",
            name=self._name,
            body=body,
            put_rest_api_mode="overwrite",
            endpoint_configuration=aws.apigateway.RestApiEndpointConfigurationArgs(types="REGIONAL"),
            # Else whoever finds the generated name gets round the one that has a firewall and a certificate of ours.
            disable_execute_api_endpoint=True,
            opts=self._children,
        )
        aws.lambda_.Permission(
            f"{self._name}-asks",
            action="lambda:InvokeFunction",
            function=authorizer.function_name,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(api.execution_arn, "/authorizers/*"),
            opts=self._children,
        )
        return api, body

    def _create_stage(self, api: aws.apigateway.RestApi, body: pulumi.Output[str]) -> aws.apigateway.Stage:
        plan = self._args.plan
        # A deployment is what the API was when it was made: another document is another deployment.
        deployment = aws.apigateway.Deployment(
            f"{self._name}-deployment",
            rest_api=api.id,
            triggers={"document": body.apply(lambda text: hashlib.sha256(text.encode()).hexdigest())},
            opts=self._children,
        )
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-log",
            name=f"/aws/apigateway/{self._name}",
            retention_in_days=plan.log_days,
            opts=self._children,
        )
        # What API Gateway says of itself, in a group that it would make without an end.
        said = aws.cloudwatch.LogGroup(
            f"{self._name}-execution-log",
            name=pulumi.Output.concat("API-Gateway-Execution-Logs_", api.id, "/", plan.stage),
            retention_in_days=plan.log_days,
            opts=self._children,
        )
        role = ServiceRole(
            f"{self._name}-logging",
            ServiceRoleArgs(service="apigateway.amazonaws.com", managed=[LOGGING_POLICY]),
            self._children,
        )
        account = aws.apigateway.Account(
            f"{self._name}-account",
            cloudwatch_role_arn=role.arn,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[role], retain_on_delete=True),
        )
        stage = aws.apigateway.Stage(
            f"{self._name}-stage",
            rest_api=api.id,
            deployment=deployment.id,
            stage_name=plan.stage,
            access_log_settings=aws.apigateway.StageAccessLogSettingsArgs(
                destination_arn=logs.arn, format=json.dumps(ACCESS_LOG)
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, said]),
        )
        aws.apigateway.MethodSettings(
            f"{self._name}-methods",
            rest_api=api.id,
            stage_name=stage.stage_name,
            method_path="*/*",
            settings=aws.apigateway.MethodSettingsSettingsArgs(
                logging_level="ERROR", metrics_enabled=True, data_trace_enabled=False
            ),
            opts=self._children,
        )
        return stage

    def _create_limits(self, api: aws.apigateway.RestApi, stage: aws.apigateway.Stage) -> None:
        """Each key has the limits for itself, so a client is whoever has a key of his own."""
        plan = self._args.plan
        usage = aws.apigateway.UsagePlan(
            f"{self._name}-usage",
            name=self._name,
            api_stages=[aws.apigateway.UsagePlanApiStageArgs(api_id=api.id, stage=stage.stage_name)],
            throttle_settings=aws.apigateway.UsagePlanThrottleSettingsArgs(
                rate_limit=plan.per_second, burst_limit=plan.burst
            ),
            opts=self._children,
        )
        key = aws.apigateway.ApiKey(
            f"{self._name}-key", name=self._name, value=self._args.client_key, opts=self._children
        )
        aws.apigateway.UsagePlanKey(
            f"{self._name}-allowed",
            usage_plan_id=usage.id,
            key_id=key.id,
            key_type="API_KEY",
            opts=self._children,
        )

    def _create_name(self, api: aws.apigateway.RestApi, stage: aws.apigateway.Stage) -> None:
        args, plan = self._args, self._args.plan
        certificate = PublicCertificate(
            f"{self._name}-host", PublicCertificateArgs(plan.host, args.zone_id), self._children
        )
        domain = aws.apigateway.DomainName(
            f"{self._name}-domain",
            domain_name=plan.host,
            regional_certificate_arn=certificate.arn,
            security_policy="TLS_1_2",
            endpoint_configuration=aws.apigateway.DomainNameEndpointConfigurationArgs(types="REGIONAL"),
            opts=self._children,
        )
        aws.apigateway.BasePathMapping(
            f"{self._name}-mapping",
            rest_api=api.id,
            stage_name=stage.stage_name,
            domain_name=domain.domain_name,
            opts=self._children,
        )
        target = (domain.regional_domain_name, domain.regional_zone_id)
        alias(f"{self._name}-record", args.zone_id, plan.host, target, self._children)
        balancer = (args.balancer.dns_name, args.balancer.zone_id)
        for host in plan.inside:
            alias(f"{self._name}-{host.split('.')[0]}", args.zone_id, host, balancer, self._children)
