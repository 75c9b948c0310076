"""The Kubernetes objects of a plan as a saved stack holds them, for systems that no stack of this project deploys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from audit.audit import PodAudit
from audit.findings import Report
from audit.machines import Machines
from audit.resources import Registry, read
from audit.scope import Scope
from derive.databases import HostPlan
from derive.plan import system_plan
from derive.shapes import Deployment, Facts
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


def planned(system: System, environment: str = "dev", placements: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Everything that the plan of one environment puts into the cluster, and the certificates' Secrets."""
    facts = Facts(region=REGION, placements=placements or {})
    plan = system_plan(Deployment(system, environment, system.environments[environment], facts))
    addons = [item for addon in plan.addons for item in (*addon.objects, *addon.settings)]
    parts = (*plan.application.namespaces, *plan.application.stores, *plan.application.services, *plan.application.edge)
    secrets = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": item.name, "namespace": item.namespace}}
        for item in plan.secrets
    ]
    found = document([*addons, *(item for part in parts for item in part.objects), *secrets])
    found["deployment"]["resources"] += [_record(host) for database in plan.databases for host in database.hosts]
    return found


def _record(host: HostPlan) -> dict[str, Any]:
    type_ = "aws:route53/record:Record"
    values = {"name": host.fqdn, "type": "A", "records": [host.address]}
    return {"type": type_, "urn": f"urn:pulumi:test::test::{type_}::{host.name}", "id": host.name, "outputs": values}


def judged(document: Mapping[str, Any], scope: Scope) -> Report:
    """The audit of a cluster alone."""
    registry = Registry(read(document))
    report = Report("test")
    PodAudit(registry, scope, Machines(registry, scope, scope.environment)).judge(report)
    return report


def audited(system: System, environment: str = "dev", placements: Mapping[str, str] | None = None) -> Report:
    """The audit of a planned cluster."""
    return judged(planned(system, environment, placements), Scope(system, environment, REGION, placements or {}))
