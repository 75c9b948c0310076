"""What the tests of the drawing draw."""

from __future__ import annotations

from collections import Counter

import systems
from derive.shapes import Deployment, Facts
from model import Call, External, Redis, Route, Service, System
from tests.unit.declared import deployed, shop


def deployment(name: str, environment: str | None = None) -> Deployment:
    """A system of the project; by default in the first, and smallest, of its environments."""
    system = systems.load(name)
    environment = environment or next(iter(system.environments))
    facts = Facts(region="us-east-1", cloudflare_account="0" * 32)
    return Deployment(system, environment, system.environments[environment], facts)


def wide() -> System:
    """Two namespaces, an external, and a name that must be escaped nowhere but is long."""
    long = "a-service-with-quite-a-long-name-indeed"
    return shop(
        services=(
            Service(name="web", port=3000, uses=("cache",)),
            Service(name=long, port=3001, namespace="other", uses=("cache",)),
            Service(name="lonely"),
        ),
        stores=(Redis(name="cache"),),
        calls=(Call(caller="web", callee=long, methods=("GET",), paths=("/a",)),),
        routes=(Route(host="app", to="web"), Route(host="api", prefix="/v1", to=long)),
        externals=(External(name="bank", hosts=("bank.example",), used_by=(long, "web")),),
    )


DRAWN = (*(deployment(name, "prod") for name in systems.names()), deployed(wide()))
IDS = (*systems.names(), "wide")


def declared(system: System) -> Counter[tuple[str, str, str]]:
    """Kind, source and target of every line there must be, doors aside."""
    calls = [("call", f"service:{call.caller}", f"service:{call.callee}") for call in system.calls]
    uses = [("use", f"service:{service.name}", f"store:{name}") for service in system.services for name in service.uses]
    exits = [
        ("exit", f"service:{name}", f"external:{external.name}")
        for external in system.externals
        for name in external.used_by
    ]
    events = {
        ("events", f"service:{publisher}", f"service:{subscriber}")
        for topic in system.topics
        for publisher in topic.publishers
        for subscriber in topic.subscribers
        if publisher != subscriber
    }
    return Counter([*calls, *uses, *exits, *events])
