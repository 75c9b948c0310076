"""What every policy is made of: parameters with defaults, violations with a remedy, and how both meet the SDK.

A check is a generator of violations. It never decides levels and never formats messages. At preview, a value that is
not known yet makes the SDK skip a resource policy with a notice; a stack policy skips that one resource, and the update
decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

MANDATORY: Final = EnforcementLevel.MANDATORY
ADVISORY: Final = EnforcementLevel.ADVISORY


@dataclass(frozen=True)
class Violation:
    """What is wrong with one property, and what to do about it."""

    property: str
    problem: str
    remedy: str


@dataclass(frozen=True)
class Parameter:
    """One setting of a policy, as its schema and its readers see it."""

    name: str
    description: str
    default: Any
    schema: Mapping[str, Any]

    def of(self, args: ResourceValidationArgs | StackValidationArgs) -> Any:
        """The configured value, or the default."""
        return args.get_config().get(self.name, self.default)


def texts(name: str, description: str, default: Sequence[str] = ()) -> Parameter:
    """A list of texts."""
    return Parameter(name, description, list(default), {"type": "array", "items": {"type": "string"}})


def integers(name: str, description: str, default: Sequence[int]) -> Parameter:
    """A list of whole numbers."""
    return Parameter(name, description, list(default), {"type": "array", "items": {"type": "integer"}})


def integer(name: str, description: str, default: int, minimum: int) -> Parameter:
    """A whole number."""
    return Parameter(name, description, default, {"type": "integer", "minimum": minimum})


ResourceCheck = Callable[[ResourceValidationArgs], Iterator[Violation]]
StackCheck = Callable[[PolicyResource, StackValidationArgs], Iterator[Violation]]


def resource_policy(
    name: str,
    description: str,
    checks: Mapping[str, ResourceCheck],
    parameters: Sequence[Parameter] = (),
    level: EnforcementLevel = MANDATORY,
) -> ResourceValidationPolicy:
    """A policy on single resources: type -> check."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        check = checks.get(args.resource_type)
        for violation in check(args) if check else ():
            report(message(args.resource_type, args.name, violation), args.urn)

    return ResourceValidationPolicy(name, description, validate, level, _schema(parameters))


def stack_policy(
    name: str,
    description: str,
    checks: Mapping[str, StackCheck],
    parameters: Sequence[Parameter] = (),
    level: EnforcementLevel = MANDATORY,
) -> StackValidationPolicy:
    """A policy on resources among the others of their stack: type -> check."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for resource in args.resources:
            check = checks.get(resource.resource_type)
            try:
                found = list(check(resource, args)) if check else []
            except UnknownValueError:
                continue
            for violation in found:
                report(message(resource.resource_type, resource.name, violation), resource.urn)

    return StackValidationPolicy(name, description, validate, level, _schema(parameters))


def message(type_: str, name: str, violation: Violation) -> str:
    """What the user reads: the resource, the property, the problem, the remedy."""
    return f"{type_} '{name}': {violation.property} {violation.problem}; {violation.remedy}."


def _schema(parameters: Sequence[Parameter]) -> PolicyConfigSchema | None:
    properties = {
        item.name: {**item.schema, "description": item.description, "default": item.default} for item in parameters
    }
    return PolicyConfigSchema(properties) if properties else None


def at(value: Any, path: str) -> Any:
    """The value at ``a.b.c``; None where the path ends before."""
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def items(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The elements of the list at a path, each with its own path; a single object counts as a list of one."""
    found = at(value, path)
    if isinstance(found, Mapping):
        yield path, found
    elif isinstance(found, Sequence) and not isinstance(found, str):
        for index, item in enumerate(found):
            yield f"{path}[{index}]", item


def is_true(value: Any) -> bool:
    """True as providers write it: some fields of launch templates are texts."""
    return value is True or value == "true"


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name fits one of the shell patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def refers(resource: PolicyResource, key: str, target: PolicyResource, *names: str) -> bool:
    """Whether a property points to another resource of the stack: by dependency (all that a preview knows), or by one
    of the target's identifying outputs."""
    if target in resource.property_dependencies.get(key, ()):
        return True
    try:
        values = resource.props.get(key)
        found = [values] if isinstance(values, str) else list(values or ())
        return any(target.props.get(name) in found for name in names if target.props.get(name))
    except UnknownValueError:
        return False
