"""The reported difference is the whole difference: made to the first plan, it gives the second."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import systems
from derive.plan import system_plan
from derive.shapes import Deployment
from graph.changes import Arrow, carried_out, compared, what_if
from graph.edits import applied, edits
from graph.objects import LAYERS, objects
from model import Call, DeclarationError, Route, Service, ServicePolicy, System, seconds
from tests.graph.samples import deployment
from tests.unit.declared import deployed, shop

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "x", "y"]), inner),
    max_leaves=12,
)


def written(value: Any) -> str:
    """As JSON, which tells 1 from true."""
    return json.dumps(value, sort_keys=True)


@settings(max_examples=200, deadline=None)
@given(JSON, JSON)
def test_edits_lead_from_one_piece_of_data_to_the_other(before: Any, after: Any) -> None:
    """An index that shifts while changes are made, or a field that is missed, shows here."""
    found = tuple(edits(before, after))
    assert written(applied(before, found)) == written(after)
    assert (found == ()) == (written(before) == written(after))


def test_an_item_with_a_name_is_compared_with_its_namesake() -> None:
    """A new variable at the front does not look like a change of every variable behind it."""
    before = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    after = {"env": [{"name": "C", "value": "3"}, {"name": "A", "value": "1"}, {"name": "B", "value": "4"}]}
    found = list(edits(before, after))
    assert [change.path for change in found] == [("env",), ("env", 1, "value")]


def fitsync() -> Deployment:
    return deployment("fitsync", "dev")


def arrows(system: System) -> list[Arrow]:
    """From every service to every part, whether that is there, can be, or makes no sense."""
    parts = (*system.services, *system.stores, *system.externals)
    return [Arrow(service.name, part.name) for service in system.services for part in parts]


def declared(system: System, arrow: Arrow) -> bool:
    used = (external.name for external in system.externals if arrow.source in external.used_by)
    return arrow.target in (*system.callees(arrow.source), *system.service(arrow.source).uses, *used)


@pytest.mark.parametrize("name", systems.names())
@settings(max_examples=5, deadline=None)
@given(st.data())
def test_the_difference_made_to_the_first_plan_gives_the_second(name: str, data: st.DataObject) -> None:
    """An object that a change touches and the answer leaves out would surprise whoever makes the change; so would a
    refusal of what can be declared, or an answer for what cannot."""
    first = deployment(name)
    chosen = data.draw(st.lists(st.sampled_from(arrows(first.system)), min_size=1, max_size=2, unique=True))
    less = [arrow for arrow in chosen if declared(first.system, arrow)]
    more = [arrow for arrow in chosen if arrow not in less]
    answer = what_if(first, more, less)
    try:
        second = objects(system_plan(replace(first, system=other(first.system, chosen))))
    except (DeclarationError, ValidationError):
        assert answer.refusal
    else:
        assert answer.refusal is None
        assert carried_out(objects(system_plan(first)), answer.changed) == second
        assert answer.changed


NEEDED = {"myhealth": {"external"}}
"""Kinds of which no line can go alone: an egress gateway that passes TLS through lets out whoever reaches it."""


@pytest.mark.parametrize("name", systems.names())
def test_one_line_less_of_each_kind_is_not_refused_without_a_reason(name: str) -> None:
    """Random arrows seldom hit a call, a store or an external that can go."""
    first = deployment(name)
    before = objects(system_plan(first))
    there = [arrow for arrow in arrows(first.system) if declared(first.system, arrow)]
    answered = set()
    for arrow in there:
        kind = kind_of(first.system, arrow)
        if kind not in answered and (answer := what_if(first, [], [arrow])).refusal is None:
            second = objects(system_plan(replace(first, system=other(first.system, [arrow]))))
            assert carried_out(before, answer.changed) == second
            assert answer.changed
            answered.add(kind)
    assert answered == {kind_of(first.system, arrow) for arrow in there} - NEEDED.get(name, set())


def kind_of(system: System, arrow: Arrow) -> str:
    kinds = {"service": system.services, "store": system.stores, "external": system.externals}
    return next(kind for kind, parts in kinds.items() if arrow.target in {part.name for part in parts})


def other(system: System, arrows: list[Arrow]) -> System:
    """The changed declaration, written here a second time: an arrow that is there goes, another comes."""
    data = system.model_dump()
    for arrow in arrows:
        kind = kind_of(system, arrow)
        if kind == "service":
            calls = [c for c in data["calls"] if (c["caller"], c["callee"]) != (arrow.source, arrow.target)]
            there = len(calls) < len(data["calls"])
            data["calls"] = calls if there else [*calls, {"caller": arrow.source, "callee": arrow.target}]
        else:
            parts, key, value = ("services", "uses", arrow.target)
            if kind == "external":
                parts, key, value = ("externals", "used_by", arrow.source)
            name = arrow.source if kind == "store" else arrow.target
            part = next(item for item in data[parts] if item["name"] == name)
            left = [item for item in part[key] if item != value]
            part[key] = left if len(left) < len(part[key]) else [*left, value]
    return System.model_validate(data)


def test_an_arrow_that_is_given_twice_is_one() -> None:
    arrow = Arrow("frontend", "redis")
    assert what_if(fitsync(), [arrow, arrow]) == what_if(fitsync(), [arrow])
    gone = Arrow("api-gateway", "redis")
    assert what_if(fitsync(), [], [gone, gone]) == what_if(fitsync(), [], [gone])


def test_a_call_more_opens_every_layer_and_nothing_else() -> None:
    answer = what_if(fitsync(), [Arrow("frontend", "user-service")])
    found = {(item.key.layer, item.key.name) for item in answer.changed if item.how == "change"}
    assert {
        ("network policies", "CiliumNetworkPolicy fitsync/frontend-policy"),
        ("network policies", "CiliumNetworkPolicy fitsync/user-service-policy"),
        ("authorization", "AuthorizationPolicy fitsync/user-service-authz"),
        ("sidecars", "Sidecar fitsync/frontend"),
    } <= found
    assert not [name for layer, name in found if layer in ("network policies", "authorization") and "training" in name]
    assert answer.refusal is None


@pytest.mark.parametrize("name", systems.names())
def test_nothing_of_a_plan_is_left_out(name: str) -> None:
    """A part of the plan that nobody reads could change without a word: whatever is taken away must show."""
    plan = system_plan(deployment(name))
    whole = objects(plan)
    for field in fields(plan):
        value = getattr(plan, field.name)
        if value and field.name not in ("application", "own_network"):
            less: dict[str, Any] = {field.name: type(value)() if isinstance(value, tuple | str) else None}
            assert field.name == "cluster" or objects(replace(plan, **less)) != whole, field.name
    for field in fields(plan.application):
        if getattr(plan.application, field.name) and field.name != "secrets":  # They are the plan's own.
            none: dict[str, Any] = {field.name: ()}
            assert objects(replace(plan, application=replace(plan.application, **none))) != whole, field.name


def test_added_and_removed_objects_are_told_apart() -> None:
    """A plan with an object more, and the way back."""
    one = objects(system_plan(fitsync()))
    key = next(iter(one))
    less = {other: value for other, value in one.items() if other != key}
    assert [(item.key, item.how) for item in compared(less, one)] == [(key, "add")]
    assert [(item.key, item.how) for item in compared(one, less)] == [(key, "remove")]
    assert carried_out(less, compared(less, one)) == one
    assert {key.layer for key in one} <= LAYERS.keys()


def test_a_cycle_is_an_answer_not_an_accident() -> None:
    refusal = what_if(fitsync(), [Arrow("user-service", "api-gateway")]).refusal
    assert refusal == "calls form a cycle: api-gateway -> user-service -> api-gateway; use a topic for one of them"


def test_a_cycle_that_another_arrow_breaks_is_none() -> None:
    turned = what_if(fitsync(), [Arrow("api-gateway", "frontend")], [Arrow("frontend", "api-gateway")])
    assert turned.refusal is None


def test_a_timeout_that_cannot_hold_is_an_answer() -> None:
    system = shop(
        services=(Service(name="web", port=3000), Service(name="orders", port=3001), Service(name="slow", port=3002)),
        calls=(Call(caller="web", callee="orders"),),
        policies=(ServicePolicy(to="slow", timeout=seconds(60)),),
        routes=(Route(host="app", to="web", timeout=seconds(30)),),
    )
    refusal = what_if(deployed(system), [Arrow("orders", "slow")]).refusal
    assert refusal is not None
    assert "timeouts cannot hold on route app/ -> web -> orders -> slow" in refusal


@pytest.mark.parametrize(
    ("add", "remove", "message"),
    [
        ("frontend->user-servce", None, "did you mean 'user-service'"),
        ("frontent->redis", None, "did you mean 'frontend'"),
        ("frontend->api-gateway", None, "declared already"),
        (None, "frontend->redis", "not declared"),
        ("frontend", None, "no arrow"),
        ("frontend->redis", "frontend->redis", "added and removed"),
    ],
)
def test_a_mistake_in_the_question_is_the_askers(add: str | None, remove: str | None, message: str) -> None:
    """It must not look like a refusal of the declaration."""
    with pytest.raises(DeclarationError, match=message):
        what_if(fitsync(), [Arrow.read(add)] if add else [], [Arrow.read(remove)] if remove else [])
