"""The tls provider: keys and certificates that OpenSSL and OpenSSH accept."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import typecheck
from sandbox.local.tls import KINDS, TlsProvider
from sandbox.provider import UNKNOWN, Desired, Diff, Made, ResourceError, Saved

KEY = "tls:index/privateKey:PrivateKey"
REQUEST = "tls:index/certRequest:CertRequest"
SELF = "tls:index/selfSignedCert:SelfSignedCert"
LOCAL = "tls:index/locallySignedCert:LocallySignedCert"
ECDSA = {"algorithm": "ECDSA", "ecdsaCurve": "P256"}


def checked(token: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return TlsProvider().check(Desired("urn:x", token, "x", inputs), None)


def make(token: str, **inputs: Any) -> Made:
    full = checked(token, inputs)
    made = TlsProvider().create(Desired("urn:x", token, "x", full))
    outputs = {**full, **made.outputs}
    assert typecheck.output_problems(token, outputs) == []
    assert typecheck.declared(token).always <= outputs.keys()
    return Made(made.id, outputs)


def refusal(token: str, **inputs: Any) -> str:
    with pytest.raises(ResourceError) as caught:
        checked(token, inputs)
    return str(caught.value)


@pytest.fixture(scope="module")
def ca_key() -> dict[str, Any]:
    return make(KEY, **ECDSA).outputs


@pytest.fixture(scope="module")
def ca(ca_key: dict[str, Any]) -> dict[str, Any]:
    return make(
        SELF,
        privateKeyPem=ca_key["privateKeyPem"],
        subject={"commonName": "Mesh root", "organization": "Example"},
        isCaCertificate=True,
        validityPeriodHours=87600,
        allowedUses=["cert_signing", "crl_signing"],
    ).outputs


@pytest.fixture(scope="module")
def request_pem() -> str:
    key = make(KEY, **ECDSA).outputs["privateKeyPem"]
    made = make(
        REQUEST,
        privateKeyPem=key,
        subject={"commonName": "db"},
        dnsNames=["db.internal", "*.db.internal"],
        ipAddresses=["10.0.0.5"],
        uris=["spiffe://cluster.local/ns/x/sa/y"],
    )
    return str(made.outputs["certRequestPem"])


def run(*args: str, cwd: Path) -> str:
    return subprocess.run(args, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("inputs", "header"),
    [
        ({"algorithm": "RSA", "rsaBits": 2048}, "RSA PRIVATE KEY"),
        (ECDSA, "EC PRIVATE KEY"),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P521"}, "EC PRIVATE KEY"),
        ({"algorithm": "ED25519"}, "PRIVATE KEY"),
    ],
)
@pytest.mark.tool("openssl", "ssh-keygen")
def test_keys_are_read_by_openssl_and_ssh_keygen(inputs: dict[str, Any], header: str, tmp_path: Path) -> None:
    """A fingerprint or form that differs from the tools' own would lock an operator out."""
    outputs = make(KEY, **inputs).outputs
    assert outputs["privateKeyPem"].startswith(f"-----BEGIN {header}-----")
    for name in ("privateKeyPem", "privateKeyPemPkcs8"):
        (tmp_path / "key.pem").write_text(outputs[name])
        assert run("openssl", "pkey", "-in", "key.pem", "-pubout", cwd=tmp_path) == outputs["publicKeyPem"]
    private = tmp_path / "id"
    private.write_text(outputs["privateKeyOpenssh"])
    private.chmod(0o600)
    line = run("ssh-keygen", "-y", "-f", "id", cwd=tmp_path)
    assert line.split()[:2] == outputs["publicKeyOpenssh"].split()[:2]
    assert outputs["publicKeyFingerprintSha256"] in run("ssh-keygen", "-l", "-f", "id", cwd=tmp_path)
    assert outputs["publicKeyFingerprintMd5"] in run("ssh-keygen", "-l", "-E", "md5", "-f", "id", cwd=tmp_path)


