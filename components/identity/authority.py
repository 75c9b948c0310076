"""The stack's own certificate authority for what it serves itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_tls as tls

TEN_YEARS = 87600
"""Hours. Leaves live as long as their authority; a rotation replaces both."""


@dataclass(frozen=True)
class Issued:
    """A key (PKCS#8, which every server reads) and its certificate, PEM; the key is secret."""

    key: pulumi.Output[str]
    certificate: pulumi.Output[str]


@dataclass(frozen=True)
class AuthorityArgs:
    """Whom the authority belongs to."""

    common_name: str


class Authority(pulumi.ComponentResource):
    """A root certificate and the server certificates that it signs. Keys are in the state, encrypted. Costs nothing."""

    certificate: pulumi.Output[str]

    def __init__(self, name: str, args: AuthorityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:identity:Authority", name, None, opts)
        self._name = name
        self._children = pulumi.ResourceOptions(parent=self)
        self._key = tls.PrivateKey(f"{name}-key", algorithm="ECDSA", ecdsa_curve="P256", opts=self._children)
        self._root = tls.SelfSignedCert(
            f"{name}-root",
            private_key_pem=self._key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=args.common_name),
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=TEN_YEARS,
            allowed_uses=["digital_signature", "cert_signing", "crl_signing"],
            opts=self._children,
        )
        self.certificate = self._root.cert_pem
        self.register_outputs({"certificate": self.certificate})

    def issue(self, role: str, dns_names: Sequence[str], opts: pulumi.ResourceOptions) -> Issued:
        """A certificate for servers and for peers of a cluster, registered under ``opts``' parent."""
        name = f"{self._name}-{role}"
        key = tls.PrivateKey(f"{name}-key", algorithm="ECDSA", ecdsa_curve="P256", opts=opts)
        request = tls.CertRequest(
            f"{name}-request",
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=dns_names[0]),
            dns_names=list(dns_names),
            opts=opts,
        )
        certificate = tls.LocallySignedCert(
            name,
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=self._key.private_key_pem,
            ca_cert_pem=self._root.cert_pem,
            set_subject_key_id=True,
            validity_period_hours=TEN_YEARS,
            allowed_uses=["digital_signature", "key_encipherment", "server_auth", "client_auth"],
            opts=opts,
        )
        return Issued(key.private_key_pem_pkcs8, certificate.cert_pem)
