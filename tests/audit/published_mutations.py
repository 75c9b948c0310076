"""Mutations of what the cloud publishes: an API's paths, guards and way to the ingress; a site's bucket, its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.audit.mutations import Change, Mutation, outputs, put

API, LINK, NAME, SITE = "public API", "link to the ingress", "public name", "site"
INTEGRATION = "x-amazon-apigateway-integration"
Document = dict[str, Any]
Found = Iterator[tuple[str, str, str, Change | None]]
"""What is done, the layer and what the difference must name, and how."""


def of(stack: str, resource: dict[str, Any]) -> Iterator[Mutation]:
    """Every mutation of one resource of the edge."""
    make = TYPES.get(resource["type"])
    name = resource["urn"].rpartition("::")[2]
    for what, layer, mentions, change in make(resource) if make else ():
        title = f"{resource['type'].rpartition(':')[2]} {name}: {what}"
        yield Mutation(title, stack, resource["urn"], (layer,), (mentions,) if mentions else (), change)


def _written(key: str, edit: Callable[[Document], object]) -> Change:
    """Changes a document that is kept as text."""

    def change(found: dict[str, Any]) -> None:
        document = json.loads(found[key])
        edit(document)
        found[key] = json.dumps(document)

    return outputs(change)


def _api(resource: dict[str, Any]) -> Found:
    document = json.loads(resource["outputs"]["body"])
    yield "is gone", API, "", None
    yield "answers under a generated name", NAME, "", put(("disableExecuteApiEndpoint",), False)
    more: Document = {"get": {"security": []}}
    yield "publishes a path more", API, "/metrics", _body(lambda found: found["paths"].update({"/metrics": more}))
    for name in document["components"]["securitySchemes"]:
        other = {"type": "apiKey", "name": "x-else", "in": "header"}
        set_ = _body(lambda found, name=name, other=other: found["components"]["securitySchemes"].update({name: other}))
        yield f"verifies no {name}", API, "", set_
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            place = f"{method.upper()} {path}"
            yield f"{place} is gone", API, place, _body(lambda found, path=path: found["paths"].pop(path))
            for what, layer, edit in _operation(operation):
                apply = _body(lambda found, path=path, method=method, edit=edit: edit(found["paths"][path][method]))
                yield f"{place} {what}", layer, place, apply


def _body(edit: Callable[..., object]) -> Change:
    return _written("body", edit)


def _operation(operation: Document) -> Iterator[tuple[str, str, Callable[[Document], object]]]:
    """One method of one path."""

    def asks(*entries: list[str]) -> Callable[[Document], object]:
        return lambda found: found.update(security=[{name: [] for name in entry} for entry in entries])

    schemes = [name for entry in operation.get("security") or () for name in entry]
    if schemes:
        yield "asks for nothing", API, asks()
        yield "takes either guard", API, asks(*([name] for name in schemes))
        for name in schemes:
            yield f"does not ask for {name}", API, asks([other for other in schemes if other != name])
    else:
        yield "asks for a token", API, asks(["token"])
    for key, value in {
        "connectionType": "INTERNET",
        "connectionId": "none",
        "type": "MOCK",
        "uri": "https://elsewhere.example/",
    }.items():
        yield f"has another {key}", LINK, partial(_integrate, key, value)


def _integrate(key: str, value: str, operation: Document) -> None:
    operation[INTEGRATION][key] = value


def _link(resource: dict[str, Any]) -> Found:
    yield "is gone", LINK, "", None
    yield "leads to another balancer", LINK, "", put(("targetArn",), "arn:elsewhere")


def _mapping(resource: dict[str, Any]) -> Found:
    yield "is gone", NAME, resource["outputs"]["domainName"], None
    yield "leads to another stage", NAME, resource["outputs"]["domainName"], put(("stageName",), "other")
    yield "leads to another API", NAME, resource["outputs"]["domainName"], put(("restApi",), "other")


def _lost(layer: str) -> Callable[[dict[str, Any]], Found]:
    def gone(resource: dict[str, Any]) -> Found:
        yield "is gone", layer, "", None

    return gone


def _permission(resource: dict[str, Any]) -> Found:
    if resource["outputs"]["principal"] == "apigateway.amazonaws.com":
        yield "is gone", API, "", None
        yield "is another function's", API, "", put(("function",), "other")
        yield "is another API's", API, "", put(("sourceArn",), "arn:aws:execute-api:us-east-1:123456789012:other/*")


def _policy(resource: dict[str, Any]) -> Found:
    if "cloudfront.amazonaws.com" not in resource["outputs"]["policy"]:
        return
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    yield "is gone", SITE, "site", None
    yield "admits everybody", SITE, "site", _written("policy", lambda found: found["Statement"].append(everybody))

    def edit(change: Callable[[Document], object]) -> Change:
        return _written("policy", lambda found: [change(one) for one in found["Statement"] if one["Effect"] == "Allow"])

    yield "admits every distribution", SITE, "site", edit(lambda one: one.pop("Condition"))
    yield (
        "admits another distribution",
        SITE,
        "site",
        edit(lambda one: one["Condition"]["StringEquals"].update({"AWS:SourceArn": "arn:elsewhere"})),
    )


def _block(resource: dict[str, Any]) -> Found:
    if "site" in resource["urn"].rpartition("::")[2]:
        yield "is gone", SITE, "site", None
        for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
            yield f"has no {key}", SITE, "site", put((key,), False)


TYPES = {
    "aws:apigateway/restApi:RestApi": _api,
    "aws:apigateway/vpcLink:VpcLink": _link,
    "aws:apigateway/domainName:DomainName": _lost(NAME),
    "aws:apigateway/basePathMapping:BasePathMapping": _mapping,
    "aws:apigateway/stage:Stage": _lost(NAME),
    "aws:apigateway/deployment:Deployment": _lost(NAME),
    "aws:apigateway/usagePlan:UsagePlan": _lost(API),
    "aws:apigateway/usagePlanKey:UsagePlanKey": _lost(API),
    "aws:wafv2/webAclAssociation:WebAclAssociation": _lost(API),
    "aws:lambda/permission:Permission": _permission,
    "aws:cloudfront/distribution:Distribution": _lost(SITE),
    "aws:s3/bucketPolicy:BucketPolicy": _policy,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _block,
}
