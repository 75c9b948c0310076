"""The ``random`` package: passwords, strings, ids, integers, pets, shuffles, UUIDs, bytes.

Outputs and ids follow pulumi-random; values come from the operating system's generator, except where a
``seed`` is given: then they repeat (by Python's generator, so they are not the values that Go's makes).
"""

from __future__ import annotations

import base64
import os
import random
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

import bcrypt

from sandbox import typecheck
from sandbox.local.base import Kind, LocalProvider, Typecheck
from sandbox.provider import Made, ResourceError

BCRYPT_ROUNDS: Final = 4
"""The least there is. pulumi-random takes 10, which is 50 ms a password; no hash made here guards anything."""
BCRYPT_LIMIT: Final = 72
"""Bytes of a password that bcrypt reads; pulumi-random hashes no more of it."""

_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"
_NUMERIC: Final = "0123456789"
_SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"
_ADVERBS: Final = ("calmly", "deeply", "fairly", "freely", "gently", "kindly", "merely", "openly", "quietly", "truly")
_ADJECTIVES: Final = (
    *("able", "brave", "bright", "calm", "clever", "eager", "fair", "fast", "fine", "glad", "grand", "handy", "keen"),
    *("lively", "loyal", "neat", "noble", "proud", "quick", "sharp", "solid", "steady", "sunny", "swift", "warm"),
)
_ANIMALS: Final = (
    *("badger", "beaver", "bison", "bobcat", "crane", "dolphin", "eagle", "falcon", "ferret", "finch", "fox", "gecko"),
    *("heron", "ibex", "jackal", "koala", "lemur", "lynx", "marten", "moose", "osprey", "otter", "owl", "panda"),
    *("quail", "raven", "robin", "seal", "stork", "swan", "tapir", "turtle", "walrus", "weasel", "wombat", "yak"),
)


def _token(name: str) -> str:
    return f"random:index/random{name}:Random{name}"


