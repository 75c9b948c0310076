"""Secrets: never plain in a file or an event, always plain for the provider."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.config import load_config, load_project
from sandbox.events import MASK, SandboxError
from sandbox.run import export, outputs
from sandbox.secrets import Crypter

NEEDLE = "correct-horse-battery"

LEAKY = f"""
import base64
secret = Output.secret("{NEEDLE}")
a = Thing("a", password=secret)
b = Thing("b", tags={{"deep": [{{"er": secret}}]}}, text=Output.concat("prefix-", secret))
c = Thing("c", copied=a.url, uses=a.id, encoded=secret.apply(lambda s: base64.b64encode(s.encode()).decode()))
g = Group("g", props={{"given": secret}})
g.register_outputs({{"handed": {{"on": secret}}}})
pulumi.export("nested", {{"x": [secret]}})
pulumi.export("url", a.url)
pulumi.export("token", a.token)
pulumi.export("plain", b.out)
"""


def _everything(project: Any) -> str:
    """Every file the run left in the backend folder."""
    return "".join(path.read_text() for path in project.backend.rglob("*") if path.is_file())


def test_no_secret_is_ever_plain_in_a_file_or_an_event(project: Any) -> None:
    """Guards against a leak through nesting, derived outputs, components, stack outputs, changes or the backup."""
    result = project.up(LEAKY)
    project.up(LEAKY.replace(NEEDLE, f"{NEEDLE}-2"))
    changed = repr(project.events)
    files = _everything(project)
    for text in (files, changed, repr(result.steps)):
        assert "correct" not in text
        assert "Y29ycmVjdC1ob3JzZS" not in text  # base64
        assert "token-of-a" not in text
    assert MASK in changed
    assert result.outputs["nested"].value == {"x": [NEEDLE]}
    assert {name for name, output in result.outputs.items() if output.secret} == {"nested", "url", "token"}
    assert project.world.live["b-0"]["tags"] == {"deep": [{"er": f"{NEEDLE}-2"}]}


def test_the_journal_of_a_killed_run_holds_no_secret_either(project: Any) -> None:
    """Guards against the pending operations, which hold inputs, being written plain."""
    journal: list[str] = []

    def look(event: object) -> None:
        path = project.path().with_suffix(".journal")
        journal.append(path.read_text() if path.exists() else "")

    project.write(LEAKY)
    project.events = type("Spy", (list,), {"append": lambda self, event: look(event)})()
    project.up()
    assert "creating" in "".join(journal)
    assert "correct" not in "".join(journal)


def test_what_the_program_gives_in_the_clear_stays_readable(project: Any) -> None:
    """Guards against names that are hidden because a secret user is called the same, as the CLI would not do."""
    project.up(f'''
Thing("a", password=Output.secret("{NEEDLE}"), text="{NEEDLE}", tags={{"deep": [{{"er": "{NEEDLE}-2"}}]}})
''')
    inputs = project.state()["a"]["inputs"]
    assert inputs["text"] == NEEDLE
    assert inputs["tags"] == {"deep": [{"er": f"{NEEDLE}-2"}]}
    assert "ciphertext" in inputs["password"]


def test_an_unchanged_secret_keeps_its_ciphertext(project: Any) -> None:
    """Guards against a state file that differs after every run."""
    project.up(LEAKY)
    before = project.text()
    assert project.up(LEAKY).counts == {"same": 5}
    assert project.text() == before


def test_a_value_that_becomes_secret_is_encrypted_without_a_change(project: Any) -> None:
    """Guards against a secret that stays plain because its value did not change."""
    project.up('Thing("a", password="correct-horse")')
    assert "correct-horse" in project.text()
    assert project.up('Thing("a", password=Output.secret("correct-horse"))').counts == {"same": 2}
    assert "correct-horse" not in project.text()


def test_the_state_has_the_clis_secret_format(project: Any) -> None:
    """Guards against state that ``pulumi stack import`` could not decrypt."""
    project.up('Thing("a", password=Output.secret({"x": 1}))')
    raw = project.state()["a"]["inputs"]["password"]
    assert raw["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270"
    document = json.loads(project.text())
    provider = document["deployment"]["secrets_providers"]
    assert provider["type"] == "passphrase"
    crypter = Crypter.open("pass", provider["state"]["salt"], "here")
    assert json.loads(crypter.decrypt(raw["ciphertext"])) == {"x": 1}


def test_a_wrong_passphrase_is_refused(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against going on with undecipherable secrets, or overwriting them."""
    project.up(LEAKY)
    before = project.text()
    for operation in ("up", "preview", "destroy"):
        with pytest.raises(SandboxError, match=r"dev\.json: wrong passphrase; set PULUMI_CONFIG_PASSPHRASE"):
            project.run(operation, passphrase="other")
    assert project.text() == before
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    with pytest.raises(SandboxError, match="no passphrase"):
        project.run("up", passphrase=None)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "pass")
    assert project.run("up", passphrase=None).counts == {"same": 5}


