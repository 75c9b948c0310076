"""What a stack registered, as a real cluster would get it: its objects, and how its API server is started."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.state import Resource
from sandbox.values import plain
from tests.cluster.api import Object

K3S_CONFIGURATION: Final = "/etc/rancher/k3s/config.yaml"


def objects(resources: Iterable[Resource]) -> list[Object]:
    """The Kubernetes objects in the order of their creation, secrets in the clear; no releases of charts."""
    found = [plain(one.inputs) for one in resources if one.custom and one.type.startswith("kubernetes:")]
    return [one for one in found if "kind" in one]


def api_server_arguments(resources: Iterable[Resource], place: Path) -> list[str]:
    """What the machines' user data adds to the API server; the files that it names are written below ``place``.

    Empty for a cluster whose control plane is not on the stack's own machines.
    """
    machines = list(resources)
    fetched = {path: text for resource in machines for path, text in _bundle(resource)}
    for resource in machines:
        text = _user_data(resource)
        if text is None:
            continue
        booted = yaml.safe_load(text)
        files = {**fetched, **{file["path"]: file["content"] for file in booted["write_files"]}}
        configuration: dict[str, Any] = yaml.safe_load(files.get(K3S_CONFIGURATION, "{}"))
        if "kube-apiserver-arg" in configuration:
            own = [_moved(argument, files, place) for argument in configuration["kube-apiserver-arg"]]
            return [*own, f"--service-cluster-ip-range={configuration['service-cidr']}"]
    return []


def _user_data(resource: Resource) -> str | None:
    """What a machine boots with. Absent: the resource is no machine."""
    if resource.type == "aws:ec2/launchTemplate:LaunchTemplate":
        encoded: str | None = plain(resource.inputs).get("userData")
        return b64decode(encoded).decode() if encoded else None
    if resource.type == "aws:ec2/instance:Instance":
        text: str | None = plain(resource.inputs).get("userData")
        return text
    return None


def _bundle(resource: Resource) -> list[tuple[str, str]]:
    """The files that machines fetch at their first boot."""
    if resource.type != "aws:secretsmanager/secretVersion:SecretVersion":
        return []
    text = plain(resource.inputs).get("secretString", "")
    if not text.startswith('{"files":'):
        return []
    return [(file["path"], file["content"]) for file in json.loads(text)["files"]]


def _moved(argument: str, files: dict[str, str], place: Path) -> str:
    """``name=value`` as an option; a path moves below ``place``, with what the machine has there."""
    name, _, value = argument.partition("=")
    if not value.startswith("/"):
        return f"--{argument}"
    path = place / value.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    if value in files:
        path.write_text(files[value])
    return f"--{name}={path}"


def label(manifest: Object) -> str:
    """How a message names an object."""
    metadata = manifest["metadata"]
    return " ".join((manifest["kind"], "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))))


def of_kind(found: Iterable[Object], *kinds: str) -> list[Object]:
    """The objects of some kinds."""
    return [one for one in found if one["kind"] in kinds]


def definitions(folder: Path) -> Sequence[Object]:
    """The CustomResourceDefinitions in a folder's YAML files."""
    documents = [
        document
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.load_all(path.read_bytes(), yaml.CSafeLoader)
    ]
    return of_kind(filter(None, documents), "CustomResourceDefinition")


def defining(definitions: Iterable[Object], objects: Iterable[Object]) -> list[Object]:
    """The definitions of the kinds that occur among objects. Every definition that is not served saves seconds."""
    used = {(one["apiVersion"].partition("/")[0], one["kind"]) for one in objects}
    return [one for one in definitions if (one["spec"]["group"], one["spec"]["names"]["kind"]) in used]
