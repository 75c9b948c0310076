"""What holds for every component."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from tests.components.built import PROGRAMS
from tests.components.strict_monitor import Registered, Secret, StrictMonitor, open_texts, plain, register

AUTHORITY = "shop"


@cache
def built(name: str) -> StrictMonitor:
    def program() -> None:
        PROGRAMS[name]()

    return register(program)


def machines() -> Iterator[Registered]:
    for name in ("cluster", "tier", "bastion"):
        monitor = built(name)
        yield from monitor.of("aws:ec2/instance:Instance").values()
        yield from monitor.of("aws:ec2/launchTemplate:LaunchTemplate").values()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_preview_shows_everything(name: str) -> None:
    """What is made inside ``apply`` is missing from a preview, where nothing is known yet."""

    def program() -> None:
        PROGRAMS[name]()

    assert register(program, preview=True).shape() == built(name).shape()


@pytest.mark.parametrize("name", PROGRAMS)
def test_secrets_stay_marked(name: str) -> None:
    """A password or key that loses its mark on the way stands in clear in the state file."""
    monitor = built(name)
    for item in monitor.resources.values():
        for text in open_texts({**item.inputs, **({} if item.custom else item.outputs)}):
            assert not any(secret in text for secret in monitor.secrets), f"{item.type} {item.name}"
    for text in open_texts(monitor.exports):
        assert not any(secret in text for secret in monitor.secrets)


@pytest.mark.parametrize("name", PROGRAMS)
def test_names_lead_back_to_the_component(name: str) -> None:
    """A child without its component's name clashes with the same child of the next one.

    A Kubernetes object has its own name; a certificate that of the authority that issued it.
    """
    for item in built(name).custom():
        if not item.type.startswith("kubernetes:"):
            issuers = (AUTHORITY,) if item.type.startswith("tls:") else ()
            assert item.name.startswith((item.parent, *issuers)), item.name


def test_machines_demand_imdsv2_everywhere() -> None:
    """IMDSv1 hands the machine's role to whoever can make it send one GET; a hop limit of 1 keeps pods out."""
    found = list(machines())
    assert len(found) > 10
    for item in found:
        assert item.inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }, item.name


def test_every_volume_is_encrypted() -> None:
    """A snapshot of one that is not can be read by whoever it is shared with."""
    volumes = list(built("tier").of("aws:ebs/volume:Volume").values())
    assert volumes
    assert all(item.inputs["encrypted"] is True for item in volumes)
    for item in machines():
        if "rootBlockDevice" in item.inputs:
            assert item.inputs["rootBlockDevice"]["encrypted"] is True, item.name
        else:
            assert [each["ebs"]["encrypted"] for each in item.inputs["blockDeviceMappings"]] == ["true"], item.name


def test_no_machine_has_a_public_address() -> None:
    """People enter by Session Manager, requests by the edge; nothing else may be reachable from outside."""
    for item in machines():
        if "networkInterfaces" in item.inputs:
            assert [each["associatePublicIpAddress"] for each in item.inputs["networkInterfaces"]] == ["false"]
        else:
            assert item.inputs["associatePublicIpAddress"] is False, item.name


def test_no_secret_is_in_user_data() -> None:
    """User data can be read by every process on the machine and by whoever may describe instances."""
    for name in ("cluster", "tier"):
        monitor = built(name)
        data = [item for item in monitor.resources.values() if "userData" in item.inputs]
        assert data
        assert len(monitor.secrets) > 5
        for item in data:
            text = item.inputs["userData"]
            assert not isinstance(text, Secret), f"{item.name}: a secret went into its making"
            for clear in open_texts(plain(text)):
                assert not any(secret in clear for secret in monitor.secrets), item.name
