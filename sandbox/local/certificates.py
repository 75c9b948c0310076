"""X.509 certificates and requests from the inputs that pulumi-tls takes."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID as Extended
from cryptography.x509.oid import NameOID, ObjectIdentifier

from sandbox.local import keys
from sandbox.local.keys import PrivateKey
from sandbox.provider import ResourceError

Requested = x509.SubjectAlternativeName | None

_ATTRIBUTES: Final[Mapping[str, ObjectIdentifier]] = {
    "commonName": NameOID.COMMON_NAME,
    "country": NameOID.COUNTRY_NAME,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "locality": NameOID.LOCALITY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "postalCode": NameOID.POSTAL_CODE,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "streetAddresses": NameOID.STREET_ADDRESS,
}
_USAGES: Final[Mapping[str, str]] = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}
_EXTENDED: Final[Mapping[str, ObjectIdentifier]] = {
    "any_extended": Extended.ANY_EXTENDED_KEY_USAGE,
    "server_auth": Extended.SERVER_AUTH,
    "client_auth": Extended.CLIENT_AUTH,
    "code_signing": Extended.CODE_SIGNING,
    "email_protection": Extended.EMAIL_PROTECTION,
    "ipsec_end_system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec_tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec_user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": Extended.TIME_STAMPING,
    "ocsp_signing": Extended.OCSP_SIGNING,
    "microsoft_server_gated_crypto": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape_server_gated_crypto": ObjectIdentifier("2.16.840.1.113730.4.1"),
    "microsoft_commercial_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.2.1.22"),
    "microsoft_kernel_code_signing": ObjectIdentifier("1.3.6.1.4.1.311.61.1.1"),
}


@dataclass(frozen=True)
class Content:
    """Whom a certificate is for."""

    subject: x509.Name
    public_key: CertificatePublicKeyTypes
    names: Requested


@dataclass(frozen=True)
class Issuer:
    """Who signs; ``certificate`` is None for a certificate that signs itself."""

    name: x509.Name
    key: PrivateKey
    certificate: x509.Certificate | None


def key_usages(allowed: Sequence[str]) -> tuple[x509.KeyUsage | None, x509.ExtendedKeyUsage | None]:
    """The two usage extensions that ``allowedUses`` asks for."""
    unknown = sorted(set(allowed) - _USAGES.keys() - _EXTENDED.keys())
    if unknown:
        known = ", ".join([*_USAGES, *_EXTENDED])
        raise ResourceError(f"{unknown[0]!r} is not a use", path="allowedUses", remedy=f"known uses: {known}")
    flags = {flag: use in allowed for use, flag in _USAGES.items()}
    if (flags["encipher_only"] or flags["decipher_only"]) and not flags["key_agreement"]:
        raise ResourceError("encipher_only and decipher_only need key_agreement", path="allowedUses")
    extended = [_EXTENDED[use] for use in allowed if use in _EXTENDED]
    return (
        x509.KeyUsage(**flags) if any(flags.values()) else None,
        x509.ExtendedKeyUsage(extended) if extended else None,
    )


def subject_name(subject: Mapping[str, Any] | None) -> x509.Name:
    """The distinguished name, attributes in the order of ``_ATTRIBUTES``."""
    found: list[x509.NameAttribute[Any]] = []
    for name, oid in _ATTRIBUTES.items():
        value = (subject or {}).get(name)
        for text in value if isinstance(value, list) else [value] if value else []:
            try:
                found.append(x509.NameAttribute(oid, str(text)))
            except ValueError as error:
                raise ResourceError(str(error), path=f"subject.{name}") from None
    return x509.Name(found)


def alternative_names(inputs: Mapping[str, Any]) -> Requested:
    """The subject alternative names from dnsNames, ipAddresses and uris."""
    found: list[x509.GeneralName] = []
    for name, kind in (("dnsNames", x509.DNSName), ("uris", x509.UniformResourceIdentifier)):
        for text in inputs.get(name) or ():
            try:
                found.append(kind(str(text)))
            except ValueError:
                raise ResourceError(f"{text!r} is not ASCII", path=name) from None
    for text in inputs.get("ipAddresses") or ():
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(str(text))))
        except ValueError:
            raise ResourceError(f"{text!r} is not an IP address", path="ipAddresses") from None
    return x509.SubjectAlternativeName(found) if found else None


def load(pem_text: str, name: str) -> x509.Certificate:
    """Read a certificate; ``name`` is the input that holds it."""
    try:
        return x509.load_pem_x509_certificate(pem_text.encode())
    except ValueError:
        raise ResourceError("is not a certificate in PEM form", path=name) from None


def load_request(pem_text: str) -> x509.CertificateSigningRequest:
    """Read a request and check that its own key signed it."""
    try:
        request = x509.load_pem_x509_csr(pem_text.encode())
    except ValueError:
        raise ResourceError("is not a certificate request in PEM form", path="certRequestPem") from None
    if not request.is_signature_valid:
        raise ResourceError("is not signed by the key that it holds", path="certRequestPem")
    return request


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def requested_names(request: x509.CertificateSigningRequest) -> Requested:
    """The alternative names that a request asks for."""
    try:
        return request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def pem(value: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """The PEM text."""
    return value.public_bytes(serialization.Encoding.PEM).decode()


def build_request(subject: x509.Name, key: PrivateKey, names: Requested) -> x509.CertificateSigningRequest:
    """A request for ``subject``, signed by its own key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, keys.digest(key))


def build(content: Content, issuer: Issuer, inputs: Mapping[str, Any]) -> x509.Certificate:
    """Sign ``content``. Of the inputs: allowedUses, validityPeriodHours, isCaCertificate, maxPathLength, set*KeyId."""
    start = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(content.subject)
        .issuer_name(issuer.name)
        .public_key(content.public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(hours=int(inputs["validityPeriodHours"])))
    )
    for extension, critical in _extensions(content, issuer, inputs):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer.key, keys.digest(issuer.key))


def _extensions(content: Content, issuer: Issuer, inputs: Mapping[str, Any]) -> list[tuple[x509.ExtensionType, bool]]:
    """The extensions and whether each is critical. A certificate authority always carries its subject key id."""
    is_ca, longest = bool(inputs["isCaCertificate"]), int(inputs["maxPathLength"])
    constraints = x509.BasicConstraints(ca=is_ca, path_length=longest if is_ca and longest >= 0 else None)
    found: list[tuple[x509.ExtensionType, bool]] = [(constraints, True)]
    usage, extended = key_usages(inputs["allowedUses"])
    found += [(usage, True)] if usage else []
    found += [(extended, False)] if extended else []
    found += [(content.names, not content.subject.rdns)] if content.names else []
    if is_ca or inputs.get("setSubjectKeyId"):
        found.append((x509.SubjectKeyIdentifier.from_public_key(content.public_key), False))
    authority = _authority_key_id(issuer, bool(inputs.get("setAuthorityKeyId")))
    return [*found, (authority, False)] if authority else found


def _authority_key_id(issuer: Issuer, wanted: bool) -> x509.AuthorityKeyIdentifier | None:
    """Points at the signer's key: of another's certificate when that names its key, of oneself when asked for."""
    if issuer.certificate is None:
        public: CertificateIssuerPublicKeyTypes = issuer.key.public_key()
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(public) if wanted else None
    try:
        own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)
