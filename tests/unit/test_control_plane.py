"""What a managed control plane calls in the cluster: its security groups let it, on every port that is asked for."""

from __future__ import annotations

import json

import pytest

from derive.addons.additions import additions
from derive.addons.flows import Entities
from derive.addons.spaces import filled
from derive.cluster.eks import EksPlan
from derive.network.firewall import WEBHOOKS
from derive.plan import system_plan
from stacks.settings import validated

DECLARED = [("myhealth", "dev"), ("myhealth", "prod"), ("fitsync", "prod"), ("gym", "prod")]


@pytest.mark.parametrize(("system", "environment"), DECLARED)
def test_it_reaches_every_webhook_and_aggregated_api(system: str, environment: str) -> None:
    """MH-NET-08, MH-SCL-03: behind a port that nodes do not open, an API answers nobody and autoscalers stand still."""
    values = {
        "system": system,
        "environment": environment,
        "region": "us-east-1",
        "cluster": "eks",
        "image_tags": {"default": "1.2.3"},
    }
    deployment = validated(values, f"{system}-{environment}").deployment()
    made = additions(deployment)
    spaces = filled(deployment, tuple(made.values()))
    asked = {
        (name, rule.name, port)
        for name, space in spaces.items()
        for rule in space.rules
        for flow in rule.inbound
        if isinstance(flow.peers, Entities) and "kube-apiserver" in flow.peers.names
        for port in flow.ports
    }
    assert asked
    assert {found for found in asked if found[2] not in WEBHOOKS} == set()


def test_metrics_of_pods_answer_on_a_port_that_it_reaches() -> None:
    """MH-ADD-02: the add-on's own port is 10251 (EKS user guide, "Metrics Server")."""
    deployment = validated(
        {"system": "myhealth", "environment": "dev", "region": "us-east-1", "image_tags": {"default": "1.2.3"}},
        "myhealth-dev",
    ).deployment()
    cluster = system_plan(deployment).cluster
    assert isinstance(cluster, EksPlan)
    (addon,) = [item for item in cluster.addons if item.name == "metrics-server"]
    assert addon.configuration
    assert json.loads(addon.configuration)["containerPort"] in WEBHOOKS
