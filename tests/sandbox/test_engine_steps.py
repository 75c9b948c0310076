"""Same, create, update, replace, delete: what becomes of a resource between two runs."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

from sandbox.events import COMPUTED, Change, Result, StepFinished, StepStarted

TWO = """
a = Thing("a", kind="x")
b = Thing("b", uses=a.id)
pulumi.export("b", b.out)
"""


def _ops(result: Result) -> dict[str, str]:
    return {step.name: step.op for step in result.steps}


def test_a_first_run_creates_everything_and_a_second_changes_nothing(project: Any) -> None:
    """Guards against an unchanged run that calls the provider, reports changes or rewrites the state."""
    first = project.up(TWO)
    assert first.counts == {"create": 3}
    assert first.outputs["b"].value == "made b-0"
    before = project.text()
    second = project.up(TWO)
    assert second.counts == {"same": 3}
    assert not second.changed
    assert second.output_changes == ()
    assert project.world.names("create") == []
    assert project.text() == before
    assert second.outputs == first.outputs


def test_urns_are_the_real_engines(project: Any) -> None:
    """Guards against state that the Pulumi CLI would not match: parents' types lead, the stack's is left out."""
    project.up("""
        outer = Group("outer", type_="test:index:Outer")
        inner = Group("inner", ResourceOptions(parent=outer))
        Thing("leaf", ResourceOptions(parent=inner))
        Thing("top::with::colons")
    """)
    urns = {raw["urn"] for raw in project.state().values()}
    assert urns == {
        "urn:pulumi:dev::proj::pulumi:pulumi:Stack::proj-dev",
        "urn:pulumi:dev::proj::pulumi:providers:fake::default",
        "urn:pulumi:dev::proj::test:index:Outer::outer",
        "urn:pulumi:dev::proj::test:index:Outer$test:index:Group::inner",
        "urn:pulumi:dev::proj::test:index:Outer$test:index:Group$fake:index:Thing::leaf",
        "urn:pulumi:dev::proj::fake:index:Thing::top::with::colons",
    }


def test_the_state_records_parent_dependencies_and_provider(project: Any) -> None:
    """Guards against state without the relations that deletion and the audit rely on."""
    project.up(
        """
        g = Group("g")
        a = Thing("a", ResourceOptions(parent=g))
        b = Thing("b", ResourceOptions(depends_on=[a], protect=True), uses=a.id)
        """
    )
    state = project.state()
    urn = state["a"]["urn"]
    assert state["a"]["parent"] == state["g"]["urn"]
    assert state["b"]["dependencies"] == [urn]
    assert state["b"]["propertyDependencies"] == {"uses": [urn]}
    assert state["b"]["protect"] is True
    assert state["a"]["provider"] == f"{state['default']['urn']}::{state['default']['id']}"
    order = list(state)
    assert order.index("g") < order.index("a") < order.index("b")


def test_a_changed_input_updates_in_place_and_shows_the_path(project: Any) -> None:
    """Guards against replacing what can be updated, and against changes shown without old and new value."""
    project.up('Thing("a", tags={"x": "1", "y.z": "2"}, list=[1, 2])')
    result = project.up('Thing("a", tags={"x": "9", "y.z": "2", "n": True}, list=[1])')
    assert result.counts == {"update": 1, "same": 1}
    (step,) = [step for step in result.steps if step.op == "update"]
    assert set(step.changes) == {
        Change("list[1]", "delete", 2, None),
        Change("tags.x", "update", "1", "9"),
        Change("tags.n", "add", None, True),
    }
    assert project.state()["a"]["id"] == "a-0"
    assert project.state()["a"]["inputs"]["tags"] == {"x": "9", "y.z": "2", "n": True}


def test_a_replacement_creates_first_and_deletes_the_old_one_at_the_end(project: Any) -> None:
    """Guards against an old resource left behind, or deleted while others still use it."""
    project.up(TWO)
    result = project.up(TWO.replace('"x"', '"y"'))
    assert result.counts == {"update": 1, "replace": 1, "same": 1}
    calls = [call for call in project.world.calls if call[0] != "restore"]
    assert calls == [("create", "a"), ("update", "b"), ("delete", "a-0")]
    assert set(project.world.live) == {"a-1", "b-0"}
    assert project.state()["a"]["id"] == "a-1"
    assert [step.op for step in result.steps][-1] == "delete-replaced"


def test_delete_before_replace_order(project: Any) -> None:
    """Guards against creating the second holder of a name before the first is gone."""
    program = """
        a = Thing("a", unique="name", kind="x")
        b = Thing("b", uses=a.id, on=a.id)
    """
    project.up(program)
    result = project.up(program.replace('"x"', '"y"'))
    calls = [call for call in project.world.calls if call[0] != "restore"]
    assert calls == [("delete", "b-0"), ("delete", "a-0"), ("create", "a"), ("create", "b")]
    assert result.counts == {"replace": 2, "same": 1}
    assert project.up(program.replace('"x"', '"y"')).counts == {"same": 3}


@pytest.mark.parametrize("value", [True, False])
def test_the_programs_delete_before_replace_wins(project: Any, value: bool) -> None:
    """Guards against ignoring the option in either direction."""
    program = f'Thing("a", ResourceOptions(delete_before_replace={value}), kind="x")'
    project.up(program)
    project.up(program.replace('"x"', '"y"'))
    calls = [kind for kind, _ in project.world.calls if kind != "restore"]
    assert calls == (["delete", "create"] if value else ["create", "delete"])


def test_what_is_no_longer_declared_is_deleted_dependents_first(project: Any) -> None:
    """Guards against deleting something others still use, and against leaving it."""
    project.up("""
        g = Group("g")
        a = Thing("a", ResourceOptions(parent=g))
        b = Thing("b", ResourceOptions(parent=g), uses=a.id)
        c = Thing("c", uses=b.id)
        Thing("kept")
    """)
    result = project.up('Thing("kept")')
    assert result.counts == {"delete": 4, "same": 2}
    assert project.world.names("delete") == ["c-0", "b-0", "a-0"]
    assert set(project.state()) == {"kept", "default", "proj-dev"}


def test_destroy_needs_no_program_and_leaves_an_empty_stack(project: Any) -> None:
    """Guards against a destroy that runs the program, or forgets resources that still exist."""
    project.up(TWO)
    project.write("raise Exception('must not run')")
    result = project.run("destroy")
    assert result.succeeded
    assert result.counts == {"delete": 3}
    assert project.world.live == {}
    assert project.state() == {}
    assert project.up(TWO).counts == {"create": 3}


def test_default_providers_are_in_the_state_but_not_in_the_summary(project: Any) -> None:
    """Guards against a provider resource other than the real engine's, and against counting it."""
    result = project.up('Thing("a", ResourceOptions(version="7.51.1"))', config={"fake:region": "eu-west-1"})
    provider = project.state()["default_7_51_1"]
    assert provider["urn"] == "urn:pulumi:dev::proj::pulumi:providers:fake::default_7_51_1"
    assert provider["inputs"] == {"region": "eu-west-1", "version": "7.51.1"}
    assert "parent" not in provider
    assert project.world.configs == [{"region": "eu-west-1"}]
    assert result.counts == {"create": 2}


