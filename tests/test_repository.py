"""The project keeps its own rules; each rule is first shown to notice what it is for."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests import repository as rules

ROOT = Path(__file__).resolve().parent.parent
OURS = (
    "audit",
    "components",
    "cost",
    "derive",
    "functions",
    "graph",
    "manifests",
    "model",
    "policies",
    "sandbox",
    "stacks",
    "systems",
    "wheelhouse",
)
NAMELESS = ("audit", "components", "cost", "derive", "graph", "model", "stacks")
"""Packages that serve every system and environment alike."""


@cache
def tracked() -> dict[str, str]:
    """The text of every tracked file that is text, by path; a deleted one is left out."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    texts = {}
    for name in filter(None, listed.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in content:
            texts[name] = content.decode("utf-8")
    return texts


def python(*folders: str) -> dict[str, str]:
    """The tracked Python files in the folders; all without one."""
    return {
        name: text
        for name, text in tracked().items()
        if name.endswith(".py") and (not folders or name.split("/")[0] in folders)
    }


def systems_and_environments() -> set[str]:
    """Every system's name, from its file, and every environment's, from the stack files."""
    stacks = [match.group(1) for name in tracked() if (match := re.fullmatch(r"Pulumi\.(.+)\.yaml", name))]
    systems = {Path(name).stem for name in python("systems")} - {"__init__"}
    return systems | {stack.rpartition("-")[2] for stack in stacks} | {"dev", "stage", "prod"}


def test_the_rules_see_the_project() -> None:
    """A rule over no files holds, whatever the files say."""
    assert {"pyproject.toml", "requirements.lock", "Makefile", ".ci/run"} <= tracked().keys()
    assert len(python()) > 50
    assert {"fitsync", "dev", "prod"} <= systems_and_environments()


@pytest.mark.parametrize(
    "text",
    [
        "see https://pypi" + ".org/simple",
        "--index" + "-url https://example.com",
        "cd /home" + "/anna/wheelhouse",
        'path = "/work' + '/main"',
        "file:/root" + "/x",
    ],
)
def test_foreign_places_are_noticed(text: str) -> None:
    assert rules.foreign_places(text)


def test_no_file_names_a_registry_or_a_machines_path() -> None:
    """Such a place exists on one machine only. The login user's folder on a node is not the author's machine."""
    found = {
        name: places
        for name, text in tracked().items()
        if (places := [place for place in rules.foreign_places(text) if not place.startswith("/home/ec2-user")])
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "# TO" + "DO: later",
        "x = 1  # no" + "qa",
        "FIX" + "ME",
        "y = f()  # type:" + " ignore",
        "# type:" + " ignore[arg-type]",
    ],
)
def test_leftovers_are_noticed(text: str) -> None:
    assert rules.leftovers(text)


def test_an_ignored_type_error_with_a_code_and_a_reason_is_no_leftover() -> None:
    assert rules.leftovers("x = f()  # type: ignore[arg-type]  # the stub misses the second form") == []


def test_no_leftovers() -> None:
    kinds = (".py", ".toml", ".yaml", ".yml", ".md", "Makefile", "run", ".sh", ".sql")
    found = {name: rules.leftovers(text) for name, text in tracked().items() if name.endswith(kinds)}
    assert {name: left for name, left in found.items() if left} == {}


@pytest.mark.parametrize("entry", ["rich==15.0.0", "rich>=15 --hash=sha256:ab", "rich @ git+ssh://x"])
def test_an_open_requirement_is_noticed(entry: str) -> None:
    assert rules.unhashed(f"# a lock\n{entry}\n    # via nothing\n") == [entry.split()[0]]


def test_the_lock_is_pinned_and_hashed() -> None:
    lock = tracked()["requirements.lock"]
    assert rules.unhashed(lock) == []
    assert lock.count("==") > 50


def test_the_lock_has_every_requirement() -> None:
    """A requirement that was added without `make lock` is missing on every other machine."""
    locked = {_normal(name) for name in re.findall(r"^([\w.-]+)==", tracked()["requirements.lock"], re.MULTILINE)}
    wanted = {_normal(name) for name in re.findall(r"^([\w.-]+)", tracked()["requirements.in"], re.MULTILINE)}
    assert wanted - locked == set()


