"""The cluster's certificate authorities, made before the cluster, so that its kubeconfig is known without SSH."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

import pulumi
import pulumi_tls as tls
import yaml

AUTHORITIES = ("server-ca", "client-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca")
"""K3s' own names below ``server/tls`` (K3s documentation, k3s certificate)."""
TEN_YEARS = 87600


@dataclass(frozen=True)
class ClusterCertificatesArgs:
    """Whom the certificates speak of."""

    cluster: str
    url: pulumi.Input[str]
    """The API's address, ``https://<name>:6443``."""


class ClusterCertificates(pulumi.ComponentResource):
    """A root, K3s' five authorities below it, the service account key and an administrator's certificate.

    Keys are in the stack's state, encrypted. Costs nothing. Outputs: the files of ``server/tls`` and a kubeconfig, both
    secret. The kubeconfig holds neither a token nor a time, so that it does not change from run to run.
    """

    files: pulumi.Output[dict[str, str]]
    server_authority: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]

    def __init__(self, name: str, args: ClusterCertificatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:cluster:ClusterCertificates", name, None, opts)
        self._name = name
        self._children = pulumi.ResourceOptions(parent=self)
        root_key = self._key("root")
        root = tls.SelfSignedCert(
            f"{name}-root",
            private_key_pem=root_key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=f"{args.cluster} root"),
            is_ca_certificate=True,
            set_subject_key_id=True,
            validity_period_hours=TEN_YEARS,
            allowed_uses=["digital_signature", "key_encipherment", "cert_signing"],
            opts=self._children,
        )
        files: dict[str, pulumi.Output[str]] = {}
        signers: dict[str, tuple[tls.PrivateKey, tls.LocallySignedCert]] = {}
        for authority in AUTHORITIES:
            key, certificate = self._authority(authority, args.cluster, root_key, root)
            signers[authority] = (key, certificate)
            files[f"{authority}.key"] = key.private_key_pem
            files[f"{authority}.crt"] = pulumi.Output.concat(certificate.cert_pem, root.cert_pem)
        files["service.key"] = tls.PrivateKey(
            f"{name}-service-account", algorithm="RSA", rsa_bits=2048, opts=self._children
        ).private_key_pem
        self.server_authority = files["server-ca.crt"]
        admin_key, admin = self._administrator(*signers["client-ca"])
        self.files = pulumi.Output.secret(pulumi.Output.all(**files))
        self.kubeconfig = pulumi.Output.secret(
            pulumi.Output.all(args.url, files["server-ca.crt"], admin.cert_pem, admin_key.private_key_pem).apply(
                lambda texts: kubeconfig(args.cluster, *texts)
            )
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _key(self, role: str) -> tls.PrivateKey:
        return tls.PrivateKey(f"{self._name}-{role}-key", algorithm="ECDSA", ecdsa_curve="P256", opts=self._children)

    def _authority(
        self, authority: str, cluster: str, root_key: tls.PrivateKey, root: tls.SelfSignedCert
    ) -> tuple[tls.PrivateKey, tls.LocallySignedCert]:
        role = authority.replace("/", "-")
        key = self._key(role)
        request = tls.CertRequest(
            f"{self._name}-{role}-request",
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=f"{cluster} {role}"),
            opts=self._children,
        )
        return key, self._sign(
            role, request, root_key, root.cert_pem, ["digital_signature", "key_encipherment", "cert_signing"], True
        )

    def _administrator(
        self, signer_key: tls.PrivateKey, signer: tls.LocallySignedCert
    ) -> tuple[tls.PrivateKey, tls.LocallySignedCert]:
        key = self._key("admin")
        request = tls.CertRequest(
            f"{self._name}-admin-request",
            private_key_pem=key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name="system:admin", organization="system:masters"),
            opts=self._children,
        )
        uses = ["digital_signature", "key_encipherment", "client_auth"]
        return key, self._sign("admin", request, signer_key, signer.cert_pem, uses, False)

    def _sign(
        self,
        role: str,
        request: tls.CertRequest,
        key: tls.PrivateKey,
        certificate: pulumi.Output[str],
        uses: list[str],
        authority: bool,
    ) -> tls.LocallySignedCert:
        return tls.LocallySignedCert(
            f"{self._name}-{role}",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=key.private_key_pem,
            ca_cert_pem=certificate,
            is_ca_certificate=authority,
            set_subject_key_id=True,
            validity_period_hours=TEN_YEARS,
            allowed_uses=uses,
            opts=self._children,
        )


def kubeconfig(cluster: str, url: str, authority: str, certificate: str, key: str) -> str:
    """A kubeconfig for one cluster and one user with a client certificate."""

    def encoded(text: str) -> str:
        return b64encode(text.encode()).decode()

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": cluster,
            "clusters": [
                {"name": cluster, "cluster": {"server": url, "certificate-authority-data": encoded(authority)}}
            ],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "admin"}}],
            "users": [
                {
                    "name": "admin",
                    "user": {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)},
                }
            ],
        },
        sort_keys=False,
    )
