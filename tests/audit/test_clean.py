"""The registered platform lets pass what is declared, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

import systems
from audit.audit import audit
from audit.findings import Report
from stacks.settings import validated
from tests.audit.conftest import Documents, scope
from tests.platforms import Platforms
from wheelhouse.audit import scope_of

SYSTEM = systems.load("fitsync")
DATABASES = {"userdb", "trainingdb", "scheduledb", "progressdb"}


def report(documents: Documents, stack: str) -> Report:
    needed = {name: documents[name] for name in {"hub", stack}}
    return audit(stack, scope("dev" if stack == "hub" else stack), needed, hub=stack == "hub")


@pytest.mark.parametrize("stack", ["hub", "dev", "stage", "prod"])
def test_every_stack_is_as_declared(documents: Documents, stack: str) -> None:
    """FS-SEC-04, FS-SEC-05, FS-SEC-13, FS-SEC-14, FS-NET-06, FS-NET-07: a difference is a defect of the platform."""
    found = report(documents, stack)
    assert [item.text for item in found.differences] == []
    assert found.notes == [], "a chart whose pods nobody judges"


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_system_in_a_network_of_its_own_is_as_declared(gym: Documents, environment: str) -> None:
    """GY-NET-03 to GY-NET-08, GY-SEC-01 to GY-SEC-05."""
    stack = f"gym-{environment}"
    found = audit(stack, scope(stack), {stack: gym[stack]})
    assert [item.text for item in found.differences] == []
    assert found.notes == []


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_system_behind_a_public_api_is_as_declared(myhealth: Documents, environment: str) -> None:
    """MH-NET-07, MH-NET-08, MH-EDG-03, MH-SEC-01 to MH-SEC-08: nodes by their groups, no way in but the API's."""
    stack = f"myhealth-{environment}"
    found = audit(stack, scope(stack), {stack: myhealth[stack]})
    assert [item.text for item in found.differences] == []
    assert found.notes == [], "a chart whose pods nobody judges"


@pytest.mark.parametrize("stack", ["orion-dev", "neotool-prod"])
def test_a_system_with_doors_of_its_own_is_as_declared(platforms: Platforms, stack: str) -> None:
    """An ingress before the mesh and calls by an egress gateway; a machine that is its own edge, without a mesh."""
    found = audit(stack, scope(stack), {stack: platforms.bench(stack).export(stack)})
    assert [item.text for item in found.differences] == []
    assert found.notes == [], "a chart whose pods nobody judges"


def test_a_managed_cluster_and_database_behind_a_hub_are_as_declared(platforms: Platforms) -> None:
    """A system is moved there by settings: what the audit expects must not be what machines of its own have."""
    values: dict[str, Any] = {
        "cluster": "eks",
        "databases": {"userdb": "rds"},
        "environments": {"prod": {"managed_databases": {"instance": "db.t3.micro"}}},
    }
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    bench = platforms.bench("prod", config, "-eks")
    operators = [str(network) for network in scope("prod").operators]
    settings = validated({"region": "eu-west-1", "admin_ranges": operators, **values}, "prod")
    found = audit("prod", scope_of(settings), {name: bench.export(name) for name in ("hub", "prod")})
    assert [item.text for item in found.differences] == []
    assert found.machines["prod nodes", "prod managed databases"] == "TCP 5432"
    assert found.machines["prod entrys", "prod nodes"] == "TCP 30080, TCP 30081, TCP 30443"


def test_exactly_the_declared_calls_are_possible(documents: Documents) -> None:
    """The audit's own list, against the declaration: an audit that sees nothing would find no difference either."""
    found = report(documents, "dev")
    services = {service.name: service.port for service in SYSTEM.services}
    possible = {
        (item.caller, item.callee)
        for item in found.connections
        if item.caller in services and item.port == str(services.get(item.callee))
    }
    assert possible == {(call.caller, call.callee) for call in SYSTEM.calls}


def test_each_store_is_reached_by_its_users_alone(documents: Documents) -> None:
    """FS-SEC-15, FS-SEC-16: one service with another's database reads everything in it."""
    found = report(documents, "dev")
    services = {service.name for service in SYSTEM.services}
    possible = {
        (item.caller, item.callee)
        for item in found.connections
        if item.caller in services and item.callee in DATABASES | {"redis"}
    }
    assert possible == {(service.name, store) for service in SYSTEM.services for store in service.uses}


def test_every_forbidden_call_is_stopped_by_several_layers(documents: Documents) -> None:
    """Defence in depth: a single mistake must not connect two services."""
    found = report(documents, "dev")
    services = {service.name for service in SYSTEM.services}
    cells = [found.cell(caller, callee) for caller in services for callee in services]
    layers = {cell.stopped_by for cell in cells if cell and not cell.possible}
    assert layers == {("egress policy", "ingress policy", "authorization", "mesh routing")}


def test_prometheus_reads_metrics_and_nothing_else(documents: Documents) -> None:
    """FS-SEC-17: the opening for scrapes opens no other port, no other path, no other method."""
    found = report(documents, "dev")
    seen = {
        (item.callee, item.port, item.request)
        for item in found.connections
        if item.caller == "prometheus" and item.callee in {service.name for service in SYSTEM.services}
    }
    measured = [service.name for service in SYSTEM.services if service.metrics]
    assert seen == {
        *((name, "9090", "GET /metrics") for name in measured),
        *((service.name, "15020", "") for service in SYSTEM.services),
    }


def test_the_doors_are_the_declared_ones(documents: Documents) -> None:
    """FS-MSH-02, FS-MSH-04, FS-MSH-05, FS-MSH-08: what the world gets to see."""
    doors = report(documents, "prod").doors
    assert doors == {
        "app.fitsync.com:80/any-other-path": "redirect to HTTPS",
        "app.fitsync.com:443/any-other-path": "frontend:3000",
        "api.fitsync.com:80/any-other-path": "redirect to HTTPS",
        "api.fitsync.com:443/any-other-path": "no route",
        "api.fitsync.com:80/api": "redirect to HTTPS",
        "api.fitsync.com:443/api": "api-gateway:4000",
    }


def test_machines_reach_each_other_as_the_firewall_says(documents: Documents) -> None:
    """FS-NET-13 to FS-NET-18, FS-OPS-01: the world reaches the edge alone; the bastion reaches no database."""
    machines = report(documents, "dev").machines
    assert {target for (source, target) in machines if source == "the internet"} == {"hub edges"}
    assert machines["the internet", "hub edges"] == "TCP 443, TCP 80"
    assert machines["dev nodes", "dev databases"] == "TCP 5432, TCP 6379"
    assert machines["hub bastions", "dev nodes"] == "TCP 22, TCP 6443"
    assert ("hub bastions", "dev databases") not in machines
    assert machines["operators behind the VPN", "dev entrys"] == "TCP 6443"
    assert not [ends for ends in machines if ends[0].startswith(("stage", "prod")) and ends[1].startswith("dev")]
