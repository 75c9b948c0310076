"""A pair of keys that signs tokens: KMS makes it, for Lambda's runtime has no library that could.

Tokens that the key before has signed stay good: whoever checks them takes the version before, too.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Final

SPEC: Final = "RSA_2048"
PRIVATE: Final = "private-key"
PUBLIC: Final = "jwks"
SEQUENCE, INTEGER, BITS = 0x30, 0x02, 0x03
"""Tags of DER (ITU-T X.690)."""


class SigningKey:
    """A new pair under a symmetric key of KMS, which keeps no copy."""

    def __init__(self, kms: Any, key: str) -> None:
        self._kms, self._key = kms, key

    def renewed(self, content: dict[str, str]) -> dict[str, str]:
        pair = self._kms.generate_data_key_pair(KeyId=self._key, KeyPairSpec=SPEC)
        return {**content, PRIVATE: pem(pair["PrivateKeyPlaintext"]), PUBLIC: key_set(pair["PublicKey"])}

    def put(self, content: dict[str, str]) -> None:
        """Pods and the authorizer read the secret themselves."""

    def check(self, content: dict[str, str]) -> None:
        """Raises ValueError for a version that nobody could sign or check with."""
        if "PRIVATE KEY" not in content.get(PRIVATE, "") or not json.loads(content.get(PUBLIC, "{}")).get("keys"):
            raise ValueError("the new version has no pair of keys")


def pem(der: bytes) -> str:
    """A private key as RFC 7468 writes it, from PKCS #8."""
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])


def key_set(der: bytes) -> str:
    """The JSON Web Key Set of an RSA public key (RFC 7517), from its SubjectPublicKeyInfo; the id is its thumbprint
    (RFC 7638)."""
    info, _ = _read(der, SEQUENCE)
    _, rest = _read(info, SEQUENCE)
    bits, _ = _read(rest, BITS)
    # The first byte of a BIT STRING counts its unused bits: none.
    numbers, _ = _read(bits[1:], SEQUENCE)
    modulus, rest = _read(numbers, INTEGER)
    exponent, _ = _read(rest, INTEGER)
    members = {"e": _text(exponent.lstrip(b"\0")), "kty": "RSA", "n": _text(modulus.lstrip(b"\0"))}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return json.dumps({"keys": [{**members, "kid": _text(digest), "alg": "RS256", "use": "sig"}]}, sort_keys=True)


def _read(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Content of the first element, and what follows it. Raises ValueError for another kind of element."""
    if len(data) < 2 or data[0] != tag:
        raise ValueError("the public key is not the one of a pair for RSA")
    size, start = data[1], 2
    if size & 0x80:
        start = 2 + (size & 0x7F)
        size = int.from_bytes(data[2:start], "big")
    return data[start : start + size], data[start + size :]


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
