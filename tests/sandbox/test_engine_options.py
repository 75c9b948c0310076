"""The resource options a program may set."""

from __future__ import annotations

from typing import Any

import pytest


def test_protect_blocks_a_delete_before_anything_is_deleted(project: Any) -> None:
    """Guards against a half-deleted stack, and against a message that does not name the resource."""
    project.up('Thing("free")\nThing("kept", ResourceOptions(protect=True))')
    for operation in ("up", "preview", "destroy"):
        message = project.fails("", operation)
        assert "fake:index:Thing 'kept' (urn:pulumi:dev::proj::fake:index:Thing::kept)" in message
        assert "set protect=False" in message
        assert project.world.names("delete") == []
    project.up('Thing("free")\nThing("kept")')
    assert project.up("").counts == {"delete": 2, "same": 1}


def test_protect_blocks_a_replacement(project: Any) -> None:
    """Guards against losing a protected resource to a change that replaces it."""
    project.up('Thing("kept", ResourceOptions(protect=True), kind="x")')
    message = project.fails('Thing("kept", ResourceOptions(protect=True), kind="y")')
    assert "fake:index:Thing::kept is protected and cannot be replaced" in message
    assert project.world.names("create") == []
    assert project.state()["kept"]["id"] == "kept-0"


def test_protect_blocks_a_dependents_replacement(project: Any) -> None:
    """Guards against deleting a protected resource because what it hangs on is replaced."""
    program = 'a = Thing("a", unique="n", kind="x")\nThing("b", ResourceOptions(protect=True), on=a.id)'
    project.up(program)
    assert "b is protected" in project.fails(program.replace('"x"', '"y"'))
    assert project.world.names("delete") == []


def test_retain_on_delete_leaves_it_alive(project: Any) -> None:
    """Guards against deleting what the program said to leave, whether removed or replaced."""
    project.up('Thing("a", ResourceOptions(retain_on_delete=True), kind="x")')
    replaced = project.up('Thing("a", ResourceOptions(retain_on_delete=True), kind="y")')
    assert replaced.counts == {"replace": 1, "retain": 1, "same": 1}
    assert project.world.names("delete") == []
    assert project.up("").counts == {"retain": 1, "same": 1}
    assert project.world.names("delete") == []
    assert "a" not in project.state()


def test_deleted_with_spares_the_call(project: Any) -> None:
    """Guards against a failing delete of what has gone with its container, and against sparing it alone."""
    program = 'a = Thing("a")\nThing("b", ResourceOptions(deleted_with=a), sticky=True)\nThing("c", uses=a.id)'
    project.up(program)
    assert "it sticks" in project.fails('a = Thing("a")\nThing("c", uses=a.id)')
    result = project.run("destroy")
    assert result.succeeded
    assert project.world.names("delete") == ["c-0", "a-0"]
    details = [step.detail for step in result.steps if step.name == "b"]
    assert details == ["deleted with urn:pulumi:dev::proj::fake:index:Thing::a"]


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("size", True),
        ("tags", True),
        ("tags.x", True),
        ('tags["x"]', True),
        ("tags.*", True),
        ("rules[0].cidr", True),
        ("rules[*].cidr", True),
        ("rules[1].cidr", False),
        ("tags.other", False),
    ],
)
def test_ignore_changes(project: Any, path: str, same: bool) -> None:
    """Guards against touching what the program leaves to others, and against ignoring too much."""
    option = f"ResourceOptions(ignore_changes=[{path!r}])"
    before: dict[str, Any] = {"size": 1, "tags": {"x": "1"}, "rules": [{"cidr": "a"}]}
    changed: dict[str, dict[str, Any]] = {
        "size": {"size": 2},
        "tags": {"tags": {"x": "2"}},
        "rules": {"rules": [{"cidr": "b"}]},
    }
    after = changed[path.split("[")[0].split(".")[0]]
    project.up(f'Thing("a", {option}, **{before!r})')
    result = project.up(f'Thing("a", {option}, **{ {**before, **after}!r})')
    assert result.counts == ({"same": 2} if same else {"update": 1, "same": 1})


@pytest.mark.parametrize(("path", "replaced"), [("size", True), ("*", True), ("tags.x", True), ("tags.y", False)])
def test_replace_on_changes(project: Any, path: str, replaced: bool) -> None:
    """Guards against updating in place what must be made anew."""
    option = f"ResourceOptions(replace_on_changes=[{path!r}])"
    project.up(f'Thing("a", {option}, size=1, tags={{"x": 1}})')
    result = project.up(f'Thing("a", {option}, size=2, tags={{"x": 2}})')
    assert result.counts == {("replace" if replaced else "update"): 1, "same": 1}


