"""Samples of functions and API gateways."""

from __future__ import annotations

from tests.sandbox.aws_samples.documents import Sample

_REST = {"restApi": "${rest}", "resourceId": "${pets}", "httpMethod": "${get-pets.httpMethod}"}

_FUNCTIONS: list[Sample] = [
    (
        "aws:lambda/function:Function",
        "resize",
        {
            "role": "${node.arn}",
            "runtime": "python3.12",
            "handler": "index.handler",
            "s3Bucket": "${data-bucket}",
            "s3Key": "resize.zip",
            "memorySize": 256,
            "timeout": 10,
            "architectures": ["arm64"],
            "environment": {"variables": {"LEVEL": "info"}},
            "vpcConfig": {"subnetIds": ["${netb}"], "securityGroupIds": ["${app}"]},
            "kmsKeyArn": "${key.arn}",
            "tags": {"a": "b"},
        },
    ),
    (
        "aws:secretsmanager/secretRotation:SecretRotation",
        "db-rotation",
        {
            "secretId": "${db}",
            "rotationLambdaArn": "${resize.arn}",
            "rotationRules": {"automaticallyAfterDays": 90},
        },
    ),
    (
        "aws:lambda/permission:Permission",
        "resize-from-topic",
        {
            "function": "${resize}",
            "action": "lambda:InvokeFunction",
            "principal": "sns.amazonaws.com",
            "sourceArn": "${alerts.arn}",
        },
    ),
]

_HTTP: list[Sample] = [
    (
        "aws:apigatewayv2/api:Api",
        "public-api",
        {
            "protocolType": "HTTP",
            "corsConfiguration": {"allowOrigins": ["https://www.example.com"], "allowMethods": ["GET"], "maxAge": 300},
            "tags": {"a": "b"},
        },
    ),
    (
        "aws:apigatewayv2/vpcLink:VpcLink",
        "http-inside",
        {"securityGroupIds": ["${app}"], "subnetIds": ["${netb}", "${netc}"]},
    ),
    (
        "aws:apigatewayv2/integration:Integration",
        "http-alb",
        {
            "apiId": "${public-api}",
            "integrationType": "HTTP_PROXY",
            "integrationMethod": "ANY",
            "integrationUri": "${alb-80}",
            "connectionType": "VPC_LINK",
            "connectionId": "${http-inside}",
            "timeoutMilliseconds": 5000,
        },
    ),
    (
        "aws:apigatewayv2/authorizer:Authorizer",
        "http-jwt",
        {
            "apiId": "${public-api}",
            "authorizerType": "JWT",
            "identitySources": ["$request.header.Authorization"],
            "jwtConfiguration": {"audiences": ["web"], "issuer": "https://login.example.com"},
        },
    ),
    (
        "aws:apigatewayv2/route:Route",
        "http-orders",
        {
            "apiId": "${public-api}",
            "routeKey": "GET /orders",
            "target": "integrations/${http-alb}",
            "authorizationType": "JWT",
            "authorizerId": "${http-jwt}",
        },
    ),
    (
        "aws:apigatewayv2/stage:Stage",
        "http-live",
        {
            "apiId": "${public-api}",
            "name": "$default",
            "autoDeploy": True,
            "defaultRouteSettings": {"throttlingBurstLimit": 100, "throttlingRateLimit": 50},
        },
    ),
    (
        "aws:apigatewayv2/domainName:DomainName",
        "http-name",
        {
            "domainName": "api.example.com",
            "domainNameConfiguration": {
                "certificateArn": "${cert}",
                "endpointType": "REGIONAL",
                "securityPolicy": "TLS_1_2",
            },
        },
    ),
    (
        "aws:apigatewayv2/apiMapping:ApiMapping",
        "http-name-live",
        {"apiId": "${public-api}", "domainName": "${http-name}", "stage": "${http-live}"},
    ),
]

_REST_API: list[Sample] = [
    (
        "aws:apigateway/restApi:RestApi",
        "rest",
        {"description": "pets", "endpointConfiguration": {"types": "REGIONAL"}, "tags": {"a": "b"}},
    ),
    (
        "aws:apigateway/resource:Resource",
        "pets",
        {"restApi": "${rest}", "parentId": "${rest.rootResourceId}", "pathPart": "pets"},
    ),
    (
        "aws:apigateway/authorizer:Authorizer",
        "rest-token",
        {"restApi": "${rest}", "authorizerUri": "${resize.invokeArn}", "authorizerResultTtlInSeconds": 60},
    ),
    (
        "aws:apigateway/method:Method",
        "get-pets",
        {
            "restApi": "${rest}",
            "resourceId": "${pets}",
            "httpMethod": "GET",
            "authorization": "CUSTOM",
            "authorizerId": "${rest-token}",
            "apiKeyRequired": True,
        },
    ),
    (
        "aws:apigateway/integration:Integration",
        "pets-resize",
        {
            **_REST,
            "type": "AWS_PROXY",
            "integrationHttpMethod": "POST",
            "uri": "${resize.invokeArn}",
            "timeoutMilliseconds": 5000,
        },
    ),
    (
        "aws:apigateway/deployment:Deployment",
        "rest-first",
        {"restApi": "${rest}", "description": "first", "triggers": {"integration": "${pets-resize}"}},
    ),
    (
        "aws:apigateway/stage:Stage",
        "rest-live",
        {"restApi": "${rest}", "deployment": "${rest-first}", "stageName": "live", "xrayTracingEnabled": True},
    ),
    (
        "aws:apigateway/methodSettings:MethodSettings",
        "rest-methods",
        {
            "restApi": "${rest}",
            "stageName": "${rest-live.stageName}",
            "methodPath": "*/*",
            "settings": {"loggingLevel": "ERROR", "metricsEnabled": True, "throttlingRateLimit": 5},
        },
    ),
    ("aws:apigateway/account:Account", "rest-account", {"cloudwatchRoleArn": "${node.arn}"}),
    (
        "aws:apigateway/domainName:DomainName",
        "rest-name",
        {
            "domainName": "rest.example.com",
            "regionalCertificateArn": "${cert}",
            "endpointConfiguration": {"types": "REGIONAL"},
            "securityPolicy": "TLS_1_2",
            "tags": {"a": "b"},
        },
    ),
    (
        "aws:apigateway/basePathMapping:BasePathMapping",
        "rest-name-live",
        {"restApi": "${rest}", "stageName": "${rest-live.stageName}", "domainName": "${rest-name}"},
    ),
    ("aws:apigateway/vpcLink:VpcLink", "rest-inside", {"targetArn": "${nlb}"}),
    ("aws:apigateway/apiKey:ApiKey", "partner", {"description": "a partner's key"}),
    (
        "aws:apigateway/usagePlan:UsagePlan",
        "partners",
        {
            "apiStages": [{"apiId": "${rest}", "stage": "${rest-live.stageName}"}],
            "quotaSettings": {"limit": 1000, "period": "DAY"},
            "throttleSettings": {"burstLimit": 20, "rateLimit": 10},
        },
    ),
    (
        "aws:apigateway/usagePlanKey:UsagePlanKey",
        "partner-plan",
        {"usagePlanId": "${partners}", "keyId": "${partner}", "keyType": "API_KEY"},
    ),
]

SERVERLESS: list[Sample] = _FUNCTIONS + _HTTP + _REST_API