def test_an_explicit_provider_is_a_resource_with_an_instance_of_its_own(project: Any) -> None:
    """Guards against resources served by the wrong provider; the component's provider reaches its children."""
    program = """
        p = Fake("p", cluster="one", level="x")
        g = Group("g", ResourceOptions(providers=[p]))
        Thing("a", ResourceOptions(parent=g))
        Thing("b")
    """
    project.up(program)
    state = project.state()
    assert state["a"]["provider"] == f"{state['p']['urn']}::{state['p']['id']}"
    assert state["b"]["provider"].startswith(state["default"]["urn"])
    assert {"cluster": "one", "level": "x"} in project.world.configs
    updated = project.up(program.replace('"x"', '"y"'))
    assert (_ops(updated)["p"], _ops(updated)["a"]) == ("update", "same")
    replaced = project.up(program.replace('"one"', '"two"').replace('"x"', '"y"'))
    last = _ops(replaced)
    assert (last["p"], last["a"], last["b"]) == ("delete-replaced", "delete-replaced", "same")
    assert replaced.counts == {"replace": 2, "same": 3}


def test_a_provider_with_an_identity_is_replaced_by_that_alone(project: Any) -> None:
    """What is not known at a preview, such as the way to a cluster, would seem to replace all that is in it."""
    program = 'Thing("a", ResourceOptions(provider=Fake("p", cluster="one", identifier="i")))'
    project.up(program)
    moved = project.up(program.replace('"one"', '"two"'))
    assert (_ops(moved)["p"], _ops(moved)["a"]) == ("update", "same")
    other = project.up(program.replace('"i"', '"j"'))
    assert (_ops(other)["p"], _ops(other)["a"]) == ("delete-replaced", "delete-replaced")


def test_moving_to_another_provider_replaces(project: Any) -> None:
    """Guards against a resource that is silently said to live elsewhere."""
    project.up('Thing("a")')
    result = project.up('Thing("a", ResourceOptions(provider=Fake("p", cluster="one")))')
    assert result.counts == {"create": 1, "replace": 1, "same": 1}
    assert project.world.names("delete") == ["a-0"]


def test_events_come_live_and_in_order(project: Any) -> None:
    """Guards against a progress display that never starts or ends a step."""
    project.up(TWO)
    steps = [event for event in project.events if isinstance(event, StepStarted | StepFinished)]
    assert [(type(event), event.step.name) for event in steps] == [
        (StepFinished, "proj-dev"),
        (StepStarted, "a"),
        (StepFinished, "a"),
        (StepStarted, "b"),
        (StepFinished, "b"),
    ]
    assert project.events[-1].counts == {"create": 3}
    assert project.events[-1].succeeded


