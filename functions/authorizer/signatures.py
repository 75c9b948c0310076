"""RS256 and ES256 for PyJWT, by Python alone: PyJWT's own need a compiled library, which an archive for another machine
cannot hold. Only public keys are handled here, so nothing depends on how long a comparison takes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol

from ecdsa import NIST256p, VerifyingKey
from ecdsa.errors import MalformedPointError
from ecdsa.keys import BadSignatureError
from ecdsa.util import MalformedSignature, sigdecode_string
from jwt.algorithms import Algorithm
from jwt.exceptions import InvalidKeyError
from jwt.utils import base64url_decode

MIN_RSA_BITS: Final = 2048
"""NIST SP 800-131A, and RFC 7518, section 3.3."""
_SHA256_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")
"""DER of the DigestInfo before a SHA-256 digest (RFC 8017, section 9.2, note 1)."""


class PublicKey(Protocol):
    """A key that tells whether a signature is its owner's."""

    @property
    def algorithm(self) -> str: ...

    def signed(self, message: bytes, signature: bytes) -> bool: ...


@dataclass(frozen=True)
class RsaKey:
    """RSASSA-PKCS1-v1_5 with SHA-256."""

    modulus: int
    exponent: int
    algorithm: str = "RS256"

    def signed(self, message: bytes, signature: bytes) -> bool:
        """RFC 8017, section 8.2.2: build what the signature must decrypt to, and compare all of it. Nothing of what it
        does decrypt to is parsed: that is where forgeries of small exponents come from."""
        size = (self.modulus.bit_length() + 7) // 8
        number = int.from_bytes(signature, "big")
        if len(signature) != size or number >= self.modulus:
            return False
        info = _SHA256_INFO + hashlib.sha256(message).digest()
        expected = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
        return hmac.compare_digest(pow(number, self.exponent, self.modulus).to_bytes(size, "big"), expected)


@dataclass(frozen=True)
class EcKey:
    """ECDSA on the curve P-256 with SHA-256."""

    key: VerifyingKey
    algorithm: str = "ES256"

    def signed(self, message: bytes, signature: bytes) -> bool:
        try:
            return bool(self.key.verify(signature, message, hashlib.sha256, sigdecode_string))
        except (BadSignatureError, MalformedSignature):
            return False


class Verification(Algorithm):
    """PyJWT's side of an algorithm that only verifies."""

    def __init__(self, name: str) -> None:
        self.name = name

    def prepare_key(self, key: Any) -> PublicKey:
        if key.algorithm != self.name:
            raise InvalidKeyError(f"the key is one for {key.algorithm}, the token says {self.name}")
        found: PublicKey = key
        return found

    def verify(self, msg: bytes, key: PublicKey, sig: bytes) -> bool:
        return key.signed(msg, sig)

    def sign(self, msg: bytes, key: Any) -> NoReturn:
        raise NotImplementedError("tokens are not issued here")

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> NoReturn:
        raise NotImplementedError("keys are not published here")

    @staticmethod
    def from_jwk(jwk: Any) -> NoReturn:
        raise NotImplementedError("use public_key")


def public_key(jwk: Mapping[str, Any]) -> PublicKey | None:
    """The key of an entry of a JSON Web Key Set (RFC 7517). None: it is of a kind, or for a use, that is not ours.

    Raises ValueError for one that is broken or too weak.
    """
    if jwk.get("use", "sig") != "sig":
        return None
    if jwk.get("kty") == "RSA" and jwk.get("alg", "RS256") == "RS256":
        modulus, exponent = _number(jwk, "n"), _number(jwk, "e")
        if modulus.bit_length() < MIN_RSA_BITS or exponent < 3 or exponent % 2 == 0:
            raise ValueError("an RSA key is too weak, or no key at all")
        return RsaKey(modulus, exponent)
    if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256" and jwk.get("alg", "ES256") == "ES256":
        point = b"".join(_number(jwk, part).to_bytes(32, "big") for part in ("x", "y"))
        try:
            return EcKey(VerifyingKey.from_string(point, curve=NIST256p, hashfunc=hashlib.sha256))
        except MalformedPointError as error:
            raise ValueError("an EC key is not on its curve") from error
    return None


def _number(jwk: Mapping[str, Any], member: str) -> int:
    text = jwk.get(member)
    if not isinstance(text, str):
        raise ValueError(f"a key has no '{member}'")
    return int.from_bytes(base64url_decode(text), "big")
