"""Sizes of machines, from which PostgreSQL's memory settings follow."""

from __future__ import annotations

import pytest

from derive.cluster.instances import InstanceType, instance_type
from model import DeclarationError
from systems.fitsync import SYSTEM


@pytest.mark.parametrize(
    ("name", "cpus", "gib"), [("t3.micro", 2, 1), ("t3.medium", 2, 4), ("t3.xlarge", 4, 16), ("m7i.2xlarge", 8, 32)]
)
def test_sizes_are_those_of_aws(name: str, cpus: int, gib: int) -> None:
    """With too much memory assumed, PostgreSQL does not start; with too little, it crawls."""
    assert instance_type(name) == InstanceType(cpus, gib * 1024)


def test_an_unknown_type_is_refused_with_the_nearest() -> None:
    with pytest.raises(DeclarationError) as caught:
        instance_type("m7i.xlarg")
    assert str(caught.value) == "instance type 'm7i.xlarg' is not known; did you mean 'm7i.xlarge'?"


def test_every_machine_of_fitsync_is_known() -> None:
    for environment in SYSTEM.environments.values():
        for machine in (environment.servers, *environment.pools.values(), environment.databases):
            assert machine is not None
            assert instance_type(machine.instance).cpus >= 2
