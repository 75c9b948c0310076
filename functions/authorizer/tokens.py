"""Tokens: who issued them, for whom, until when, and whether that is signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jwt import PyJWT
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from functions.authorizer.keys import Keys
from functions.authorizer.signatures import Verification

LEEWAY: Final = 30
"""Seconds by which two clocks may differ."""
MAX_LENGTH: Final = 8 * 1024
"""Of a token; API Gateway takes no longer header (API Gateway quotas)."""
ALGORITHMS: Final = ("RS256", "ES256")


class Refused(Exception):
    """The token lets nobody in."""


class Verifier:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, keys: Keys, issuer: str, audience: str, algorithms: Sequence[str]) -> None:
        unknown = set(algorithms) - set(ALGORITHMS)
        if unknown or not algorithms:
            raise ValueError(f"algorithms must be of {', '.join(ALGORITHMS)}")
        self._keys, self._issuer, self._audience, self._algorithms = keys, issuer, audience, list(algorithms)
        # None of the library's own: what is not registered here, 'none' above all, does not exist.
        self._signatures = PyJWS(algorithms=[])
        for name in algorithms:
            self._signatures.register_algorithm(name, Verification(name))
        self._claims = PyJWT()

    def verify(self, token: str) -> Mapping[str, Any]:
        """The token's claims. Raises Refused, and SourceError while no key could ever be fetched."""
        if len(token) > MAX_LENGTH:
            raise Refused("the token is too long")
        try:
            self._signatures.decode(token, self._key(token), algorithms=self._algorithms)
            claims: dict[str, Any] = self._claims.decode(
                token,
                options={
                    # Verified above, by the same text.
                    "verify_signature": False,
                    "verify_exp": True,
                    "verify_nbf": True,
                    "verify_iat": True,
                    "verify_aud": True,
                    "verify_iss": True,
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                },
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY,
            )
        except (PyJWTError, NotImplementedError) as error:
            raise Refused(str(error)) from error
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise Refused("the token names no subject")
        return claims

    def _key(self, token: str) -> Any:
        header = self._signatures.get_unverified_header(token)
        if header.get("alg") not in self._algorithms:
            raise Refused(f"algorithm {header.get('alg')!r} is not taken")
        kid = header.get("kid")
        key = self._keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise Refused("the issuer has no such key")
        return key
