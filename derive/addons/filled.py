"""Secrets of add-ons by way of the account's secret store: there before the charts whose pods read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from derive.addons.external_secrets import NAME as READER
from derive.shapes import AddonPlan
from manifests.base import Manifest

NAME: Final = "platform-secrets"


def filled(plans: Sequence[AddonPlan], reads: Sequence[Manifest]) -> tuple[AddonPlan, ...]:
    """The add-ons with one more, which copies the secrets of their namespaces: after its reader and these namespaces,
    before every chart that follows."""
    spaces = {
        item["metadata"]["name"]: plan.name for plan in plans for item in plan.objects if item["kind"] == "Namespace"
    }
    own = tuple(item for item in reads if item["metadata"]["namespace"] in spaces)
    place = next((number for number, plan in enumerate(plans) if plan.name == READER), None)
    if not own or place is None:
        return tuple(plans)
    homes = dict.fromkeys(spaces[item["metadata"]["namespace"]] for item in own)
    copying = AddonPlan(NAME, objects=own, requires=(READER, *homes))
    later = (replace(plan, requires=(*plan.requires, NAME)) for plan in plans[place + 1 :])
    return (*plans[: place + 1], copying, *later)
