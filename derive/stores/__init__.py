"""Stores: what each kind is, in one module each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from derive import naming
from derive.cloud import Grant
from derive.stores import kafka, mysql, postgres, rabbitmq, redis
from derive.stores.kind import Member, Place, StoreKind
from model import Bucket, Kafka, MySQL, PostgreSQL, RabbitMQ, Redis, System
from model.stores import Store

KINDS: Final[Mapping[type, StoreKind[Any]]] = {
    Kafka: kafka.KIND,
    MySQL: mysql.KIND,
    PostgreSQL: postgres.KIND,
    RabbitMQ: rabbitmq.KIND,
    Redis: redis.KIND,
}


def kind_of(store: Store) -> StoreKind[Any]:
    """The derivation of a store's kind. A bucket has none: it runs nowhere."""
    return KINDS[type(store)]


def place_of(system: System, store: Store, hosts: Mapping[str, str], region: str = "") -> Place:
    """Where a store stands. ``hosts``: names of the stores outside the cluster."""
    users = system.users(store.name)
    return Place(
        host=hosts.get(store.name),
        namespace=naming.store_namespace(system, store),
        users=users,
        spaces={name: naming.service_namespace(system, system.service(name)) for name in users},
        system=system.name,
        topics=tuple(topic for topic in system.topics if topic.broker == store.name),
        region=region,
        migrating=tuple(name for name in users if system.service(name).migrations),
        buckets={bucket.name: bucket for bucket in system.stores if isinstance(bucket, Bucket)},
    )


def members(system: System, store: Store, hosts: Mapping[str, str], region: str = "") -> tuple[Member, ...]:
    """What of a store runs in the cluster; of a bucket nothing does."""
    if isinstance(store, Bucket):
        return ()
    found: tuple[Member, ...] = kind_of(store).members(store, place_of(system, store, hosts, region))
    return found


def grants(system: System, hosts: Mapping[str, str], region: str) -> tuple[Grant, ...]:
    """What the pods of the system's stores may do in the cloud."""
    return tuple(
        grant
        for store in system.stores
        if not isinstance(store, Bucket)
        for grant in kind_of(store).grants(store, place_of(system, store, hosts, region))
    )
