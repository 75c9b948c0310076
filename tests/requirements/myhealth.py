"""What the tests of myHealth's requirements ask a stack for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.state import Resource
from tests.requirements.registered import Registered

ACCOUNT = "123456789012"
REGION = "us-east-1"
API = {"dev": "api.dev.myhealth.eric-n.com", "prod": "api.myhealth.eric-n.com"}


@dataclass(frozen=True)
class Method:
    """One method of one path of the API."""

    verb: str
    path: str
    operation: dict[str, Any]

    @property
    def integration(self) -> dict[str, Any]:
        found: dict[str, Any] = self.operation["x-amazon-apigateway-integration"]
        return found

    @property
    def guards(self) -> set[str]:
        """Names of the security schemes, all of which it asks for."""
        return {name for one in self.operation["security"] for name in one}


def environment(stack: Registered) -> str:
    """``myhealth-dev`` -> ``dev``."""
    return stack.stack.removeprefix("myhealth-")


def document(stack: Registered) -> dict[str, Any]:
    """The API's document, as API Gateway imports it."""
    found: dict[str, Any] = json.loads(stack.one("apigateway.RestApi").inputs["body"])
    return found


def methods(stack: Registered) -> Iterator[Method]:
    for path, operations in document(stack)["paths"].items():
        for verb, operation in operations.items():
            yield Method(verb.upper(), path, operation)


def versioned(stack: Registered) -> list[Method]:
    """Those below ``/api/v1``."""
    return [method for method in methods(stack) if method.path.startswith("/api/v1/")]


def statements(policy: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(policy)["Statement"]
    return found


def policies_of(stack: Registered, role: Resource) -> list[dict[str, Any]]:
    """Every statement of a role's own policies."""
    own = [item for item in stack.all("iam.RolePolicy") if item.inputs["role"] == role.id]
    return [statement for item in own for statement in statements(item.inputs["policy"])]


def values(stack: Registered, name: str) -> dict[str, Any]:
    """The values of a release."""
    found: dict[str, Any] = stack.one("Release", name=name).inputs["values"]
    return found


def listed(value: Any) -> list[Any]:
    """AWS writes a list of one as the one."""
    return value if isinstance(value, list) else [value]
