"""Timeout budgets hold along every path, or the declaration is refused with the path."""

from __future__ import annotations

from itertools import pairwise

import pytest

from derive.mesh.timeouts import check
from model import Call, DeclarationError, Retry, Route, Service, ServicePolicy, System, seconds
from systems.fitsync import SYSTEM
from tests.unit.declared import shop


def chain(*timeouts: float | None, route: float | None) -> System:
    """Services a -> b -> c ... behind a route; ``timeouts`` are those of b, c ..."""
    names = "abcdef"[: len(timeouts) + 1]
    return shop(
        services=tuple(Service(name=f"svc-{name}", port=3000) for name in names),
        calls=tuple(Call(caller=f"svc-{a}", callee=f"svc-{b}") for a, b in pairwise(names)),
        policies=tuple(
            ServicePolicy(to=f"svc-{name}", timeout=seconds(timeout))
            for name, timeout in zip(names[1:], timeouts, strict=True)
            if timeout
        ),
        routes=(Route(host="www", to="svc-a", timeout=seconds(route) if route else None),),
    )


def test_fitsync_s_own_figures_hold_and_the_outer_bound_is_noted() -> None:
    """C-10: four tries of 10 s in 30 s stay as they are; the plan says which bound wins."""
    assert check(SYSTEM) == (
        "route api/api: one attempt and 3 retries of 10 s may add to 40 s; the timeout of 30 s ends them earlier",
    )


@pytest.mark.parametrize(
    "system",
    [
        chain(10, 10, route=30),
        chain(None, 30, route=30),
        chain(60, 60, route=None),
    ],
)
def test_what_fits_passes(system: System) -> None:
    assert check(system) == ()


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (
            chain(10, 20, route=30),
            "timeouts cannot hold on svc-b -> svc-c: 'svc-c' may take 20 s, but is waited for only 10 s; "
            "shorten the timeout of policies to 'svc-c' or allow 'svc-b' more",
        ),
        (
            chain(None, 40, route=30),
            "timeouts cannot hold on route www/ -> svc-a -> svc-b -> svc-c: 'svc-c' may take 40 s, but is waited for "
            "only 30 s; shorten the timeout of policies to 'svc-c' or allow 'route www/' more",
        ),
    ],
)
def test_what_outlasts_its_waiter_is_refused_with_the_path(system: System, message: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        check(system)
    assert str(refusal.value) == message


def test_a_long_poll_binds_nobody_but_itself() -> None:
    """A page that also listens to events is not a page that takes a minute."""
    system = chain(60, route=30)
    polled = Service(name="svc-b", port=3000, long_poll=True)
    assert check(system.model_copy(update={"services": (system.services[0], polled)})) == ()


def test_the_tightest_of_several_paths_decides() -> None:
    """A diamond: the long way round is the short one in time."""
    names = ("entry", "slow", "fast", "leaf")
    system = shop(
        services=tuple(Service(name=name, port=3000) for name in names),
        calls=tuple(
            Call(caller=a, callee=b)
            for a, b in (("entry", "slow"), ("entry", "fast"), ("slow", "leaf"), ("fast", "leaf"))
        ),
        policies=(
            ServicePolicy(to="slow", timeout=seconds(20)),
            ServicePolicy(to="fast", timeout=seconds(2)),
            ServicePolicy(to="leaf", timeout=seconds(5)),
        ),
    )
    with pytest.raises(DeclarationError, match="timeouts cannot hold on fast -> leaf"):
        check(system)


def test_retries_that_fit_are_not_noted() -> None:
    route = Route(host="www", to="web", timeout=seconds(30), retry=Retry(attempts=2, per_try=seconds(10)))
    assert check(shop(routes=(route,))) == ()


def retried(per_try: float, route: float) -> System:
    """A service behind a route; its callee has retries, but no timeout."""
    policy = ServicePolicy(to="orders", retry=Retry(attempts=3, per_try=seconds(per_try)))
    door = Route(host="www", to="web", timeout=seconds(route))
    return shop(calls=(Call(caller="web", callee="orders"),), policies=(policy,), routes=(door,))


def test_a_try_that_outlasts_its_waiter_is_refused_and_tries_that_do_together_are_noted() -> None:
    """Without a timeout of its own a call is bounded by its tries; the first alone must fit."""
    with pytest.raises(DeclarationError) as refusal:
        check(retried(per_try=40, route=30))
    assert str(refusal.value) == (
        "timeouts cannot hold on route www/ -> web -> orders: a try of 'orders' may take 40 s, but is waited for only "
        "30 s; shorten Retry.per_try of policies to 'orders' or allow 'route www/' more"
    )
    assert check(retried(per_try=10, route=30)) == (
        "route www/ -> web -> orders: one attempt and 3 retries of 10 s may add to 40 s; the timeout of 30 s ends them "
        "earlier",
    )
    assert check(retried(per_try=10, route=40)) == ()


def test_a_try_fits_in_its_policy_s_own_timeout() -> None:
    with pytest.raises(ValueError, match=r"policy to 'orders': a try of 20 s cannot fit in the timeout of 10 s"):
        ServicePolicy(to="orders", timeout=seconds(10), retry=Retry(attempts=1, per_try=seconds(20)))
