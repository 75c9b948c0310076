"""What the engine refuses, and how a user is told."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.events import Operation, SandboxError, StepFailed

REFUSED = {
    "duplicate": (
        'Thing("a")\nThing("a")',
        "duplicate resource URN urn:pulumi:dev::proj::fake:index:Thing::a; give one of the two resources another name",
    ),
    "unknown package": (
        'pulumi.CustomResource("gcp:storage:Bucket", "b")',
        "the sandbox has no provider for the package 'gcp'; it has fake",
    ),
    "unknown explicit package": (
        'pulumi.ProviderResource("gcp", "p")',
        "the sandbox has no provider for the package 'gcp'",
    ),
    "unknown type": ('pulumi.CustomResource("fake:index:Other", "b")', "unknown type fake:index:Other"),
    "unknown function": (
        'pulumi.runtime.invoke("fake:index:ghost", {})',
        "unknown function fake:index:ghost",
    ),
    "unknown function of an unknown package": (
        'pulumi.runtime.invoke_output("gcp:index:ghost", {})',
        "the sandbox has no provider for the package 'gcp'",
    ),
    "remote component": (
        'pulumi.ComponentResource("kubernetes:helm.sh/v4:Chart", "c", {}, None, remote=True)',
        "remote components (kubernetes:helm.sh/v4:Chart) do not run in the sandbox; deploy with the Pulumi CLI",
    ),
    "call": ('pulumi.runtime.call("fake:index:method", {})', "methods of components are not supported by the sandbox"),
    "error hook": (
        'hook = pulumi.ErrorHook("h", lambda args: False)\n'
        'Thing("a", ResourceOptions(hooks=pulumi.ResourceHookBinding(on_error=[hook])))',
        "error hooks are not supported by the sandbox",
    ),
    "state migration": (
        'Thing("a", ResourceOptions(state_migrations=[lambda args: None]))',
        "state migrations are not supported by the sandbox",
    ),
    "wrong input": ('Thing("a", kind="wrong")', "fake:index:Thing 'a': kind: is wrong; make it right"),
    "bad property path": ('Thing("a", ResourceOptions(replace_on_changes=["a[x"]))', ""),
    "provider's bug": ('Thing("a", crash=True)', "internal error of the sandbox: KeyError: 'bug' (fake_provider.py:"),
    "run error": ('raise pulumi.RunError("no such environment")', "no such environment"),
    "missing setting": ('pulumi.Config().require("size")', "Missing required configuration variable 'proj:size'"),
    "user mistake": (
        'class Mistake(ValueError):\n    user_facing = True\nraise Mistake("services[3].port: 70000 is too high")',
        "services[3].port: 70000 is too high",
    ),
    "exit": ("import sys\nsys.exit(3)", "the program ended itself with exit code 3"),
    "program's bug": ("def f():\n    return 1 / 0\nf()", "ZeroDivisionError: division by zero"),
    "syntax": ("def f(:", "SyntaxError"),
    "apply's bug": ('Thing("a").out.apply(lambda out: out.nonsense)', "has no attribute 'nonsense'"),
}


@pytest.mark.parametrize("case", [case for case in REFUSED if case != "bad property path"])
def test_refused_with_one_message(project: Any, case: str) -> None:
    """Guards against an empty answer, a wall of tracebacks, or a second message about the same mistake."""
    program, message = REFUSED[case]
    said = project.fails(program)
    assert message in said
    assert "site-packages" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("case", ["duplicate", "unknown package", "remote component", "wrong input"])
def test_a_preview_refuses_too(project: Any, case: str) -> None:
    """Guards against a preview that promises what an update refuses."""
    program, message = REFUSED[case]
    assert message in project.fails(program, "preview")
    assert not project.backend.exists()


def test_a_bug_in_the_program_is_shown_with_its_own_lines_only(project: Any) -> None:
    """Guards against frames of the SDK burying the user's line."""
    said = project.fails("def f():\n    return 1 / 0\nf()")
    assert "__main__.py" in said
    assert "return 1 / 0" in said
    assert "stack.py" not in said
    assert "nonsense)" in project.fails('Thing("a").out.apply(lambda out: out.nonsense)')


def test_a_failed_run_keeps_what_it_did_and_a_retry_goes_on(project: Any) -> None:
    """Guards against losing resources that were made, and against making them twice."""
    program = 'a = Thing("a")\nb = Thing("b", uses=a.id, FAIL)\nc = Thing("c", uses=b.id)\npulumi.export("c", c.id)'
    message = project.fails(program.replace("FAIL", "fail=True"))
    assert message == "fake:index:Thing 'b': it does not want to; ask nicely"
    assert [event.step.name for event in project.events if isinstance(event, StepFailed)] == ["b"]
    assert set(project.state()) == {"a", "default", "proj-dev"}
    result = project.up(program.replace("FAIL", "size=2"))
    assert project.world.names("restore") == ["a"]
    assert result.counts == {"create": 2, "same": 2}


def test_a_failed_run_deletes_nothing_and_keeps_the_outputs(project: Any) -> None:
    """Guards against deleting what the program did not come to declare."""
    project.up('Thing("a")\npulumi.export("x", 1)')
    for program in ('Thing("b", fail=True)\npulumi.export("x", 2)', 'pulumi.export("x", 2)\nraise Exception("no")'):
        assert not project.write(program).run().succeeded
        assert project.world.names("delete") == []
        assert "a" in project.state()
        assert project.state()["proj-dev"]["outputs"] == {"x": 1}