def test_a_component_changes_and_keeps_its_outputs(project: Any) -> None:
    """Guards against lost register_outputs, and against components that always or never change."""
    program = 'g = Group("g", props={"level": 1})\ng.register_outputs({"endpoint": "here", "n": [1, None]})'
    project.up(program)
    assert project.state()["g"]["outputs"] == {"endpoint": "here", "n": [1, None]}
    assert project.up(program).counts == {"same": 2}
    assert project.up(program.replace('"level": 1', '"level": 2')).counts == {"update": 1, "same": 1}
    assert project.up(program.replace('"here"', '"there"')).counts == {"update": 1, "same": 1}  # level again
    assert project.state()["g"]["outputs"]["endpoint"] == "there"


def test_changed_outputs_are_reported(project: Any) -> None:
    """Guards against an output that changes unseen because no resource did."""
    project.up('pulumi.export("a", 1)')
    result = project.up('pulumi.export("a", 2)\npulumi.export("b", {"c": 3})')
    assert result.counts == {"same": 1}
    assert result.output_changes == (Change("a", "update", 1, 2), Change("b", "add", None, {"c": 3}))


def test_a_preview_writes_nothing_and_knows_what_exists(project: Any) -> None:
    """Guards against a preview with side effects, with invented ids, or blind to what is there."""
    program = TWO + 'pulumi.export("ida", a.id)\npulumi.export("dry", pulumi.runtime.is_dry_run())'
    first = project.write(program).run("preview")
    assert first.succeeded
    assert first.counts == {"create": 3}
    assert {name: output.value for name, output in first.outputs.items()} == {
        "b": COMPUTED,
        "ida": COMPUTED,
        "dry": True,
    }
    assert project.world.calls == []
    assert not project.backend.exists()
    project.up(program)
    before = project.text()
    second = project.write(program.replace("uses=a.id", "uses=a.id, more=1")).run("preview")
    assert second.counts == {"update": 1, "same": 2}
    assert second.outputs["ida"].value == "a-0"
    third = project.write(program.replace('"x"', '"y"')).run("preview")
    assert third.counts == {"update": 1, "replace": 1, "same": 1}
    assert third.outputs["ida"].value == COMPUTED
    assert project.write('Thing("a", kind="x")').run("preview").counts == {"delete": 1, "same": 2}
    assert {kind for kind, _ in project.world.calls} == {"restore"}
    assert project.text() == before
    assert [path.name for path in project.path().parent.iterdir()] == ["dev.json"]


def test_applies_skip_unknowns_in_a_preview(project: Any) -> None:
    """Guards against the SDK's marker text leaking into the program or the provider as a value."""
    project.write("""
        a = Thing("a")
        Thing("b", text=a.out.apply(lambda text: text.upper()), nested={"list": [a.id]})
    """)
    assert project.run("preview").succeeded
    assert "04da6b54" not in str(project.world.seen)
    assert "<unknown>" in str(project.world.seen)


def test_resources_are_made_concurrently(project: Any) -> None:
    """Guards against one slow resource holding up all the others."""
    project.up('for i in range(8):\n    Thing(f"t{i}", slow=0.2)')
    assert project.world.most_in_flight >= 4


def test_a_second_run_in_the_same_process_executes_changed_modules(project: Any) -> None:
    """Guards against modules cached from the run before."""
    (project.folder / "sizes.py").write_text("SIZE = 1\n")
    program = 'import sizes\nThing("a", size=sizes.SIZE)'
    project.up(program)
    (project.folder / "sizes.py").write_text("SIZE = 22\n")
    assert project.up(program).counts == {"update": 1, "same": 1}


def test_a_shared_account_holds_the_other_stacks_too(shared: Any) -> None:
    """Guards against a spoke that cannot see what the hub made, or meets it in the wrong order."""
    shared.up('a = Thing("a")\nb = Thing("b", uses=a.id)\npulumi.export("a", a.id)', stack="zhub")
    shared.up(
        'hub = pulumi.StackReference("organization/proj/zhub")\nc = Thing("c", uses=hub.require_output("a"))\n'
        'pulumi.export("c", c.id)',
        stack="spoke",
    )
    assert shared.world.names("restore") == ["a", "b"]
    assert shared.world.resets == 1
    shared.up('hub = pulumi.StackReference("spoke")\nThing("d", uses=hub.require_output("c"))', stack="aside")
    assert shared.world.names("restore") == ["a", "b", "c"]
    message = shared.write("").run("destroy", stack="zhub").errors[0]
    assert "still used by c-0" in message


def test_a_changed_part_of_a_package_that_stays_imported_is_read_again(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a second run in one process that gets the modules of the first, by the package's attribute."""
    folder = project.folder / "kept_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(project.folder)
    importlib.import_module("kept_package")
    program = """
        from kept_package import part
        pulumi.export("value", part.VALUE)
    """
    for value in ("one", "another"):
        (folder / "part.py").write_text(f"VALUE = {value!r}\n")
        assert project.up(program).outputs["value"].value == value
    del sys.modules["kept_package"]
