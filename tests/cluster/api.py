"""A Kubernetes API over HTTP, as far as the tests need it: what the server says, kept word for word."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import requests

Object = dict[str, Any]

APPLY: Final = "apply-patch+yaml"
MERGE: Final = "merge-patch+json"
STRATEGIC: Final = "strategic-merge-patch+json"
"""By key where a list is a map: one condition of a status is changed, the others stay."""
SECONDS: Final = 30
SETTLED_SECONDS: Final = 120
NOT_FOUND: Final = 404
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


def local_session() -> requests.Session:
    """For servers on this machine: the environment's proxies and authorities are for others."""
    session = requests.Session()
    session.trust_env = False
    return session


class Refused(Exception):
    """The server's answer to a request that it did not accept."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Api:
    """One API server."""

    url: str
    token: str
    certificate: Path
    """What its TLS certificate is checked by."""

    @cached_property
    def _session(self) -> requests.Session:
        session = local_session()
        session.headers["Authorization"] = f"Bearer {self.token}"
        session.verify = str(self.certificate)
        return session

    @cached_property
    def _kinds(self) -> dict[tuple[str, str], tuple[str, bool]]:
        """(apiVersion, kind) -> (plural, namespaced), of what was asked for so far."""
        return {}

    def ready(self) -> bool:
        return self._session.get(f"{self.url}/readyz", timeout=SECONDS).ok

    def send(self, method: str, path: str, body: Any = None, patch: str = "", **parameters: str) -> requests.Response:
        """One request; :class:`Refused` for anything but success. ``patch``: the type of a PATCH, a constant above."""
        headers = {"Content-Type": f"application/{patch}"} if patch else {}
        response = self._session.request(
            method, f"{self.url}{path}", json=body, headers=headers, params=parameters, timeout=SECONDS
        )
        if not response.ok:
            try:
                message = str(response.json()["message"])
            except (ValueError, KeyError):
                message = response.text
            raise Refused(response.status_code, message)
        return response

    def get(self, path: str) -> Object:
        found: Object = self.send("GET", path).json()
        return found

    def path(self, api_version: str, kind: str, namespace: str = "", name: str = "") -> str:
        """Where objects of a kind are. Raises :class:`Refused` when the server does not serve it."""
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if (api_version, kind) not in self._kinds:
            for resource in self.get(root)["resources"]:
                if "/" not in resource["name"]:
                    self._kinds[api_version, resource["kind"]] = (resource["name"], resource["namespaced"])
        if (api_version, kind) not in self._kinds:
            raise Refused(404, f"the server serves no {kind} of {api_version}")
        plural, namespaced = self._kinds[api_version, kind]
        parts = [root, *(("namespaces", namespace) if namespaced and namespace else ()), plural, name]
        return "/".join(part for part in parts if part)

    def path_of(self, manifest: Mapping[str, Any]) -> str:
        """Where an object is."""
        metadata = manifest["metadata"]
        return self.path(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])

    def apply(self, manifest: Mapping[str, Any], **parameters: str) -> tuple[Object, list[str]]:
        """Apply an object on the server's side, no unknown field allowed; answers what it became, and the warnings."""
        response = self.send(
            "PATCH",
            self.path_of(manifest),
            manifest,
            patch=APPLY,
            fieldManager="wheelhouse",
            fieldValidation="Strict",
            **parameters,
        )
        warnings = _WARNING.findall(response.headers.get("Warning", ""))
        return response.json(), [text.replace('\\"', '"') for text in warnings]

    def list(self, api_version: str, kind: str, namespace: str = "") -> list[Object]:
        """The objects of a kind, everywhere or in one namespace."""
        found: list[Object] = self.get(self.path(api_version, kind, namespace))["items"]
        return [{"apiVersion": api_version, "kind": kind, **one} for one in found]

    def wait_for(self, manifest: Mapping[str, Any], holds: Callable[[Object], bool] = bool) -> None:
        """Wait until something holds of the live object, or until it is there at all; AssertionError if it never is.

        A controller that met conflicts on a busy machine takes up its work again after a minute or more.
        """
        deadline = time.monotonic() + SETTLED_SECONDS
        live: Object = {}
        while not (live and holds(live)):
            assert time.monotonic() < deadline, f"not within {SETTLED_SECONDS} s: {live or manifest}"
            try:
                live = self.get(self.path_of(manifest))
            except Refused as refused:
                if refused.status != NOT_FOUND:
                    raise
            time.sleep(0.05)