@pytest.mark.parametrize("operation", ["preview", "up"])
def test_what_a_provider_finds_at_the_end_fails_the_run_before_anything_is_deleted(
    project: Any, operation: Operation
) -> None:
    """Guards against a preview that promises what an update refuses, and against deleting on a run that is wrong."""
    project.up('Thing("a")\npulumi.export("x", 1)')
    program = 'Thing("b", misses="c")\nThing("d", misses="e")\npulumi.export("x", 2)'
    message = project.fails(program, operation)
    assert message == "misses: c is declared nowhere; declare it; misses: e is declared nowhere; declare it"
    assert project.world.names("delete") == []
    made = {"b", "d"} if operation == "up" else set()
    assert set(project.state()) == {"a", "default", "proj-dev"} | made
    assert project.state()["proj-dev"]["outputs"] == {"x": 1}


def test_a_run_goes_on_from_what_a_finding_left(project: Any) -> None:
    """Guards against making twice, or losing, what was made before the whole was judged wrong."""
    project.fails('Thing("a")\nThing("b", misses="c")')
    result = project.up('Thing("b")')
    assert result.counts == {"update": 1, "delete": 1, "same": 1}
    assert project.world.names("delete") == ["a-0"]


def test_steps_in_flight_are_finished_when_another_fails(project: Any) -> None:
    """Guards against a resource that was made while the run stopped and is in nobody's state."""
    project.fails('Thing("slow", slow=0.5)\nThing("bad", slow=0.1, fail=True)')
    assert set(project.world.live) == {"slow-0"}
    assert project.state()["slow"]["id"] == "slow-0"


def test_a_failed_update_or_delete_keeps_the_old_state(project: Any) -> None:
    """Guards against state that claims what did not happen."""
    project.up('Thing("a", size=1)\nThing("s", sticky=True)')
    project.fails('Thing("a", size=2, fail=True)\nThing("s", sticky=True)')
    assert project.state()["a"]["inputs"]["size"] == 1
    assert "it sticks" in project.fails('Thing("a", size=1)')
    assert "s" in project.state()


def test_a_replaced_resource_that_cannot_be_deleted_is_tried_again(project: Any) -> None:
    """Guards against forgetting the old half of a replacement whose deletion failed."""
    project.up('Thing("a", kind="x", sticky=True)')
    assert "it sticks" in project.fails('Thing("a", kind="y")')
    assert project.text().count('"delete": true') == 1
    assert "it sticks" in project.fails('Thing("a", kind="y")')
    assert set(project.world.live) == {"a-0", "a-1"}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("Pulumi.yaml", "runtime: python", "'name' is missing"),
        ("Pulumi.yaml", "name: proj\nruntime: nodejs", "runtime 'nodejs'"),
        ("Pulumi.yaml", "name: [", "is not valid YAML"),
        (
            "Pulumi.yaml",
            "name: proj\nruntime: python\nconfig: {size: {type: integer}}",
            "missing the configuration value",
        ),
        (
            "Pulumi.yaml",
            "name: proj\nruntime: python\nconfig: {size: {type: integer, default: x}}",
            "must be of type integer",
        ),
        ("Pulumi.yaml", "name: proj\nruntime: python\nconfig: {size: {type: int}}", "missing"),
        ("Pulumi.dev.yaml", "config: [1]", "'config' must be a map"),
        ("Pulumi.dev.yaml", "- 1", "must be a map"),
    ],
)
def test_bad_settings_name_the_file(project: Any, file: str, content: str, message: str) -> None:
    """Guards against a traceback, or a wrong run, for a slip in a settings file."""
    (project.folder / file).write_text(content)
    with pytest.raises(SandboxError, match=message) as caught:
        project.write("").run()
    assert file in str(caught.value) or "Pulumi.dev.yaml" in str(caught.value)


def test_defaults_and_overrides_of_settings(project: Any) -> None:
    """Guards against the wrong one winning: project, then stack file, then the caller."""
    (project.folder / "Pulumi.yaml").write_text(
        "name: proj\nruntime: python\nconfig:\n  a: {type: integer, default: 1}\n  b: {type: string, default: x}\n"
        "  c: {type: array, default: [1, 2]}\n  fake:region: here\n"
    )
    (project.folder / "Pulumi.dev.yaml").write_text("config:\n  proj:a: 2\n  proj:b: y\n")
    result = project.up(
        """
        c = pulumi.Config()
        pulumi.export("got", [c.get_int("a"), c.get("b"), c.get_object("c"), pulumi.Config("fake").get("region")])
        """,
        config={"b": "z"},
    )
    assert result.outputs["got"].value == [2, "z", [1, 2], "here"]


def test_a_stack_name_cannot_leave_the_folder(project: Any) -> None:
    """Guards against writing outside the backend."""
    with pytest.raises(SandboxError, match=r"stack name '\.\./x'"):
        project.write("").run(stack="../x")
    with pytest.raises(SandboxError, match="there is no stack 'ghost'"):
        project.run("destroy", stack="ghost")


def test_the_sdks_globals_are_as_they_were(project: Any) -> None:
    """Guards against one run's settings leaking into the next, or into a test's mocks."""
    import pulumi
    from pulumi.runtime import settings

    before = (settings.get_project(), settings.get_stack(), settings.get_root_resource(), settings.get_monitor())
    project.up('Thing("a")', config={"x": "1"})
    assert before == (
        settings.get_project(),
        settings.get_stack(),
        settings.get_root_resource(),
        settings.get_monitor(),
    )
    assert pulumi.runtime.get_config("proj:x") is None