def _characters(inputs: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The character classes in use, each with the least number of its characters."""
    numeric = inputs.get("numeric", inputs.get("number", True))
    special = inputs.get("overrideSpecial") or _SPECIAL
    classes = (
        (_UPPER, inputs.get("upper", True), inputs.get("minUpper", 0)),
        (_LOWER, inputs.get("lower", True), inputs.get("minLower", 0)),
        (_NUMERIC, numeric, inputs.get("minNumeric", 0)),
        (special, inputs.get("special", True), inputs.get("minSpecial", 0)),
    )
    return [(letters, int(least)) for letters, used, least in classes if used or int(least) > 0]


def _check_string(inputs: Mapping[str, Any]) -> None:
    length, classes = int(inputs["length"]), _characters(inputs)
    least = sum(count for _, count in classes)
    if length < 1:
        raise ResourceError("must be at least 1", path="length")
    if not classes:
        raise ResourceError("upper, lower, numeric and special are all off", remedy="leave one of them on")
    if any(count < 0 for _, count in classes):
        raise ResourceError("minUpper, minLower, minNumeric and minSpecial cannot be negative")
    if length < least:
        raise ResourceError(
            f"{length} is less than minUpper + minLower + minNumeric + minSpecial = {least}", path="length"
        )


def _string(inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    classes = _characters(inputs)
    chosen = [secrets.choice(letters) for letters, least in classes for _ in range(least)]
    everything = "".join(letters for letters, _ in classes)
    chosen += [secrets.choice(everything) for _ in range(int(inputs["length"]) - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    result = "".join(chosen)
    numeric = inputs.get("numeric", inputs.get("number", True))
    outputs = {name: inputs.get(name, True) for name in ("upper", "lower", "special")}
    outputs |= {name: inputs.get(name, 0) for name in ("minUpper", "minLower", "minNumeric", "minSpecial")}
    return result, outputs | {"numeric": numeric, "number": numeric, "length": inputs["length"], "result": result}


def _make_string(inputs: Mapping[str, Any]) -> Made:
    result, outputs = _string(inputs)
    return Made(result, outputs)


def _make_password(inputs: Mapping[str, Any]) -> Made:
    result, outputs = _string(inputs)
    hashed = bcrypt.hashpw(result.encode()[:BCRYPT_LIMIT], bcrypt.gensalt(rounds=BCRYPT_ROUNDS))
    return Made("none", outputs | {"bcryptHash": hashed.decode()})


def _at_least(name: str, least: int) -> Callable[[Mapping[str, Any]], None]:
    def rule(inputs: Mapping[str, Any]) -> None:
        if int(inputs.get(name, least)) < least:
            raise ResourceError(f"must be at least {least}", path=name)

    return rule


def _make_id(inputs: Mapping[str, Any]) -> Made:
    value, prefix = os.urandom(int(inputs["byteLength"])), inputs.get("prefix", "")
    url = base64.urlsafe_b64encode(value).decode().rstrip("=")
    outputs = {
        "b64Std": prefix + base64.b64encode(value).decode(),
        "b64Url": prefix + url,
        "hex": prefix + value.hex(),
        "dec": prefix + str(int.from_bytes(value, "big")),
    }
    return Made(url, outputs | {"byteLength": inputs["byteLength"]})


def _make_bytes(inputs: Mapping[str, Any]) -> Made:
    value = os.urandom(int(inputs["length"]))
    outputs = {"base64": base64.b64encode(value).decode(), "hex": value.hex(), "length": inputs["length"]}
    return Made("none", outputs)


def _check_integer(inputs: Mapping[str, Any]) -> None:
    if int(inputs["max"]) < int(inputs["min"]):
        raise ResourceError(f"{int(inputs['max'])} is less than min {int(inputs['min'])}", path="max")


def _generator(inputs: Mapping[str, Any]) -> random.Random:
    seed = inputs.get("seed")
    return random.Random(str(seed)) if seed else random.SystemRandom()


def _make_integer(inputs: Mapping[str, Any]) -> Made:
    result = _generator(inputs).randint(int(inputs["min"]), int(inputs["max"]))
    return Made(str(result), {"result": result, "min": inputs["min"], "max": inputs["max"]})


def _make_pet(inputs: Mapping[str, Any]) -> Made:
    length, separator = int(inputs["length"]), str(inputs["separator"])
    words = [secrets.choice(_ADVERBS) for _ in range(length - 2)]
    words += [secrets.choice(_ADJECTIVES)] if length > 1 else []
    words += [secrets.choice(_ANIMALS)]
    prefix = [inputs["prefix"]] if inputs.get("prefix") else []
    return Made(separator.join(prefix + words), {"length": length, "separator": separator})


def _check_shuffle(inputs: Mapping[str, Any]) -> None:
    if not inputs["inputs"]:
        raise ResourceError("there is nothing to shuffle", path="inputs")
    _at_least("resultCount", 0)(inputs)


def _make_shuffle(inputs: Mapping[str, Any]) -> Made:
    """More results than inputs repeat the inputs, a whole permutation at a time."""
    generator, given = _generator(inputs), list(inputs["inputs"])
    wanted = int(inputs.get("resultCount", len(given)))
    results: list[str] = []
    while len(results) < wanted:
        results += generator.sample(given, len(given))
    return Made("-", {"results": results[:wanted], "inputs": given})


def _make_uuid(_: Mapping[str, Any]) -> Made:
    result = str(uuid.uuid4())
    return Made(result, {"result": result})


def _make_uuid7(_: Mapping[str, Any]) -> Made:
    """RFC 9562: 48 bits of Unix milliseconds, then version, variant and 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    result = str(uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62))
    return Made(result, {"result": result})


KINDS: Final[Mapping[str, Kind]] = {
    _token("Password"): Kind(_make_password, _check_string, secrets=frozenset({"result", "bcryptHash"})),
    _token("String"): Kind(_make_string, _check_string),
    _token("Id"): Kind(_make_id, _at_least("byteLength", 1)),
    _token("Bytes"): Kind(_make_bytes, _at_least("length", 1), secrets=frozenset({"base64", "hex"})),
    _token("Integer"): Kind(_make_integer, _check_integer),
    _token("Pet"): Kind(_make_pet, _at_least("length", 1), defaults={"length": 2, "separator": "-"}),
    _token("Shuffle"): Kind(_make_shuffle, _check_shuffle),
    _token("Uuid"): Kind(_make_uuid),
    _token("Uuid4"): Kind(_make_uuid),
    _token("Uuid7"): Kind(_make_uuid7),
}


class RandomProvider(LocalProvider):
    """Serves the ``random`` package; the package has no configuration."""

    package = "random"

    def __init__(
        self, config: Mapping[str, Any] | None = None, *, check_types: Typecheck = typecheck.check_inputs
    ) -> None:
        super().__init__(KINDS, check_types)
