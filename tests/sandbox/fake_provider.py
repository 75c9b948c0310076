"""A provider whose cloud is a dict: enough to see what the engine asks, and to make it fail."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.provider import Desired, Diff, Made, Package, ResourceError, Saved, has_unknown


@dataclass
class World:
    """What exists, and every call in order. ``live`` maps an id to the inputs it was made with."""

    live: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    configs: list[Mapping[str, Any]] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)
    resets: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, config: Mapping[str, Any]) -> FakeProvider:
        self.configs.append(config)
        return FakeProvider(self)

    def package(self, shared: bool = False) -> Package:
        return Package(
            self.make, shared=shared, reset=self.reset, replace_on=frozenset({"cluster"}), identity="identifier"
        )

    def reset(self, saved: Sequence[Saved]) -> None:
        self.resets += 1
        self.live.clear()

    def names(self, kind: str) -> list[str]:
        """The names of the resources a kind of call was made for, in order."""
        return [name for called, name in self.calls if called == kind]


class FakeProvider:
    """Type ``fake:index:Thing``: ``kind`` replaces, ``unique`` must go before its successor comes,

    ``uses`` is an id that must be live, ``fail`` refuses, ``kill`` kills the process, ``interrupt`` sends it a signal,
    ``misses`` is what the provider finds missing once it has seen everything.
    """

    package = "fake"

    def __init__(self, world: World) -> None:
        self.world = world

    def check(self, desired: Desired, old: Saved | None) -> dict[str, Any]:
        if desired.type != "fake:index:Thing":
            raise ResourceError(f"unknown type {desired.type}")
        self.world.seen.append(desired.inputs)
        if desired.inputs.get("kind") == "wrong":
            raise ResourceError("is wrong", path="kind", remedy="make it right")
        return {"size": 1, **desired.inputs}

    def diff(self, old: Saved, desired: Desired) -> Diff:
        keys = old.inputs.keys() | desired.inputs.keys()
        changed = tuple(
            sorted(
                key
                for key in keys
                if has_unknown(desired.inputs.get(key)) or old.inputs.get(key) != desired.inputs.get(key)
            )
        )
        replace = tuple(key for key in changed if key in ("kind", "unique", "on"))
        return Diff(changed, replace, delete_before_replace="unique" in desired.inputs)

    def create(self, desired: Desired) -> Made:
        world, inputs = self.world, desired.inputs
        with world.lock:
            world.in_flight += 1
            world.most_in_flight = max(world.most_in_flight, world.in_flight)
        try:
            time.sleep(float(inputs.get("slow", 0)))
            with world.lock:
                return self._create(desired)
        finally:
            with world.lock:
                world.in_flight -= 1

    def _create(self, desired: Desired) -> Made:
        world, inputs = self.world, desired.inputs
        world.calls.append(("create", desired.name))
        if inputs.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if inputs.get("interrupt"):
            os.kill(os.getpid(), signal.SIGTERM)
        if inputs.get("fail"):
            raise ResourceError("it does not want to", remedy="ask nicely")
        if inputs.get("crash"):
            raise KeyError("bug")
        if "uses" in inputs and inputs["uses"] not in world.live:
            raise ResourceError(f"{inputs['uses']} does not exist", path="uses")
        if "unique" in inputs and any(other.get("unique") == inputs["unique"] for other in world.live.values()):
            raise ResourceError(f"{inputs['unique']} exists already", path="unique")
        number = sum(1 for identity in world.live if identity.startswith(f"{desired.name}-"))
        while f"{desired.name}-{number}" in world.live:
            number += 1
        identity = f"{desired.name}-{number}"
        world.live[identity] = inputs
        return Made(identity, self._outputs(identity, inputs))

    def _outputs(self, identity: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "out": f"made {identity}",
            "token": f"token-of-{identity}",
            "url": f"https://{inputs.get('password', 'nobody')}@{identity}",
        }

    def update(self, old: Saved, desired: Desired) -> Made:
        self.world.calls.append(("update", desired.name))
        if desired.inputs.get("fail"):
            raise ResourceError("it does not want to change")
        self.world.live[old.id] = desired.inputs
        return Made(old.id, self._outputs(old.id, desired.inputs))

    def delete(self, old: Saved) -> None:
        self.world.calls.append(("delete", old.id))
        if old.inputs.get("sticky"):
            raise ResourceError("it sticks")
        users = [identity for identity, inputs in self.world.live.items() if inputs.get("uses") == old.id]
        if users:
            raise ResourceError(f"still used by {', '.join(users)}")
        del self.world.live[old.id]

    def read(self, type_: str, id_: str, inputs: Mapping[str, Any]) -> Made:
        self.world.calls.append(("read", id_))
        if id_ not in self.world.live:
            raise ResourceError(f"there is no {type_} {id_}")
        return Made(id_, {**self.world.live[id_], **self._outputs(id_, {})})

    def invoke(self, token: str, args: Mapping[str, Any]) -> dict[str, Any]:
        if token != "fake:index:double":
            raise ResourceError(f"unknown function {token}")
        return {"result": args["value"] * 2}

    def restore(self, saved: Iterable[Saved]) -> None:
        for resource in saved:
            uses = resource.inputs.get("uses")
            if uses is not None and uses not in self.world.live:
                raise ResourceError(f"restored out of order: {uses} is not there yet")
            self.world.live[resource.id] = dict(resource.inputs)
            self.world.calls.append(("restore", resource.name))

    def secret_outputs(self, type_: str) -> frozenset[str]:
        return frozenset({"token"})

    def finish(self) -> list[ResourceError]:
        missed = sorted(inputs["misses"] for inputs in self.world.seen if "misses" in inputs)
        return [ResourceError(f"{name} is declared nowhere", path="misses", remedy="declare it") for name in missed]
