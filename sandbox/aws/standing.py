"""What a program finds in an account before it has made anything: public hosted zones.

A real account has the zones of its owner's domains; the sandbox's is empty, so it takes every public zone that a
program looks up for one that is there. Its id follows from its name: a record in the saved state tells by its own name
which zone it was in.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.aws.cloud import Cloud

ZONE: Final = "aws:route53/zone:Zone"
COMMENT: Final = "Was there before"
_REGION: Final = "us-east-1"
"""Route 53 has one place for everybody."""


def zone(cloud: Cloud, name: str, account: str) -> dict[str, Any]:
    """The public zone of a name, as Route 53 describes it."""
    for found in _zones(cloud, account):
        if found["Name"].rstrip(".") == name and not found["Config"]["PrivateZone"]:
            return found
    settings = {"PrivateZone": False, "Comment": COMMENT}
    with cloud.seeded(f"{COMMENT}: {name}"):
        made = _call(cloud, account, "CreateHostedZone", Name=name, CallerReference=name, HostedZoneConfig=settings)
    found = made["HostedZone"]
    assert isinstance(found, dict)
    return found


def has(cloud: Cloud, type_: str, name: str, account: str) -> bool:
    """Whether something of a type, by its id, was there before."""
    return type_ == ZONE and any(
        identity(found) == name and found["Config"].get("Comment") == COMMENT for found in _zones(cloud, account)
    )


def recall(cloud: Cloud, zone_id: str, record: str, account: str) -> None:
    """Have the zone again that a record is in, if it was one of these."""
    if any(identity(found) == zone_id for found in _zones(cloud, account)):
        return
    labels = record.rstrip(".").split(".")
    for index in range(len(labels) - 1):
        there = {identity(found) for found in _zones(cloud, account)}
        made = identity(zone(cloud, ".".join(labels[index:]), account))
        if made == zone_id:
            return
        if made not in there:
            _call(cloud, account, "DeleteHostedZone", Id=made)


def identity(found: dict[str, Any]) -> str:
    """A zone's id without its path."""
    return str(found["Id"]).removeprefix("/hostedzone/")


def _zones(cloud: Cloud, account: str) -> list[dict[str, Any]]:
    return list(_call(cloud, account, "ListHostedZones")["HostedZones"])


def _call(cloud: Cloud, account: str, operation: str, **params: Any) -> dict[str, Any]:
    return cloud.call("route53", operation, params, _REGION, account)
