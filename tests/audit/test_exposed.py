"""A platform without mesh or balancers: standard policies, Traefik, and a machine that is its own edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from audit.audit import PodAudit, audit
from audit.findings import Difference, Report
from audit.machines import Machines
from audit.resources import Registry, read
from tests.audit.conftest import scope
from tests.audit.mutations import Mutation, drop, put
from tests.platforms import Platforms

STACK = "neotool-prod"
SCOPE = scope(STACK)
INGRESS = "ingress policy"
DOOR = "ingress gateway"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(platforms: Platforms) -> Document:
    """Neotool's production as it is saved. A test that changes it undoes that."""
    found: Document = platforms.bench(STACK).export(STACK)
    return found


def resources(document: Document, *kinds: str) -> Iterator[dict[str, Any]]:
    for item in document["deployment"]["resources"]:
        if item["type"].rpartition(":")[2] in kinds:
            yield item


def test_the_stack_is_as_declared(document: Document) -> None:
    """NT-NPL-01 to NT-NPL-05, NT-NET-03 to NT-NET-05: a difference is a defect of the platform."""
    found = audit(STACK, SCOPE, {STACK: document})
    assert [item.text for item in found.differences] == []
    assert found.notes == [], "a chart whose pods nobody judges"
    assert found.doors == {
        "app.neotool.io:80/any-other-path": "redirect to HTTPS",
        "app.neotool.io:443/any-other-path": "web:3000",
        "api.neotool.io:80/any-other-path": "redirect to HTTPS",
        "api.neotool.io:443/any-other-path": "apollo-router:4000",
    }
    assert found.machines["the internet", "prod nodes"] == "TCP 443, TCP 80"


def test_exactly_the_declared_calls_are_possible(document: Document) -> None:
    """The audit's own list, against the declaration: an audit that sees nothing would find no difference either."""
    found = audit(STACK, SCOPE, {STACK: document})
    system = SCOPE.system
    ports = {service.name: str(service.port) for service in system.services}
    possible = {
        (item.caller, item.callee)
        for item in found.connections
        if item.caller in ports and item.port == ports.get(item.callee)
    }
    assert possible == {(call.caller, call.callee) for call in system.calls}
    assert {item.caller for item in found.connections if (item.callee, item.port) == ("pgbouncer", "6432")} == {
        "app-service",
        "security-service",
    }


def pod_differences(document: Document, machines: Machines) -> list[Difference]:
    report = Report(STACK)
    PodAudit(Registry(read(document)), SCOPE, machines).judge(report)
    return report.differences


def test_plain_text_is_reported(document: Document) -> None:
    """Traefik redirects because its settings say so."""
    (settings,) = resources(document, "HelmChartConfig")
    machines = Machines(Registry(read(document)), SCOPE, "prod")
    quiet = Mutation(
        "no redirect", STACK, settings["urn"], (DOOR,), (), put(("spec", "valuesContent"), "service: {}\n")
    )
    with quiet.applied({STACK: document}):
        found = [item.text for item in pod_differences(document, machines) if item.layer == DOOR]
    assert len(found) == 2
    assert all(":80/" in text and "redirect to HTTPS" in text for text in found)


def test_a_pod_without_the_label_is_reported(document: Document) -> None:
    """The pooler's policy lets in by what a pod bears, not by its name."""
    (service,) = [
        item for item in resources(document, "Deployment") if item["outputs"]["metadata"]["name"] == "app-service"
    ]
    path = ("spec", "template", "metadata", "labels", "access-pgbouncer")
    machines = Machines(Registry(read(document)), SCOPE, "prod")
    with Mutation("unlabelled", STACK, service["urn"], (), (), drop(path)).applied({STACK: document}):
        found = pod_differences(document, machines)
    assert [(item.layer, item.kind, item.callers, item.callee) for item in found] == [
        (INGRESS, "closed", ("app-service",), "pgbouncer")
    ]
