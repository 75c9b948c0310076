"""The random provider: values of the asked-for shape, made once, replaced when an input changes."""

from __future__ import annotations

import base64
import re
import string
from typing import Any

import bcrypt
import pytest

from sandbox import typecheck
from sandbox.local.random import KINDS, RandomProvider
from sandbox.provider import UNKNOWN, Desired, Diff, Made, ResourceError, Saved

PASSWORD = "random:index/randomPassword:RandomPassword"
STRING = "random:index/randomString:RandomString"
INPUTS: dict[str, dict[str, Any]] = {
    PASSWORD: {"length": 20},
    STRING: {"length": 20},
    "random:index/randomId:RandomId": {"byteLength": 8},
    "random:index/randomBytes:RandomBytes": {"length": 32},
    "random:index/randomInteger:RandomInteger": {"min": 1, "max": 6},
    "random:index/randomPet:RandomPet": {},
    "random:index/randomShuffle:RandomShuffle": {"inputs": ["a", "b", "c"]},
    "random:index/randomUuid:RandomUuid": {},
    "random:index/randomUuid4:RandomUuid4": {},
    "random:index/randomUuid7:RandomUuid7": {},
}


def make(token: str, **inputs: Any) -> Made:
    provider = RandomProvider()
    desired = Desired("urn:x", token, "x", {**INPUTS[token], **inputs})
    return provider.create(Desired("urn:x", token, "x", provider.check(desired, None)))


def refusal(token: str, **inputs: Any) -> str:
    with pytest.raises(ResourceError) as caught:
        make(token, **inputs)
    return str(caught.value)


def test_every_type_of_the_sdk_is_served() -> None:
    """A type without a maker would fail only when a program uses it."""
    assert set(KINDS) == set(INPUTS)


@pytest.mark.parametrize("token", INPUTS)
def test_outputs_are_those_that_the_sdk_declares(token: str) -> None:
    """A missing or wrongly typed output would reach the program as None."""
    made = make(token)
    outputs = {**INPUTS[token], **made.outputs}
    assert typecheck.output_problems(token, outputs) == []
    assert typecheck.declared(token).always <= outputs.keys()
    assert made.id


def test_password_holds_the_least_numbers_of_each_class() -> None:
    for _ in range(20):
        result = make(PASSWORD, length=8, minUpper=2, minNumeric=3, minSpecial=1, overrideSpecial="~").outputs["result"]
        assert len(result) == 8
        assert sum(c.isupper() for c in result) >= 2
        assert sum(c.isdigit() for c in result) >= 3
        assert "~" in result
        assert set(result) <= set(string.ascii_letters + string.digits + "~")


def test_password_without_special_has_none() -> None:
    """Connection strings break on the default special characters."""
    assert make(PASSWORD, length=200, special=False).outputs["result"].isalnum()


def test_deprecated_number_still_turns_digits_off() -> None:
    assert not re.search(r"\d", make(PASSWORD, length=200, number=False).outputs["result"])


def test_bcrypt_hash_verifies_even_beyond_what_bcrypt_reads() -> None:
    outputs = make(PASSWORD, length=100).outputs
    assert bcrypt.checkpw(outputs["result"].encode()[:72], outputs["bcryptHash"].encode())


def test_id_forms_are_the_same_number() -> None:
    made = make("random:index/randomId:RandomId", prefix="vol-")
    number = int(made.outputs["hex"].removeprefix("vol-"), 16)
    assert made.outputs["dec"] == f"vol-{number}"
    assert base64.b64decode(made.outputs["b64Std"].removeprefix("vol-")).hex() == f"{number:016x}"
    assert made.outputs["b64Url"] == f"vol-{made.id}"


def test_seed_repeats() -> None:
    token = "random:index/randomShuffle:RandomShuffle"
    inputs = {"inputs": list("abcdefgh"), "seed": "s"}
    assert make(token, **inputs).outputs["results"] == make(token, **inputs).outputs["results"]


def test_shuffle_repeats_whole_permutations_when_more_results_are_wanted() -> None:
    results = make("random:index/randomShuffle:RandomShuffle", resultCount=5).outputs["results"]
    assert len(results) == 5
    assert sorted(results[:3]) == ["a", "b", "c"]


def test_pet_has_prefix_words_and_separator() -> None:
    made = make("random:index/randomPet:RandomPet", length=3, prefix="db", separator="_")
    assert re.fullmatch(r"db_[a-z]+_[a-z]+_[a-z]+", made.id)


def test_uuid_versions() -> None:
    assert make("random:index/randomUuid:RandomUuid").outputs["result"][14] == "4"
    made = make("random:index/randomUuid7:RandomUuid7").outputs["result"]
    assert made[14] == "7"
    assert made[19] in "89ab"


def test_any_changed_input_replaces() -> None:
    old = Saved("urn:x", PASSWORD, "x", "none", {"length": 20, "keepers": {"v": "1"}}, {})
    new = Desired("urn:x", PASSWORD, "x", {"length": 20, "keepers": {"v": "2"}})
    assert RandomProvider().diff(old, new) == Diff(("keepers",), ("keepers",))
    assert RandomProvider().diff(old, Desired("urn:x", PASSWORD, "x", dict(old.inputs))) == Diff()


def test_unknown_keeper_counts_as_a_change() -> None:
    old = Saved("urn:x", PASSWORD, "x", "none", {"length": 20, "keepers": {"v": "1"}}, {})
    new = Desired("urn:x", PASSWORD, "x", {"length": 20, "keepers": {"v": UNKNOWN}})
    assert RandomProvider().diff(old, new).replace == ("keepers",)


def test_secret_outputs() -> None:
    provider = RandomProvider()
    assert provider.secret_outputs(PASSWORD) == {"result", "bcryptHash"}
    assert provider.secret_outputs("random:index/randomBytes:RandomBytes") == {"base64", "hex"}
    assert provider.secret_outputs(STRING) == frozenset()


@pytest.mark.parametrize(
    ("token", "inputs", "message"),
    [
        (PASSWORD, {"length": 0}, "length: must be at least 1"),
        (
            PASSWORD,
            {"length": 3, "minUpper": 4},
            "length: 3 is less than minUpper + minLower + minNumeric + minSpecial = 4",
        ),
        (
            STRING,
            {"upper": False, "lower": False, "numeric": False, "special": False},
            "upper, lower, numeric and special are all off",
        ),
        ("random:index/randomInteger:RandomInteger", {"min": 7}, "max: 6 is less than min 7"),
        ("random:index/randomId:RandomId", {"byteLength": 0}, "byteLength: must be at least 1"),
        ("random:index/randomPet:RandomPet", {"length": 0}, "length: must be at least 1"),
        ("random:index/randomShuffle:RandomShuffle", {"inputs": []}, "inputs: there is nothing to shuffle"),
    ],
)
def test_refusals(token: str, inputs: dict[str, Any], message: str) -> None:
    assert refusal(token, **inputs) == message


def test_wrong_type_is_refused() -> None:
    assert refusal(PASSWORD, length="abc").startswith("length: ")


def test_unknown_type_and_function_are_errors() -> None:
    provider = RandomProvider()
    with pytest.raises(ResourceError, match="does not know the type random:index/x:X"):
        provider.create(Desired("urn:x", "random:index/x:X", "x", {}))
    with pytest.raises(ResourceError, match="does not know the function random:index/f:f"):
        provider.invoke("random:index/f:f", {})
    with pytest.raises(ResourceError, match="cannot be looked up"):
        provider.read(PASSWORD, "none", {})
