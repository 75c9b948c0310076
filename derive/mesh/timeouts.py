"""Timeout budgets: what a service waits for downstream fits within the timeout of whoever waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from model import DeclarationError, Retry, ServicePolicy, System


@dataclass(frozen=True)
class Budget:
    """The shortest time that anybody waits for a service, and the path along which."""

    time: timedelta
    path: tuple[str, ...]


def check(system: System) -> tuple[str, ...]:
    """Refuse a callee's timeout that outlasts a waiter's; return notes on what an outer bound cuts short.

    Every service is visited once, callers first, with the tightest budget of all paths that lead to it. No answer
    depends on a long poll: its own timeout is all that binds it.
    """
    policies = {policy.to: policy for policy in system.policies}
    callees: dict[str, list[str]] = {service.name: [] for service in system.services}
    for call in system.calls:
        callees[call.caller].append(call.callee)
    polled = {service.name for service in system.services if service.long_poll}
    budgets = _route_budgets(system)
    notes = _notes(system)
    for caller in _callers_first(callees):
        for callee in callees[caller]:
            bound = None if callee in polled else budgets.get(caller)
            policy = policies.get(callee, ServicePolicy(to=callee))
            if bound:
                _require(policy, bound)
                notes += _outlasting(policy, bound)
            found = Budget(policy.timeout, (callee,)) if policy.timeout else None
            if bound and found is None:
                found = Budget(bound.time, (*bound.path, callee))
            if found and (callee not in budgets or found.time < budgets[callee].time):
                budgets[callee] = found
    return notes


def _require(policy: ServicePolicy, bound: Budget) -> None:
    """Refuse a call that may take longer than its caller is waited for; without a timeout, one whose try may."""
    tried = policy.retry.per_try if policy.retry and not policy.timeout else None
    longest = policy.timeout or tried
    if longest is None or longest <= bound.time:
        return
    what, remedy = (f"a try of '{policy.to}'", "Retry.per_try") if tried else (f"'{policy.to}'", "the timeout")
    raise DeclarationError(
        f"timeouts cannot hold on {' -> '.join((*bound.path, policy.to))}: {what} may take {_seconds(longest)}, but is "
        f"waited for only {_seconds(bound.time)}; shorten {remedy} of policies to '{policy.to}' or allow "
        f"'{bound.path[0]}' more"
    )


def _outlasting(policy: ServicePolicy, bound: Budget) -> tuple[str, ...]:
    """A note on retries that no timeout of their own ends, where one further out does."""
    if policy.timeout or policy.retry is None:
        return ()
    note = _cut(" -> ".join((*bound.path, policy.to)), bound.time, policy.retry)
    return (note,) if note else ()


def _route_budgets(system: System) -> dict[str, Budget]:
    budgets: dict[str, Budget] = {}
    for route in system.routes:
        if route.timeout and (route.to not in budgets or route.timeout < budgets[route.to].time):
            budgets[route.to] = Budget(route.timeout, (f"route {route.host}{route.prefix}", route.to))
    return budgets


def _callers_first(callees: dict[str, list[str]]) -> list[str]:
    """Services so that each comes after all its callers (the model has refused cycles)."""
    waiting = dict.fromkeys(callees, 0)
    for targets in callees.values():
        for target in targets:
            waiting[target] += 1
    ready = [name for name, count in waiting.items() if count == 0]
    for name in ready:
        for target in callees[name]:
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    return ready


def _notes(system: System) -> tuple[str, ...]:
    bounds = [(f"route {route.host}{route.prefix}", route.timeout, route.retry) for route in system.routes]
    bounds += [(f"policy to {policy.to}", policy.timeout, policy.retry) for policy in system.policies]
    return tuple(note for what, timeout, retry in bounds if timeout and retry and (note := _cut(what, timeout, retry)))


def _cut(what: str, timeout: timedelta, retry: Retry) -> str | None:
    """The first attempt and every retry of ``per_try`` each, against the whole."""
    if retry.per_try is None:
        return None
    longest = (retry.attempts + 1) * retry.per_try
    if longest <= timeout:
        return None
    return (
        f"{what}: one attempt and {retry.attempts} retries of {_seconds(retry.per_try)} may add to "
        f"{_seconds(longest)}; the timeout of {_seconds(timeout)} ends them earlier"
    )


def _seconds(value: timedelta) -> str:
    return f"{value.total_seconds():g} s"
