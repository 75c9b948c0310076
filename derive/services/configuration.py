"""A service's own settings: its ConfigMap, its Secret, and how its container gets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from derive import naming
from derive.shapes import SecretPlan
from manifests import core, pods
from manifests.base import Manifest
from model import Service, System

LOGS: Final = "512Mi"
"""Room for log files; a pod that fills it is evicted, so its writer must rotate."""


@dataclass(frozen=True)
class Settings:
    """What a container needs to read its settings."""

    sources: list[Manifest]
    """For ``envFrom``."""
    volumes: list[Manifest]
    mounts: list[Manifest]


def config_name(service: Service) -> str:
    return f"{service.name}-config"


def migrations_name(service: Service) -> str:
    return f"{service.name}-migrations"


def secret_name(service: Service) -> str:
    return f"{service.name}-secrets"


def settings(service: Service) -> Settings:
    """Variables and files, read-only; a directory for logs where the service writes its own."""
    config = config_name(service) if service.config else None
    secret = secret_name(service) if service.keys else None
    found = Settings(pods.all_values(config, secret), [], [])
    if config:
        found.volumes.append(pods.config_volume("config", config))
        found.mounts.append(pods.mount("config", f"/etc/{service.name}/config", read_only=True))
    if secret:
        found.volumes.append(pods.secret_volume("secrets", secret, list(service.keys)))
        found.mounts.append(pods.mount("secrets", f"/etc/{service.name}/secrets", read_only=True))
    if service.log_directory:
        found.volumes.append(pods.empty_dir("logs", LOGS))
        found.mounts.append(pods.mount("logs", service.log_directory))
    return found


def config_maps(service: Service, namespace: str) -> list[Manifest]:
    """Of its settings and of its migrations, where it has any."""
    named = ((config_name(service), service.config), (migrations_name(service), service.migrations))
    return [core.config_map(name, namespace, data) for name, data in named if data]


def secret(system: System, service: Service) -> SecretPlan | None:
    """Each key a generated value of its own."""
    if not service.keys:
        return None
    name = secret_name(service)
    return SecretPlan(
        name=name,
        namespace=naming.service_namespace(system, service),
        passwords={key: f"{name}-{key.lower().replace('_', '-')}" for key in service.keys},
    )
