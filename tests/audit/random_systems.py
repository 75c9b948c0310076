"""Random declarations of every kind that decides who may reach whom, and random changes of one arrow."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from model import (
    Bucket,
    Call,
    External,
    ExtraPort,
    InCluster,
    Istio,
    Kafka,
    MySQL,
    NetworkPolicies,
    Platform,
    PostgreSQL,
    RabbitMQ,
    Redis,
    Route,
    Service,
    System,
)
from model.stores import Pooler, Store
from tests.unit.declared import shop

NAMES: Final = ("api", "billing", "cart", "deals", "events-in", "front")
HOMES: Final = (None, None, "back", "data")
PLATFORMS: Final = (
    *([Platform(mesh=Istio(egress_gateway=True))] * 3),
    Platform(),
    Platform(mesh=Istio(mtls="PERMISSIVE")),
    Platform(cni=NetworkPolicies()),
)


def system(choose: random.Random) -> System:
    """Two to six services with calls, stores, doors and externals."""
    platform, names = choose.choice(PLATFORMS), NAMES[: choose.randint(2, len(NAMES))]
    stores = [store for store in _stores(choose) if choose.random() < 0.3]
    services = [_service(choose, name, stores) for name in names]
    callable_ = [(a, b) for index, a in enumerate(names) for b in services[index + 1 :]]
    calls = [_call(choose, caller, callee) for caller, callee in callable_ if choose.random() < 0.35]
    doors = [service.name for service in services if service.protocol == "http" and choose.random() < 0.4]
    through = isinstance(platform.mesh, Istio) and platform.mesh.egress_gateway
    return shop(
        services=tuple(services),
        stores=tuple(stores),
        calls=tuple(calls),
        routes=tuple(Route(host=name, to=name, prefix=choose.choice(("/", "/v1"))) for name in doors),
        externals=tuple(_externals(choose, names, through)),
        platform=platform,
    )


def _stores(choose: random.Random) -> list[Store]:
    home, meshed = choose.choice(HOMES), choose.random() < 0.7
    return [
        Redis(name="cache", members=choose.choice((1, 3)), namespace=home, in_mesh=meshed),
        RabbitMQ(name="queue", members=choose.choice((1, 3)), namespace=choose.choice(HOMES)),
        Kafka(name="stream", brokers=choose.choice((1, 3)), namespace=home),
        MySQL(name="ledger", namespace=choose.choice(HOMES)),
        PostgreSQL(name="accounts"),
        PostgreSQL(
            name="orders",
            namespace=home,
            placement=InCluster(members=choose.choice((1, 3))),
            pooler=choose.choice((None, Pooler(name="orders-pool"))),
        ),
        Bucket(name="files"),
    ]


def _service(choose: random.Random, name: str, stores: Sequence[Store]) -> Service:
    return Service(
        name=name,
        port=choose.choice((3000, 8080)),
        protocol="http" if choose.random() < 0.8 else choose.choice(("grpc", "tcp")),
        metrics=choose.choice((None, 9090)),
        namespace=choose.choice(HOMES),
        uses=tuple(store.name for store in stores if choose.random() < 0.4),
        extra_ports=(ExtraPort(name="admin", port=3100),) if choose.random() < 0.15 else (),
    )


def _call(choose: random.Random, caller: str, callee: Service) -> Call:
    asked: dict[str, Any] = {}
    if callee.protocol == "http" and choose.random() < 0.3:
        asked = {"methods": ("GET",), "paths": choose.choice(((), ("/items*",)))}
    return Call(caller=caller, callee=callee.name, **asked)


def _externals(choose: random.Random, names: Sequence[str], through: bool) -> list[External]:
    found = []
    for name, host, port in (("bank", "api.bank.example", 443), ("mail", "*.mail.example", 465)):
        users = tuple(user for user in names if choose.random() < 0.3)
        if users and choose.random() < 0.6:
            leaves = through and "*" not in host and choose.random() < 0.5
            found.append(External(name=name, hosts=(host,), port=port, used_by=users, through_gateway=leaves))
    return found


@dataclass(frozen=True)
class Arrow:
    """A call or a use that one declaration has and the other has not."""

    caller: str
    callee: str
    added: bool


def changed(declared: System, choose: random.Random) -> tuple[System, Arrow]:
    """The declaration with one call or one use more or less."""
    data = dict(declared)
    names = [service.name for service in declared.services]
    while True:
        if declared.stores and choose.random() < 0.3:
            service, store = choose.choice(declared.services), choose.choice(declared.stores)
            used = store.name in service.uses
            homes = {declared.service(user).namespace for user in declared.users(store.name)}
            if service.namespace not in homes:
                continue  # Nobody in the namespace knows where it is, so knowing its name opens nothing.
            uses = tuple(name for name in service.uses if name != store.name) + (() if used else (store.name,))
            other = service.model_copy(update={"uses": uses})
            services = tuple(other if item is service else item for item in declared.services)
            try:
                return System(**data | {"services": services}), Arrow(service.name, store.name, not used)
            except ValueError:  # a topic on a broker that its publisher no longer uses
                continue
        caller, callee = choose.sample(names, 2)
        called = [call for call in declared.calls if (call.caller, call.callee) == (caller, callee)]
        calls = tuple(call for call in declared.calls if call not in called)
        data["calls"] = calls if called else (*calls, Call(caller=caller, callee=callee))
        try:
            return System(**data), Arrow(caller, callee, not called)
        except ValueError:  # a cycle, or what a release or a token needs
            continue