def test_p224_has_no_openssh_form() -> None:
    outputs = make(KEY, algorithm="ECDSA").outputs
    assert outputs["ecdsaCurve"] == "P224"
    assert outputs["privateKeyOpenssh"] == outputs["publicKeyOpenssh"] == outputs["publicKeyFingerprintMd5"] == ""


@pytest.mark.tool("openssl")
def test_chain_verifies(ca: dict[str, Any], ca_key: dict[str, Any], request_pem: str, tmp_path: Path) -> None:
    made = make(
        LOCAL,
        certRequestPem=request_pem,
        caCertPem=ca["certPem"],
        caPrivateKeyPem=ca_key["privateKeyPem"],
        validityPeriodHours=24,
        allowedUses=["digital_signature", "key_encipherment", "server_auth"],
        setSubjectKeyId=True,
    ).outputs
    (tmp_path / "ca.pem").write_text(ca["certPem"])
    (tmp_path / "leaf.pem").write_text(made["certPem"])
    verify = ("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem")
    assert run(*verify, "-verify_hostname", "a.db.internal", "leaf.pem", cwd=tmp_path) == "leaf.pem: OK\n"
    text = run("openssl", "x509", "-in", "leaf.pem", "-noout", "-text", cwd=tmp_path)
    assert "IP Address:10.0.0.5" in text
    assert "URI:spiffe://cluster.local/ns/x/sa/y" in text
    assert "Authority Key Identifier" in text
    start, end = (datetime.fromisoformat(made[name]) for name in ("validityStartTime", "validityEndTime"))
    assert end - start == timedelta(hours=24)


@pytest.mark.tool("openssl")
def test_intermediate_authority_with_path_length(
    ca: dict[str, Any], ca_key: dict[str, Any], request_pem: str, tmp_path: Path
) -> None:
    made = make(
        LOCAL,
        certRequestPem=request_pem,
        caCertPem=ca["certPem"],
        caPrivateKeyPem=ca_key["privateKeyPem"],
        validityPeriodHours=24,
        allowedUses=["cert_signing"],
        isCaCertificate=True,
        maxPathLength=0,
    ).outputs
    (tmp_path / "ca.pem").write_text(made["certPem"])
    assert "CA:TRUE, pathlen:0" in run("openssl", "x509", "-in", "ca.pem", "-noout", "-text", cwd=tmp_path)


@pytest.mark.tool("openssl")
def test_self_signed_key_ids_are_set_when_asked(ca_key: dict[str, Any], tmp_path: Path) -> None:
    common = {"privateKeyPem": ca_key["privateKeyPem"], "validityPeriodHours": 1, "allowedUses": []}
    for wanted in (True, False):
        made = make(SELF, **common, setSubjectKeyId=wanted, setAuthorityKeyId=wanted).outputs
        (tmp_path / "c.pem").write_text(made["certPem"])
        text = run("openssl", "x509", "-in", "c.pem", "-noout", "-text", cwd=tmp_path)
        assert ("Subject Key Identifier" in text) is wanted
        assert ("Authority Key Identifier" in text) is wanted


