"""Lambda and API Gateway (HTTP APIs, then REST APIs)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError

_API: Final = {"apiId": "aws:apigatewayv2/api:Api"}
_API_KEY: Final = {"ApiId": "{apiId}"}
_REST: Final = {"restApi": "aws:apigateway/restApi:RestApi"}
_REST_KEY: Final = {"restApiId": "{restApi}"}
_METHOD_KEY: Final = {**_REST_KEY, "resourceId": "{resourceId}", "httpMethod": "{httpMethod}"}
_SETTINGS: Final = "description handler memorySize role runtime timeout environment vpcConfig layers"


def _empty_archive() -> bytes:
    """No function runs in the sandbox: its code is an archive with one fixed entry."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py"), "")
    return file.getvalue()


def _code(context: Context) -> dict[str, Any]:
    given = context.inputs
    if given.get("imageUri"):
        return {"ImageUri": given["imageUri"]}
    return {"ZipFile": _empty_archive()}


def _invoke_arn(context: Context) -> str:
    arn = f"arn:aws:lambda:{context.region}:{context.account}:function:{context.inputs['name']}"
    return f"arn:aws:apigateway:{context.region}:lambda:path/2015-03-31/functions/{arn}/invocations"


_FUNCTION_CODE: Final = "becomes Code"

_LAMBDA: Final[Mapping[str, Row]] = {
    "aws:lambda/function:Function": Row(
        "lambda",
        "CreateFunction",
        key={"FunctionName": "{name}"},
        name_max=64,
        rename={"name": "FunctionName", "kmsKeyArn": "KMSKeyArn"},
        args={"Code": _code},
        ignore={
            **dict.fromkeys(("code", "imageUri", "s3Bucket", "s3Key", "s3ObjectVersion"), _FUNCTION_CODE),
            "sourceCodeHash": "what the provider compares",
            "skipDestroy": "how the provider deletes",
            "reservedConcurrentExecutions": "moto runs nothing at once",
        },
        calls=(Call("UpdateFunctionConfiguration", _SETTINGS, on_create=False),),
        replace="name packageType",
        arn="arn:aws:lambda:{region}:{account}:function:{name}",
        outputs={
            "invokeArn": _invoke_arn,
            "qualifiedArn": "arn:aws:lambda:{region}:{account}:function:{name}:$LATEST",
            "version": lambda _: "$LATEST",
        },
        delete="DeleteFunction",
    ),
    "aws:lambda/permission:Permission": Row(
        "lambda",
        "AddPermission",
        id="{statementId}",
        auto_name="statementId",
        rename={"function": "FunctionName"},
        links={"function": "aws:lambda/function:Function"},
        replace="action function principal sourceArn sourceAccount "
        "statementId qualifier eventSourceToken principalOrgId",
        delete="RemovePermission",
        delete_args={"FunctionName": "{function}", "StatementId": "{statementId}"},
    ),
}

