"""Container images: the application's, by the tags of the stack, and those of the stores, pinned here."""

from __future__ import annotations

from typing import Final

from derive import cloud
from derive.shapes import Deployment
from model import DeclarationError, Kafka, MySQL, PostgreSQL, RabbitMQ, Redis, Service

REDIS_PATCH: Final = {"7.4": "7.4.6", "8.2": "8.2.2"}
"""Newest patch of each Redis release in use (Docker Hub, library/redis)."""
REDIS_EXPORTER: Final = "oliver006/redis_exporter:v1.74.0"
MYSQL_PATCH: Final = {"8.4": "8.4.10"}
"""Newest patch of each MySQL release in use (Docker Hub, library/mysql)."""
MYSQL_EXPORTER: Final = "docker.io/prom/mysqld-exporter:v0.18.0"
KAFKA_PATCH: Final = {"4.3": "4.3.1"}
"""Newest patch of each Kafka release in use (Docker Hub, apache/kafka)."""
KAFKA_EXPORTER: Final = "docker.io/danielqsj/kafka-exporter:v1.9.0"
RABBITMQ_PATCH: Final = {"4.2": "4.2.9"}
"""Newest patch of each RabbitMQ release in use (Docker Hub, library/rabbitmq)."""
AWS_CLI: Final = "docker.io/amazon/aws-cli:2.37.5"
LOGCLI: Final = "docker.io/grafana/logcli:3.7.6"
"""Of Loki's own release; with a shell (Loki, cmd/logcli/Dockerfile)."""
HAPROXY: Final = "haproxy:3.2.19-alpine"
POSTGRES_EXPORTER: Final = "quay.io/prometheuscommunity/postgres-exporter:v0.20.1"
PGBACKREST: Final = "ghcr.io/woblerr/pgbackrest:2.58.0-alpine-v0.36"
"""pgBackRest itself publishes none. Of the libraries that the database's image has, too: musl and its like."""
PGBACKREST_EXPORTER: Final = "ghcr.io/woblerr/pgbackrest_exporter:v0.23.0"
PGBOUNCER: Final = "ghcr.io/cloudnative-pg/pgbouncer:1.25.2"
"""The image of the CloudNativePG project; PgBouncer itself publishes none."""
PGBOUNCER_EXPORTER: Final = "quay.io/prometheuscommunity/pgbouncer-exporter:v0.12.1"
MOVING_TAGS: Final = frozenset({"latest", "main", "master", "edge", "nightly", "stable", "dev"})
"""Tags that name another image tomorrow."""


def application_image(service: Service, deployment: Deployment) -> str:
    """``<registry>/<repository>:<tag>``; the registry is the stack's setting, else the platform's own, else left out.

    Raises DeclarationError for a moving tag where the environment accepts none: it could not be rolled back.
    """
    facts, system = deployment.facts, deployment.system
    tag = facts.tags.get(service.name, facts.default_tag)
    if tag in MOVING_TAGS and not deployment.environment.moving_tags:
        raise DeclarationError(
            f"service '{service.name}' has the moving tag '{tag}', which environment '{deployment.name}' refuses; "
            f"set an exact tag for '{service.name}' in the stack's settings"
        )
    where = facts.registry or (cloud.registry(facts.region) if system.platform.registry else "")
    prefix = f"{where}/" if where else ""
    return f"{prefix}{repository(service, system.name)}:{tag}"


def repository(service: Service, system: str) -> str:
    """Where the service's image is found in the registry."""
    return service.image or f"{system}/{service.name}"


def pull_policy(image: str) -> str:
    """A moving tag is asked for again at every start."""
    return "Always" if image.rsplit(":", 1)[-1] in MOVING_TAGS else "IfNotPresent"


def redis_image(store: Redis) -> str:
    return store.image or f"redis:{REDIS_PATCH.get(store.version, store.version)}-alpine"


def mysql_image(store: MySQL) -> str:
    return store.image or f"mysql:{MYSQL_PATCH.get(store.version, store.version)}"


def kafka_image(store: Kafka) -> str:
    return f"apache/kafka:{KAFKA_PATCH.get(store.version, store.version)}"


def rabbitmq_image(store: RabbitMQ) -> str:
    """The Ubuntu variant, whose user has the same number as its group."""
    return f"rabbitmq:{RABBITMQ_PATCH.get(store.version, store.version)}"


def postgres_image(store: PostgreSQL) -> str:
    return store.image or f"postgres:{store.version}-alpine"
