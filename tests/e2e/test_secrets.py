"""No password or private key of an environment where it can be read."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.events import Result
from sandbox.values import plain
from tests.e2e.bench import Bench
from tests.e2e.leaks import KEY, PASSWORD, Generated, generated, places, private_number


def test_the_search_finds_a_secret_in_the_clear_and_encoded() -> None:
    """A search that finds nothing proves nothing."""
    password = [Generated("password", b"correct-horse-battery")]
    for prefix in ("", "a", "ab"):
        assert places(base64.b64encode(f"{prefix}correct-horse-battery tail".encode()).decode(), password)
    assert places(json.dumps({"a": "correct-horse-battery"}), password)
    assert not places("correct-horse", password)
    for key in (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)):
        for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
            pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
            secrets = [Generated("key", private_number(pem))]
            assert places(json.dumps({"inner": json.dumps({"key": pem.decode()})}), secrets)
            public = key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            assert not places(public.decode(), secrets)


def test_saved_state_holds_no_generated_secret_in_the_clear(platform: Bench) -> None:
    """The state file is copied, mailed and backed up: whoever has it must not have the passwords."""
    secrets = generated(platform.resources("dev"))
    assert {secret.resource.split()[0] for secret in secrets} == {PASSWORD, KEY}
    for stack in ("hub", "dev"):
        assert places(json.dumps(platform.export(stack)), secrets) == []


def test_user_data_holds_no_generated_secret(platform: Bench) -> None:
    """User data is readable by every process of a machine and by everyone who may describe instances."""
    resources = platform.resources("dev")
    secrets = generated(resources)
    scripts = {
        resource.urn: str(plain(resource.inputs)["userData"]) for resource in resources if "userData" in resource.inputs
    }
    assert scripts
    for urn, script in scripts.items():
        text = script if script.startswith("#") else base64.b64decode(script).decode()
        assert text.startswith("#cloud-config"), urn
        assert places(text, secrets) == [], urn


def test_no_step_of_a_run_shows_a_generated_secret(platform: Bench, release: Result) -> None:
    """A log of the run is kept by every pipeline."""
    secrets = generated(platform.resources("dev"))
    assert release.changed
    clear = {name: output for name, output in release.outputs.items() if not output.secret}
    assert clear.keys() == release.outputs.keys() - {"kubeconfig"}
    assert places(repr([release.steps, release.output_changes, clear]), secrets) == []
