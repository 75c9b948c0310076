"""Passphrase encryption in the format of the Pulumi CLI's passphrase secrets provider.

PBKDF2-HMAC-SHA256 with 1,000,000 rounds over an 8-byte salt gives an AES-256-GCM key; a ciphertext is
``v1:<nonce>:<data>``, a salt ``v1:<salt>:<ciphertext of the word "pulumi">`` (all base64), so that a
wrong passphrase is noticed. Format: pulumi/pulumi ``sdk/go/common/resource/config/crypt.go``.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.events import SandboxError

ROUNDS: Final = 1_000_000
_KNOWN_TEXT: Final = "pulumi"


@lru_cache(maxsize=64)
def _derive(passphrase: str, salt: bytes, rounds: int) -> bytes:
    """The key, kept for the life of the process: it takes a quarter of a second."""
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, rounds, dklen=32)


class Crypter:
    """Encrypts and decrypts the secrets of one stack.

    A secret that has not changed keeps its ciphertext, so that an unchanged run leaves the file as it was.
    """

    def __init__(self, key: bytes, state: str) -> None:
        self.state = state
        self._aead = AESGCM(key)
        self._known: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    @classmethod
    def new(cls, passphrase: str) -> Crypter:
        """A crypter with a fresh salt."""
        salt = os.urandom(8)
        crypter = cls(_derive(passphrase, salt, ROUNDS), "")
        crypter.state = f"v1:{_encode(salt)}:{crypter.encrypt(_KNOWN_TEXT)}"
        return crypter

    @classmethod
    def open(cls, passphrase: str, state: str, place: str) -> Crypter:
        """The crypter of a salt. :class:`SandboxError` naming ``place`` when the passphrase is not the right one."""
        version, _, rest = state.partition(":")
        salt, _, proof = rest.partition(":")
        if version != "v1" or not proof:
            raise SandboxError(f"{place}: encryption salt {state!r} is not in the v1 format of the passphrase provider")
        crypter = cls(_derive(passphrase, base64.b64decode(salt), ROUNDS), state)
        try:
            proven = crypter.decrypt(proof) == _KNOWN_TEXT
        except SandboxError:
            proven = False
        if not proven:
            raise SandboxError(
                f"{place}: wrong passphrase; set PULUMI_CONFIG_PASSPHRASE to the one this stack was encrypted with"
            )
        return crypter

    def encrypt(self, text: str, scope: str = "") -> str:
        """The ciphertext; the same one again for a text already seen in this ``scope`` (a resource's URN)."""
        with self._lock:
            if (scope, text) not in self._known:
                nonce = os.urandom(12)
                data = self._aead.encrypt(nonce, text.encode(), None)
                self._known[scope, text] = f"v1:{_encode(nonce)}:{_encode(data)}"
            return self._known[scope, text]

    def decrypt(self, ciphertext: str, scope: str = "") -> str:
        """The text. :class:`SandboxError` when the ciphertext is not one of this key's."""
        try:
            version, nonce, data = ciphertext.split(":")
            if version != "v1":
                raise ValueError(version)
            text = self._aead.decrypt(base64.b64decode(nonce), base64.b64decode(data), None).decode()
        except (InvalidTag, ValueError) as error:
            raise SandboxError("a secret cannot be decrypted: it is damaged or another passphrase's") from error
        with self._lock:
            self._known.setdefault((scope, text), ciphertext)
        return text


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
