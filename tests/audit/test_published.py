"""What the cloud publishes is judged: one thing lost or widened at a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

import systems
from audit.published import API, LINK, NAME, SITE, Published
from audit.resources import Registry, read
from audit.scope import Scope
from audit.sites import Sites
from tests.audit.conftest import Documents

STACK = "myhealth-prod"
HOST = "api.myhealth.eric-n.com"
Resource = dict[str, Any]
Change = Callable[[Resource], None]


def judged(document: Any, environment: str = "prod") -> set[tuple[str, str]]:
    """Layer and kind of every difference."""
    scope = Scope(systems.load("myhealth"), environment, "us-east-1")
    registry = Registry(read(document), [])
    return {(item.layer, item.kind) for item in Published(registry, scope, Sites(registry, scope)).differences()}


def changed(document: Any, type_: str, change: Change, name: str = "") -> Any:
    """A copy in which the resources of a type, or the one that ends in a name, are changed."""
    found = copy.deepcopy(document)
    resources = found["deployment"]["resources"]
    chosen = [item for item in resources if item["type"].endswith(f":{type_}") and item["urn"].endswith(name)]
    assert chosen
    for item in chosen:
        change(item)
    found["deployment"]["resources"] = [item for item in resources if item["type"]]
    return found


def removed(item: Resource) -> None:
    item["type"] = ""


def put(key: str, value: Any) -> Change:
    def change(item: Resource) -> None:
        item["outputs"][key] = value

    return change


def body(edit: Callable[[dict[str, Any]], None]) -> Change:
    def change(item: Resource) -> None:
        document = json.loads(item["outputs"]["body"])
        edit(document)
        item["outputs"]["body"] = json.dumps(document)

    return change


def operation(path: str, key: str, value: Any) -> Change:
    def edit(document: dict[str, Any]) -> None:
        (one,) = document["paths"][path].values()
        one[key] = value

    return body(edit)


def integration(key: str, value: Any) -> Change:
    def edit(document: dict[str, Any]) -> None:
        (one,) = document["paths"]["/api/v1/sleep"].values()
        one["x-amazon-apigateway-integration"][key] = value

    return body(edit)


def published(document: dict[str, Any]) -> None:
    document["paths"]["/metrics"] = {"get": {"security": []}}


def unverified(document: dict[str, Any]) -> None:
    del document["components"]["securitySchemes"]["token"]["x-amazon-apigateway-authorizer"]


def opened(item: Resource) -> None:
    policy = json.loads(item["outputs"]["policy"])
    policy["Statement"].append({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"})
    item["outputs"]["policy"] = json.dumps(policy)


def unread(item: Resource) -> None:
    policy = json.loads(item["outputs"]["policy"])
    policy["Statement"] = [one for one in policy["Statement"] if one["Effect"] == "Deny"]
    item["outputs"]["policy"] = json.dumps(policy)


CHANGES: dict[str, tuple[str, str, Change, tuple[str, str]]] = {
    "a path more": ("RestApi", "", body(published), (API, "open")),
    "a path less": ("RestApi", "", body(lambda found: found["paths"].pop("/api/v1/sleep")), (API, "closed")),
    "no API": ("RestApi", "", removed, (API, "closed")),
    "no guard": ("RestApi", "", operation("/api/v1/sleep", "security", []), (API, "open")),
    "a token or a key": (
        "RestApi",
        "",
        operation("/api/v1/sleep", "security", [{"token": []}, {"api-key": []}]),
        (API, "open"),
    ),
    "a key is enough": ("RestApi", "", operation("/api/v1/sleep", "security", [{"api-key": []}]), (API, "open")),
    "signing in needs a token": ("RestApi", "", operation("/auth/login", "security", [{"token": []}]), (API, "closed")),
    "a token that nobody verifies": ("RestApi", "", body(unverified), (API, "open")),
    "past the link": ("RestApi", "", integration("connectionType", "INTERNET"), (LINK, "changed")),
    "to another host": ("RestApi", "", integration("uri", "https://else.example/api/v1/sleep"), (LINK, "changed")),
    "another link": ("RestApi", "", integration("connectionId", "none"), (LINK, "changed")),
    "a link to another balancer": ("VpcLink", "", put("targetArn", "arn:else"), (LINK, "changed")),
    "no name": ("Record", "api-record", removed, (NAME, "closed")),
    "a name that leads elsewhere": (
        "Record",
        "api-record",
        put("aliases", [{"name": "else.example"}]),
        (NAME, "closed"),
    ),
    "no mapping": ("BasePathMapping", "", removed, (NAME, "closed")),
    "a generated name": ("RestApi", "", put("disableExecuteApiEndpoint", False), (NAME, "open")),
    "a bucket for everybody": ("BucketPolicy", "site-policy", opened, (SITE, "open")),
    "a bucket that nobody reads": ("BucketPolicy", "site-policy", unread, (SITE, "closed")),
    "a bucket that can be opened": ("BucketPublicAccessBlock", "", put("blockPublicPolicy", False), (SITE, "open")),
    "no site": ("Distribution", "", removed, (SITE, "closed")),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_differs_is_found(myhealth: Documents, what: str) -> None:
    type_, name, change, expected = CHANGES[what]
    assert judged(changed(myhealth[STACK], type_, change, name)) == {expected}


def test_what_is_declared_is_no_difference(myhealth: Documents) -> None:
    assert judged(myhealth[STACK]) == set()
    assert judged(myhealth["myhealth-dev"], "dev") == set()


def test_an_api_and_a_site_that_nobody_declared_are_found(myhealth: Documents) -> None:
    """dev's declaration against what production registered: it has other paths and no site."""
    assert {(API, "open"), (API, "closed"), (SITE, "open")} <= judged(myhealth[STACK], "dev")
