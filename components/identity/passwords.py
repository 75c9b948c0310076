"""Generated passwords, one per name."""

from __future__ import annotations

from collections.abc import Iterable

import pulumi
import pulumi_random as random


class Passwords(pulumi.ComponentResource):
    """A random password of 32 letters and digits per name. Secret in the state. Costs nothing."""

    values: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, names: Iterable[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:identity:Passwords", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        self.values = {
            role: random.RandomPassword(f"{name}-{role}", length=32, special=False, opts=children).result
            for role in sorted(set(names))
        }
        self.register_outputs({})
