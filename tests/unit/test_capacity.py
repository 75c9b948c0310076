"""What every system declares has room on the machines that it declares: pods that fit nowhere wait for ever."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pytest

import systems
from derive import choices
from derive.cluster.instances import instance_type
from derive.cluster.k3s import PoolPlan
from derive.plan import SystemPlan, system_plan
from derive.quantities import memory_bytes, millicores
from derive.shapes import Deployment
from manifests.base import Manifest
from model import ClusterAutoscaler
from model.environment import Nodes
from tests.graph.samples import deployment
from tests.unit.declared import parts

STACKS = [(name, environment) for name in systems.names() for environment in systems.load(name).environments]
Need = tuple[int, int]
"""Millicores, and bytes of memory."""
PER_NODE: Need = (300, 600 * 2**20)
"""What stands on every worker: the network's agent, the mesh's plug-in, collectors of logs and measures, the driver of
volumes. Other add-ons are counted in the rows of systems where they stand beside the application."""
SIDECAR = "sidecar.istio.io/proxy"
Bound = frozenset[tuple[str, str]]
"""Labels that a pod asks of its node."""


def need(template: Manifest) -> Need:
    """What one pod asks for, with its sidecar."""
    asked = [container["resources"]["requests"] for container in template["spec"]["containers"]]
    annotations = template["metadata"].get("annotations", {})
    if f"{SIDECAR}CPU" in annotations:
        asked.append({"cpu": annotations[f"{SIDECAR}CPU"], "memory": annotations[f"{SIDECAR}Memory"]})
    return sum(millicores(item["cpu"]) for item in asked), sum(memory_bytes(item["memory"]) for item in asked)


def workloads(plan: SystemPlan) -> Mapping[Bound, Sequence[tuple[str, int, Need]]]:
    """Kind, number of pods and need of one, by where they may stand."""
    found = defaultdict(list)
    for item in (item for part in parts(plan.application) for item in part.objects):
        if item["kind"] in ("Deployment", "Rollout", "StatefulSet"):
            template = item["spec"]["template"]
            bound = frozenset(template["spec"].get("nodeSelector", {}).items())
            found[bound].append((item["kind"], item["spec"].get("replicas", 1), need(template)))
    return found


def machines(found: Deployment, pools: Sequence[PoolPlan], bound: Bound) -> Iterator[Need]:
    """What is free for such pods on each machine that there is, or that the autoscaler may add."""
    grows = choices.choice(found, ClusterAutoscaler) is not None
    groups: list[Nodes | None] = [pool.nodes for pool in pools if bound <= pool.labels.items()]
    for nodes in groups if pools else [found.environment.servers]:
        assert nodes
        size = instance_type(nodes.instance)
        for _ in range((grows and nodes.maximum) or nodes.count):
            yield size.cpus * 1000 - PER_NODE[0], size.memory * 2**20 - PER_NODE[1]


@pytest.mark.parametrize(("name", "environment"), STACKS)
def test_pools_hold_their_pods_and_one_more(name: str, environment: str) -> None:
    """A release brings the new pod before the old one goes. There is room for it for certain where what is free is one
    such pod per machine."""
    found = deployment(name, environment)
    plan = system_plan(found)
    pools = getattr(plan.cluster, "pools", ())
    for bound, asked in workloads(plan).items():
        there = list(machines(found, pools, bound))
        rolled = [each for kind, _, each in asked if kind != "StatefulSet"]
        for part in (0, 1):
            free = sum(room[part] for room in there) - sum(number * each[part] for _, number, each in asked)
            assert free >= len(there) * max((each[part] for each in rolled), default=0), (dict(bound), part)