def test_every_import_is_a_declared_requirement() -> None:
    """A package that is there only because another one needs it can vanish with that one's next version."""
    declared = {_normal(name) for name in re.findall(r"^([\w.-]+)", tracked()["requirements.in"], re.MULTILINE)}
    providers = importlib.metadata.packages_distributions()
    own = {*OURS, "tests", "benchmarks", "__main__", *(Path(name).stem for name in python("tests"))}
    found = {
        f"{name}: {package}"
        for name, text in python().items()
        for package in rules.imported(text) - own
        if not {_normal(distribution) for distribution in providers.get(package, [])} & declared
    }
    assert found == set()


def test_every_package_is_under_the_import_contracts_and_is_installed() -> None:
    """A package that the contracts do not list may import anything; one that is not found is missing once installed."""
    settings = tomllib.loads(tracked()["pyproject.toml"])["tool"]
    packages = {name.split("/")[0] for name in python() if name.count("/") == 1 and name.endswith("/__init__.py")}
    packages -= {"tests", "benchmarks"}
    assert packages == set(settings["importlinter"]["root_packages"])
    assert packages <= set(settings["setuptools"]["packages"]["find"]["include"])


def test_the_entry_point_stays_small() -> None:
    main = tracked().get("__main__.py")
    if main is None:
        pytest.skip("the project has no program yet")
    assert len(main.splitlines()) <= rules.MAX_MAIN_LINES


def test_no_file_is_too_long() -> None:
    lengths = {name: len(text.splitlines()) for name, text in python().items()}
    assert {name: length for name, length in lengths.items() if length > rules.MAX_LINES} == {}


@pytest.mark.parametrize(
    "source",
    [
        "if environment.name == 'prod': pass",
        "size = 3 if env in ('stage', 'prod') else 1",
        "x = {'prod': 3, 'dev': 1}[env]",
        "match env:\n    case 'prod': pass",
        "if name.startswith('fitsync'): pass",
        "if 'dev' != env: pass",
    ],
)
def test_a_branch_on_a_name_is_noticed(source: str) -> None:
    assert list(rules.named_branches(source, {"prod", "dev", "fitsync"}))


def test_a_name_in_a_text_is_no_branch() -> None:
    source = "message = 'for instance prod'\nfor name in environments: make(name)\nif kind == 'gp3': pass"
    assert list(rules.named_branches(source, {"prod", "dev"})) == []


def test_no_branch_on_a_systems_or_environments_name() -> None:
    """What differs between environments or systems is in their tables; a branch is a second, hidden table."""
    names = systems_and_environments() - {"hub"}  # the hub is a kind of stack, not an environment
    found = {
        f"{name}:{line}: {text}"
        for name, source in python(*NAMELESS).items()
        for line, text in rules.named_branches(source, names)
    }
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "vpc.id.apply(lambda i: aws.ec2.Subnet('a', vpc_id=i))",
        "vpc.id.apply(lambda i: [Subnet(f'{n}', vpc_id=i) for n in names])",
        "def make(i):\n    return Subnet('a', vpc_id=i)\nOutput.all(a, b).apply(make)",
        "def one(i):\n    return Subnet(name, opts=o)\ndef make(i):\n    return one(i)\nx.apply(make)",
        "class A:\n    def f(self):\n        x.apply(self._g)\n    def _g(self, i):\n        Role('r', assume=i)",
        "x.apply(func=lambda i: Role(resource_name=n))",
    ],
)
def test_a_resource_in_apply_is_noticed(source: str) -> None:
    assert list(rules.resources_in_apply(source))


def test_plain_values_in_apply_are_fine() -> None:
    source = (
        "x.apply(lambda i: json.dumps({'a': i}))\ny.apply(lambda i: ValueError)\nSubnet('a', cidr=z.apply(str))\n"
        "def check(i):\n    raise NotUp('hub')\nx.apply(check)"
    )
    assert list(rules.resources_in_apply(source)) == []


def test_no_resource_is_made_inside_apply() -> None:
    found = {
        f"{name}:{line}: {resource}"
        for name, source in python("components", "stacks").items()
        for line, resource in rules.resources_in_apply(source)
    }
    assert found == set()


def test_each_test_file_is_collected() -> None:
    """pytest passes over a file by another name in silence, and its tests never run."""
    found = [
        name
        for name, text in python("tests").items()
        if re.search(r"^(?:class Test|def test_|async def test_)", text, re.MULTILINE)
        and not Path(name).name.startswith("test_")
    ]
    assert found == []


@pytest.mark.tool("shellcheck")
def test_shell_scripts_are_clean() -> None:
    scripts = [name for name, text in tracked().items() if name.endswith(".sh") or re.match(r"#!.*\b(?:ba)?sh\b", text)]
    assert ".ci/run" in scripts
    checked = subprocess.run(["shellcheck", *scripts], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.stdout == ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
