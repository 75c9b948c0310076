"""The function's entry: one request of API Gateway's TOKEN authorizer, one policy.

API Gateway keeps the policy for the token and applies it to every method that the same bearer asks for, so it speaks of
the whole stage. Without a token that would do, the answer is 401; while no key could ever be fetched it is 500, which
tells operators of it and lets nobody in.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Mapping
from typing import Any, Final

from functions.authorizer.keys import Keys
from functions.authorizer.sources import from_secret, from_url
from functions.authorizer.tokens import Refused, Verifier

LOG: Final = logging.getLogger(__name__)
BEARER: Final = re.compile(r"^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$", re.IGNORECASE)
PASSED: Final = ("role", "scope")
"""Claims that go on to the API's logs and mappings."""


class Unauthorized(Exception):
    """API Gateway answers 401 to an error of exactly this text."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def verifier(settings: Mapping[str, str]) -> Verifier:
    """As the function's environment says: ``KEYS_SECRET``, the ARN of a secret, or ``KEYS_URL``."""
    if settings.get("KEYS_URL"):
        fetch = from_url(settings["KEYS_URL"])
    else:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=1, read_timeout=2, retries={"max_attempts": 1})
        fetch = from_secret(settings["KEYS_SECRET"], boto3.client("secretsmanager", config=config))
    return Verifier(Keys(fetch), settings["ISSUER"], settings["AUDIENCE"], settings["ALGORITHMS"].split(","))


@functools.cache
def _own_verifier() -> Verifier:
    """Kept between the requests of one instance, and with it the keys."""
    return verifier(os.environ)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer API Gateway."""
    return authorized(event, _own_verifier())


def authorized(event: Mapping[str, Any], tokens: Verifier) -> dict[str, Any]:
    """A policy for the token's bearer. Raises Unauthorized where there is none."""
    found = BEARER.match(str(event.get("authorizationToken", "")).strip())
    if not found:
        raise Unauthorized
    try:
        claims = tokens.verify(found[1])
    except Refused as refused:
        LOG.info("refused: %s", refused)
        raise Unauthorized from None
    return {
        "principalId": claims["sub"],
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": stage(event["methodArn"])}],
        },
        "context": {name: _text(claims[name]) for name in PASSED if name in claims},
    }


def stage(method: str) -> str:
    """``arn:...:<api>/<stage>/GET/api/v1`` -> every method of that stage."""
    api, name, *_ = method.split("/")
    return f"{api}/{name}/*"


def _text(claim: object) -> str:
    """API Gateway takes texts, numbers and truth values only."""
    return " ".join(map(str, claim)) if isinstance(claim, list) else str(claim)
