"""SCRAM-SHA-256 verifiers in PostgreSQL's notation, so that no machine ever holds a client's password."""

from __future__ import annotations

import base64
import hashlib
import hmac

ITERATIONS = 4096
"""PostgreSQL's own default (`scram_iterations`) and RFC 7677's minimum."""


def scram_verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """`SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (RFC 5802 section 3, PostgreSQL's pg_authid).

    The password must be printable ASCII: such text is its own SASLprep form, so client and server cannot disagree.
    The salt is 16 random bytes in PostgreSQL; keep it with the password, or every run makes a different verifier.
    """
    if not password or not (password.isascii() and password.isprintable()):
        raise ValueError("password: use printable ASCII characters only, at least one")
    if len(salt) < 16:
        raise ValueError(f"salt: {len(salt)} bytes given, at least 16 are needed")
    if iterations < ITERATIONS:
        raise ValueError(f"iterations: {iterations} is below the minimum of {ITERATIONS}")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"
