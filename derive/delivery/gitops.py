"""Who applies what, where Flux follows a repository: each layer is the stack's or Git's, and never both. ADR 0017.

The stack always applies what the layers stand on: Flux itself with its sources, the namespaces, and everything that
concerns secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from derive import cloud
from derive.addons import flux
from derive.plan import SystemPlan
from derive.shapes import AddonPlan, Deployment, LayerOwner, Part
from derive.yaml_text import yaml_text
from manifests import core
from manifests.base import Manifest
from model import DeclarationError, Flux
from model.gitops import LAYERS, LayerName

HEADER: Final = "# Rendered by wheelhouse: a change belongs into the declaration.\n"
"""The first line of every file of a tree: what does not begin with it was written by people."""
OBJECTS: Final = "objects"
OWNER: Final = "owner.yaml"
NAMESPACE: Final = "Namespace"


@dataclass(frozen=True)
class Layer:
    """One layer of one environment."""

    name: LayerName
    owner: LayerOwner
    objects: tuple[Manifest, ...]


def owner_of(deployment: Deployment, layer: LayerName | None) -> LayerOwner:
    """Who applies a layer; what belongs to none is the stack's."""
    return deployment.facts.layers.get(layer, "stack") if layer else "stack"


def check(deployment: Deployment) -> None:
    """Refuse layers of a platform that follows no repository, and one in Git beneath one that the stack applies: the
    stack would have to wait for Flux."""
    owners = deployment.facts.layers
    delivery = deployment.system.platform.delivery
    if owners and not isinstance(delivery, Flux):
        raise DeclarationError(f"layers: system '{deployment.system.name}' follows no repository; remove the setting")
    for below, above in pairwise(LAYERS):
        if owner_of(deployment, below) == "git" and owner_of(deployment, above) != "git":
            raise DeclarationError(
                f"layers: '{below}' is in Git, but '{above}', which stands on it, is not; hand over '{above}' first"
            )


def layers(deployment: Deployment, plan: SystemPlan) -> tuple[Layer, ...]:
    """The objects of every layer, whoever applies it. ``plan``: the whole of it."""
    found: dict[LayerName, list[Manifest]] = {layer: [] for layer in LAYERS}
    for addon in plan.addons:
        if addon.layer:
            found[addon.layer] += [*addon.objects, *addon.settings]
    for layer, parts in _parts(plan).items():
        found[layer] += [item for part in parts for item in part.objects]
    return tuple(
        Layer(name, owner_of(deployment, name), tuple(item for item in objects if item["kind"] != NAMESPACE))
        for name, objects in found.items()
    )


def _parts(plan: SystemPlan) -> dict[LayerName, tuple[Part, ...]]:
    app = plan.application
    return {
        "infrastructure": app.namespaces,
        "observability": plan.observability,
        "data": app.stores,
        "apps": (*app.services, *app.edge),
    }


def registered(deployment: Deployment, plan: SystemPlan) -> SystemPlan:
    """The plan without what is Git's."""
    check(deployment)
    kept = {layer for layer in LAYERS if owner_of(deployment, layer) != "git"}
    if len(kept) == len(LAYERS):
        return plan
    addons = [addon for item in plan.addons if (addon := _addon(item, kept))]
    names = {addon.name for addon in addons}
    app = plan.application
    return replace(
        plan,
        addons=tuple(replace(item, requires=tuple(name for name in item.requires if name in names)) for item in addons),
        observability=plan.observability if "observability" in kept else (),
        application=replace(
            app,
            namespaces=app.namespaces if "infrastructure" in kept else tuple(_spaces(app.namespaces)),
            stores=app.stores if "data" in kept else (),
            services=app.services if "apps" in kept else (),
            edge=app.edge if "apps" in kept else (),
        ),
    )


def _addon(addon: AddonPlan, kept: set[LayerName]) -> AddonPlan | None:
    """The add-on, or what of it the stack keeps: its rights in the cloud are no objects of the cluster's."""
    if addon.layer is None or addon.layer in kept:
        return addon
    own = tuple(item for item in addon.objects if item["kind"] == NAMESPACE)
    return replace(addon, objects=own, settings=()) if own or addon.grants else None


def _spaces(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        own = tuple(item for item in part.objects if item["kind"] == NAMESPACE)
        if own:
            yield replace(part, objects=own)


def tree(deployment: Deployment, plan: SystemPlan) -> dict[str, str]:
    """Path -> text of what Flux follows for one environment, relative to the repository.

    A layer's folder holds all of its objects, as the stack registers them. Flux applies what ``kustomization.yaml``
    lists: of a layer in Git everything, of one that the stack applies the note alone that says so.
    Raises DeclarationError for a platform that follows no repository, and for an object in Git that names what only
    the stack knows.
    """
    delivery = deployment.system.platform.delivery
    if not isinstance(delivery, Flux):
        raise DeclarationError(
            f"system '{deployment.system.name}' follows no repository; set platform.delivery to Flux(...)"
        )
    check(deployment)
    files: dict[str, str] = {}
    for layer in layers(deployment, plan):
        home = f"{flux.tree(deployment, delivery)}/{layer.name}"
        written = {f"{OBJECTS}/{_file(item)}": item for item in layer.objects}
        listed = [OWNER]
        if layer.owner == "git":
            _refuse_references(layer)
            listed += sorted(written)
        files |= {f"{home}/{path}": _text(item) for path, item in written.items()}
        files[f"{home}/{OWNER}"] = _text(_note(deployment, layer))
        files[f"{home}/kustomization.yaml"] = _text(
            {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": listed}
        )
    return dict(sorted(files.items()))


def _note(deployment: Deployment, layer: Layer) -> Manifest:
    """Who applies a layer; it is Git's own object, so that no layer is ever empty."""
    return core.config_map(
        f"layer-{layer.name}",
        flux.NAMESPACE,
        {"owner": "git" if layer.owner == "git" else "stack", "stack": deployment.prefix},
    )


def _file(item: Manifest) -> str:
    metadata = item["metadata"]
    return f"{metadata.get('namespace', 'cluster')}/{item['kind'].lower()}-{metadata['name']}.yaml"


def _refuse_references(layer: Layer) -> None:
    for item in layer.objects:
        for reference in sorted(cloud.references(item)):
            raise DeclarationError(
                f"layer '{layer.name}' cannot be in Git: {item['kind']} '{item['metadata']['name']}' names "
                f"{reference}, which only the stack knows; leave the layer to the stack"
            )


def _text(item: Mapping[str, Any]) -> str:
    return HEADER + yaml_text(item)
