"""The reported difference is the whole difference: made to the first plan, it gives the second."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import systems
from derive.plan import system_plan
from derive.shapes import Deployment, Facts
from graph.changes import Arrow, carried_out, compared, what_if
from graph.edits import applied, edits
from graph.objects import LAYERS, objects
from model import Call, DeclarationError, Route, Service, ServicePolicy, System, seconds
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
    system = systems.load("fitsync")
    return Deployment(system, "dev", system.environments["dev"], Facts(region="eu-west-1"))


NAMES = [part.name for part in (*fitsync().system.services, *fitsync().system.stores)]


@settings(max_examples=8, deadline=None)
@given(st.sampled_from(NAMES[:7]), st.sampled_from(NAMES))
def test_the_difference_made_to_the_first_plan_gives_the_second(source: str, target: str) -> None:
    """An object that a change touches and the answer leaves out would surprise whoever makes the change."""
    deployment = fitsync()
    arrow = Arrow(source, target)
    there = target in (*deployment.system.callees(source), *deployment.system.service(source).uses)
    try:
        answer = what_if(deployment, [] if there else [arrow], [arrow] if there else [])
    except DeclarationError:
        assume(False)
    assume(answer.refusal is None)
    first = objects(system_plan(deployment))
    second = objects(system_plan(replace(deployment, system=other(deployment.system, arrow, there))))
    assert carried_out(first, answer.changed) == second
    assert answer.changed


@pytest.mark.parametrize("name", systems.names())
def test_the_same_holds_for_a_call_less_in_every_system(name: str) -> None:
    """Kinds of objects that only one of them has are compared, too."""
    system = systems.load(name)
    environment = next(iter(system.environments))
    facts = Facts(region="eu-central-1", cloudflare_account="0" * 32)
    deployment = Deployment(system, environment, system.environments[environment], facts)
    call = system.calls[-1]
    arrow = Arrow(call.caller, call.callee)
    answer = what_if(deployment, [], [arrow])
    assert answer.refusal is None
    second = objects(system_plan(replace(deployment, system=other(system, arrow, there=True))))
    assert carried_out(objects(system_plan(deployment)), answer.changed) == second
    assert answer.changed


def other(system: System, arrow: Arrow, there: bool) -> System:
    """The changed declaration, written here a second time."""
    data = system.model_dump()
    services = {service.name for service in system.services}
    if arrow.target in services and there:
        data["calls"] = [c for c in data["calls"] if (c["caller"], c["callee"]) != (arrow.source, arrow.target)]
    elif arrow.target in services:
        data["calls"] = [*data["calls"], {"caller": arrow.source, "callee": arrow.target}]
    else:
        service = next(item for item in data["services"] if item["name"] == arrow.source)
        uses = [name for name in service["uses"] if name != arrow.target]
        service["uses"] = uses if there else [*uses, arrow.target]
    return System.model_validate(data)


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
    ],
)
def test_a_mistake_in_the_question_is_the_askers(add: str | None, remove: str | None, message: str) -> None:
    """It must not look like a refusal of the declaration."""
    with pytest.raises(DeclarationError, match=message):
        what_if(fitsync(), [Arrow.read(add)] if add else [], [Arrow.read(remove)] if remove else [])
