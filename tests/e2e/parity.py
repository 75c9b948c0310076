"""What two engines registered for one program, made comparable: what providers made up is replaced by who made it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sandbox.provider import Secret
from sandbox.state import STACK_TYPE, Resource, split_reference, urn_name
from sandbox.values import plain

ENGINES_OWN: Final = "::pulumi:providers:pulumi::default"
"""The CLI's provider of StackReferences; the sandbox needs none."""

SHORTEST: Final = 8
"""Characters of a made-up value: ids, ARNs, addresses, names. Shorter ones would match by accident."""

AUTOMATIC_NAME: Final = re.compile(r"^(?P<start>.+)-[0-9a-f]{7}$")
IMAGE: Final = r"\bami-[0-9a-f]{17}\b"
"""The one value that the program asks the account for: the newest machine image."""

OPAQUE: Final = r"-----BEGIN [A-Z ]+-----(?s:.*?)-----END [A-Z ]+-----\n?|[A-Za-z0-9+/]{20,}={0,2}"
"""Keys, certificates, tokens, digests and salts, where a text was computed from one that was made up."""

DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "tls:index/privateKey:PrivateKey": {"ecdsaCurve": "P224", "rsaBits": 2048},
    "tls:index/selfSignedCert:SelfSignedCert": {
        "earlyRenewalHours": 0,
        "isCaCertificate": False,
        "maxPathLength": -1,
        "setAuthorityKeyId": False,
        "setSubjectKeyId": False,
    },
    "tls:index/locallySignedCert:LocallySignedCert": {
        "earlyRenewalHours": 0,
        "isCaCertificate": False,
        "maxPathLength": -1,
        "setSubjectKeyId": False,
    },
}
"""Documented defaults that a provider may write into the inputs, or leave out."""


class Registered:
    """One engine's stack."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        found = [resource for resource in resources if not resource.urn.endswith(ENGINES_OWN)]
        self.resources = {resource.urn: resource for resource in found}
        written = "\n".join(text for resource in found for text in _written(resource))
        self._made_up = {
            resource.urn: {made for made in _made_up(resource) if made not in written} for resource in found
        }

    def facts(self, urn: str) -> dict[str, Any]:
        """Everything about a resource that the program decides."""
        resource = self.resources[urn]
        provider = split_reference(resource.provider)[0]
        return {
            "custom": resource.custom,
            "external": resource.external,
            "parent": resource.parent,
            "provider": provider if provider in self.resources else "",
            "protect": resource.protect,
            "retainOnDelete": resource.retain_on_delete,
            "deletedWith": resource.deleted_with,
            "dependencies": sorted(resource.dependencies),
            "propertyDependencies": {k: sorted(v) for k, v in resource.property_dependencies.items() if v},
            "additionalSecretOutputs": sorted(resource.additional_secret_outputs),
            "customTimeouts": resource.custom_timeouts,
            **{f"inputs.{key}": value for key, value in self._inputs(resource)},
        }

    def outputs(self) -> dict[str, bool]:
        """The stack's outputs, and whether each is secret."""
        (root,) = [resource for resource in self.resources.values() if resource.type == STACK_TYPE]
        return {name: isinstance(value, Secret) for name, value in root.outputs.items()}

    def _inputs(self, resource: Resource) -> Iterator[tuple[str, Any]]:
        defaults = DEFAULTS.get(resource.type, {})
        for key, value in resource.inputs.items():
            own = key.startswith("__") or (key in defaults and value == defaults[key])
            if not own and not _automatic(resource, value):
                yield key, self._readable(value, self._names(resource.property_dependencies.get(key, ())))

    def _names(self, sources: Iterable[str]) -> dict[str, str]:
        """Made-up value -> the resource that it comes from, for all that the sources depend on."""
        names: dict[str, str] = {}
        waiting, seen = list(sources), set(sources)
        for urn in waiting:
            for made in self._made_up.get(urn, ()):
                names.setdefault(made, f"<{urn_name(urn)}>")
            resource = self.resources.get(urn)
            further = resource.property_dependencies.values() if resource else ()
            for source in sorted({found for urns in further for found in urns} - seen):
                seen.add(source)
                waiting.append(source)
        return names

    def _readable(self, value: Any, names: Mapping[str, str]) -> Any:
        """A value with names in place of what its sources made up; secrets stay told from others."""
        if isinstance(value, Secret):
            return {"secret": self._readable(value.value, names)}
        if isinstance(value, dict):
            return {key: self._readable(item, names) for key, item in value.items()}
        if isinstance(value, list):
            return [self._readable(item, names) for item in value]
        if not isinstance(value, str):
            return value
        known = "|".join(re.escape(made) for made in sorted(names, key=lambda made: (-len(made), made)))
        return re.sub(f"{known}|{OPAQUE}" if names else IMAGE, lambda found: names.get(found[0], "<opaque>"), value)


def _written(resource: Resource) -> Iterator[str]:
    """What the program itself says about a resource."""
    for key, value in resource.inputs.items():
        if not resource.property_dependencies.get(key) and not _automatic(resource, value):
            yield from _texts(value)


def _made_up(resource: Resource) -> set[str]:
    """What the provider answered beyond what it was given, and the names it gave."""
    given = {text for value in resource.inputs.values() if not _automatic(resource, value) for text in _texts(value)}
    return {text for text in (resource.id, *_texts(resource.outputs)) if len(text) >= SHORTEST} - given


def _texts(value: Any) -> Iterator[str]:
    value = plain(value)
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _automatic(resource: Resource, value: Any) -> bool:
    """A name that the provider made from the resource's own and seven hexadecimal digits."""
    found = AUTOMATIC_NAME.match(value) if isinstance(value, str) else None
    return found is not None and resource.name.startswith(found["start"])


def differences(one: Registered, other: Registered) -> list[str]:
    """What differs, one line each: the resource, what of it, and both values."""
    lines = [f"only in the one: {urn}" for urn in sorted(one.resources.keys() - other.resources.keys())]
    lines += [f"only in the other: {urn}" for urn in sorted(other.resources.keys() - one.resources.keys())]
    for urn in sorted(one.resources.keys() & other.resources.keys()):
        ours, theirs = one.facts(urn), other.facts(urn)
        lines += [
            f"{urn} {fact}: {ours.get(fact)!r} and {theirs.get(fact)!r}"
            for fact in sorted(ours.keys() | theirs.keys())
            if ours.get(fact) != theirs.get(fact)
        ]
    return lines
