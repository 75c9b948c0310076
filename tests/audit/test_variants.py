"""Other systems and platforms than the default one: what is planned for them is as declared, too."""

from __future__ import annotations

import random
from typing import Any

import pytest

import systems
from audit.scope import Scope
from model import (
    ArgoRollouts,
    Backup,
    BlueGreen,
    Bucket,
    Call,
    Canary,
    External,
    ExtraPort,
    InCluster,
    Istio,
    Kafka,
    MySQL,
    NetworkPolicies,
    Platform,
    PostgresBackup,
    PostgreSQL,
    RabbitMQ,
    Redis,
    Route,
    Schedule,
    Service,
    ServicePolicy,
    System,
    seconds,
)
from model.stores import Pooler
from tests.audit.planned import REGION, audited, judged, planned
from tests.unit.declared import shop
from tests.unit.pooled import pooled

FITSYNC = systems.load("fitsync")
DATABASES = ("userdb", "trainingdb", "scheduledb", "progressdb")
WEB = Service(name="web", port=3000, tier="frontend")
ORDERS = Service(name="orders", port=3001, metrics=9090)


def with_platform(**changes: Any) -> System:
    return FITSYNC.model_copy(update={"platform": FITSYNC.platform.model_copy(update=changes)})


@pytest.mark.parametrize("inside", [DATABASES, ("userdb",)])
def test_databases_in_the_cluster(inside: tuple[str, ...]) -> None:
    """FS-DAT-12: all of them, or some."""
    assert [item.text for item in audited(FITSYNC, placements=dict.fromkeys(inside, "cluster")).differences] == []


BACKED_UP = shop(
    services=(WEB, Service(name="orders", port=3001, uses=("cache", "events", "accounts"))),
    stores=(
        Redis(name="cache", members=3, backup=Backup(schedule="0 * * * *")),
        RabbitMQ(name="events", namespace="data", backup=Backup(schedule="0 3 * * *")),
        MySQL(name="accounts", backup=Backup(schedule="0 4 * * *")),
    ),
)
PLATFORMS = {
    "policies by address": with_platform(cni=NetworkPolicies()),
    "permissive": with_platform(mesh=Istio(mtls="PERMISSIVE")),
}
SYSTEMS = {
    "several namespaces": shop(
        services=(WEB, Service(name="orders", port=3001, metrics=9090, namespace="back", uses=("db", "cache"))),
        calls=(Call(caller="web", callee="orders", methods=("GET",), paths=("/orders*",)),),
        stores=(
            PostgreSQL(name="db", pooler=Pooler(name="db-pool")),
            Redis(name="cache", in_mesh=False, namespace="data"),
        ),
        routes=(
            Route(host="www", to="web"),
            Route(host="www", to="orders", prefix="/orders"),
            Route(host="@", to="web"),
        ),
    ),
    "nothing in the system's own namespace": shop(
        services=tuple(service.model_copy(update={"namespace": "back"}) for service in (WEB, ORDERS)),
        calls=(Call(caller="web", callee="orders"),),
    ),
    "externals": shop(
        externals=(
            External(name="payments", hosts=("api.payments.example",), used_by=("orders",)),
            External(name="mail", hosts=("*.mail.example",), port=465, used_by=("web",)),
        )
    ),
    "egress gateway": shop(
        externals=(
            External(name="payments", hosts=("api.payments.example",), used_by=("orders",), through_gateway=True),
        ),
        platform=Platform(mesh=Istio(egress_gateway=True)),
    ),
    "a bucket": shop(services=(Service(name="web", port=3000, uses=("files",)),), stores=(Bucket(name="files"),)),
    "members": shop(
        services=(
            Service(name="web", port=3000, tier="frontend", uses=("cache",)),
            Service(name="orders", port=3001, metrics=9090, uses=("cache", "events")),
        ),
        stores=(Redis(name="cache", members=3, namespace="data"), RabbitMQ(name="events", namespace="data")),
    ),
    "backups": BACKED_UP,
    "backups, policies by address": BACKED_UP.model_copy(update={"platform": Platform(cni=NetworkPolicies())}),
    "a database with members and an archive": shop(
        services=(Service(name="web", port=3000, uses=("db",)), WEB.model_copy(update={"name": "other"})),
        stores=(
            PostgreSQL(
                name="db",
                namespace="data",
                placement=InCluster(members=3, synchronous=1, backup=PostgresBackup()),
                pooler=Pooler(name="db-pool"),
            ),
        ),
        routes=(Route(host="*", to="web"), Route(host="other", to="other")),
    ),
    "a pooled database with a dump elsewhere": pooled(),
    "the same by name": pooled().model_copy(update={"platform": Platform()}),
    "a database with members and a dump elsewhere": pooled(members=3),
    "streams": shop(
        services=(WEB, Service(name="orders", port=3001, uses=("one", "three"))),
        stores=(Kafka(name="one"), Kafka(name="three", brokers=3, namespace="data")),
    ),
    "members outside the mesh": shop(
        services=(Service(name="orders", port=3001, uses=("cache", "events", "stream")),),
        stores=(
            Redis(name="cache", members=3, in_mesh=False),
            RabbitMQ(name="events", in_mesh=False),
            Kafka(name="stream", brokers=3, in_mesh=False),
        ),
    ),
    "protocols": shop(
        services=(
            Service(name="web", port=3000, extra_ports=(ExtraPort(name="admin", port=3100),)),
            Service(name="orders", port=50051, protocol="grpc"),
            Service(name="raw", port=7000, protocol="tcp"),
        ),
        calls=(Call(caller="orders", callee="web"), Call(caller="web", callee="raw")),
    ),
    "releases": shop(
        services=(
            Service(name="web", port=3000, release=BlueGreen()),
            Service(name="orders", port=3001, release=Canary()),
            Service(name="job", schedule=Schedule(cron="0 * * * *", deadline=seconds(60))),
        ),
        calls=(Call(caller="web", callee="orders"), Call(caller="job", callee="web")),
        policies=(ServicePolicy(to="orders", timeout=seconds(5)),),
        routes=(Route(host="www", to="orders"),),
        platform=Platform(addons=(ArgoRollouts(),)),
    ),
}


