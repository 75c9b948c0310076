"""Fluent Bit on every node: ships the logs of the system's pods to CloudWatch Logs, by a role of its own."""

from __future__ import annotations

from typing import Final

from derive import naming, versions
from derive.addons import aws, fluent_bit
from derive.addons.chart import Addition, Release
from derive.addons.flows import API_SERVER, Flow, Pods, Rule
from derive.cloud import Allow, Grant
from derive.observability import fluent_bit as logs
from derive.shapes import Deployment
from manifests import core
from model import CloudWatchLogs

NAME: Final = "fluent-bit"
LABELS: Final = {naming.APP: NAME}


def group(deployment: Deployment) -> str:
    """Name of the log group, which the stack makes: with a time for which it keeps what it gets."""
    return f"/{deployment.system.name}/{deployment.name}/applications"


def addition(deployment: Deployment, choice: CloudWatchLogs) -> Addition:
    system, home = deployment.system, versions.FLUENT_BIT.namespace
    spaces = tuple(dict.fromkeys(naming.service_namespace(system, service) for service in system.services))
    configuration = core.config_map(logs.CONFIG_MAP, home, {"fluent-bit.conf": logs.text(spaces, _output(deployment))})
    account = {"serviceAccount": {"name": NAME, "annotations": aws.identity(deployment, home, NAME)}}
    prometheus = Pods(naming.PROMETHEUS_LABELS, system.platform.observability.namespace)
    return Addition(
        release=Release(
            name=NAME,
            source=versions.FLUENT_BIT,
            values=fluent_bit.values(configuration) | account,
            requires=("cilium", "kube-prometheus-stack"),
            ready=(f"daemonset/{NAME}",),
        ),
        # It mounts directories of the host.
        level="privileged",
        rules=(
            Rule(
                NAME,
                LABELS,
                (Flow((prometheus,), (logs.HTTP_PORT,)),),
                (API_SERVER, *aws.flows(deployment, "logs")),
            ),
        ),
        before=(configuration,),
        grants=(Grant(home, NAME, _rights(deployment)),),
    )


def _output(deployment: Deployment) -> logs.Section:
    return "OUTPUT", (
        ("Name", "cloudwatch_logs"),
        ("Match", "kube.*"),
        ("region", deployment.facts.region),
        ("log_group_name", group(deployment)),
        ("log_stream_prefix", "pods-"),
        # The stack makes the group, so that nothing is kept for ever.
        ("auto_create_group", "Off"),
        ("Retry_Limit", "5"),
        ("storage.total_limit_size", "1G"),
    )


def _rights(deployment: Deployment) -> tuple[Allow, ...]:
    name = f"arn:aws:logs:{deployment.facts.region}:*:log-group:{group(deployment)}"
    actions = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
    return (Allow(actions, (name, f"{name}:*")),)
