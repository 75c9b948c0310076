"""Where key sets come from: a field of a secret, or the issuer's address."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

import urllib3

from functions.authorizer.keys import Fetch, SourceError

FIELD: Final = "jwks"
"""The secret's field that holds the public keys."""
STAGES: Final = ("AWSCURRENT", "AWSPREVIOUS")
"""After a rotation, tokens that the key before has signed are good until they expire."""
TIMEOUT: Final = 2.0
"""Seconds for one request: API Gateway waits for the whole function."""
OK: Final = 200
MAX_BYTES: Final = 64 * 1024
"""No set of public keys is larger; Secrets Manager's own limit."""


class SecretsClient(Protocol):
    """What is used of boto3's client of Secrets Manager."""

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Mapping[str, Any]: ...


def from_secret(secret: str, client: SecretsClient) -> Fetch:
    """Of both versions that may have signed a token. Only the current one must be there."""

    def fetch() -> Iterator[Mapping[str, Any]]:
        from botocore.exceptions import BotoCoreError, ClientError

        for stage in STAGES:
            try:
                text = client.get_secret_value(SecretId=secret, VersionStage=stage)["SecretString"]
            except (BotoCoreError, ClientError) as error:
                if stage == STAGES[0]:
                    raise SourceError(f"the secret cannot be read: {type(error).__name__}") from error
                continue
            yield _parsed(_field(text))

    return fetch


def from_url(url: str) -> Fetch:
    """As an issuer publishes them. ``https`` only: who answers decides who gets in."""
    if not url.startswith("https://"):
        raise ValueError("keys are fetched over https only")

    pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False)

    def fetch() -> Iterator[Mapping[str, Any]]:
        try:
            with pool.request("GET", url, preload_content=False, redirect=False) as answer:
                status, text = answer.status, answer.read(MAX_BYTES + 1)
        except urllib3.exceptions.HTTPError as error:
            raise SourceError(f"the issuer does not answer: {type(error).__name__}") from error
        if status != OK or len(text) > MAX_BYTES:
            raise SourceError(f"the issuer's answer, {status} with {len(text)} bytes, is no set of keys")
        yield _parsed(text)

    return fetch


def _field(text: str) -> str:
    found = _parsed(text).get(FIELD)
    if isinstance(found, str):
        return found
    raise SourceError(f"the secret has no field '{FIELD}'")


def _parsed(text: str | bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SourceError("the source's answer is not JSON") from error
    if not isinstance(found, dict):
        raise SourceError("the source's answer is no object")
    return found
