"""Delivery by Flux: a Git repository that a cluster follows, layer by layer."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from model.base import DeclarationError, Declared, minutes

LayerName = Literal["infrastructure", "observability", "data", "apps"]
LAYERS: Final[tuple[LayerName, ...]] = get_args(LayerName)
"""Each stands on those before it."""
GITHUB: Final = (
    "github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    "github.com ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt"
    "5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=",
)
"""GitHub's own host keys (GitHub documentation, "GitHub's SSH key fingerprints")."""


class Flux(Declared):
    """Flux installs the add-ons by HelmReleases and follows a Git repository, which it reads with a generated deploy
    key. Which of the layers are applied from there, and which by the stack, is a setting of the stack."""

    kind: Literal["flux"] = "flux"
    repository: str = Field(pattern=r"^ssh://[a-z0-9-]+@[a-z0-9.-]+(:[0-9]+)?/.+$")
    branch: str = "main"
    path: str = Field("clusters", pattern=r"^[a-z0-9][a-z0-9/._-]*$")
    """The folder of the repository that holds a tree for each environment."""
    interval: timedelta = minutes(1)
    """How often Git is asked for changes; a revert takes as long to be seen."""
    layers: dict[LayerName, timedelta] = Field(
        default_factory=lambda: {"infrastructure": minutes(10), **dict.fromkeys(LAYERS[1:], minutes(5))}
    )
    """How often each layer is compared with the cluster."""
    releases: timedelta = minutes(30)
    """How often each HelmRelease is compared with the cluster."""
    retries: int = Field(3, ge=0)
    """Attempts after a failed installation or upgrade, which is undone each time."""
    known_hosts: tuple[str, ...] = ()
    """Host keys of the repository's server, as in SSH's known_hosts. Absent: GitHub's."""

    @property
    def host(self) -> str:
        """The repository's server."""
        return urlsplit(self.repository).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.repository).port or 22

    @property
    def keys(self) -> tuple[str, ...]:
        return self.known_hosts or GITHUB

    @model_validator(mode="after")
    def _knows_its_server(self) -> Flux:
        if not any(line.split(" ")[0] in (self.host, f"[{self.host}]:{self.port}") for line in self.keys):
            raise DeclarationError(
                f"platform.delivery.known_hosts has no key of '{self.host}', so Flux would refuse to speak to it; add "
                f"what 'ssh-keyscan {self.host}' prints, once you have checked it"
            )
        missing = [layer for layer in LAYERS if layer not in self.layers]
        if missing:
            raise DeclarationError(f"platform.delivery.layers has no '{missing[0]}'; say how often it is compared")
        return self
