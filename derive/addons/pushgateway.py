"""Pushgateway: holds the metrics of Jobs that are gone before Prometheus looks."""

from __future__ import annotations

from typing import Final

from derive import naming, versions
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import Flow, Pods, Rule
from derive.cluster.placement import placement
from derive.shapes import Deployment
from model import Pushgateway

NAME: Final = "prometheus-pushgateway"
LABELS: Final = {naming.APP: NAME}
PORT: Final = naming.PUSHGATEWAY_PORT


def addition(deployment: Deployment, choice: Pushgateway) -> Addition:
    system = deployment.system
    home = system.platform.observability.namespace
    jobs = tuple(
        Pods({"app": service.name}, naming.service_namespace(system, service))
        for service in system.services
        if service.schedule
    )
    return Addition(
        release=Release(
            name=NAME,
            source=housed(versions.PUSHGATEWAY, home),
            values={
                "fullnameOverride": NAME,
                "podLabels": OUTSIDE_MESH,
                "resources": resources("10m", "32Mi", "64Mi"),
                "serviceMonitor": {"enabled": False},
                **placement(system.platform, choice.pool),
            },
            requires=("cilium", "kube-prometheus-stack"),
            ready=(f"deployment/{NAME}",),
        ),
        rules=(Rule(NAME, LABELS, (Flow(jobs, (PORT,)),) if jobs else (), ()),),
        # Labels that a Job gives itself stay as they are.
        measured=(Measured(LABELS, PORT, keeps_labels=True),),
    )