def saved(token: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> Saved:
    return Saved("urn:x", token, "x", "1", inputs, outputs)


def test_a_changed_input_replaces() -> None:
    old = saved(KEY, checked(KEY, ECDSA), {})
    new = Desired("urn:x", KEY, "x", checked(KEY, {"algorithm": "ED25519"}))
    assert TlsProvider().diff(old, new).replace == ("algorithm", "ecdsaCurve")


def test_certificate_is_replaced_in_its_early_renewal_period(ca_key: dict[str, Any]) -> None:
    """Otherwise it would expire while every update says that nothing changed."""
    inputs = {
        "privateKeyPem": ca_key["privateKeyPem"],
        "validityPeriodHours": 48,
        "earlyRenewalHours": 24,
        "allowedUses": [],
    }
    outputs = make(SELF, **inputs).outputs
    full = checked(SELF, inputs)
    new = Desired("urn:x", SELF, "x", full)

    def later(hours: int) -> Diff:
        provider = TlsProvider(now=lambda: datetime.now(UTC) + timedelta(hours=hours))
        return provider.diff(saved(SELF, full, outputs), new)

    assert later(23) == Diff()
    assert later(25) == Diff(("readyForRenewal",), ("readyForRenewal",))


def test_preview_with_an_unknown_key_passes() -> None:
    inputs = {"privateKeyPem": UNKNOWN, "validityPeriodHours": 1, "allowedUses": []}
    assert checked(SELF, inputs)["privateKeyPem"] is UNKNOWN


def test_get_public_key() -> None:
    outputs = make(KEY, algorithm="ED25519").outputs
    token = "tls:index/getPublicKey:getPublicKey"
    for name in ("privateKeyPem", "privateKeyOpenssh"):
        found = TlsProvider().invoke(token, {name: outputs[name]})
        assert found["publicKeyOpenssh"] == outputs["publicKeyOpenssh"]
        assert found["algorithm"] == "ED25519"
    with pytest.raises(ResourceError, match="takes one of privateKeyPem and privateKeyOpenssh"):
        TlsProvider().invoke(token, {})
    with pytest.raises(ResourceError, match="does not know the function tls:index/getCertificate:getCertificate"):
        TlsProvider().invoke("tls:index/getCertificate:getCertificate", {})


def test_private_keys_are_secret() -> None:
    """A plain private key would lie readable in the state file."""
    for token in KINDS:
        private = {name for name in typecheck.declared(token).outputs if name.lower().find("privatekey") >= 0}
        private = {name for name in private if not name.endswith("Version")}
        assert TlsProvider().secret_outputs(token) == private


@pytest.mark.parametrize(
    ("token", "inputs", "message"),
    [
        (KEY, {"algorithm": "DSA"}, "algorithm: 'DSA' is not one of RSA, ECDSA, ED25519"),
        (KEY, {"algorithm": "ECDSA", "ecdsaCurve": "P1"}, "ecdsaCurve: 'P1' is not one of P224, P256, P384, P521"),
        (KEY, {"algorithm": "RSA", "rsaBits": 512}, "rsaBits: 512 bits are fewer than 1024"),
        (REQUEST, {}, "privateKeyPem: is missing"),
        (REQUEST, {"privateKeyPem": "x"}, "privateKeyPem: is not an unencrypted private key in PEM form"),
    ],
)
def test_refusals(token: str, inputs: dict[str, Any], message: str) -> None:
    assert refusal(token, **inputs) == message


def test_certificate_refusals(ca: dict[str, Any], ca_key: dict[str, Any], request_pem: str) -> None:
    pem = {"privateKeyPem": ca_key["privateKeyPem"], "validityPeriodHours": 1, "allowedUses": []}
    assert refusal(SELF, **{**pem, "allowedUses": ["fly"]}) == "allowedUses: 'fly' is not a use"
    assert refusal(SELF, **{**pem, "validityPeriodHours": -1}) == "validityPeriodHours: cannot be negative"
    assert refusal(SELF, **pem, ipAddresses=["10.0.0"]) == "ipAddresses: '10.0.0' is not an IP address"
    assert refusal(SELF, **pem, maxPathLength=1) == "maxPathLength: is only for a certificate authority"
    assert refusal(SELF, **pem, subject={"country": "Wonderland"}).startswith("subject.country: ")
    leaf = make(SELF, **pem).outputs["certPem"]
    local = {
        "certRequestPem": request_pem,
        "caCertPem": ca["certPem"],
        "caPrivateKeyPem": ca_key["privateKeyPem"],
        "validityPeriodHours": 1,
        "allowedUses": [],
    }
    other = make(KEY, **ECDSA).outputs["privateKeyPem"]
    assert refusal(LOCAL, **{**local, "caPrivateKeyPem": other}) == "caPrivateKeyPem: is not the key of caCertPem"
    assert refusal(LOCAL, **{**local, "caCertPem": leaf}) == (
        "caCertPem: is not a certificate authority, so nothing that it signs will verify"
    )
    broken = {**local, "certRequestPem": "x"}
    assert refusal(LOCAL, **broken) == "certRequestPem: is not a certificate request in PEM form"
    assert refusal(LOCAL, **{**local, "caCertPem": "x"}) == "caCertPem: is not a certificate in PEM form"
