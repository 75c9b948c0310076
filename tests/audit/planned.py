"""The Kubernetes objects of a plan as a saved stack holds them, for systems that no stack of this project deploys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from audit.audit import PodAudit
from audit.findings import Report
from audit.machines import Machines
from audit.resources import Registry, read
from audit.scope import Scope
from audit.sites import managed_hosts
from derive import cloud
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
    if plan.managed:
        found = _resolved(found, plan, system.network.data or system.network.control)
    data = (system.network.data,) if system.network.data else ()
    if plan.own_network:
        found["deployment"]["resources"] += _nodes(plan, Scope(system, environment, REGION).node_tiers, data)
    return found


def _resolved(found: Mapping[str, Any], plan: SystemPlan, tier: str) -> dict[str, Any]:
    """With managed databases, and their names wherever the plan leaves a place for them."""
    text = json.dumps(found)
    subnets = [subnet.name for subnet in plan.network.addresses.tier(tier)]
    resources = [_account("aws:rds/subnetGroup:SubnetGroup", "data", {"name": "data", "subnetIds": subnets})]
    for database in plan.managed:
        host = f"{database.name}.rds.example"
        text = text.replace(cloud.database_host(database.name), host)
        values = {"address": host, "dbSubnetGroupName": "data", "vpcSecurityGroupIds": []}
        resources.append(_account("aws:rds/instance:Instance", f"data-{database.name}", values))
    result: dict[str, Any] = json.loads(text)
    result["deployment"]["resources"] += resources
    return result


def _release(chart: ChartPlan) -> dict[str, Any]:
    values = {"chart": chart.chart, "name": chart.name, "namespace": chart.namespace, "values": chart.values}
    return _account("kubernetes:helm.sh/v3:Release", chart.name, values)


def _nodes(plan: SystemPlan, tiers: Iterable[str], data: Iterable[str]) -> list[dict[str, Any]]:
    """The subnets of the cluster and of the databases, and a group of machines in the former."""
    places = {tier: [subnet.name for subnet in plan.network.addresses.tier(tier)] for tier in (*tiers, *data)}
    subnets = {subnet.name: subnet.cidr for tier in places for subnet in plan.network.addresses.tier(tier)}
    found = [
        _account("aws:ec2/subnet:Subnet", name, {"cidrBlock": cidr, "vpcId": "vpc"}) for name, cidr in subnets.items()
    ]
    holding = [name for tier in tiers for name in places[tier]]
    return [*found, _account("aws:autoscaling/group:Group", "nodes", {"vpcZoneIdentifiers": holding})]


def _account(type_: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": type_, "urn": f"urn:pulumi:test::test::{type_}::{name}", "id": name, "outputs": dict(values)}


def _record(host: HostPlan) -> dict[str, Any]:
    return _account("aws:route53/record:Record", host.name, {"name": host.fqdn, "type": "A", "records": [host.address]})


class Connected(Machines):
    """A network that stops nothing: a plan's has no registered resources."""

    def nodes_reach(self, name: str, port: int) -> bool:
        return True

    def nodes_reach_internet(self, port: int) -> bool:
        return True


def judged(document: Mapping[str, Any], scope: Scope) -> Report:
    """The audit of a cluster alone."""
    registry = Registry(read(document))
    scope = replace(scope, hosts=managed_hosts(registry, scope))
    report = Report("test")
    PodAudit(registry, scope, Connected(registry, scope, scope.environment)).judge(report)
    return report


def audited(system: System, environment: str = "dev", placements: Mapping[str, str] | None = None) -> Report:
    """The audit of a planned cluster."""
    return judged(planned(system, environment, placements), Scope(system, environment, REGION, placements or {}))
