"""Every policy accepts its good example, refuses its bad one, and says exactly what is wrong with it."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from pulumi_policy import Policy
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from policies import pods
from policies.pack import POLICIES
from tests.conftest import ROOT
from tests.policies.analyzer import configured, judge, policy, resource
from tests.policies.aws_cases import CASES as AWS
from tests.policies.aws_cases import ROLE_POLICY
from tests.policies.bucket_cases import BUCKET, BUCKET_POLICY, FILES
from tests.policies.case import Case, beside
from tests.policies.kubernetes_cases import CASES as KUBERNETES

CASES = [*AWS, *KUBERNETES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_good_stack_passes(case: Case) -> None:
    """A policy that cries wolf is switched off."""
    assert judge(case.passes, {case.policy: case.settings}, [policy(case.policy)]) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_bad_stack_is_refused_with_place_and_remedy(case: Case) -> None:
    """A policy that notices nothing, or says what nobody can act on."""
    found = judge(case.fails, {case.policy: case.settings}, [policy(case.policy)])
    assert sorted(verdict.message for verdict in found) == sorted(case.says)
    assert {verdict.urn for verdict in found} <= {item.urn for item in case.fails}


def test_every_policy_has_an_example() -> None:
    """A policy without a bad example may notice nothing."""
    assert {case.policy for case in CASES if case.says} == {item.name for item in POLICIES}
    assert len({item.name for item in POLICIES}) == len(POLICIES)


@pytest.mark.parametrize("type_", pods.TEMPLATES)
def test_pods_are_found_in_every_kind_of_workload(type_: str) -> None:
    """A wrong path to the pod's spec lets a whole kind of workload through."""
    path = pods.TEMPLATES[type_]
    props: dict[str, Any] = {"containers": [{"name": "main", "image": "web"}]}
    for key in reversed(path.split(".")):
        props = {key: props}
    (verdict,) = judge([resource(type_, props)], policies=[policy("pod-image-pinned")])
    assert verdict.message == f"{type_} 'it': {path}.containers[0].image is 'web'; name a version or a digest."


def test_a_stack_policy_waits_for_what_is_not_known_yet() -> None:
    """One unknown value at preview would otherwise silence a policy for the whole stack."""
    rest = beside(FILES, BUCKET_POLICY, {"policy": UNKNOWN_STRING_VALUE})
    other = resource(BUCKET, {"bucket": UNKNOWN_STRING_VALUE}, "other")
    found = judge([FILES, rest, other], policies=[policy("bucket-tls-only")])
    assert [verdict.urn for verdict in found] == [other.urn]


def test_a_resource_policy_leaves_the_unknown_to_the_engine() -> None:
    """The engine then says that the policy will be asked again at the update."""
    with pytest.raises(UnknownValueError):
        judge([resource(ROLE_POLICY, {"policy": UNKNOWN_STRING_VALUE})], policies=[policy("iam-no-administrator")])


@pytest.mark.parametrize("item", POLICIES, ids=lambda item: item.name)
def test_defaults_fit_their_schemas(item: Policy) -> None:
    """The engine refuses a configuration that its schema does not allow; a default must never be one."""
    for name, schema in (item.config_schema.properties if item.config_schema else {}).items():
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(schema["default"], schema)
        assert schema["description"], name


def test_the_configuration_of_our_own_stacks_fits_the_schemas() -> None:
    """A misspelt policy or parameter configures nothing, and nobody notices."""
    for name, settings in configured().items():
        schema = policy(name).config_schema
        assert schema is not None
        assert settings.keys() <= schema.properties.keys()
        jsonschema.validate(settings, {"type": "object", "properties": schema.properties})


def test_the_documentation_lists_every_policy() -> None:
    """A policy that is not described cannot be obeyed, one that is gone cannot be looked for."""
    text = (ROOT / "docs" / "policies.md").read_text()
    described = dict(re.findall(r"^\| `([\w-]+)` \| (mandatory|advisory) \|", text, re.MULTILINE))
    assert described == {item.name: item.enforcement_level.value for item in POLICIES if item.enforcement_level}
    parameters = {name for item in POLICIES if item.config_schema for name in item.config_schema.properties}
    assert parameters <= set(re.findall(r"`([\w-]+)`", text))