def test_replace_with_and_replacement_trigger(project: Any) -> None:
    """Guards against ignoring the two options that tie a replacement to something else."""
    program = """
        a = Thing("a", kind="x")
        Thing("b", ResourceOptions(replace_with=[a]))
        Thing("c", ResourceOptions(replacement_trigger="1"))
    """
    project.up(program)
    assert project.up(program).counts == {"same": 4}
    assert project.up(program.replace('"x"', '"y"')).counts == {"replace": 2, "same": 2}
    assert project.up(program.replace('"x"', '"y"').replace('"1"', '"2"')).counts == {"replace": 1, "same": 3}


def test_hide_diffs_hides_the_display_only(project: Any) -> None:
    """Guards against showing what was to be hidden, or not doing it."""
    program = 'Thing("a", ResourceOptions(hide_diffs=["big"]), big="1", small="1")'
    project.up(program)
    result = project.up(program.replace('"1"', '"2"'))
    (step,) = [step for step in result.steps if step.op == "update"]
    assert [change.path for change in step.changes] == ["small"]
    assert project.state()["a"]["inputs"]["big"] == "2"


ALIASED = {
    "name": ('Thing("old")', 'Thing("new", ResourceOptions(aliases=[Alias(name="old")]))'),
    "type": (
        'Group("g", type_="test:index:Old")',
        'Group("g", ResourceOptions(aliases=[Alias(type_="test:index:Old")]))',
    ),
    "urn": (
        'Thing("old")',
        'Thing("new", ResourceOptions(aliases=["urn:pulumi:dev::proj::fake:index:Thing::old"]))',
    ),
    "new parent": (
        'Thing("a")',
        'Thing("a", ResourceOptions(parent=Group("g"), aliases=[Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))',
    ),
    "no parent": (
        'Thing("a")',
        'Thing("a", ResourceOptions(parent=Group("g"), aliases=[Alias(parent=None)]))',
    ),
    "renamed parent and grandparent": (
        'g = Group("g")\nh = Group("g-h", ResourceOptions(parent=g))\nThing("g-h-a", ResourceOptions(parent=h))',
        'g = Group("n", ResourceOptions(aliases=[Alias(name="g")]))\nh = Group("n-h", ResourceOptions(parent=g))\n'
        'Thing("n-h-a", ResourceOptions(parent=h))',
    ),
    "retyped parent": (
        'g = Group("g", type_="test:index:Old")\nThing("a", ResourceOptions(parent=g))',
        'g = Group("g", ResourceOptions(aliases=[Alias(type_="test:index:Old")]))\n'
        'Thing("a", ResourceOptions(parent=g))',
    ),
    "renamed, and used": (
        'a = Thing("a")\nThing("user", uses=a.id)',
        'a = Thing("b", ResourceOptions(aliases=[Alias(name="a")]))\nThing("user", uses=a.id)',
    ),
}


@pytest.mark.parametrize("case", ALIASED)
def test_aliases_keep_the_resource(project: Any, case: str) -> None:
    """Guards against deleting and re-creating what was only renamed, retyped or moved."""
    before, after = ALIASED[case]
    project.up(before)
    for operation in ("preview", "up"):
        result = project.write(after).run(operation)
        assert result.succeeded, result.errors
        assert set(result.counts) <= {"same", "create"}
        assert not [step for step in result.steps if step.op == "create" and step.type == "fake:index:Thing"]
    assert project.world.names("delete") == []
    assert not {"g", "old"} & {name for name in project.state() if name in before and name not in after}
    assert project.up(after.replace("aliases=", "hide_diffs=None and ")).counts.keys() == {"same"}


def test_additional_secret_outputs(project: Any) -> None:
    """Guards against an output the program declared secret appearing plain."""
    program = 'a = Thing("a", ResourceOptions(additional_secret_outputs=["out"]))\npulumi.export("out", a.out)'
    result = project.up(program)
    assert result.outputs["out"].secret
    assert "made a-0" not in project.text()
    assert project.up(program).counts == {"same": 2}


