"""A run of a real stack that does not reach its end, in every way it may happen: what it made is kept, and gone on
from."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sandbox.aws import AwsProvider
from sandbox.events import Event, Op, Result, StepFinished
from sandbox.program import INTERRUPTED
from sandbox.provider import Desired, Made, Package, ResourceError
from tests.e2e.bench import PROJECT, Bench, changed, label
from wheelhouse.providers import packages

REFUSED = "aws:ec2/launchTemplate:LaunchTemplate"
NO_MORE = "you have reached the limit of your account"


class Limited(AwsProvider):
    """An account in which one type of resource cannot be made."""

    def create(self, desired: Desired) -> Made:
        if desired.type == REFUSED:
            raise ResourceError(NO_MORE)
        return super().create(desired)


def limited(config: Mapping[str, Any]) -> Limited:
    return Limited(config)


def with_limits() -> dict[str, Package]:
    """The providers, AWS with its limit."""
    found = dict(packages())
    return {**found, "aws": replace(found["aws"], make=limited)}


class Interrupts:
    """Presses Ctrl-C after a number of steps of one kind."""

    def __init__(self, op: Op, steps: int) -> None:
        self.op = op
        self.left = steps

    def __call__(self, event: Event) -> None:
        self.left -= isinstance(event, StepFinished) and event.step.op == self.op
        if self.left == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            self.left = -1


def kill_once_under_way(bench: Bench, stack: str, lines: int) -> None:
    """Start `up` in a process of its own and kill it when its journal has so many lines."""
    command = bench.command("up", stack)
    journal = bench.backend / PROJECT / f"{stack}.journal"
    while command.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= lines):
        time.sleep(0.02)
    command.kill()
    command.communicate()
    assert command.returncode == -signal.SIGKILL, "the run ended before it could be killed"


def saved(bench: Bench) -> dict[str, str]:
    """URN -> id of what is saved of dev; without the root, which gets its outputs at the end of a run."""
    return {resource.urn: resource.id for resource in bench.resources("dev") if resource.parent}


def assert_goes_on(before: dict[str, str], result: Result, after: dict[str, str]) -> None:
    """Nothing saved before is made again or lost."""
    again = [label(urn) for urn in changed(result.steps) if urn in before]
    assert again == []
    assert before.items() <= after.items()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_refused_or_interrupted_run_is_gone_on_from(hub_only: Bench, platform: Bench) -> None:
    """What was made but not saved is paid for and managed by nobody; what is made twice fails or costs double."""
    kill_once_under_way(hub_only, "dev", lines=100)
    killed = saved(hub_only)
    assert len(killed) > 20

    result = hub_only.run("up", "dev", providers=with_limits())
    refused = saved(hub_only)
    assert NO_MORE in " ".join(result.errors)
    assert {message.split(" ")[0] for message in result.errors} == {REFUSED}
    assert len(refused) > len(killed)
    assert_goes_on(killed, result, refused)

    result = hub_only.run("up", "dev", on_event=Interrupts("create", 30))
    interrupted = saved(hub_only)
    assert INTERRUPTED in result.errors
    assert len(interrupted) >= len(refused) + 30
    assert_goes_on(refused, result, interrupted)

    result = hub_only.good("up", "dev")
    assert_goes_on(interrupted, result, saved(hub_only))
    assert saved(hub_only).keys() == saved(platform).keys()


def test_an_interrupted_destroy_is_gone_on_from(own: Bench) -> None:
    """A half-destroyed stack that forgets what is left, or cannot be destroyed again, leaves machines running."""
    before = saved(own)
    result = own.run("destroy", "dev", on_event=Interrupts("delete", 60))
    deleted = changed(result.steps)
    assert result.errors == (INTERRUPTED,)
    assert len(deleted) >= 60
    assert saved(own) == {urn: id_ for urn, id_ in before.items() if urn not in deleted}

    result = own.good("destroy", "dev")
    assert not changed(result.steps).keys() & deleted.keys()
    assert own.resources("dev") == []
