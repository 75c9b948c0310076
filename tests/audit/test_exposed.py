"""A platform without mesh or balancers: standard policies, Traefik, and a machine that is its own edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import systems
from audit.audit import PodAudit, audit
from audit.findings import Difference, Report
from audit.machines import Machines
from audit.resources import Registry, read
from audit.scope import Scope
from tests.audit.mutations import Change, Mutation, append, drop, put
from tests.platforms import Platforms

STACK = "neotool-prod"
SCOPE = Scope(systems.load("neotool"), "prod", "us-east-1", operators=("203.0.113.0/24",))
EGRESS, INGRESS = "egress policy", "ingress policy"
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


Found = Iterator[tuple[str, str, str, Change | None]]
"""What is done, the layer and whom the difference must name, and how."""


def of_policy(body: dict[str, Any]) -> Found:
    """A policy that is lost, and rules that are lost or too wide."""
    spec = body["spec"]
    subject = spec["podSelector"].get("matchLabels", {}).get("app", "any other pod in production")
    yield "is gone", INGRESS, subject, None
    for section, side, layer in (("ingress", "from", INGRESS), ("egress", "to", EGRESS)):
        yield f"{section} admits all", layer, subject, append(("spec", section), {})
        for index, rule in enumerate(spec[section]):
            path = ("spec", section, index)
            yield f"{section}[{index}] is gone", layer, subject, drop(path)
            yield f"{section}[{index}] has no ports", layer, subject, drop((*path, "ports"))
            if side in rule:
                yield f"{section}[{index}] is for all", layer, subject, drop((*path, side))


def of_ingress(body: dict[str, Any]) -> Found:
    name = body["metadata"]["name"]
    rule = ("spec", "rules", 0)
    other = {"service": {"name": "security-service", "port": {"number": 8080}}}
    yield "is gone", DOOR, body["spec"]["rules"][0]["host"], None
    yield "leads elsewhere", DOOR, name, put((*rule, "http", "paths", 0, "backend"), other)
    yield "has no certificate", DOOR, name, drop(("spec", "tls"))
    yield "is for every host", DOOR, name, put((*rule, "host"), "*.neotool.io")


def mutations(document: Document, kind: str) -> list[Mutation]:
    """Of the system's own objects."""
    make = {"NetworkPolicy": of_policy, "Ingress": of_ingress}[kind]
    return [
        Mutation(f"{kind} {body['metadata']['name']}: {what}", STACK, item["urn"], (layer,), mentions, change)
        for item in resources(document, kind)
        if (body := item["outputs"])["metadata"]["namespace"] == "production" and _judged(body)
        for what, layer, mentions, change in make(body)
    ]


OWN = {service.name for service in SCOPE.system.services} | {"postgres", "pgbouncer", "kafka", "kafka-exporter"}


def _judged(body: dict[str, Any]) -> bool:
    """Pods of charts may be let out to more than they need: their policies know addresses only."""
    selector = body["spec"].get("podSelector")
    return selector is None or selector == {} or selector.get("matchLabels", {}).get("app") in OWN


def pod_differences(document: Document, machines: Machines) -> list[Difference]:
    report = Report(STACK)
    PodAudit(Registry(read(document)), SCOPE, machines).judge(report)
    return report.differences


@pytest.mark.parametrize("kind", ["NetworkPolicy", "Ingress"])
def test_every_lost_or_widened_policy_is_reported(document: Document, kind: str) -> None:
    """Without a mesh no second layer stops what one policy lets pass."""
    machines = Machines(Registry(read(document)), SCOPE, "prod")
    found = mutations(document, kind)
    assert len(found) >= 8
    missed = []
    for mutation in found:
        with mutation.applied({STACK: document}):
            differences = pod_differences(document, machines)
        if not any(item.layer in mutation.layers and mutation.mentions in item.text for item in differences):
            missed.append((mutation.name, [item.text for item in differences][:3]))
    assert missed == []


def test_plain_text_is_reported(document: Document) -> None:
    """Traefik redirects because its settings say so."""
    (settings,) = resources(document, "HelmChartConfig")
    machines = Machines(Registry(read(document)), SCOPE, "prod")
    quiet = Mutation(
        "no redirect", STACK, settings["urn"], (DOOR,), "", put(("spec", "valuesContent"), "service: {}\n")
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
    with Mutation("unlabelled", STACK, service["urn"], (), "", drop(path)).applied({STACK: document}):
        found = pod_differences(document, machines)
    assert [(item.layer, item.kind, item.callers, item.callee) for item in found] == [
        (INGRESS, "closed", ("app-service",), "pgbouncer")
    ]


def test_every_lost_or_widened_network_rule_is_reported(document: Document) -> None:
    """SSH for everybody is the first thing that is tried."""
    missed = []
    for item in list(resources(document, "SecurityGroupIngressRule", "SecurityGroupEgressRule", "Route")):
        changes: list[tuple[str, Change | None]] = [("is gone", None)]
        if item["type"].endswith("IngressRule") and item["outputs"]["cidrIpv4"] != "0.0.0.0/0":
            changes.append(("is for the world", put(("cidrIpv4",), "0.0.0.0/0")))
        if item["type"].endswith("Rule") and item["outputs"].get("fromPort"):
            changes.append(("is for every port", put(("ipProtocol",), "-1")))
        for what, change in changes:
            mutation = Mutation(f"{item['urn']}: {what}", STACK, item["urn"], (), "", change)
            with mutation.applied({STACK: document}):
                report = Report(STACK)
                Machines(Registry(read(document)), SCOPE, "prod").judge(report)
            if not report.differences:
                missed.append(mutation.name)
    assert missed == []
