"""The ``tls`` package: private keys, certificate requests, self-signed and locally signed certificates.

Outputs follow pulumi-tls (PEM and OpenSSH forms, fingerprints, validity times); the work is done by
``cryptography``. A certificate within its early renewal period is replaced at the next update.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sandbox import typecheck
from sandbox.local import certificates, keys
from sandbox.local.base import Kind, LocalProvider, Typecheck
from sandbox.local.keys import PrivateKey
from sandbox.provider import Desired, Diff, Made, ResourceError, Saved

_PRIVATE_KEY: Final = "tls:index/privateKey:PrivateKey"
_REQUEST: Final = "tls:index/certRequest:CertRequest"
_SELF_SIGNED: Final = "tls:index/selfSignedCert:SelfSignedCert"
_LOCALLY_SIGNED: Final = "tls:index/locallySignedCert:LocallySignedCert"
_GET_PUBLIC_KEY: Final = "tls:index/getPublicKey:getPublicKey"

_CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = {
    "P224": ec.SECP224R1,
    "P256": ec.SECP256R1,
    "P384": ec.SECP384R1,
    "P521": ec.SECP521R1,
}
_SMALLEST_RSA: Final = 1024
"""Bits; below it no current library will make or use a key."""


def _check_private_key(inputs: Mapping[str, Any]) -> None:
    if inputs["algorithm"] not in ("RSA", "ECDSA", "ED25519"):
        raise ResourceError(f"{inputs['algorithm']!r} is not one of RSA, ECDSA, ED25519", path="algorithm")
    if inputs["ecdsaCurve"] not in _CURVES:
        raise ResourceError(f"{inputs['ecdsaCurve']!r} is not one of {', '.join(_CURVES)}", path="ecdsaCurve")
    if int(inputs["rsaBits"]) < _SMALLEST_RSA:
        raise ResourceError(f"{int(inputs['rsaBits'])} bits are fewer than {_SMALLEST_RSA}", path="rsaBits")


def _make_private_key(inputs: Mapping[str, Any]) -> Made:
    key: PrivateKey
    if inputs["algorithm"] == "RSA":
        key = rsa.generate_private_key(65537, int(inputs["rsaBits"]))
    elif inputs["algorithm"] == "ECDSA":
        key = ec.generate_private_key(_CURVES[inputs["ecdsaCurve"]]())
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    public = keys.public_forms(key)
    return Made(keys.identity(key), dict(inputs) | keys.private_forms(key) | public)


def _private_key(inputs: Mapping[str, Any], name: str) -> PrivateKey:
    pem = inputs.get(name) or inputs.get(f"{name}Wo")
    if not pem:
        raise ResourceError("is missing", path=name, remedy="pass the privateKeyPem of a PrivateKey")
    return keys.load(str(pem), name)


def _check_validity(inputs: Mapping[str, Any]) -> None:
    certificates.key_usages(inputs["allowedUses"])
    for name in ("validityPeriodHours", "earlyRenewalHours"):
        if int(inputs[name]) < 0:
            raise ResourceError("cannot be negative", path=name)
    if int(inputs["maxPathLength"]) >= 0 and not inputs["isCaCertificate"]:
        raise ResourceError("is only for a certificate authority", path="maxPathLength", remedy="set isCaCertificate")


def _check_self_signed(inputs: Mapping[str, Any]) -> None:
    _check_validity(inputs)
    _check_request(inputs)


def _check_request(inputs: Mapping[str, Any]) -> None:
    _private_key(inputs, "privateKeyPem")
    certificates.subject_name(inputs.get("subject"))
    certificates.alternative_names(inputs)


def _check_locally_signed(inputs: Mapping[str, Any]) -> None:
    _check_validity(inputs)
    authority = certificates.load(str(inputs["caCertPem"]), "caCertPem")
    key = _private_key(inputs, "caPrivateKeyPem")
    if keys.public_der(authority.public_key()) != keys.public_der(key.public_key()):
        raise ResourceError("is not the key of caCertPem", path="caPrivateKeyPem")
    if not certificates.is_authority(authority):
        raise ResourceError(
            "is not a certificate authority, so nothing that it signs will verify",
            path="caCertPem",
            remedy="set isCaCertificate on it",
        )
    certificates.load_request(str(inputs["certRequestPem"]))


def _certificate_outputs(inputs: Mapping[str, Any], certificate: x509.Certificate) -> dict[str, Any]:
    return dict(inputs) | {
        "certPem": certificates.pem(certificate),
        "readyForRenewal": False,
        "validityStartTime": certificate.not_valid_before_utc.isoformat().replace("+00:00", "Z"),
        "validityEndTime": certificate.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
    }


def _make_self_signed(inputs: Mapping[str, Any]) -> Made:
    key = _private_key(inputs, "privateKeyPem")
    subject = certificates.subject_name(inputs.get("subject"))
    built = certificates.build(
        certificates.Content(subject, key.public_key(), certificates.alternative_names(inputs)),
        certificates.Issuer(subject, key, None),
        inputs,
    )
    outputs = _certificate_outputs(inputs, built) | {"keyAlgorithm": keys.algorithm(key)}
    return Made(str(built.serial_number), outputs)


def _make_request(inputs: Mapping[str, Any]) -> Made:
    key = _private_key(inputs, "privateKeyPem")
    subject = certificates.subject_name(inputs.get("subject"))
    request = certificates.build_request(subject, key, certificates.alternative_names(inputs))
    outputs = dict(inputs) | {"certRequestPem": certificates.pem(request), "keyAlgorithm": keys.algorithm(key)}
    return Made(hashlib.sha1(certificates.pem(request).encode(), usedforsecurity=False).hexdigest(), outputs)


def _make_locally_signed(inputs: Mapping[str, Any]) -> Made:
    request = certificates.load_request(str(inputs["certRequestPem"]))
    authority = certificates.load(str(inputs["caCertPem"]), "caCertPem")
    key = _private_key(inputs, "caPrivateKeyPem")
    built = certificates.build(
        certificates.Content(request.subject, request.public_key(), certificates.requested_names(request)),
        certificates.Issuer(authority.subject, key, authority),
        inputs,
    )
    outputs = _certificate_outputs(inputs, built) | {"caKeyAlgorithm": keys.algorithm(key)}
    return Made(str(built.serial_number), outputs)


_CERTIFICATE_DEFAULTS: Final = {
    "earlyRenewalHours": 0,
    "isCaCertificate": False,
    "maxPathLength": -1,
    "setSubjectKeyId": False,
}
KINDS: Final[Mapping[str, Kind]] = {
    _PRIVATE_KEY: Kind(
        _make_private_key,
        _check_private_key,
        defaults={"ecdsaCurve": "P224", "rsaBits": 2048},
        secrets=frozenset({"privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"}),
    ),
    _REQUEST: Kind(_make_request, _check_request, secrets=frozenset({"privateKeyPem", "privateKeyPemWo"})),
    _SELF_SIGNED: Kind(
        _make_self_signed,
        _check_self_signed,
        defaults={**_CERTIFICATE_DEFAULTS, "setAuthorityKeyId": False},
        secrets=frozenset({"privateKeyPem", "privateKeyPemWo"}),
    ),
    _LOCALLY_SIGNED: Kind(
        _make_locally_signed,
        _check_locally_signed,
        defaults=_CERTIFICATE_DEFAULTS,
        secrets=frozenset({"caPrivateKeyPem", "caPrivateKeyPemWo"}),
    ),
}


class TlsProvider(LocalProvider):
    """Serves the ``tls`` package. ``now`` tells when a certificate is due for renewal."""

    package = "tls"

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        check_types: Typecheck = typecheck.check_inputs,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(KINDS, check_types)
        self._now = now

    def diff(self, old: Saved, desired: Desired) -> Diff:
        """Beside changed inputs: a certificate in its early renewal period is made anew."""
        found = super().diff(old, desired)
        end = old.outputs.get("validityEndTime")
        if found.changed or end is None:
            return found
        early = timedelta(hours=int(old.outputs.get("earlyRenewalHours", 0)))
        if self._now() < datetime.fromisoformat(end) - early:
            return found
        return replace(found, changed=("readyForRenewal",), replace=("readyForRenewal",))

    def invoke(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        if token != _GET_PUBLIC_KEY:
            return super().invoke(token, args)
        given = {name: args[name] for name in ("privateKeyPem", "privateKeyOpenssh") if args.get(name)}
        if len(given) != 1:
            raise ResourceError("getPublicKey takes one of privateKeyPem and privateKeyOpenssh")
        ((name, pem),) = given.items()
        key = keys.load(str(pem), name)
        return given | keys.public_forms(key) | {"id": keys.identity(key), "algorithm": keys.algorithm(key)}
