"""Generated passwords, one per name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pulumi
import pulumi_random as random


class Passwords(pulumi.ComponentResource):
    """A random password of 32 letters and digits per name, made anew when the name's rotation changes.

    Secret in the state. Costs nothing. Outputs: the values by name.
    """

    values: dict[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        names: Iterable[str],
        rotations: Mapping[str, int],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("wheelhouse:identity:Passwords", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        self.values = {
            role: random.RandomPassword(
                f"{name}-{role}",
                length=32,
                special=False,
                keepers={"rotation": str(rotations[role])} if role in rotations else None,
                opts=children,
            ).result
            for role in sorted(set(names))
        }
        self.register_outputs({})