_HTTP: Final[Mapping[str, Row]] = {
    "aws:apigatewayv2/api:Api": Row(
        "apigatewayv2",
        "CreateApi",
        id="ApiId",
        key="ApiId",
        ignore={"body": "moto does not import at creation", "failOnWarnings": "how the provider imports"},
        calls=(
            Call("UpdateApi", "name description corsConfiguration disableExecuteApiEndpoint version", on_create=False),
        ),
        replace="protocolType",
        arn="arn:aws:apigateway:{region}::/apis/{id}",
        outputs={
            "apiEndpoint": "https://{id}.execute-api.{region}.amazonaws.com",
            "executionArn": "arn:aws:execute-api:{region}:{account}:{id}",
        },
        delete="DeleteApi",
    ),
    "aws:apigatewayv2/integration:Integration": Row(
        "apigatewayv2",
        "CreateIntegration",
        id="IntegrationId",
        key={**_API_KEY, "IntegrationId": "{id}"},
        rename={"timeoutMilliseconds": "TimeoutInMillis"},
        links=_API,
        replace="apiId integrationType",
        delete="DeleteIntegration",
    ),
    "aws:apigatewayv2/authorizer:Authorizer": Row(
        "apigatewayv2",
        "CreateAuthorizer",
        id="AuthorizerId",
        key={**_API_KEY, "AuthorizerId": "{id}"},
        rename={"identitySources": "IdentitySource", "jwtConfiguration.audiences": "Audience"},
        links=_API,
        replace="apiId authorizerType",
        delete="DeleteAuthorizer",
    ),
    "aws:apigatewayv2/route:Route": Row(
        "apigatewayv2",
        "CreateRoute",
        id="RouteId",
        key={**_API_KEY, "RouteId": "{id}"},
        links=_API,
        calls=(Call("UpdateRoute", "target authorizationType authorizerId routeKey", on_create=False),),
        replace="apiId",
        delete="DeleteRoute",
    ),
    "aws:apigatewayv2/stage:Stage": Row(
        "apigatewayv2",
        "CreateStage",
        id="{name}",
        key={**_API_KEY, "StageName": "{name}"},
        rename={"name": "StageName"},
        links=_API,
        replace="apiId name",
        arn="arn:aws:apigateway:{region}::/apis/{apiId}/stages/{name}",
        outputs={
            "executionArn": "arn:aws:execute-api:{region}:{account}:{apiId}/{name}",
            "invokeUrl": lambda c: (
                f"https://{c.inputs['apiId']}.execute-api.{c.region}.amazonaws.com/"
                f"{'' if c.inputs['name'] == '$default' else c.inputs['name']}"
            ),
        },
        delete="DeleteStage",
    ),
    "aws:apigatewayv2/vpcLink:VpcLink": Row(
        "apigatewayv2",
        "CreateVpcLink",
        id="VpcLinkId",
        key={"VpcLinkId": "{id}"},
        replace="securityGroupIds subnetIds",
        arn="arn:aws:apigateway:{region}::/vpclinks/{id}",
        delete="DeleteVpcLink",
    ),
    "aws:apigatewayv2/domainName:DomainName": Row(
        "apigatewayv2",
        "CreateDomainName",
        id="{domainName}",
        key={"DomainName": "{id}"},
        rename={"domainNameConfiguration": "DomainNameConfigurations"},
        replace="domainName",
        arn="arn:aws:apigateway:{region}::/domainnames/{id}",
        delete="DeleteDomainName",
    ),
    "aws:apigatewayv2/apiMapping:ApiMapping": Row(
        "apigatewayv2",
        "CreateApiMapping",
        id="ApiMappingId",
        key={"ApiMappingId": "{id}", "DomainName": "{domainName}"},
        links={**_API, "domainName": "aws:apigatewayv2/domainName:DomainName"},
        replace="domainName",
        delete="DeleteApiMapping",
    ),
}


def _root(context: Context) -> str:
    resources = context.call("GetResources", restApiId=context.id)["items"]
    return str(next(resource["id"] for resource in resources if resource["path"] == "/"))


def _import_body(context: Context) -> None:
    if context.inputs.get("body"):
        context.call("PutRestApi", restApiId=context.id, mode="overwrite", body=context.inputs["body"].encode())


def _stage_url(context: Context) -> str:
    given = context.inputs
    return f"https://{given['restApi']}.execute-api.{context.region}.amazonaws.com/{given['stageName']}"


_SETTING_PATHS: Final = {
    "cacheDataEncrypted": "caching/dataEncrypted",
    "cacheTtlInSeconds": "caching/ttlInSeconds",
    "cachingEnabled": "caching/enabled",
    "dataTraceEnabled": "logging/dataTrace",
    "loggingLevel": "logging/loglevel",
    "metricsEnabled": "metrics/enabled",
    "throttlingBurstLimit": "throttling/burstLimit",
    "throttlingRateLimit": "throttling/rateLimit",
}
"""Setting to its path below a method's (API Gateway API, UpdateStage)."""


