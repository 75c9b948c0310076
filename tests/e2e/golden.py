"""Stacks as texts for review, and their comparison with the files in tests/golden."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from sandbox.provider import Secret
from sandbox.registry import is_default
from sandbox.state import STACK_TYPE, Resource
from sandbox.values import has_secret
from tests.conftest import ROOT

GOLDEN: Final = ROOT / "tests" / "golden"
UPDATE: Final = "pytest tests/e2e --update-golden"
CLUSTER: Final = "cluster"
"""File of what belongs to no namespace."""

MASK: Final = "(secret)"
LONGEST: Final = 1000
"""Characters of a JSON text that is written out; a longer one (a dashboard) is for machines, and gets a digest."""
DIFFERENCES: Final = 120
"""Lines of a difference that are shown."""


def tree(stack: str, resources: Iterable[Resource]) -> str:
    """A stack's outputs, and its resources below their parents: type, name and what protects them, one a line."""
    children: dict[str, list[Resource]] = defaultdict(list)
    outputs: Mapping[str, Any] = {}
    root = ""
    for resource in resources:
        if resource.type == STACK_TYPE:
            outputs, root = resource.outputs, resource.urn
        elif not is_default(resource.urn):
            children[resource.parent].append(resource)
    lines = [f"# Stack {stack}: outputs, then resources below their parents. Written by: {UPDATE}", "", "outputs"]
    lines += [f"  {name}{f' {MASK}' if has_secret(value) else ''}" for name, value in sorted(outputs.items())]
    return "\n".join([*lines, "", "resources", *_below(root, children, "  "), ""])


def _below(urn: str, children: Mapping[str, list[Resource]], indent: str) -> Iterator[str]:
    for resource in sorted(children.get(urn, ()), key=lambda found: (found.type, found.name)):
        marks = [
            *(["(protected)"] if resource.protect else []),
            *(["(kept when deleted)"] if resource.retain_on_delete else []),
        ]
        yield " ".join([f"{indent}{resource.type}", resource.name, *marks])
        yield from _below(resource.urn, children, indent + "  ")


def manifests(resources: Iterable[Resource]) -> dict[str, str]:
    """File name -> the Kubernetes objects of one namespace, as YAML documents sorted by kind and name."""
    files: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for resource in resources:
        if not resource.type.startswith("kubernetes:"):
            continue
        document = readable(resource.inputs)
        if "kind" not in document:  # a release of a chart that the update installs itself
            continue
        kind, metadata = document["kind"], document["metadata"]
        place = metadata["name"] if kind == "Namespace" else metadata.get("namespace", CLUSTER)
        text = yaml.dump(document, Dumper=_Dumper, sort_keys=True, width=120, allow_unicode=True)
        files[f"{place}.yaml"].append((kind, metadata["name"], text))
    note = f"# As registered in stack dev; secrets and long JSON texts masked. Written by: {UPDATE}\n"
    return {
        name: note + "".join(f"---\n{text}" for _, _, text in sorted(documents)) for name, documents in files.items()
    }


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are; no aliases for what occurs twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def readable(value: Any) -> Any:
    """A value without secrets and without what is not for reading."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [readable(item) for item in value]
    return _readable_text(value) if isinstance(value, str) else value


def _readable_text(text: str) -> str:
    if len(text) > LONGEST and text.startswith("{"):
        digest = hashlib.sha256(json.dumps(json.loads(text), sort_keys=True).encode()).hexdigest()
        return f"({len(text)} characters of JSON, sha256 {digest[:16]})"
    return text


def compare(found: Mapping[Path, str], folder: Path, pattern: str, update: bool, command: str = UPDATE) -> None:
    """Compare texts with their files, or write them. A file of the pattern that nothing stands for is a difference.

    ``command`` is the one that writes them.
    """
    there = set(folder.glob(pattern))
    if update:
        folder.mkdir(parents=True, exist_ok=True)
        for path in there - found.keys():
            path.unlink()
        for path, text in found.items():
            path.write_text(text)
        return
    lines: list[str] = []
    for path in sorted(there | found.keys()):
        name = str(path.relative_to(ROOT))
        old = path.read_text() if path in there else ""
        lines += difflib.unified_diff(
            old.splitlines(), found.get(path, "").splitlines(), name, f"{name} (now)", lineterm="", n=2
        )
    if lines:
        more = [f"... and {len(lines) - DIFFERENCES} more lines"] if len(lines) > DIFFERENCES else []
        hint = f"If that is what you mean, run: {command}, and review the files in the commit."
        pytest.fail("\n".join([*lines[:DIFFERENCES], *more, hint]), pytrace=False)
