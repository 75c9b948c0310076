"""Rules on the project's own files, as functions from text to what is wrong with it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator
from typing import Final

MAX_LINES: Final = 450
"""Lines of a Python file; longer ones are split."""
MAX_MAIN_LINES: Final = 20

_HOSTS: Final = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "proxy.go" + "lang.org",
    "crates" + ".io",
)
_PLACES: Final = re.compile(
    r"(?:" + "|".join(map(re.escape, _HOSTS)) + r")"
    r"|--(?:extra-)?index-url\b|--trusted" + r"-host\b"
    r"|(?<![\w/.$])/(?:home|root|Users|work)/[\w.-]+"
)
_LEFTOVERS: Final = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b|#\s*no" + r"qa\b|#\s*pylint:\s*disable")
_BARE_IGNORE: Final = re.compile(r"#\s*type:\s*ignore(?!\[[\w, -]+\]\s+#\s*\S)")


def foreign_places(text: str) -> list[str]:
    """Registry hosts, index options and paths of one machine: none of them holds anywhere else."""
    return [match.group() for match in _PLACES.finditer(text)]


def leftovers(text: str) -> list[str]:
    """Notes of unfinished work, silenced linters, and ignored type errors without a code and a reason."""
    return [match.group() for pattern in (_LEFTOVERS, _BARE_IGNORE) for match in pattern.finditer(text)]


def unhashed(lock: str) -> list[str]:
    """Requirements of a lock that are not pinned or have no hash."""
    joined = re.sub(r"\\\n\s*", " ", lock)
    lines = [line.strip() for line in joined.splitlines()]
    entries = [line for line in lines if line and not line.startswith("#")]
    return [
        line.split()[0] for line in entries if "--hash=sha256:" not in line or not re.match(r"[\w.\[\],-]+==\S+", line)
    ]


def named_branches(source: str, names: Collection[str]) -> Iterator[tuple[int, str]]:
    """Comparisons with a system's or an environment's name: what differs between them belongs in their tables.

    ``==``, ``!=``, ``in``, ``not in``, a ``match`` case and ``.startswith`` / ``.endswith`` with such a text, and a
    dict literal keyed by one, which is a branch in disguise.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("startswith", "endswith")
        ):
            parts = list(node.args)
        else:
            continue
        for text in _texts(parts):
            if text in names:
                yield node.lineno, text


def _texts(parts: list[ast.expr]) -> Iterator[str]:
    for part in parts:
        inside = part.elts if isinstance(part, ast.Tuple | ast.List | ast.Set) else [part]
        for item in inside:
            if isinstance(item, ast.Constant) and isinstance(item.value, str):
                yield item.value


def resources_in_apply(source: str) -> Iterator[tuple[int, str]]:
    """Resources made inside ``apply``: they are missing from a preview, where outputs are not known yet.

    Looks at lambdas and at functions of the same file that are passed to ``.apply`` or ``.all(...).apply``, and at
    the functions of the file that those call. A resource is a call of a capitalized name or attribute with a text
    (or f-string) as its first argument, or with ``opts=`` or ``resource_name=``.
    """
    tree = ast.parse(source)
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "apply":
            callbacks = [*call.args, *(word.value for word in call.keywords)]
            yield from _resources([_body(callback, functions) for callback in callbacks], functions)


def _body(callback: ast.expr, functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]) -> ast.AST:
    if isinstance(callback, ast.Name):
        return functions.get(callback.id, callback)
    if isinstance(callback, ast.Attribute):
        return functions.get(callback.attr, callback)
    return callback


def _resources(
    bodies: list[ast.AST], functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]
) -> Iterator[tuple[int, str]]:
    waiting, seen = list(bodies), set[int]()
    while waiting:
        body = waiting.pop()
        if id(body) in seen:
            continue
        seen.add(id(body))
        nodes = list(ast.walk(body))
        raised = {id(node.exc) for node in nodes if isinstance(node, ast.Raise)}
        for node in nodes:
            if not isinstance(node, ast.Call) or id(node) in raised:
                continue
            name = _called(node)
            if name in functions:
                waiting.append(functions[name])
            elif name[:1].isupper() and _looks_like_resource(node):
                yield node.lineno, name


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _looks_like_resource(node: ast.Call) -> bool:
    named = any(word.arg in ("opts", "resource_name") for word in node.keywords)
    first = node.args[0] if node.args else None
    text = isinstance(first, ast.JoinedStr) or (isinstance(first, ast.Constant) and isinstance(first.value, str))
    return named or text


def imported(source: str) -> set[str]:
    """The top-level packages that a file imports, without the standard library."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"__future__"}
