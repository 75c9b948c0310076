"""Reading of object bodies in which any value may be missing or, during a preview, unknown.

Rules are written for what is there: a value that is absent, unknown or of the wrong type (the schema
reports that one) reads as nothing, so that no rule fires on what nobody knows yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sandbox.provider import UNKNOWN, ResourceError

Body: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """What is wrong and where; ``path`` is ``spec.ports[0].name`` style."""

    path: str
    message: str
    remedy: str = ""

    def under(self, prefix: str) -> Problem:
        """The same problem seen from the object that holds ``prefix``."""
        return Problem(f"{prefix}.{self.path}" if self.path else prefix, self.message, self.remedy)


Problems: TypeAlias = Iterator[Problem]


def refuse(problems: Iterator[Problem] | Sequence[Problem]) -> None:
    """Raise one :class:`ResourceError` that tells every problem; nothing when there is none."""
    found = list(dict.fromkeys(problems))
    if not found:
        return
    remedy = "; ".join(dict.fromkeys(problem.remedy for problem in found if problem.remedy))
    if len(found) == 1:
        raise ResourceError(found[0].message, path=found[0].path, remedy=remedy)
    lines = [f"{problem.path}: {problem.message}" if problem.path else problem.message for problem in found]
    raise ResourceError(f"{len(found)} problems: " + "; ".join(lines), remedy=remedy)


def dig(value: Any, *names: str) -> Any:
    """The value under nested keys; None when any is missing, UNKNOWN when any is unknown."""
    for name in names:
        if value is UNKNOWN:
            return UNKNOWN
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def mapping(value: Any, *names: str) -> Mapping[str, Any]:
    """The mapping under nested keys, or an empty one."""
    found = dig(value, *names)
    return found if isinstance(found, Mapping) else {}


def items(value: Any, *names: str) -> Sequence[Any]:
    """The known items of the list under nested keys."""
    found = dig(value, *names)
    return [item for item in found if item is not UNKNOWN] if isinstance(found, list) else ()


def text(value: Any, *names: str) -> str | None:
    """The string under nested keys."""
    found = dig(value, *names)
    return found if isinstance(found, str) else None


def number(value: Any, *names: str) -> int | None:
    """The integer under nested keys."""
    found = dig(value, *names)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def enumerated(value: Any, path: str, *names: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The mappings in the list under nested keys, each with its path."""
    found = dig(value, *names)
    where = ".".join((path, *names)) if path else ".".join(names)
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if isinstance(item, Mapping):
            yield f"{where}[{index}]", item


def strings(value: Any, *names: str) -> dict[str, str]:
    """The known string entries of the mapping under nested keys (labels, annotations, node selectors)."""
    return {key: item for key, item in mapping(value, *names).items() if isinstance(item, str)}
