"""Random declarations of every kind that decides who may reach whom, and the changes of one arrow in them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import reject
from hypothesis import strategies as st

from model import (
    Bucket,
    Call,
    Cilium,
    DeclarationError,
    Eks,
    ExistingCluster,
    External,
    ExtraPort,
    InCluster,
    Istio,
    IstioGateway,
    K3s,
    Kafka,
    ManagedDatabases,
    MySQL,
    NetworkPolicies,
    Nginx,
    NoMesh,
    OnEc2,
    OnRds,
    Platform,
    PostgreSQL,
    RabbitMQ,
    Redis,
    Route,
    Schedule,
    Service,
    SingleVpc,
    System,
    Tier,
    Topic,
    Traefik,
    seconds,
)
from model.ingress import Ingress
from model.network import Network
from model.platform import Cluster, Cni, Mesh
from model.stores import Placement, Pooler, Store
from tests.unit.declared import HUB, environment, shop

NAMES: Final = ("api", "billing", "cart", "deals", "events-in", "front")
HOMES: Final = (None, None, "back", "data")
CLUSTERS: Final[tuple[Cluster, ...]] = (K3s(), Eks(), ExistingCluster())
MESHES: Final[tuple[Mesh, ...]] = (
    Istio(egress_gateway=True),
    Istio(egress_gateway=True),
    Istio(mtls="PERMISSIVE"),
    NoMesh(),
    NoMesh(),
)
TIERS: Final = (
    Tier(name="public", offset=1, egress="internet"),
    Tier(name="private", offset=2, egress="nat"),
    Tier(name="db", offset=3, egress="none"),
)
CNIS: Final[tuple[Cni, ...]] = (Cilium(), NetworkPolicies())
INSIDE: Final[tuple[Ingress, ...]] = (IstioGateway(), Nginx())
WITHOUT: Final[tuple[Ingress, ...]] = (Nginx(), Traefik())
"""Those that go with a mesh, and those that go without."""
IN_CLUSTER: Final[tuple[Placement, ...]] = (InCluster(members=1), InCluster(members=3))
NETWORKS: Final[tuple[Network, ...]] = (
    HUB,
    SingleVpc(tiers=TIERS, stride=10, control="private", data="db"),
    SingleVpc(tiers=TIERS, stride=10, control="private", data="db", edge="internal"),
)
EXPOSED: Final = SingleVpc(tiers=TIERS, stride=10, control="public", data="db", edge="nodes")
RDS: Final = ManagedDatabases(instance="db.t3.micro", storage=20)


@st.composite
def systems(draw: st.DrawFn) -> System:
    """Two to six services with calls, stores, topics, doors and externals, on any platform. One that is none is not
    drawn."""
    names = NAMES[: draw(st.integers(2, len(NAMES)))]
    mesh = draw(st.sampled_from(MESHES))
    platform, network = _ground(draw, mesh)
    given = isinstance(platform.cluster, ExistingCluster)
    stores = [store for store in _stores(draw, given) if draw(st.integers(0, 2)) == 0]
    services = [_service(draw, name, stores) for name in names]
    pairs = [(one, other) for one, other in itertools.combinations(services, 2) if draw(st.integers(0, 2)) == 0]
    doors = [service for service in services if service.port and service.protocol == "http" and draw(st.booleans())]
    through = isinstance(mesh, Istio) and mesh.egress_gateway
    managed = RDS if any(store.kind == "postgresql" and store.placement.kind == "rds" for store in stores) else None
    exposed = isinstance(network, SingleVpc) and network.edge == "nodes"
    try:
        return shop(
            services=tuple(services),
            stores=tuple(stores),
            calls=tuple(_call(draw, one.name, other) for one, other in pairs if other.port),
            topics=tuple(_topics(draw, services, stores)),
            routes=tuple(Route(host=item.name, to=item.name, prefix=draw(_prefixes)) for item in doors),
            externals=tuple(_externals(draw, names, through)),
            platform=platform,
            network=network,
            environments={"dev": environment(zones=2, managed_databases=managed, **({"pools": {}} if exposed else {}))},
        )
    except ValueError:  # of pydantic: the declaration refuses itself
        reject()


_prefixes = st.sampled_from(("/", "/v1"))


def _ground(draw: st.DrawFn, mesh: Mesh) -> tuple[Platform, Network]:
    """What the system stands on, of which not everything goes with everything."""
    ingress = draw(st.sampled_from(INSIDE if isinstance(mesh, Istio) else WITHOUT))
    cni = draw(st.sampled_from(CNIS))
    network = draw(st.sampled_from((*NETWORKS, EXPOSED, EXPOSED) if isinstance(ingress, Traefik) else NETWORKS))
    exposed = network is EXPOSED
    cluster = draw(st.sampled_from(CLUSTERS[:1] if exposed else CLUSTERS))
    pools: dict[str, Any] = {"pools": ()} if exposed else {}
    return Platform(cluster=cluster, cni=cni, mesh=mesh, ingress=ingress, **pools), network


def _stores(draw: st.DrawFn, given: bool) -> list[Store]:
    """``given``: the cluster is there already, and nothing is made beside it."""
    home, meshed, members = draw(st.sampled_from(HOMES)), draw(st.booleans()), st.sampled_from((1, 3))
    placement = draw(st.sampled_from(IN_CLUSTER if given else (*IN_CLUSTER, OnRds())))
    pooler = draw(st.sampled_from((None, Pooler(name="orders-pool"))))
    return [
        Redis(name="cache", members=draw(members), namespace=home, in_mesh=meshed),
        RabbitMQ(name="queue", members=draw(members), namespace=draw(st.sampled_from(HOMES))),
        Kafka(name="stream", brokers=draw(members), namespace=home),
        MySQL(name="ledger", namespace=draw(st.sampled_from(HOMES))),
        PostgreSQL(name="accounts", placement=InCluster() if given else OnEc2()),
        PostgreSQL(
            name="orders",
            namespace=home,
            placement=placement,
            pooler=None if isinstance(placement, OnRds) else pooler,
        ),
        Bucket(name="files"),
    ]


def _service(draw: st.DrawFn, name: str, stores: Sequence[Store]) -> Service:
    uses = tuple(store.name for store in stores if draw(st.booleans()))
    home = draw(st.sampled_from(HOMES))
    if draw(st.integers(0, 7)) == 7:
        schedule = Schedule(cron="0 * * * *", deadline=seconds(60))
        return Service(name=name, namespace=home, uses=uses, schedule=schedule)
    return Service(
        name=name,
        port=draw(st.sampled_from((3000, 8080))),
        protocol=draw(st.sampled_from(("http", "http", "http", "grpc", "tcp"))),
        metrics=draw(st.sampled_from((None, 9090))),
        namespace=home,
        uses=uses,
        extra_ports=(ExtraPort(name="admin", port=3100),) if draw(st.integers(0, 5)) == 5 else (),
    )


def _call(draw: st.DrawFn, caller: str, callee: Service) -> Call:
    asked: dict[str, Any] = {}
    if callee.protocol == "http" and draw(st.integers(0, 2)) == 0:
        asked = {"methods": ("GET",), "paths": draw(st.sampled_from(((), ("/items*",))))}
    return Call(caller=caller, callee=callee.name, **asked)


def _topics(draw: st.DrawFn, services: Sequence[Service], stores: Sequence[Store]) -> Iterator[Topic]:
    """An event is no connection between services: only its broker is called."""
    for store in stores:
        users = tuple(service.name for service in services if store.name in service.uses)
        if store.kind in ("kafka", "rabbitmq", "redis") and users and draw(st.booleans()):
            yield Topic(name=f"{store.name}.told", broker=store.name, publishers=users[:1], subscribers=users[1:])


def _externals(draw: st.DrawFn, names: Sequence[str], through: bool) -> Iterator[External]:
    for name, hosts, port in (
        ("bank", ("api.bank.example",), 443),
        ("mail", ("*.mail.example",), 465),
        ("maps", ("one.maps.example", "two.maps.example"), 443),
    ):
        users = tuple(user for user in names if draw(st.integers(0, 3)) == 0)
        if users:
            leaves = through and "*" not in hosts[0] and draw(st.booleans())
            yield External(name=name, hosts=hosts, port=port, used_by=users, through_gateway=leaves)


@dataclass(frozen=True)
class Arrow:
    """A call or a use that one declaration has and the other has not."""

    caller: str
    callee: str
    added: bool


def arrows(declared: System) -> list[Arrow]:
    """Every call and every use that could be one more or one less."""
    calls = {(call.caller, call.callee) for call in declared.calls}
    names = [service.name for service in declared.services]
    found = [Arrow(one, other, (one, other) not in calls) for one, other in itertools.permutations(names, 2)]
    for service, store in itertools.product(declared.services, declared.stores):
        homes = {declared.service(user).namespace for user in declared.users(store.name)}
        if service.namespace in homes:  # Otherwise nobody there knows where it is: to know its name opens nothing.
            found.append(Arrow(service.name, store.name, store.name not in service.uses))
    return found


def changed(declared: System, arrow: Arrow) -> System | None:
    """The declaration with that arrow more or less. None: it is none, for a cycle, or what a topic or a token needs."""
    data = dict(declared)
    stores = {store.name for store in declared.stores}
    if arrow.callee in stores:
        service = declared.service(arrow.caller)
        uses = tuple(name for name in service.uses if name != arrow.callee)
        other = service.model_copy(update={"uses": (*uses, arrow.callee) if arrow.added else uses})
        data["services"] = tuple(other if item is service else item for item in declared.services)
    else:
        calls = [call for call in declared.calls if (call.caller, call.callee) != (arrow.caller, arrow.callee)]
        data["calls"] = (*calls, *([Call(caller=arrow.caller, callee=arrow.callee)] if arrow.added else []))
    try:
        return System(**data)
    except (DeclarationError, ValueError):
        return None
