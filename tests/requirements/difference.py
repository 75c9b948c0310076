"""In what two environments of a system differ, once their names, addresses and random values are set aside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from sandbox.state import STACK_TYPE
from tests.requirements.registered import Registered, machine, short

Leaves = dict[str, Any]
"""Path -> value, of everything inside a resource; list positions are left out of the path."""

GENERATED = (
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL), "<pem>"),
    (re.compile(r"SCRAM-SHA-256\$[^'\s]+"), "<verifier>"),
    (re.compile(r"\bK10[0-9a-f]{64}\b"), "<authority>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<checksum>"),
    (re.compile(r"(?<=-)[0-9a-f]{7}\b(?:/[0-9a-f]{16}|-[A-Za-z0-9]{6}\b)?"), "<suffix>"),
    (re.compile(r"(?<=-data: )[A-Za-z0-9+/=]{40,}"), "<encoded>"),
)
"""What is random in the text of a resource."""


IDENTITY = re.compile(r"[\w:/.-]{9,}")
WORD = re.compile(r"[\w-]{9,}")


@dataclass
class Environment:
    """One environment's own words."""

    stack: Registered
    system: str
    addresses: str
    domain: str

    @property
    def name(self) -> str:
        return self.stack.stack

    @cached_property
    def resources(self) -> dict[str, Leaves]:
        """``kind name`` -> what it consists of, of every resource but the stack itself."""
        found = {}
        for item in self.stack.resources:
            if item.type != STACK_TYPE and item.type.count(":") == 2:
                content = {**opened(item.inputs), "(protected)": item.protect, "(retained)": item.retain_on_delete}
                leaves: Leaves = {}
                for path, value in flat(content):
                    leaves.setdefault(path, []).append(self._plain(value) if isinstance(value, str) else value)
                found[f"{short(item.type)} {self._plain(item.name)}"] = leaves
        return found

    def _plain(self, text: str) -> str:
        """The text without this environment's own words and without random values."""
        for token in (IDENTITY, WORD):
            text = token.sub(lambda match: self._words.get(match[0], match[0]), text)
        for pattern, word in GENERATED:
            text = pattern.sub(word, text)
        text = text.replace(f"{self.system}-{self.name}", f"{self.system}-<environment>")
        text = text.replace(f"edge-{self.name}-", "edge-<environment>-")
        text = re.sub(rf"(?<![\w-]){re.escape(self.domain)}", "<domain>", text)
        return text.replace(f"{self.addresses}.", "10.<network>.")

    @cached_property
    def _words(self) -> dict[str, str]:
        """Every id and generated value -> the name of what it belongs to; a bucket's settings have the bucket's id, so
        that the order must not depend on which of them was made first."""
        words: dict[str, str] = {}
        for item in sorted(self.stack.resources, key=lambda resource: resource.urn):
            if item.type.startswith(("aws:", "random:")) and item.type.count(":") == 2:
                generated = (item.id, item.outputs.get("arn"), item.outputs.get("result"))
                words |= {text: f"<{item.name}>" for text in generated if isinstance(text, str) and len(text) > 8}
        return words


def opened(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs with the documents inside them laid open."""
    found = dict(inputs)
    if "userData" in inputs:
        boot = machine(inputs["userData"])
        found["userData"] = {"files": dict(boot.files), "run": boot.commands}
    if inputs.get("kind") == "HelmChart":
        found["spec"] = {**inputs["spec"], "valuesContent": yaml.safe_load(inputs["spec"]["valuesContent"])}
    if inputs.get("kind") == "ConfigMap":
        found["data"] = {
            key: json.loads(text) if key.endswith(".json") else text for key, text in inputs["data"].items()
        }
    for key in ("content", "secretString", "policy", "defaultTags"):
        if isinstance(inputs.get(key), str):
            found[key] = json.loads(inputs[key])
    for key in ("content", "secretString"):
        if isinstance(found.get(key), dict):
            found[key] = {item["path"]: item["content"] for item in found[key]["files"]}
    return found


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}".strip("."))
    elif isinstance(value, list | tuple) and value:
        for inner in value:
            yield from flat(inner, f"{path}[]")
    else:
        yield path, value


def differences(one: dict[str, Leaves], other: dict[str, Leaves]) -> set[tuple[str, str]]:
    """(kind, path) of every value that is not the same in both, of the resources that both have."""
    return {
        (name.split()[0], path)
        for name in one.keys() & other.keys()
        for path in one[name].keys() | other[name].keys()
        if one[name].get(path) != other[name].get(path)
    }
