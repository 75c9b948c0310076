"""Machines: instances, Auto Scaling groups, EKS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from cost.errors import Unpriced
from cost.resources import Resource
from cost.rules.storage import ebs
from cost.world import Charge, Rule, World

Values = Mapping[str, Any]
TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"
SPOT: Final = "spot"
EKS_INSTANCE: Final = "t3.medium"
"""Of a node group that names none (Amazon EKS API, CreateNodegroup)."""
EKS_DISK: Final = 20
"""GiB of a node's disk where neither the node group nor its launch template says (same source)."""


def machine_hours(world: World, instance: str, on_demand: Decimal, spot: Decimal = Decimal(0)) -> Iterator[Charge]:
    """Machines that run all month; spot ones at the assumed discount."""
    if on_demand:
        yield world.hourly(f"ec2.{instance}", on_demand)
    if spot:
        # Fewer hours at the listed price: the discount has no price of its own.
        yield world.hourly(f"ec2.{instance}", spot * (1 - world.usage["spot_discount"]))


def instance(world: World, item: Resource) -> Iterator[Charge]:
    """Hours, the root and further volumes, and a public address that is not an Elastic IP."""
    spot = item.get("instanceMarketOptions.marketType") == SPOT
    one, none = Decimal(1), Decimal(0)
    yield from machine_hours(world, str(item.get("instanceType")), none if spot else one, one if spot else none)
    root: Values = item.get("rootBlockDevice") or {}
    yield from ebs(world, {"volumeSize": world.usage["ebs.root_gb"], "volumeType": "gp3", **root})
    for row in item.rows("ebsBlockDevices"):
        yield from ebs(world, row)
    if item.get("associatePublicIpAddress") in (True, "true"):
        yield world.hourly("ipv4.hour")


def group_size(item: Resource) -> Decimal:
    """Machines of an Auto Scaling group to begin with."""
    desired = item.get("desiredCapacity")
    return Decimal(str(desired if desired is not None else item.get("minSize") or 0))


def group(world: World, item: Resource) -> Iterator[Charge]:
    """The machines that the group is asked for, as its launch template describes them."""
    size = group_size(item)
    mixed: Values = item.get("mixedInstancesPolicy") or {}
    reference = item.get("launchTemplate") or item.get(
        "mixedInstancesPolicy.launchTemplate.launchTemplateSpecification"
    )
    template = _template(world, reference)
    instance_type = item.get("mixedInstancesPolicy.launchTemplate.overrides.instanceType")
    spot = size if template.get("instanceMarketOptions.marketType") == SPOT else Decimal(0)
    if mixed:
        base = min(size, Decimal(str(item.get("mixedInstancesPolicy.instancesDistribution.onDemandBaseCapacity") or 0)))
        share = item.get("mixedInstancesPolicy.instancesDistribution.onDemandPercentageAboveBaseCapacity")
        spot = (size - base) * (1 - Decimal(str(100 if share is None else share)) / 100)
    yield from machine_hours(world, str(instance_type or template.get("instanceType")), size - spot, spot)
    yield from _disks(world, template, size, world.usage["ebs.root_gb"])


def node_group_size(item: Resource) -> Decimal:
    """Machines of an EKS node group to begin with."""
    return Decimal(str(item.get("scalingConfig.desiredSize") or 0))


def node_group(world: World, item: Resource) -> Iterator[Charge]:
    """The machines that an EKS node group is asked for."""
    size = node_group_size(item)
    reference = item.get("launchTemplate")
    template = _template(world, reference) if reference else None
    types = item.get("instanceTypes") or []
    named = types[0] if types else (template.get("instanceType") if template else None)
    spot = size if item.get("capacityType") == "SPOT" else Decimal(0)
    yield from machine_hours(world, str(named or EKS_INSTANCE), size - spot, spot)
    disk = Decimal(str(item.get("diskSize") or EKS_DISK))
    if template and template.rows("blockDeviceMappings"):
        yield from _disks(world, template, size, disk)
    else:
        yield from ebs(world, {"volumeSize": disk, "volumeType": "gp3"}, size)


def cluster(world: World, item: Resource) -> Iterator[Charge]:
    """The control plane, in standard support."""
    yield world.hourly("eks.cluster.hour")


def _template(world: World, reference: Any) -> Resource:
    values = reference[0] if isinstance(reference, list) and reference else reference or {}
    wanted = {str(values[key]) for key in ("id", "name", "launchTemplateId", "launchTemplateName") if values.get(key)}
    for template in world.stack.of(TEMPLATE):
        if wanted & {template.id, str(template.get("name"))}:
            return template
    raise Unpriced(f"its launch template {', '.join(sorted(wanted)) or '(none)'} is not among the stack's resources")


def _disks(world: World, template: Resource, count: Decimal, default: Decimal) -> Iterator[Charge]:
    rows = [row.get("ebs") or {} for row in template.rows("blockDeviceMappings")]
    for row in rows or [{}]:
        yield from ebs(world, {"volumeSize": default, "volumeType": "gp3", **row}, count)


RULES: Final[Mapping[str, Rule]] = {
    "aws:ec2/instance:Instance": instance,
    "aws:autoscaling/group:Group": group,
    "aws:eks/cluster:Cluster": cluster,
    "aws:eks/nodeGroup:NodeGroup": node_group,
}
