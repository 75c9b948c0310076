"""A listener of a network load balancer and the target group behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from derive.edge.doorman import HealthCheck, IngressPorts


@dataclass(frozen=True)
class Forward:
    """One port of a load balancer, and how it leads on. TLS passes through."""

    port: int
    target_port: int
    target_type: Literal["instance", "ip"]
    health_port: int
    health_path: str | None = None
    """Absent: a connection is proof enough."""
    health_tls: bool = False
    check: HealthCheck | None = None
    """How health is told. Absent: every ten seconds, and AWS's own defaults."""
    keeps_client: bool | None = None
    """Whether targets see the client's address. Absent: AWS's default for the target type."""


def forward(
    name: str,
    args: Forward,
    balancer: aws.lb.LoadBalancer,
    balancer_name: str,
    vpc_id: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> tuple[aws.lb.TargetGroup, aws.lb.Listener]:
    """Register ``<name>-<port>`` and ``<name>-listener-<port>``.

    The target group is named after the load balancer: a generated name would need eight of AWS' 32 characters.
    """
    protocol = "TCP" if args.health_path is None else "HTTPS" if args.health_tls else "HTTP"
    check = args.check
    group = aws.lb.TargetGroup(
        f"{name}-{args.port}",
        name=f"{balancer_name}-{args.port}",
        port=args.target_port,
        protocol="TCP",
        target_type=args.target_type,
        vpc_id=vpc_id,
        preserve_client_ip=None if args.keeps_client is None else str(args.keeps_client).lower(),
        deregistration_delay=30,
        health_check=aws.lb.TargetGroupHealthCheckArgs(
            protocol=protocol,
            path=args.health_path,
            port=str(args.health_port),
            interval=check.interval if check else 10,
            timeout=check.timeout if check else None,
            healthy_threshold=check.healthy if check else None,
            unhealthy_threshold=check.unhealthy if check else None,
        ),
        tags={"Name": f"{name}-{args.port}"},
        opts=opts,
    )
    listener = aws.lb.Listener(
        f"{name}-listener-{args.port}",
        load_balancer_arn=balancer.arn,
        port=args.port,
        protocol="TCP",
        default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=group.arn)],
        opts=opts,
    )
    return group, listener


def to_nodes(ingress: IngressPorts) -> list[Forward]:
    """To the ingress on the nodes, which see the client's address."""
    return [
        Forward(port, target, "instance", ingress.health, ingress.health_path, check=ingress.check, keeps_client=True)
        for port, target in ingress.ports.items()
    ]