def test_stack_references_keep_secrets_secret(project: Any) -> None:
    """Guards against another stack's secret becoming plain on the way."""
    project.up(LEAKY, stack="hub")
    result = project.up(
        """
        hub = pulumi.StackReference("organization/proj/hub")
        pulumi.export("url", hub.get_output("url"))
        pulumi.export("plain", hub.require_output("plain"))
        pulumi.export("none", hub.get_output("none"))
        Thing("a", password=hub.require_output("nested"))
        """
    )
    assert {name: output.secret for name, output in result.outputs.items()} == {"url": True, "plain": False}
    assert result.outputs["plain"].value == "made b-0"
    assert "correct" not in _everything(project)
    assert project.world.live["a-0"]["password"] == {"x": [NEEDLE]}
    assert project.up().counts == {"same": 2, "read": 1}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "organization/proj/ghost",
            "unknown stack 'organization/proj/ghost'; bring it up first; known stacks: proj/dev, proj/hub",
        ),
        ("acme/proj/hub", "unknown organization 'acme'"),
        ("a/b/c/d", "is not a stack name"),
    ],
)
def test_an_unknown_stack_is_refused_by_name(project: Any, name: str, message: str) -> None:
    """Guards against a reference that answers with nothing."""
    project.up('pulumi.export("x", 1)', stack="hub")
    assert message in project.fails(f'pulumi.StackReference("{name}")')


def test_a_missing_output_is_refused_with_what_there_is(project: Any) -> None:
    """Guards against a bare KeyError."""
    project.up('pulumi.export("x", 1)', stack="hub")
    message = project.fails('pulumi.StackReference("hub").require_output("vpcId").apply(print)')
    assert message == "hub has no output 'vpcId'; it has x"
    project.run("destroy", stack="hub")
    assert "stack 'hub' is not up; bring it up first" in project.fails('pulumi.StackReference("hub")')


def test_saved_outputs_and_export(project: Any) -> None:
    """Guards against secrets shown unasked, and an export that differs from the file."""
    project.up(LEAKY)
    place = {"project_dir": project.folder, "backend": project.backend}
    assert outputs("dev", **place) == {"nested": {"x": [MASK]}, "plain": "made b-0", "token": MASK, "url": MASK}
    shown = outputs("dev", **place, passphrase="pass", show_secrets=True)
    assert shown["nested"] == {"x": [NEEDLE]}
    exported = export("dev", **place)
    assert exported["version"] == 3
    assert exported["deployment"]["resources"] == json.loads(project.text())["deployment"]["resources"]
    with pytest.raises(SandboxError, match="there is no stack 'ghost'"):
        export("ghost", **place)


def test_secret_config_reaches_the_program_secret(project: Any) -> None:
    """Guards against decrypted settings ending up plain in the state; both values are encrypted as the CLI does."""
    crypter = Crypter.new("pass")
    (project.folder / "Pulumi.dev.yaml").write_text(
        f"encryptionsalt: {crypter.state}\nconfig:\n"
        f"  proj:db:\n    secure: {crypter.encrypt('correct-horse')}\n"
        f"  proj:object:\n    user: me\n    password:\n      secure: {crypter.encrypt('battery-staple')}\n"
        "  fake:region: here\n  proj:count: 3\n  proj:flag: true\n"
    )
    result = project.up(
        """
        config = pulumi.Config()
        Thing("a", password=config.require_secret("db"), object=config.require_secret_object("object"))
        pulumi.export("count", config.require_int("count") + config.require_bool("flag"))
        """
    )
    assert result.outputs["count"].value == 4
    assert project.world.live["a-0"]["object"] == {"user": "me", "password": "battery-staple"}
    assert "correct" not in _everything(project)
    assert "battery" not in _everything(project)


def test_the_clis_own_ciphertext_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against a key or format other than the Pulumi CLI's: computed with its published parameters."""
    monkeypatch.setattr("sandbox.secrets.ROUNDS", 1_000_000)
    (tmp_path / "Pulumi.yaml").write_text("name: proj\nruntime: {name: python}\n")
    crypter = Crypter.new("pass")
    text = crypter.encrypt("hello")
    (tmp_path / "Pulumi.dev.yaml").write_text(
        f"encryptionsalt: {crypter.state}\nconfig:\n  proj:x:\n    secure: {text}\n"
    )
    project = load_project(tmp_path)
    assert load_config(project, "dev", "pass", {}).values == {"proj:x": "hello"}
    with pytest.raises(SandboxError, match=r"Pulumi\.dev\.yaml: wrong passphrase"):
        load_config(project, "dev", "other", {})
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  proj:x:\n    secure: {text}\n")
    with pytest.raises(SandboxError, match="x is encrypted, but there is no 'encryptionsalt'"):
        load_config(project, "dev", "pass", {})
