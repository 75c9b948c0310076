"""A line's objects are those without which it does not pass."""

from __future__ import annotations

import pytest

import systems
from derive.plan import system_plan
from graph.changes import Arrow, what_if
from graph.picture import Edge, picture
from tests.graph.samples import deployment

ADMITTING = {"CiliumNetworkPolicy", "NetworkPolicy", "AuthorizationPolicy", "Sidecar", "ServiceEntry"}
"""Kinds of objects without which a connection is refused."""


def admitting(names: tuple[str, ...]) -> set[str]:
    return {name for name in names if name.split()[0] in ADMITTING}


def sampled(edges: tuple[Edge, ...]) -> list[Edge]:
    """The last call, the first use and the first exit: one line of each kind."""
    found = {edge.kind: edge for edge in (*reversed(edges), *(edge for edge in edges if edge.kind == "call"))}
    return [found[kind] for kind in ("call", "use", "exit") if kind in found]


@pytest.mark.parametrize("name", systems.names())
def test_the_objects_of_a_line_are_those_that_change_without_it(name: str) -> None:
    """A policy that the page leaves out, or names though it has nothing to say, misleads whoever asks why it works.

    What does not change is there for another line as well, or is the way to the world that all lines share.
    """
    drawn = picture(deployment(name))
    for edge in sampled(drawn.edges):
        arrow = Arrow(edge.source.partition(":")[2], edge.target.partition(":")[2])
        answer = what_if(deployment(name), remove=[arrow])
        if answer.refusal:
            continue
        changed = admitting(tuple(item.key.name for item in answer.changed))
        others = (other for other in drawn.edges if other != edge)
        shared = admitting(tuple(object_ for other in others for object_ in other.objects))
        assert changed <= set(edge.objects)
        assert edge.kind == "exit" or admitting(edge.objects) - changed <= shared


STACKS = [(name, environment) for name in systems.names() for environment in systems.load(name).environments]


@pytest.mark.parametrize(("name", "environment"), STACKS)
def test_what_is_said_of_a_service_is_what_its_pods_have(name: str, environment: str) -> None:
    """An environment's table may change a service: what the declaration says of it elsewhere is not what runs."""
    placed = deployment(name, environment)
    parts = {part.name: part.objects for part in system_plan(placed).application.services}
    services = [node for node in picture(placed).nodes if node.kind == "service"]
    assert {node.name for node in services} == parts.keys()
    for node in services:
        workload = next(item for item in parts[node.name] if item["kind"] in ("Deployment", "Rollout", "CronJob"))
        spec = workload["spec"].get("jobTemplate", workload)["spec"]["template"]["spec"]
        asked = next(item for item in spec["containers"] if item["name"] == node.name)["resources"]
        assert node.facts["requests"] == f"{asked['requests']['cpu']} CPU, {asked['requests']['memory']}"
        assert node.facts["limits"] == f"{asked['limits']['cpu']} CPU, {asked['limits']['memory']}"
        assert node.lane == f"namespace {workload['metadata']['namespace']}"
        assert (workload["kind"] == "Rollout") == (node.facts["release"] in ("canary", "blue-green"))
        scaled = [item["spec"] for item in parts[node.name] if item["kind"] == "HorizontalPodAutoscaler"]
        if scaled:
            assert node.facts["pods"] == f"{scaled[0]['minReplicas']} to {scaled[0]['maxReplicas']} pods"
        elif workload["kind"] != "CronJob":
            assert node.facts["pods"].split()[0] == str(workload["spec"]["replicas"])