def _method_settings(context: Context) -> list[dict[str, str]]:
    method = context.inputs["methodPath"]
    patches = []
    for name, value in context.inputs["settings"].items():
        if name not in _SETTING_PATHS:
            raise ResourceError(f"the sandbox does not know the method setting '{name}'", path=f"settings.{name}")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        patches.append({"op": "replace", "path": f"/{method}/{_SETTING_PATHS[name]}", "value": text})
    return patches


def _logging_role(context: Context) -> list[dict[str, str]]:
    role = context.inputs.get("cloudwatchRoleArn") or ""
    return [{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]


_EDGE_ZONE: Final = "Z1UJRXOUMOOFQ8"
"""The hosted zone of regional API names in us-east-1 (AWS General Reference, "API Gateway endpoints")."""

_REST_API: Final[Mapping[str, Row]] = {
    "aws:apigateway/restApi:RestApi": Row(
        "apigateway",
        "CreateRestApi",
        id="id",
        key={"restApiId": "{id}"},
        rename={"endpointConfiguration.types": "types"},
        ignore={
            "body": "imported by a second call",
            "putRestApiMode": "how the provider imports",
            "failOnWarnings": "how the provider imports",
            "parameters": "how the provider imports",
        },
        after_create=_import_body,
        on_update=_import_body,
        arn="arn:aws:apigateway:{region}::/restapis/{id}",
        outputs={"executionArn": "arn:aws:execute-api:{region}:{account}:{id}", "rootResourceId": _root},
        delete="DeleteRestApi",
    ),
    "aws:apigateway/resource:Resource": Row(
        "apigateway",
        "CreateResource",
        id="id",
        key={**_REST_KEY, "resourceId": "{id}"},
        links=_REST,
        replace="restApi",
        read=("GetResource", {**_REST_KEY, "resourceId": "{id}"}, "@"),
        delete="DeleteResource",
    ),
    "aws:apigateway/authorizer:Authorizer": Row(
        "apigateway",
        "CreateAuthorizer",
        id="id",
        key={**_REST_KEY, "authorizerId": "{id}"},
        rename={"authorizerCredentials": "authorizerCredentials"},
        args={"type": "TOKEN", "identitySource": "method.request.header.Authorization"},
        links=_REST,
        replace="restApi",
        arn="arn:aws:apigateway:{region}::/restapis/{restApi}/authorizers/{id}",
        delete="DeleteAuthorizer",
    ),
    "aws:apigateway/method:Method": Row(
        "apigateway",
        "PutMethod",
        id="agm-{restApi}-{resourceId}-{httpMethod}",
        key=_METHOD_KEY,
        rename={"authorization": "authorizationType"},
        links=_REST,
        upsert=True,
        replace="restApi resourceId httpMethod",
        delete="DeleteMethod",
    ),
    "aws:apigateway/integration:Integration": Row(
        "apigateway",
        "PutIntegration",
        id="agi-{restApi}-{resourceId}-{httpMethod}",
        key=_METHOD_KEY,
        rename={"timeoutMilliseconds": "timeoutInMillis"},
        links=_REST,
        upsert=True,
        replace="restApi resourceId httpMethod type connectionType",
        delete="DeleteIntegration",
    ),
    "aws:apigateway/deployment:Deployment": Row(
        "apigateway",
        "CreateDeployment",
        id="id",
        key={**_REST_KEY, "deploymentId": "{id}"},
        ignore={"triggers": "how the provider updates"},
        links=_REST,
        replace="restApi triggers",
        delete="DeleteDeployment",
    ),
    "aws:apigateway/stage:Stage": Row(
        "apigateway",
        "CreateStage",
        id="ags-{restApi}-{stageName}",
        key={**_REST_KEY, "stageName": "{stageName}"},
        rename={"deployment": "deploymentId", "xrayTracingEnabled": "tracingEnabled"},
        ignore={"accessLogSettings": "set by a call that moto does not check"},
        links={**_REST, "deployment": "aws:apigateway/deployment:Deployment"},
        replace="restApi stageName",
        arn="arn:aws:apigateway:{region}::/restapis/{restApi}/stages/{stageName}",
        outputs={
            "executionArn": "arn:aws:execute-api:{region}:{account}:{restApi}/{stageName}",
            "invokeUrl": _stage_url,
        },
        delete="DeleteStage",
    ),
    "aws:apigateway/methodSettings:MethodSettings": Row(
        "apigateway",
        "UpdateStage",
        id="{restApi}-{stageName}-{methodPath}",
        args={"restApiId": "{restApi}", "stageName": "{stageName}", "patchOperations": _method_settings},
        ignore=dict.fromkeys(("restApi", "stageName", "methodPath", "settings"), "in patchOperations"),
        links=_REST,
        upsert=True,
        replace="restApi stageName methodPath",
        auto_name="",
    ),
    "aws:apigateway/account:Account": Row(
        "apigateway",
        "UpdateAccount",
        # The account has one; whoever sets it last has set it, and each stack has set its own.
        id="api-gateway-account/{cloudwatchRoleArn}",
        args={"patchOperations": _logging_role},
        ignore={"cloudwatchRoleArn": "in patchOperations"},
        upsert=True,
        outputs={"apiKeyVersion": lambda _: "4", "features": lambda _: ["UsagePlans"]},
        auto_name="",
    ),
    "aws:apigateway/domainName:DomainName": Row(
        "apigateway",
        "CreateDomainName",
        id="{domainName}",
        key={"domainName": "{id}"},
        rename={"endpointConfiguration.types": "types"},
        replace="domainName",
        arn="arn:aws:apigateway:{region}::/domainnames/{id}",
        outputs={
            "regionalDomainName": "d-{hex10}.execute-api.{region}.amazonaws.com",
            "regionalZoneId": lambda _: _EDGE_ZONE,
        },
        delete="DeleteDomainName",
        auto_name="",
    ),
    "aws:apigateway/basePathMapping:BasePathMapping": Row(
        "apigateway",
        "CreateBasePathMapping",
        id=lambda c: f"{c.inputs['domainName']}/{c.inputs.get('basePath') or ''}",
        rename={"stageName": "stage", "restApi": "restApiId"},
        links={**_REST, "domainName": "aws:apigateway/domainName:DomainName"},
        replace="domainName basePath restApi stageName",
        delete="DeleteBasePathMapping",
        delete_args={
            "domainName": "{domainName}",
            "basePath": lambda c: c.inputs.get("basePath") or "(none)",
        },
        auto_name="",
    ),
    "aws:apigateway/vpcLink:VpcLink": Row(
        "apigateway",
        "CreateVpcLink",
        id="id",
        key={"vpcLinkId": "{id}"},
        rename={"targetArn": "targetArns"},
        replace="targetArn",
        arn="arn:aws:apigateway:{region}::/vpclinks/{id}",
        delete="DeleteVpcLink",
    ),
    "aws:apigateway/apiKey:ApiKey": Row(
        "apigateway",
        "CreateApiKey",
        id="id",
        key={"apiKey": "{id}"},
        args={"enabled": True},
        replace="name value",
        arn="arn:aws:apigateway:{region}::/apikeys/{id}",
        outputs={"value": "@value"},
        delete="DeleteApiKey",
    ),
    "aws:apigateway/usagePlan:UsagePlan": Row(
        "apigateway",
        "CreateUsagePlan",
        id="id",
        key={"usagePlanId": "{id}"},
        rename={"quotaSettings": "quota", "throttleSettings": "throttle", "apiStages.throttles": "throttle"},
        arn="arn:aws:apigateway:{region}::/usageplans/{id}",
        delete="DeleteUsagePlan",
    ),
    "aws:apigateway/usagePlanKey:UsagePlanKey": Row(
        "apigateway",
        "CreateUsagePlanKey",
        id="{keyId}",
        key={"usagePlanId": "{usagePlanId}", "keyId": "{keyId}"},
        links={"usagePlanId": "aws:apigateway/usagePlan:UsagePlan", "keyId": "aws:apigateway/apiKey:ApiKey"},
        replace="usagePlanId keyId keyType",
        delete="DeleteUsagePlanKey",
    ),
}

ROWS: Final[Mapping[str, Row]] = {**_LAMBDA, **_HTTP, **_REST_API}