def test_import_adopts_what_exists_and_checks_it(shared: Any) -> None:
    """Guards against creating a second one, and against adopting something else than declared."""
    shared.up('Thing("owner", size=3)', stack="other")
    message = shared.fails('Thing("a", ResourceOptions(import_="owner-0"), size=4)')
    assert "size is 3, declared 4" in message
    result = shared.up('Thing("a", ResourceOptions(import_="owner-0"), size=3)')
    assert result.counts == {"create": 1, "import": 1} or result.counts == {"import": 1, "same": 1}
    assert shared.state()["a"]["id"] == "owner-0"
    assert shared.world.names("create") == []
    assert shared.up('Thing("a", ResourceOptions(import_="owner-0"), size=3)').counts == {"same": 2}
    missing = shared.fails('Thing("b", ResourceOptions(import_="ghost"))', stack="c")
    assert "there is no fake:index:Thing ghost" in missing


def test_get_reads_and_never_deletes(shared: Any) -> None:
    """Guards against managing, or deleting, what another stack owns."""
    shared.up('Thing("owner", size=3)', stack="other")
    result = shared.up('a = Thing("a", ResourceOptions(id="owner-0"))\npulumi.export("out", a.out)')
    assert result.counts["read"] == 1
    assert result.outputs["out"].value == "made owner-0"
    assert shared.state()["a"]["external"] is True
    assert shared.up("").counts == {"same": 1}
    assert shared.world.names("delete") == []
    assert "there is no fake:index:Thing ghost" in shared.fails('Thing("a", ResourceOptions(id="ghost"))')


def test_transforms_of_stack_parent_and_resource(project: Any) -> None:
    """Guards against transforms that are accepted but never run, or run in the wrong order."""
    project.up("""
        def add(text):
            def transform(args):
                if args.custom:
                    args.props["trail"] = args.props.get("trail", "") + text
                return pulumi.ResourceTransformResult(args.props, args.opts)
            return transform

        pulumi.runtime.register_resource_transform(add("S"))
        g = Group("g", ResourceOptions(transforms=[add("P")]))
        Thing("a", ResourceOptions(parent=g, transforms=[add("R")]))

        def protect(args):
            return pulumi.ResourceTransformResult(
                args.props, ResourceOptions.merge(args.opts, ResourceOptions(protect=True, ignore_changes=["size"])))
        Thing("b", ResourceOptions(transforms=[protect], depends_on=[g]))
    """)
    state = project.state()
    assert state["a"]["inputs"]["trail"] == "RPS"
    assert state["b"]["protect"] is True
    assert state["b"]["dependencies"]


def test_hooks_run_around_create_update_and_delete(project: Any) -> None:
    """Guards against hooks that are registered but never run."""
    program = """
        import pathlib
        log = pathlib.Path("hooks.log")
        def note(what):
            def hook(args):
                with log.open("a") as file:
                    file.write(f"{what} {args.name} {args.id}\\n")
            return pulumi.ResourceHook(what, hook)
        names = ["before_create", "after_create", "before_update", "after_update", "before_delete", "after_delete"]
        hooks = pulumi.ResourceHookBinding(**{name: [note(name)] for name in names})
        SIZE and Thing("a", ResourceOptions(hooks=hooks), size=SIZE)
    """
    log = project.folder / "hooks.log"
    project.up(program.replace("SIZE", "1"))
    project.write(program.replace("SIZE", "2")).run("preview")
    project.up(program.replace("SIZE", "2"))
    assert log.read_text().split("\n")[:-1] == [
        "before_create a ",
        "after_create a a-0",
        "before_update a a-0",
        "after_update a a-0",
    ]
    message = project.fails("", "destroy")
    assert "delete hooks before_delete, after_delete" in message
    assert project.world.names("delete") == []
    log.unlink()
    project.up(program.replace("SIZE", "0"))
    assert log.read_text() == "before_delete a a-0\nafter_delete a a-0\n"


def test_a_failing_hook_stops_the_step(project: Any) -> None:
    """Guards against going on when the program's own check said no."""
    message = project.fails("""
        def refuse(args):
            raise Exception("not today")
        hook = pulumi.ResourceHook("gate", refuse)
        Thing("a", ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[hook])))
    """)
    assert "resource hook 'gate' failed: not today" in message
    assert project.world.names("create") == []


def test_invokes_and_resource_references(project: Any) -> None:
    """Guards against functions answered with nothing."""
    result = project.up("""
        pulumi.export("four", pulumi.runtime.invoke("fake:index:double", {"value": 2}).value["result"])
        a = Thing("a", size=5)
        pulumi.export("ten", pulumi.runtime.invoke_output("fake:index:double", {"value": Output.secret(5)})["result"])
        Thing("b", peer=a)
    """)
    assert (result.outputs["four"].value, result.outputs["ten"].value) == (4, 10)
    assert result.outputs["ten"].secret
    assert project.world.seen[-1]["peer"] == "a-0"
