"""The authorizer with real tokens and keys: who gets in, and above all who does not."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

import jwt
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from functions.authorizer import handler, sources
from functions.authorizer.handler import Unauthorized, authorized, stage
from functions.authorizer.keys import KEEP, PAUSE, Keys, SourceError
from functions.authorizer.signatures import RsaKey, public_key
from functions.authorizer.tokens import LEEWAY, Refused, Verifier

ISSUER, AUDIENCE = "https://shop.example", "shop-api"
METHOD = "arn:aws:execute-api:us-east-1:123456789012:abc123/live/GET/api/v1/orders"
FIRST = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECOND = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = 1024
CURVE = ec.generate_private_key(ec.SECP256R1())


def jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str, **members: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **members}
    return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **members}


def token(key: Any = FIRST, kid: str | None = "first", algorithm: str = "RS256", drop: str = "", **claims: Any) -> str:
    now = int(time.time())
    given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "1", "iat": now, "exp": now + 86400, "role": "user", **claims}
    given.pop(drop, None)
    return jwt.encode(given, key, algorithm, headers={"kid": kid} if kid else None)


class Source:
    """Key sets that change, and a source that may fall silent."""

    def __init__(self, *keys: Mapping[str, Any]) -> None:
        self.keys, self.silent, self.asked, self.now = list(keys), False, 0, 1000.0

    def __call__(self) -> Iterable[Mapping[str, Any]]:
        self.asked += 1
        if self.silent:
            raise SourceError("silent")
        return [{"keys": self.keys}]

    def keys_of(self) -> Keys:
        return Keys(self, lambda: self.now)


def verifier(source: Source | None = None, *algorithms: str) -> Verifier:
    found = source or Source(jwk(FIRST, "first"), jwk(CURVE, "curve"))
    return Verifier(found.keys_of(), ISSUER, AUDIENCE, algorithms or ("RS256", "ES256"))


def test_a_good_token_lets_its_bearer_in_everywhere_in_the_stage() -> None:
    """The answer is cached by token: one that named a single method would refuse the bearer's next request."""
    answer = authorized(
        {"authorizationToken": f"Bearer {token(scope=['read:sleep'])}", "methodArn": METHOD}, verifier()
    )
    assert answer == {
        "principalId": "1",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "execute-api:Invoke",
                    "Resource": "arn:aws:execute-api:us-east-1:123456789012:abc123/live/*",
                }
            ],
        },
        "context": {"role": "user", "scope": "read:sleep"},
    }
    assert stage(METHOD).endswith(":abc123/live/*")


def test_both_algorithms_agree_with_another_implementation() -> None:
    """Signed by OpenSSL, verified here."""
    assert verifier().verify(token())["sub"] == "1"
    assert verifier().verify(token(CURVE, "curve", "ES256"))["sub"] == "1"


def altered(text: str, part: int, **members: Any) -> str:
    parts = text.split(".")
    content = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    parts[part] = base64.urlsafe_b64encode(json.dumps({**content, **members}).encode()).rstrip(b"=").decode()
    return ".".join(parts)


PUBLIC = FIRST.public_key().public_numbers()
BAD = {
    "claims changed": altered(token(), 1, sub="2"),
    "signature of another key": token(SECOND),
    "no signature": token().rpartition(".")[0] + ".",
    "no algorithm": altered(token(), 0, alg="none"),
    "no algorithm, no signature": jwt.encode({"sub": "1"}, "", "none", headers={"kid": "first"}),
    "signed with the public key as a password": jwt.encode(
        {"sub": "1", "iss": ISSUER, "aud": AUDIENCE},
        str(PUBLIC.n).encode(),
        "HS256",
        headers={"kid": "first"},
    ),
    "one algorithm's key for another": altered(token(), 0, kid="curve"),
    "unknown key": token(kid="third"),
    "no key named": token(kid=None),
    "another issuer": token(iss="https://else.example"),
    "another audience": token(aud="else"),
    "no audience": token(drop="aud"),
    "no issuer": token(drop="iss"),
    "no end": token(drop="exp"),
    "nobody": token(sub=""),
    "expired": token(exp=int(time.time()) - LEEWAY - 5),
    "not yet": token(nbf=int(time.time()) + LEEWAY + 3600),
    "from the future": token(iat=int(time.time()) + LEEWAY + 3600),
    "no token at all": "a.b.c",
    "too long": token(extra="x" * 9000),
    "critical extension": jwt.encode({"sub": "1"}, FIRST, "RS256", headers={"kid": "first", "crit": ["b64"]}),
}


@pytest.mark.parametrize("why", BAD)
def test_refused(why: str) -> None:
    with pytest.raises(Refused):
        verifier().verify(BAD[why])
    with pytest.raises(Unauthorized, match=r"^Unauthorized$"):
        authorized({"authorizationToken": f"Bearer {BAD[why]}", "methodArn": METHOD}, verifier())


@pytest.mark.parametrize("header", ["", "Bearer", "Basic dXNlcjpwYXNz", f"{token()}", f"Bearer {token()} more"])
def test_only_a_bearer_token_is_one(header: str) -> None:
    with pytest.raises(Unauthorized):
        authorized({"authorizationToken": header, "methodArn": METHOD}, verifier())


def test_an_algorithm_that_is_not_asked_for_is_not_taken() -> None:
    with pytest.raises(Refused, match="ES256"):
        verifier(None, "RS256").verify(token(CURVE, "curve", "ES256"))
    with pytest.raises(ValueError, match="algorithms must be"):
        verifier(None, "none")