@pytest.mark.parametrize("system", [*PLATFORMS.values(), *SYSTEMS.values()], ids=[*PLATFORMS, *SYSTEMS])
def test_what_is_planned_is_as_declared(system: System) -> None:
    """The audit knows every kind of declaration that can be planned; it neither misses nor invents a connection."""
    report = audited(system)
    assert [item.text for item in report.differences] == []


def test_methods_and_paths_of_a_call_are_what_it_may_ask() -> None:
    found = audited(SYSTEMS["several namespaces"]).connections
    asked = {item.request for item in found if (item.caller, item.callee, item.port) == ("web", "orders", "3001")}
    assert asked == {"GET /orders", "GET /ordersx"}


def test_a_pod_that_nobody_declared_is_a_difference() -> None:
    """A policy for it would let it in; here it is the declaration that lacks the call."""
    declared = shop(calls=(Call(caller="web", callee="orders"),))
    report = judged(planned(declared), Scope(shop(), "dev", REGION))
    opened = {(item.layer, item.callers, item.callee) for item in report.differences if item.port == "3001"}
    assert {layer for layer, callers, callee in opened if (callers, callee) == (("web",), "orders")} == {
        "egress policy",
        "ingress policy",
        "authorization",
        "mesh routing",
    }


def test_a_declared_service_without_pods_is_a_difference() -> None:
    larger = shop(services=(WEB, ORDERS, Service(name="late", port=3002)))
    texts = [item.text for item in judged(planned(shop()), Scope(larger, "dev", REGION)).differences]
    assert any("late: the service is declared, but no workload runs under its ServiceAccount" in text for text in texts)


def test_hundreds_of_services() -> None:
    """Sets of callers, not pairs: the size of the system must not square the work. Measured: 300 services in 0.3 s."""
    names = [f"service-{number:03}" for number in range(300)]
    choose = random.Random(1)
    calls = {(names[i], names[j]) for i in range(299) for j in choose.sample(range(i + 1, 300), min(3, 299 - i))}
    system = shop(
        services=tuple(Service(name=name, port=3000, metrics=9090) for name in names),
        calls=tuple(Call(caller=caller, callee=callee) for caller, callee in sorted(calls)),
    )
    report = audited(system)
    assert report.differences == []
    possible = {
        (item.caller, item.callee) for item in report.connections if item.callee in names and item.port == "3000"
    }
    assert possible == calls
