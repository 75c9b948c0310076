"""Searching texts for the passwords and private keys that a stack made."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.state import Resource
from sandbox.values import plain

PASSWORD = "random:index/randomPassword:RandomPassword"
KEY = "tls:index/privateKey:PrivateKey"
LINE_BREAKS = re.compile(r"\\+[nr]|\s")
"""Line breaks as they are and as JSON writes them, also inside a text inside a text."""


@dataclass(frozen=True)
class Generated:
    """A secret that the stack made. ``value`` is a password's text, or the number that makes a key private."""

    resource: str
    value: bytes

    def is_in(self, text: str) -> bool:
        """Whether a text has it, as it is or in base64, at whichever of the three alignments."""
        forms = []
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + self.value).decode()
            forms.append(encoded[4 if shift else 0 : -4])
        clear = self.value.decode() if self.value.isascii() else None
        text = LINE_BREAKS.sub("", text)
        return any(form in text for form in forms) or (clear is not None and clear in text)


def generated(resources: list[Resource]) -> list[Generated]:
    """Every password and private key of a stack."""
    found = []
    for resource in resources:
        if resource.type == PASSWORD:
            found.append(Generated(f"{resource.type} {resource.name}", plain(resource.outputs["result"]).encode()))
        elif resource.type == KEY:
            pem = plain(resource.outputs["privateKeyPem"]).encode()
            found.append(Generated(f"{resource.type} {resource.name}", private_number(pem)))
    return found


def private_number(pem: bytes) -> bytes:
    """The part of a key that its public half does not have."""
    key = serialization.load_pem_private_key(pem, password=None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.private_numbers().private_value.to_bytes(key.key_size // 8, "big")
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.private_numbers().p.to_bytes(key.key_size // 16, "big")


def places(text: str, secrets: list[Generated]) -> list[str]:
    """The resources whose secret is in the text."""
    return [secret.resource for secret in secrets if secret.is_in(text)]
