"""One policy's example: a stack that it accepts, one that it refuses, and what it says then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.state import Resource
from tests.policies.analyzer import resource


@dataclass(frozen=True)
class Case:
    """``settings`` are the policy's parameters. ``about`` tells cases of one policy apart."""

    policy: str
    passes: Sequence[Resource]
    fails: Sequence[Resource]
    says: Sequence[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.policy, self.about)))


def beside(target: Resource, type_: str, props: Mapping[str, Any], name: str = "beside") -> Resource:
    """A companion of a bucket, found by dependency as in a preview, where no name is known yet."""
    return resource(type_, props, name, property_dependencies={"bucket": [target.urn]})


def document(**statement: Any) -> str:
    """An IAM policy with one statement, given without a list, as AWS allows."""
    return json.dumps({"Version": "2012-10-17", "Statement": statement})
