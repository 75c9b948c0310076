"""What a stack registered, to be asked by type, by name and by reference. Read only."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import yaml

from sandbox.state import STACK_TYPE, Resource
from sandbox.values import plain
from tests.e2e.bench import Bench

Manifest = dict[str, Any]


def short(token: str) -> str:
    """``aws:ec2/subnet:Subnet`` -> ``ec2.Subnet``; ``kubernetes:apps/v1:Deployment`` -> ``Deployment``."""
    package, module, kind = token.split(":")
    return kind if package == "kubernetes" else f"{module.split('/')[0]}.{kind}"


@dataclass(frozen=True)
class Chart:
    """An add-on as K3s' Helm controller gets it, or as whoever runs the update installs it."""

    name: str
    namespace: str
    chart: str
    version: str
    spec: Mapping[str, Any]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Machine:
    """What a machine does at its first boot: files by path, commands, and its settings."""

    files: Mapping[str, str]
    commands: tuple[tuple[str, ...], ...]
    settings: Mapping[str, str]


class Registered:
    """The resources of one stack, secrets in the clear."""

    def __init__(self, bench: Bench, stack: str) -> None:
        self.stack = stack
        self.resources = [
            replace(resource, inputs=plain(resource.inputs), outputs=plain(resource.outputs))
            for resource in bench.resources(stack)
        ]

    def __repr__(self) -> str:
        return f"<{self.stack}>"

    @cached_property
    def _by_kind(self) -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for resource in self.resources:
            if resource.type.count(":") == 2:
                found.setdefault(short(resource.type), []).append(resource)
        return found

    @property
    def kinds(self) -> set[str]:
        """Every kind of resource that there is."""
        return set(self._by_kind)

    @property
    def outputs(self) -> dict[str, Any]:
        """What the stack exports."""
        (root,) = [resource for resource in self.resources if resource.type == STACK_TYPE]
        return root.outputs

    def all(self, kind: str, **inputs: Any) -> list[Resource]:
        """The resources of a kind whose inputs have these values."""
        return [
            resource
            for resource in self._by_kind.get(kind, ())
            if all(resource.inputs.get(key) == value for key, value in inputs.items())
        ]

    def one(self, kind: str, **inputs: Any) -> Resource:
        """The only one."""
        found = self.all(kind, **inputs)
        assert len(found) == 1, f"{len(found)} x {kind} with {inputs} in {self.stack}, expected one"
        return found[0]

    def by_id(self, kind: str, identity: str) -> Resource:
        """The resource of a kind with this id."""
        (found,) = [resource for resource in self._by_kind.get(kind, ()) if resource.id == identity]
        return found

    def manifests(self, kind: str, namespace: str | None = None) -> dict[str, Manifest]:
        """Kubernetes objects of a kind by name, of one namespace or by ``namespace/name``."""
        found = {}
        for resource in self._by_kind.get(kind, ()):
            metadata = resource.inputs["metadata"]
            if namespace is None:
                found["/".join(filter(None, (metadata.get("namespace"), metadata["name"])))] = resource.inputs
            elif metadata.get("namespace") == namespace:
                found[metadata["name"]] = resource.inputs
        return found

    def manifest(self, kind: str, namespace: str, name: str) -> Manifest:
        """One Kubernetes object."""
        return self.manifests(kind, namespace)[name]

    def spec(self, kind: str, namespace: str, name: str) -> Any:
        """The ``spec`` of one Kubernetes object."""
        return self.manifest(kind, namespace, name)["spec"]

    def workload(self, namespace: str, name: str) -> Manifest:
        """The object that runs a service, however its versions take over."""
        return next(
            found[name] for kind in ("Deployment", "Rollout") if name in (found := self.manifests(kind, namespace))
        )

    @cached_property
    def charts(self) -> dict[str, Chart]:
        """The add-ons by name."""
        found = {}
        for name, item in self.manifests("HelmChart", "kube-system").items():
            spec = item["spec"]
            values = yaml.safe_load(spec.get("valuesContent", "")) or {}
            found[name] = Chart(name, spec["targetNamespace"], spec["chart"], spec["version"], spec, values)
        for release in self.all("Release"):
            spec = release.inputs
            values = spec.get("values") or {}
            found[spec["name"]] = Chart(spec["name"], spec["namespace"], spec["chart"], spec["version"], spec, values)
        return found

    def pods(self) -> Iterator[tuple[str, str, Manifest]]:
        """Kind, ``namespace/name`` and pod template of everything that runs pods."""
        for kind in ("Deployment", "Rollout", "StatefulSet", "DaemonSet", "Job"):
            for name, item in self.manifests(kind).items():
                yield kind, name, item["spec"]["template"]
        for name, item in self.manifests("CronJob").items():
            yield "CronJob", name, item["spec"]["jobTemplate"]["spec"]["template"]


def containers(template: Manifest) -> list[Manifest]:
    """The containers of a pod template, those that run first included."""
    spec = template["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def environment(container: Manifest) -> dict[str, Any]:
    """Variable -> its text, (secret, key), or the field of the pod that it repeats."""
    found: dict[str, Any] = {}
    for item in container.get("env", ()):
        if "value" in item:
            found[item["name"]] = item["value"]
        else:
            (source,) = item["valueFrom"].values()
            found[item["name"]] = (source["name"], source["key"]) if "key" in source else source["fieldPath"]
    return found


def machine(user_data: str) -> Machine:
    """Read cloud-init user data, as it is or in base64."""
    text = user_data if user_data.startswith("#") else base64.b64decode(user_data).decode()
    assert text.startswith("#cloud-config\n")
    document = yaml.safe_load(text)
    files = {item["path"]: item["content"] for item in document["write_files"]}
    (settings,) = [content for path, content in files.items() if path.endswith("/host.env")]
    pairs = (line.split("=", 1) for line in settings.splitlines() if line)
    return Machine(
        files,
        tuple(tuple(command) for command in document.get("runcmd", ())),
        {key: value.strip("'") for key, value in pairs},
    )


def bundle(content: str) -> dict[str, str]:
    """Path -> text of the files that a machine fetches."""
    return {item["path"]: item["content"] for item in json.loads(content)["files"]}
