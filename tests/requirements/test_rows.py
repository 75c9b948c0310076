"""Every row of a system's requirements has a test, and every test names rows that there are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SYSTEMS = sorted(path.stem for path in (HERE / "rows").glob("*.txt"))


def rows(system: str) -> dict[str, str]:
    """Id -> what must be true, of one system: one row a line, the id first."""
    lines = (HERE / "rows" / f"{system}.txt").read_text().splitlines()
    return {identity: text.strip() for identity, _, text in (line.partition("  ") for line in lines)}


def is_mark(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{name}"


def marked(source: str) -> Iterator[tuple[str, list[str]]]:
    """Each test of a file with the rows that it names. Read from the source, so that a selection of tests, or a
    process of pytest-xdist that runs a part of them, does not change the answer."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = [mark for mark in node.decorator_list if is_mark(mark, "rows")]
            yield (
                node.name,
                [ast.literal_eval(row) for mark in marks if isinstance(mark, ast.Call) for row in mark.args],
            )


def named_by_tests_of(system: str) -> dict[str, list[str]]:
    """``file::test`` -> rows, of all tests of a system."""
    found: dict[str, list[str]] = {}
    for path in sorted(HERE.glob(f"test_{system}_*.py")):
        for name, named in marked(path.read_text()):
            assert f"{path.name}::{name}" not in found, f"{path.name} has two tests {name}: the first never runs"
            found[f"{path.name}::{name}"] = named
    return found


def missing(wanted: set[str], tests: dict[str, list[str]]) -> list[str]:
    """Rows without a test."""
    return sorted(wanted - {row for named in tests.values() for row in named})


def unknown(wanted: set[str], tests: dict[str, list[str]]) -> dict[str, list[str]]:
    """Tests with rows that there are not, or with none."""
    return {test: named for test, named in tests.items() if not named or not set(named) <= wanted}


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_row_has_a_test(system: str) -> None:
    found = missing(set(rows(system)), named_by_tests_of(system))
    assert not found, "rows without a test:\n" + "\n".join(f"{row}  {rows(system)[row]}" for row in found)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_test_names_rows_that_there_are(system: str) -> None:
    assert not unknown(set(rows(system)), named_by_tests_of(system))


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_list_of_rows_is_in_one_piece(system: str) -> None:
    """A line cut in two, or the same id twice, would hide a row."""
    lines = (HERE / "rows" / f"{system}.txt").read_text().splitlines()
    found = rows(system)
    assert len(found) == len(lines)
    assert all(found.values())
    sections: dict[str, list[int]] = {}
    for row in found:
        section, _, number = row.rpartition("-")
        sections.setdefault(section, []).append(int(number))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sections.values())


def test_a_row_without_a_test_and_a_test_of_an_unknown_row_are_found() -> None:
    """The search itself can fail."""
    source = """
@pytest.mark.rows("A-01", "A-09")
@pytest.mark.parametrize("x", [1])
def test_one(x): ...
def test_two(): ...
def helper(): ...
"""
    tests = dict(marked(source))
    assert tests == {"test_one": ["A-01", "A-09"], "test_two": []}
    assert missing({"A-01", "A-02"}, tests) == ["A-02"]
    assert unknown({"A-01", "A-02"}, tests) == {"test_one": ["A-01", "A-09"], "test_two": []}
