"""What stacks tell one another: typed, flat, secrets in fields of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pulumi


class HubNotUp(pulumi.RunError):
    """The hub's stack has no outputs yet."""


@dataclass(frozen=True)
class HubOutputs:
    """What stack ``hub`` exports for its spokes."""

    transit_gateway_id: pulumi.Output[str]
    transit_hub_table: pulumi.Output[str]
    transit_spoke_table: pulumi.Output[str]
    hub_vpc_id: pulumi.Output[str]
    hub_cidr: pulumi.Output[str]
    bastion_id: pulumi.Output[str]
    edge_target_groups: pulumi.Output[dict[str, str]]
    """``<environment>-<port>`` -> ARN."""
    edge_dns_names: pulumi.Output[dict[str, str]]
    """Environment -> DNS name of its load balancer."""
    vpn_ranges: pulumi.Output[list[str]]
    name_servers: pulumi.Output[Sequence[str]]
    """Of the public zone: what the domain's registrar must delegate to."""

    def export(self) -> None:
        for field in fields(self):
            pulumi.export(camel(field.name), getattr(self, field.name))

    @staticmethod
    def load(stack: str) -> HubOutputs:
        """Read them from another stack; every use fails with one message when the hub is not up."""
        reference = pulumi.StackReference(f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}")

        def required(name: str) -> pulumi.Output[Any]:
            return reference.get_output(name).apply(lambda value: _present(value, name, stack))

        return HubOutputs(**{field.name: required(camel(field.name)) for field in fields(HubOutputs)})

    @property
    def up(self) -> pulumi.Output[Sequence[pulumi.Resource]]:
        """No resource, once the hub is up: who depends on it is not registered while the hub is missing."""
        return self.transit_gateway_id.apply(lambda _: ())


def _present(value: Any, name: str, stack: str) -> Any:
    if value is None:
        raise HubNotUp(f"stack '{stack}' has no output '{name}': bring it up first with 'pulumi up --stack {stack}'")
    return value


@dataclass(frozen=True)
class EnvironmentOutputs:
    """What an environment's stack exports for programs and people outside."""

    application_url: pulumi.Output[str]
    urls: pulumi.Output[list[str]]
    cluster_endpoint: pulumi.Output[str]
    cluster_name: pulumi.Output[str]
    recovery_objectives: pulumi.Output[dict[str, dict[str, str]]]
    """``rto`` and ``rpo`` -> what is lost -> time. Empty: nothing is promised."""
    notes: pulumi.Output[list[str]]
    kubeconfig: pulumi.Output[str]
    """Secret."""
    grafana_url: pulumi.Output[str] | None = None
    """Absent: its pages have no name, and are seen through a forwarded port."""
    flux_deploy_public_key: pulumi.Output[str] | None = None
    """What the Git server must accept, for reading. Absent: no repository is followed."""
    vpc_id: pulumi.Output[str] | None = None
    """Absent, as are the buckets and databases: the cluster was there already."""
    edge_dns_name: pulumi.Output[str] | None = None
    """Absent: the servers are the edge, or the cluster was there already."""
    load_balancer_dns: pulumi.Output[str] | None = None
    """The same, as what the domain's records lead to."""
    repositories: pulumi.Output[dict[str, str]] | None = None
    """Name of each of the account's repositories for images -> its address."""
    pipeline_roles: pulumi.Output[dict[str, str]] | None = None
    """What workflows do -> ARN of the role that they take for it."""
    database_hosts: pulumi.Output[dict[str, pulumi.Output[str] | str]] | None = None
    backup_bucket: pulumi.Output[str] | None = None
    node_ip: pulumi.Output[str] | None = None
    """Public address of the first server. Absent: servers have none."""
    ssh_private_key: pulumi.Output[str] | None = None
    """Secret. Absent: nobody signs in by SSH, or the administrators have a key of their own."""
    api_url: pulumi.Output[str] | None = None
    """Absent: there is no public API, and every route is public."""
    webhook_url: pulumi.Output[str] | None = None
    """What the Git server must call, signed. Absent: it asks Git itself."""
    site_url: pulumi.Output[str] | None = None
    site_bucket: pulumi.Output[str] | None = None
    """Where the app's files go."""
    site_distribution: pulumi.Output[str] | None = None
    """What must forget the old ones."""

    def export(self) -> None:
        """What this environment has; what it has not is no output."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                pulumi.export(camel(field.name), value)


def together(values: Mapping[str, pulumi.Output[str]]) -> pulumi.Output[dict[str, str]]:
    """One map of many outputs. Pulumi's own function makes a list of none."""
    return pulumi.Output.all(**values) if values else pulumi.Output.from_input({})


def camel(name: str) -> str:
    """``hub_vpc_id`` -> ``hubVpcId``."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
