"""The Kubernetes objects of a plan as a saved stack holds them, for systems that no stack of this project deploys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from audit.audit import PodAudit
from audit.findings import Report
from audit.machines import Machines
from audit.resources import Registry, read
from audit.scope import Scope
from derive.data.databases import HostPlan
from derive.plan import SystemPlan, system_plan
from derive.shapes import ChartPlan, Deployment, Facts
from manifests.base import Manifest
from model import System

REGION = "eu-central-1"


def document(objects: Iterable[Manifest]) -> dict[str, Any]:
    """An exported stack that holds these objects."""
    return {"deployment": {"resources": [_resource(item) for item in objects]}}


def _resource(item: Manifest) -> dict[str, Any]:
    version, kind, metadata = item["apiVersion"], item["kind"], item["metadata"]
    type_ = f"kubernetes:{version if '/' in version else f'core/{version}'}:{kind}"
    name = f"{metadata.get('namespace', '')}/{metadata['name']}"
    return {"type": type_, "urn": f"urn:pulumi:test::test::{type_}::{name}", "id": name, "outputs": dict(item)}


def planned(
    system: System,
    environment: str = "dev",
    placements: Mapping[str, str] | None = None,
    releases: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Everything that the plan of one environment puts into the cluster, and the certificates' Secrets."""
    facts = Facts(region=REGION, placements=placements or {}, releases=releases or {}, cloudflare_account="0" * 32)
    plan = system_plan(Deployment(system, environment, system.environments[environment], facts))
    addons = [item for addon in plan.addons for item in (*addon.objects, *addon.settings)]
    parts = (*plan.application.namespaces, *plan.application.stores, *plan.application.services, *plan.application.edge)
    secrets = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": item.name, "namespace": item.namespace}}
        for item in plan.secrets
    ]
    found = document([*addons, *(item for part in parts for item in part.objects), *secrets])
    found["deployment"]["resources"] += [_record(host) for database in plan.databases for host in database.hosts]
    found["deployment"]["resources"] += [_release(addon.chart) for addon in plan.addons if addon.chart]
    found["deployment"]["resources"] += _nodes(plan, Scope(system, environment, REGION).node_tiers)
    return found


def _release(chart: ChartPlan) -> dict[str, Any]:
    values = {"chart": chart.chart, "name": chart.name, "namespace": chart.namespace, "values": chart.values}
    return _account("kubernetes:helm.sh/v3:Release", chart.name, values)


def _nodes(plan: SystemPlan, tiers: Iterable[str]) -> list[dict[str, Any]]:
    """The cluster's subnets, and a group of machines in them."""
    among = [subnet for tier in tiers for subnet in plan.network.addresses.tier(tier)]
    subnets = {subnet.name: {"cidrBlock": subnet.cidr, "vpcId": "vpc"} for subnet in among}
    found = [_account("aws:ec2/subnet:Subnet", name, values) for name, values in subnets.items()]
    return [*found, _account("aws:autoscaling/group:Group", "nodes", {"vpcZoneIdentifiers": list(subnets)})]


def _account(type_: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": type_, "urn": f"urn:pulumi:test::test::{type_}::{name}", "id": name, "outputs": dict(values)}


def _record(host: HostPlan) -> dict[str, Any]:
    return _account("aws:route53/record:Record", host.name, {"name": host.fqdn, "type": "A", "records": [host.address]})


def judged(document: Mapping[str, Any], scope: Scope) -> Report:
    """The audit of a cluster alone."""
    registry = Registry(read(document))
    report = Report("test")
    PodAudit(registry, scope, Machines(registry, scope, scope.environment)).judge(report)
    return report


def audited(system: System, environment: str = "dev", placements: Mapping[str, str] | None = None) -> Report:
    """The audit of a planned cluster."""
    return judged(planned(system, environment, placements), Scope(system, environment, REGION, placements or {}))
