"""Helm charts, in the four ways that an object can ask for one, and the rules of each.

K3s' ``HelmChart``, the provider's ``Release``, Flux' ``HelmRelease`` and Argo CD's ``Application``.
Charts are not rendered; what is known of one is its name, its values and where it goes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from sandbox.kubernetes.access import Body, Problem, Problems, dig, enumerated, items, mapping, strings, text
from sandbox.kubernetes.names import label_problem
from sandbox.kubernetes.store import Entry, View
from sandbox.provider import UNKNOWN

RELEASE_NAME_LENGTH: Final = 53
"""Helm's own limit: names of objects are built from it."""

_ARCHIVE: Final = re.compile(r"-v?\d+\.\d+\.\d+[^/]*\.tgz$")


@dataclass(frozen=True)
class Installed:
    """One chart that an object installs."""

    chart: str
    release: str
    namespace: str
    creates_namespace: bool
    values: Any
    """A mapping; UNKNOWN while nobody knows it."""


def installed(view: View) -> Iterator[Installed]:
    """Every chart that the objects of a view install."""
    for entry in view.of_kind("helm.cattle.io", "HelmChart"):
        yield from _helm_chart(entry)
    for entry in view.of_kind("helm.sh", "Release"):
        yield from _release(entry)
    for entry in view.of_kind("helm.toolkit.fluxcd.io", "HelmRelease"):
        yield from _flux(entry, view)
    for entry in view.of_kind("argoproj.io", "Application"):
        yield from _argo(entry)


def chart_name(reference: str) -> str:
    """``oci://ghcr.io/x/charts/keda`` -> ``keda``; ``https://x/base-1.30.3.tgz`` -> ``base``."""
    return _ARCHIVE.sub("", reference.rstrip("/").rpartition("/")[2])


@functools.lru_cache(maxsize=4096)
def _parsed(content: str) -> Mapping[str, Any] | None:
    """Values written as YAML; None when they are not a mapping."""
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError:
        return None
    return {} if found is None else found if isinstance(found, dict) else None


def _helm_chart(entry: Entry) -> Iterator[Installed]:
    spec = mapping(entry.body, "spec")
    if chart := text(spec, "chart"):
        values: Any = UNKNOWN
        if dig(spec, "valuesContent") is not UNKNOWN:
            values = dict(_parsed(text(spec, "valuesContent") or "") or {})
            for path, value in mapping(spec, "set").items():
                _assign(values, path, value)
        target = text(spec, "targetNamespace") or entry.key.namespace
        creates = spec.get("createNamespace") is True
        yield Installed(chart_name(chart), entry.key.name, target, creates, values)


def _assign(values: dict[str, Any], path: str, value: Any) -> None:
    """Apply one ``--set``: a dotted path; ``true`` and ``false`` become booleans."""
    *steps, last = path.split(".")
    for step in steps:
        child = values.get(step)
        inner = dict(child) if isinstance(child, dict) else {}
        values[step] = inner
        values = inner
    values[last] = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _release(entry: Entry) -> Iterator[Installed]:
    spec = mapping(entry.body, "spec")
    if chart := text(spec, "chart"):
        creates = spec.get("createNamespace") is True
        values = spec.get("values", {})
        yield Installed(chart_name(chart), entry.key.name, entry.key.namespace, creates, values)


def _flux(entry: Entry, view: View) -> Iterator[Installed]:
    spec = mapping(entry.body, "spec")
    chart = text(spec, "chart", "spec", "chart")
    if chart is None and (reference := text(spec, "chartRef", "name")):
        urls = [
            text(source.body, "spec", "url")
            for source in view.of_kind("source.toolkit.fluxcd.io", "OCIRepository")
            if source.key.name == reference
        ]
        chart = next((url for url in urls if url), reference)
    if chart:
        target = text(spec, "targetNamespace") or entry.key.namespace
        release = text(spec, "releaseName") or entry.key.name
        creates = dig(spec, "install", "createNamespace") is True
        yield Installed(chart_name(chart), release, target, creates, spec.get("values", {}))


def _argo(entry: Entry) -> Iterator[Installed]:
    spec = mapping(entry.body, "spec")
    creates = "CreateNamespace=true" in items(spec, "syncPolicy", "syncOptions")
    target = text(spec, "destination", "namespace") or entry.key.namespace
    sources = [mapping(spec, "source"), *(source for _, source in enumerated(spec, "", "sources"))]
    for source in sources:
        if chart := text(source, "chart"):
            helm = mapping(source, "helm")
            values = mapping(helm, "valuesObject") or _parsed(text(helm, "values") or "") or {}
            release = text(helm, "releaseName") or entry.key.name
            yield Installed(chart_name(chart), release, target, creates, values)


def helm_chart_problems(body: Body) -> Problems:
    """A K3s HelmChart names its chart and has values that are YAML."""
    spec = mapping(body, "spec")
    if not {"chart", "chartContent"} & spec.keys() and dig(body, "spec") is not UNKNOWN:
        yield Problem("spec.chart", "is required")
    target = text(spec, "targetNamespace")
    if target and (problem := label_problem(target)):
        yield Problem("spec.targetNamespace", problem)
    content = text(spec, "valuesContent")
    if content is not None and _parsed(content) is None:
        yield Problem("spec.valuesContent", "is not a YAML mapping")


def helm_chart_config_problems(body: Body) -> Problems:
    """A K3s HelmChartConfig has values that are YAML."""
    content = text(body, "spec", "valuesContent")
    if content is not None and _parsed(content) is None:
        yield Problem("spec.valuesContent", "is not a YAML mapping")


def release_problems(inputs: Body) -> Problems:
    """A Release has a name that Helm takes."""
    name = text(inputs, "name")
    if name is None:
        return
    if len(name) > RELEASE_NAME_LENGTH:
        yield Problem("name", f"{name!r} has {len(name)} characters; a release has at most {RELEASE_NAME_LENGTH}")
    elif problem := label_problem(name):
        yield Problem("name", problem)


def storage_classes(view: View) -> set[str]:
    """StorageClasses that charts make from their ``storageClasses`` values (aws-ebs-csi-driver does)."""
    return {
        name
        for chart in installed(view)
        for one in items(chart.values, "storageClasses")
        if (name := strings(one).get("name"))
    }