def test_keys_are_fetched_once_and_again_when_they_are_old() -> None:
    source = Source(jwk(FIRST, "first"))
    tokens = verifier(source)
    for _ in range(3):
        tokens.verify(token())
    assert source.asked == 1
    source.now += KEEP + 1
    tokens.verify(token())
    assert source.asked == 2


def test_a_new_key_is_fetched_when_a_token_names_it() -> None:
    """Whoever signs in right after a rotation must get in, and who signed in before it must stay in."""
    source = Source(jwk(FIRST, "first"))
    tokens = verifier(source)
    tokens.verify(token())
    source.keys.insert(0, jwk(SECOND, "second"))
    source.now += PAUSE + 1
    assert tokens.verify(token(SECOND, "second"))
    assert tokens.verify(token())
    assert source.asked == 2


def test_a_removed_key_lets_nobody_in_once_the_keys_are_fetched_again() -> None:
    source = Source(jwk(FIRST, "first"), jwk(SECOND, "second"))
    tokens = verifier(source)
    tokens.verify(token(SECOND, "second"))
    del source.keys[1]
    source.now += KEEP + 1
    with pytest.raises(Refused):
        tokens.verify(token(SECOND, "second"))


def test_invented_keys_do_not_become_requests_to_the_source() -> None:
    source = Source(jwk(FIRST, "first"))
    tokens = verifier(source)
    for number in range(20):
        with pytest.raises(Refused):
            tokens.verify(token(kid=f"invented-{number}"))
    assert source.asked == 1


def test_what_was_fetched_holds_while_the_source_is_silent() -> None:
    source = Source(jwk(FIRST, "first"))
    tokens = verifier(source)
    tokens.verify(token())
    source.silent = True
    source.now += 10 * KEEP
    assert tokens.verify(token())
    with pytest.raises(Refused):
        tokens.verify(token(SECOND, "second"))


def test_nobody_gets_in_while_no_key_was_ever_fetched() -> None:
    """And the error is another than a bad token's: operators see it, and it goes away by itself."""
    source = Source(jwk(FIRST, "first"))
    source.silent = True
    tokens = verifier(source)
    for _ in range(5):
        with pytest.raises(SourceError):
            tokens.verify(token())
    assert source.asked == 1
    source.silent = False
    source.now += PAUSE
    assert tokens.verify(token())


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_broken_and_weak_keys_are_left_out() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=WEAK)
    entries = [
        jwk(weak, "weak"),
        {"kty": "RSA", "kid": "broken"},
        jwk(FIRST, "sealing", use="enc"),
        jwk(FIRST, "first"),
    ]
    tokens = verifier(Source(*entries))
    assert tokens.verify(token())
    for kid in ("weak", "broken", "sealing"):
        with pytest.raises(Refused):
            tokens.verify(token(weak if kid == "weak" else FIRST, kid))
    with pytest.raises(ValueError, match="not on its curve"):
        public_key({**jwk(CURVE, "curve"), "x": "AQ"})
    with pytest.raises(SourceError, match="no key"):
        Source().keys_of().get("first")


def test_a_signature_must_be_of_the_modulus_size_and_below_it() -> None:
    """Longer encodings of the same number, and numbers beyond the modulus, would be second signatures."""
    key = RsaKey(PUBLIC.n, PUBLIC.e)
    message, _, signature = token().rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    assert key.signed(message.encode(), raw)
    assert not key.signed(message.encode(), b"\x00" + raw)
    assert not key.signed(message.encode(), (int.from_bytes(raw, "big") + PUBLIC.n).to_bytes(257, "big"))
    assert not key.signed(message.encode(), (PUBLIC.n + 1).to_bytes(256, "big"))


class Secrets:
    """Secrets Manager with versions of one secret by stage."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Mapping[str, Any]:
        if VersionStage not in self.versions:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue")
        return {"SecretString": self.versions[VersionStage]}


def secret(*keys: Mapping[str, Any]) -> str:
    return json.dumps({"private-key": "not looked at", "jwks": json.dumps({"keys": list(keys)})})


def test_keys_of_both_versions_of_the_secret_are_good() -> None:
    """Between a rotation and the end of the last token that the old key signed."""
    client = Secrets(AWSCURRENT=secret(jwk(SECOND, "second")), AWSPREVIOUS=secret(jwk(FIRST, "first")))
    keys = Keys(sources.from_secret("secret", client))
    assert keys.get("first")
    assert keys.get("second")
    alone = Keys(sources.from_secret("secret", Secrets(AWSCURRENT=secret(jwk(FIRST, "first")))))
    assert alone.get("first")


@pytest.mark.parametrize("text", ["{}", "no JSON", "[]", '{"jwks": 1}', '{"jwks": "{}"}'])
def test_a_secret_without_keys_is_an_error_of_the_source(text: str) -> None:
    with pytest.raises(SourceError):
        Keys(sources.from_secret("secret", Secrets(AWSCURRENT=text))).get("first")
    with pytest.raises(SourceError, match="ClientError"):
        Keys(sources.from_secret("secret", Secrets())).get("first")


def test_keys_are_fetched_over_tls_only() -> None:
    with pytest.raises(ValueError, match="https"):
        sources.from_url("http://issuer.example/jwks.json")
    with pytest.raises(SourceError, match="does not answer"):
        list(sources.from_url("https://localhost:1/jwks.json")())


def test_the_environment_says_where_keys_come_from() -> None:
    settings = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "ALGORITHMS": "RS256"}
    tokens = handler.verifier({**settings, "KEYS_URL": "https://localhost:1/jwks.json"})
    with pytest.raises(SourceError, match="does not answer"):
        tokens.verify(token())
