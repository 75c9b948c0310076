"""Names, labels and annotations: the syntax and lengths that the API server enforces.

Source: k8s.io/apimachinery ``pkg/util/validation`` and the controllers' label limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from sandbox.kubernetes.access import Problem, Problems, mapping, strings, text
from sandbox.kubernetes.kinds import ObjectType
from sandbox.provider import UNKNOWN

LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SERVICE_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN: Final = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PORT_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LABEL_LENGTH: Final = 63
SUBDOMAIN_LENGTH: Final = 253
ANNOTATIONS_BYTES: Final = 256 * 1024

_AS_LABEL: Final = frozenset({("", "Namespace"), ("batch", "Job"), ("apps", "StatefulSet"), ("batch", "CronJob")})
_SHORTER: Final[Mapping[tuple[str, str], tuple[int, str]]] = {
    ("batch", "CronJob"): (52, "its Jobs' names add 11 characters"),
    ("apps", "StatefulSet"): (52, "its pods' controller-revision-hash label adds 11 characters"),
    ("helm.cattle.io", "HelmChart"): (50, "its Job is named helm-install-<name>"),
}
"""Names that controllers extend: the most characters a name may have, and why."""


def label_problem(name: str) -> str:
    """What keeps a string from being an RFC 1123 label; empty when nothing does."""
    if len(name) > LABEL_LENGTH:
        return f"{name!r} has {len(name)} characters; a label has at most {LABEL_LENGTH}"
    if not LABEL.fullmatch(name):
        return f"{name!r} is not an RFC 1123 label (lower-case letters, digits and '-', alphanumeric at both ends)"
    return ""


def subdomain_problem(name: str) -> str:
    """What keeps a string from being an RFC 1123 subdomain; empty when nothing does."""
    if len(name) > SUBDOMAIN_LENGTH:
        return f"{name!r} has {len(name)} characters; a subdomain has at most {SUBDOMAIN_LENGTH}"
    if not SUBDOMAIN.fullmatch(name):
        return f"{name!r} is not an RFC 1123 subdomain (lower-case letters, digits, '-' and '.')"
    return ""


def port_name_problem(name: str) -> str:
    """What keeps a string from being an IANA service name, as named ports must be; empty when nothing does."""
    if len(name) > 15:
        return f"port name {name!r} has {len(name)} characters; at most 15 are allowed"
    if not _PORT_NAME.fullmatch(name) or not any(letter.isalpha() for letter in name):
        return f"port name {name!r} is not an IANA service name (lower-case letters, digits, single '-', a letter)"
    return ""


def key_problem(key: str) -> str:
    """What keeps a string from being a label or annotation key; empty when nothing does."""
    prefix, slash, name = key.rpartition("/")
    if slash and (problem := subdomain_problem(prefix)):
        return f"key {key!r}: prefix {problem}"
    if not _QUALIFIED.fullmatch(name) or len(name) > LABEL_LENGTH:
        return f"key {key!r}: the name part is 1-63 letters, digits, '-', '_' and '.', starting and ending alphanumeric"
    return ""


def value_problem(value: str) -> str:
    """What keeps a string from being a label value; empty when nothing does."""
    if len(value) > LABEL_LENGTH:
        return f"value {value!r} has {len(value)} characters; a label value has at most {LABEL_LENGTH}"
    if value and not _QUALIFIED.fullmatch(value):
        return f"value {value!r} is not a label value (letters, digits, '-', '_', '.', alphanumeric at both ends)"
    return ""


def labels_problems(labels: Mapping[str, str], path: str) -> Problems:
    """Keys and values of a set of labels (also matchLabels and nodeSelector)."""
    for key, value in labels.items():
        for problem in (key_problem(key), value_problem(value)):
            if problem:
                yield Problem(path, problem)


def metadata_problems(type_: ObjectType, body: Mapping[str, Any]) -> Problems:
    """Name, labels and annotations of an object's metadata."""
    metadata = mapping(body, "metadata")
    name = metadata.get("name")
    if isinstance(name, str):
        yield from _name_problems(type_, name)
    elif name is not UNKNOWN:
        yield Problem("metadata.name", "is required")
    namespace = text(metadata, "namespace")
    if namespace and (problem := label_problem(namespace)):
        yield Problem("metadata.namespace", problem)
    yield from labels_problems(strings(metadata, "labels"), "metadata.labels")
    annotations = strings(metadata, "annotations")
    for key in annotations:
        if problem := key_problem(key.lower()):
            yield Problem("metadata.annotations", problem)
    if (size := sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())) > ANNOTATIONS_BYTES:
        yield Problem("metadata.annotations", f"{size} bytes are more than the {ANNOTATIONS_BYTES} allowed")


def _name_problems(type_: ObjectType, name: str) -> Problems:
    kind = (type_.group, type_.kind)
    if type_.group == "rbac.authorization.k8s.io":
        if name in (".", "..") or "/" in name or "%" in name:
            yield Problem("metadata.name", f"{name!r} contains '/' or '%', or is '.' or '..'")
        return
    if kind == ("", "Service"):
        if len(name) > LABEL_LENGTH or not SERVICE_LABEL.fullmatch(name):
            yield Problem("metadata.name", f"{name!r} is not an RFC 1035 label (at most 63, starting with a letter)")
        return
    problem = label_problem(name) if kind in _AS_LABEL else subdomain_problem(name)
    longest, why = _SHORTER.get(kind, (SUBDOMAIN_LENGTH, ""))
    if not problem and len(name) > longest:
        problem = f"{name!r} has {len(name)} characters; a {type_.kind} has at most {longest} ({why})"
    if problem:
        yield Problem("metadata.name", problem)
