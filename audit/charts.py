"""Charts that are installed, however they are delivered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from audit.resources import Object, Registry

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Release:
    """One installation of a chart."""

    chart: str
    name: str
    namespace: str
    values: Values

    def value(self, path: str, default: Any = None) -> Any:
        """A value by its dotted path."""
        found: Any = self.values
        for key in path.split("."):
            if not isinstance(found, Mapping) or key not in found:
                return default
            found = found[key]
        return found


def releases(registry: Registry) -> list[Release]:
    """Every chart that is installed, however it is delivered."""
    found = [
        Release(
            str(item.spec.get("chart", "")).rpartition("/")[2],
            item.name,
            str(item.spec.get("targetNamespace") or item.namespace),
            _yaml(item.spec.get("valuesContent")),
        )
        for item in registry.objects("HelmChart", group="helm.cattle.io")
    ]
    found += [
        # Of a chart that K3s brings along, its settings alone are registered.
        Release(item.name, item.name, item.namespace, _yaml(item.spec.get("valuesContent")))
        for item in registry.objects("HelmChartConfig", group="helm.cattle.io")
    ]
    found += [_helm_release(item) for item in registry.of("kubernetes:helm.sh/v3:Release")]
    found += [_flux(item) for item in registry.objects("HelmRelease", group="helm.toolkit.fluxcd.io")]
    found += [item for app in registry.objects("Application", group="argoproj.io") for item in _argo(app)]
    return found


@lru_cache(maxsize=256)
def _parsed(text: str) -> Values:
    """The same values are read once per process: parsing YAML is what takes longest in reading a stack."""
    loaded = yaml.safe_load(text)
    return loaded if isinstance(loaded, Mapping) else {}


def _yaml(text: Any) -> Values:
    return _parsed(text) if isinstance(text, str) else {}


def _helm_release(item: Any) -> Release:
    values = item.values
    return Release(
        str(values.get("chart", "")).rpartition("/")[2],
        str(values.get("name") or item.name),
        str(values.get("namespace") or "default"),
        values.get("values") or {},
    )


def _flux(item: Object) -> Release:
    spec = item.spec
    chart = ((spec.get("chart") or {}).get("spec") or {}).get("chart", "")
    return Release(
        str(chart),
        str(spec.get("releaseName") or item.name),
        str(spec.get("targetNamespace") or item.namespace),
        spec.get("values") or {},
    )


def _argo(item: Object) -> Iterator[Release]:
    namespace = str((item.spec.get("destination") or {}).get("namespace") or item.namespace)
    for source in item.spec.get("sources") or [item.spec.get("source") or {}]:
        if source.get("chart"):
            helm = source.get("helm") or {}
            values = helm.get("valuesObject") or _yaml(helm.get("values"))
            yield Release(str(source["chart"]), str(helm.get("releaseName") or item.name), namespace, values)
