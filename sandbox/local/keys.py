"""Private keys in the forms that pulumi-tls gives them."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from sandbox.provider import ResourceError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_PEM: Final = serialization.Encoding.PEM
_PLAIN: Final = serialization.NoEncryption()


def load(pem: str, name: str) -> PrivateKey:
    """Read a PEM or OpenSSH private key; ``name`` is the input that holds it."""
    try:
        openssh = pem.lstrip().startswith("-----BEGIN OPENSSH PRIVATE KEY")
        reader = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
        key = reader(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ResourceError("is not an unencrypted private key in PEM form", path=name) from None
    if not isinstance(key, PrivateKey):
        raise ResourceError("is neither an RSA, an ECDSA nor an ED25519 key", path=name)
    return key


def algorithm(key: PrivateKey) -> str:
    """The name that pulumi-tls uses for the kind of key."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The hash a signature by ``key`` uses: as long as the curve needs; none for ED25519, which has its own."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    bits = key.curve.key_size if isinstance(key, ec.EllipticCurvePrivateKey) else 0
    return hashes.SHA512() if bits > 384 else hashes.SHA384() if bits > 256 else hashes.SHA256()


def public_der(key: PublicKeyTypes) -> bytes:
    """The DER form of a public key: equal bytes, equal keys."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def identity(key: PrivateKey) -> str:
    """The resource id: a hash of the public key."""
    return hashlib.sha1(public_der(key.public_key()), usedforsecurity=False).hexdigest()


def _speaks_openssh(key: PrivateKey) -> bool:
    """OpenSSH knows no P224 keys; pulumi-tls leaves their OpenSSH forms empty."""
    return not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1))


def private_forms(key: PrivateKey) -> dict[str, Any]:
    """PEM (PKCS#1 and SEC 1 where the algorithm has them), PKCS#8 and OpenSSH."""
    pkcs8 = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, _PLAIN).decode()
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    is_edwards = isinstance(key, ed25519.Ed25519PrivateKey)
    openssh = b""
    if _speaks_openssh(key):
        openssh = key.private_bytes(_PEM, serialization.PrivateFormat.OpenSSH, _PLAIN)
    return {
        "privateKeyPem": pkcs8 if is_edwards else key.private_bytes(_PEM, traditional, _PLAIN).decode(),
        "privateKeyPemPkcs8": pkcs8,
        "privateKeyOpenssh": openssh.decode(),
    }


def public_forms(key: PrivateKey) -> dict[str, Any]:
    """PEM, an ``authorized_keys`` line, and the fingerprints that ssh-keygen prints."""
    public = key.public_key()
    pem = public.public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    if not _speaks_openssh(key):
        empty = dict.fromkeys(("publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256"), "")
        return {"publicKeyPem": pem, **empty}
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    blob = base64.b64decode(line.split()[1])
    sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return {
        "publicKeyPem": pem,
        "publicKeyOpenssh": f"{line}\n",
        "publicKeyFingerprintMd5": hashlib.md5(blob, usedforsecurity=False).digest().hex(":"),
        "publicKeyFingerprintSha256": f"SHA256:{sha256}",
    }
