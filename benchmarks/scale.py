"""A system of any size: services in namespaces, calls without a cycle, a store for each namespace."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Final

import systems
from model import Call, Redis, Route, Service, System

NAME: Final = "generated"
NAMESPACES: Final = 12
CALLS: Final = 3
"""Calls per service."""
SERVICES: Final = 1_000
FEWER: Final = 100
"""Services of the system that shows whether the work grows with the system, or faster."""


def declared(services: int) -> System:
    """On the platform and network of the default system. The same at every run."""
    base, choose = systems.load("fitsync"), random.Random(services)
    names = [f"service-{index:04}" for index in range(services)]
    homes = [f"team-{index % NAMESPACES:02}" for index in range(services)]
    calls: set[tuple[str, str]] = set()
    while len(calls) < CALLS * services:
        caller, callee = sorted(choose.sample(range(services), 2))
        calls.add((names[caller], names[callee]))
    stores = tuple(Redis(name=f"cache-{index:02}", namespace=home) for index, home in enumerate(sorted({*homes})))
    uses = {store.namespace: (store.name,) for store in stores}
    return System(
        **dict(base)
        | {
            "name": NAME,
            "services": tuple(
                Service(name=name, port=8080, metrics=9090, namespace=home, uses=uses[home])
                for name, home in zip(names, homes, strict=True)
            ),
            "stores": stores,
            "calls": tuple(Call(caller=caller, callee=callee) for caller, callee in sorted(calls)),
            "routes": (Route(host="app", to=names[0]),),
            "topics": (),
            "externals": (),
            "policies": (),
            "dashboards": (),
        }
    )


def add(services: int, folder: Path) -> str:
    """Make the system known by its name to programs of this process, and give the name."""
    home = folder / "systems"
    home.mkdir(exist_ok=True)
    (home / f"{NAME}.py").write_text(f"from benchmarks.scale import declared\n\nSYSTEM = declared({services})\n")
    systems.__path__.append(str(home))
    sys.modules.pop(f"systems.{NAME}", None)
    return NAME
