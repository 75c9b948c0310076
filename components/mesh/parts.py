"""Components that register one part of the application each."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.mesh.objects import Target, install, register
from derive.shapes import AddonPlan, Part


@dataclass(frozen=True)
class PartArgs:
    """A part of the plan and the cluster that it goes to."""

    part: Part
    target: Target


class MeshNamespace(pulumi.ComponentResource):
    """A namespace of the mesh, closed by default: quota, limits, Pod Security, default deny, mTLS, its policies.

    The namespace comes first, the rest follows it. Costs nothing. Outputs: the namespace's name.
    """

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: PartArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:mesh:MeshNamespace", name, None, opts)
        first, *rest = args.part.objects
        created = register([first], args.target, self)
        register(rest, args.target, self, created)
        self.namespace = pulumi.Output.from_input(args.part.name)
        self.register_outputs({"namespace": self.namespace})


class MicroService(pulumi.ComponentResource):
    """One service: account, workload, Service, scaling, and the policies derived from who calls it and whom it calls.

    Policies come before the workload, so that no pod ever runs without them. Several workloads (a database's members)
    come, and change, one after the other. Costs: what its pods ask for.
    """

    def __init__(self, name: str, args: PartArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:mesh:MicroService", name, None, opts)
        workloads = [item for item in args.part.objects if item["kind"] in WORKLOADS]
        before = [item for item in args.part.objects if item["kind"] in FIRST]
        after = [item for item in args.part.objects if item not in workloads and item not in before]
        moved = args.part.moved
        created = register(before, args.target, self, moved=moved)
        for workload in workloads:
            created = register([workload], args.target, self, created)
        register(after, args.target, self, created, moved=moved)
        self.register_outputs({})


FIRST = frozenset(
    {
        "ServiceAccount",
        "ConfigMap",
        "Service",
        "CiliumNetworkPolicy",
        "NetworkPolicy",
        "AuthorizationPolicy",
        "PeerAuthentication",
        "Sidecar",
        "ServiceEntry",
        "DestinationRule",
        "AnalysisTemplate",
    }
)
"""What a pod needs, or what must bind it, from its first moment."""
WORKLOADS = frozenset({"Deployment", "StatefulSet", "CronJob", "Rollout", "DaemonSet", "Job"})


class Objects(pulumi.ComponentResource):
    """A named group of objects without an order of its own: the edge, dashboards, alert rules."""

    def __init__(self, name: str, args: PartArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:mesh:Objects", name, None, opts)
        register(args.part.objects, args.target, self, moved=args.part.moved)
        self.register_outputs({})


@dataclass(frozen=True)
class AddonArgs:
    """An add-on's plan and the cluster that it goes to."""

    plan: AddonPlan
    target: Target


class Addon(pulumi.ComponentResource):
    """An add-on: its own objects, then its chart, then the objects of kinds that the chart defines.

    Costs: what its pods ask for.
    """

    def __init__(self, name: str, args: AddonArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:mesh:Addon", name, None, opts)
        created: list[pulumi.Resource] = []
        for manifest in args.plan.objects:
            created += register([manifest], args.target, self, created[-1:])
        if args.plan.chart:
            created.append(install(args.plan.chart, args.target, self, created[-1:]))
        register(args.plan.settings, args.target, self, created[-1:])
        self.register_outputs({})
