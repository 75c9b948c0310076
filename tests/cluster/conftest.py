"""Each stack on a control plane of its own, applied object by object."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from model import OnRds, PostgreSQL
from stacks.settings import HUB, KEYS, Settings, validated
from tests.cluster import programs, stack
from tests.cluster.api import NOT_FOUND, Api, Object, Refused
from tests.cluster.control_plane import control_plane
from tests.cluster.stack import label
from tests.cluster.standins import Machines, inject_sidecars, released
from tests.conftest import ROOT
from tests.platforms import Platforms, platforms

__all__ = ["platforms"]

IN_CLUSTER = "-in-cluster"


@dataclass
class Deployed:
    """A stack that was applied, and what the server said to it."""

    api: Api
    machines: Machines
    objects: list[Object]
    configured: bool
    """Whether the stack says what the API server's own defaults are; on a managed control plane nobody does."""
    refused: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    unserved: list[Object] = field(default_factory=list)
    """Custom resources that were left out, as nothing defines their kinds."""

    def of_kind(self, *kinds: str) -> list[Object]:
        return stack.of_kind(self.objects, *kinds)

    @property
    def namespaces(self) -> set[str]:
        """Where the stack has objects."""
        return {one["metadata"].get("namespace", "") for one in self.objects} - {""}


@pytest.fixture(scope="session")
def built() -> None:
    """The control plane's programs, or the reason why not."""
    try:
        programs.require()
    except programs.Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def definitions() -> list[Object]:
    """The CustomResourceDefinitions of the add-ons; none when no folder is named."""
    folder = os.environ.get("CRDS_DIR")
    return list(stack.definitions(Path(folder))) if folder else []


def _declared() -> dict[str, Settings]:
    """The settings of every stack that is an environment."""
    found = {}
    for path in sorted(ROOT.glob("Pulumi.*.yaml")):
        configuration = {
            key.partition(":")[2]: value for key, value in yaml.safe_load(path.read_text())["config"].items()
        }
        values = {
            name: configuration[key] for key, name in {**KEYS, "region": "region"}.items() if key in configuration
        }
        stack_name = path.name.split(".")[1]
        settings = validated(values, stack_name)
        if settings.environment != HUB:
            found[stack_name] = settings
    return found


def _databases(settings: Settings) -> list[str]:
    """Those that may stand elsewhere; what a managed one does for its services, only it can do."""
    stores = [store for store in settings.declaration.stores if isinstance(store, PostgreSQL)]
    return [store.name for store in stores if not isinstance(store.placement, OnRds)]


def _cases() -> list[str]:
    """The first and the last environment of every system's table, as declared; the last also with its databases in
    the cluster. Those between differ from them in numbers only."""
    cases = []
    for name, settings in _declared().items():
        environments = list(settings.declaration.environments)
        if settings.environment in (environments[0], environments[-1]):
            cases.append(name)
        if settings.environment == environments[-1] and _databases(settings):
            cases.append(name + IN_CLUSTER)
    return cases


@pytest.fixture(scope="session", params=_cases())
def deployed(
    built: None,
    request: pytest.FixtureRequest,
    platforms: Platforms,
    definitions: list[Object],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:
    """Each case in turn."""
    case = str(request.param)
    name = case.removesuffix(IN_CLUSTER)
    moved = dict.fromkeys(_databases(_declared()[name]), "cluster") if name != case else {}
    settings = {"databases": json.dumps(moved)} if moved else None
    resources = platforms.bench(name, settings, case.removeprefix(name)).resources(name)
    place = tmp_path_factory.mktemp(case)
    arguments = stack.api_server_arguments(resources, place)
    with control_plane(place, arguments) as api:
        found = stack.objects(resources)
        found += [released(item) for item in stack.of_kind(found, "Rollout")]
        deployed = Deployed(api, Machines(api), found, bool(arguments))
        _define(api, stack.defining(definitions, deployed.objects))
        inject_sidecars(api)
        for manifest in deployed.objects:
            _apply(deployed, manifest, bool(definitions))
        yield deployed


def _define(api: Api, definitions: list[Object]) -> None:
    for definition in definitions:
        api.apply(definition)
    for definition in definitions:
        api.wait_for(definition, _established)


def _established(definition: Object) -> bool:
    conditions = definition.get("status", {}).get("conditions", ())
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _apply(deployed: Deployed, manifest: Object, defined: bool) -> None:
    """Apply an object as the engine does, which waits for what others are held by."""
    api = deployed.api
    try:
        _, warnings = api.apply(manifest)
    except Refused as refused:
        if refused.status == NOT_FOUND and not defined:
            deployed.unserved.append(manifest)
        else:
            deployed.refused[label(manifest)] = str(refused)
        return
    if warnings:
        deployed.warnings[label(manifest)] = warnings
    if manifest["kind"] == "ResourceQuota":
        api.wait_for(manifest, quota_in_force)


def quota_in_force(quota: Object) -> bool:
    """Whether what is used was counted: until then the server admits anything."""
    return bool(quota.get("status", {}).get("hard") == quota["spec"]["hard"])
