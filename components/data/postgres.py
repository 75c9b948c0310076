"""The database tier on EC2: every database on machines of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from components.data.host import DatabaseHost, DatabaseHostArgs, verifier
from components.data.snapshots import Snapshots, SnapshotsArgs
from components.identity.authority import Authority
from components.network.vpc import Vpc
from derive.bootstrap.postgres_host import PostgresHost
from derive.data.databases import (
    DatabasePlan,
    DatabaseSite,
    HostPlan,
    bundle_key,
    postgres_host,
)
from derive.stores.postgres import monitoring_password, owner_password, replication_password
from derive.stores.postgres_server import MONITORING, REPLICATION


def password_names(plans: Sequence[DatabasePlan]) -> tuple[str, ...]:
    """The generated passwords that the tier needs: per database its owner's, the exporter's and replication's."""
    return tuple(
        name
        for plan in plans
        for name in (owner_password(plan.name), monitoring_password(plan.name), replication_password(plan.name))
    )


@dataclass(frozen=True)
class PostgresTierArgs:
    """The databases and the network they stand in."""

    plans: tuple[DatabasePlan, ...]
    region: str
    vpc: Vpc
    security_group: pulumi.Input[str]
    zone_name: str
    client_cidrs: tuple[str, ...]
    peer_cidrs: tuple[str, ...]
    image: pulumi.Input[str]
    bucket: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    authority: Authority
    passwords: Mapping[str, pulumi.Output[str]]
    snapshot_days: int
    protect: bool


class PostgresTier(pulumi.ComponentResource):
    """PostgreSQL on EC2: one machine per database and a standby by streaming replication where planned.

    Makes, per machine: an encrypted data volume that outlives it, an instance at a fixed address, an instance profile
    that reads its own bundle and archives its own WAL, a certificate and a name in the private zone; and one snapshot
    policy for all. Needs: the S3 gateway endpoint. Costs: machines and volumes by the hour.
    Outputs: the host name of each database.
    """

    hosts: dict[str, str]
    zone_id: pulumi.Output[str]

    def __init__(self, name: str, args: PostgresTierArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:data:PostgresTier", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        zone = aws.route53.Zone(
            f"{name}-zone",
            name=args.zone_name,
            vpcs=[aws.route53.ZoneVpcArgs(vpc_id=args.vpc.vpc_id, vpc_region=args.region)],
            tags={"Name": args.zone_name},
            opts=self._children,
        )
        self.zone_id = zone.zone_id
        for plan in args.plans:
            self._create_database(plan)
        Snapshots(f"{name}-snapshots", SnapshotsArgs(tag=name, keep=args.snapshot_days), self._children)
        self.hosts = {plan.name: plan.fqdn for plan in args.plans}
        self.register_outputs({"hosts": self.hosts})

    def _create_database(self, plan: DatabasePlan) -> None:
        roles = {
            plan.owner: owner_password(plan.name),
            MONITORING: monitoring_password(plan.name),
            REPLICATION: replication_password(plan.name),
        }
        verifiers = {
            role: verifier(f"{self._name}-{password}", self._args.passwords[password], self._children)
            for role, password in roles.items()
        }
        previous: list[DatabaseHost] = []
        for host in plan.hosts:
            previous.append(self._create_host(plan, host, verifiers, previous))

    def _create_host(
        self,
        plan: DatabasePlan,
        host: HostPlan,
        verifiers: Mapping[str, pulumi.Output[str]],
        after: Sequence[DatabaseHost],
    ) -> DatabaseHost:
        args = self._args
        standby = host.role == "standby"
        return DatabaseHost(
            f"{self._name}-{host.name}",
            DatabaseHostArgs(
                plan=host,
                describe=partial(self._describe, plan, host),
                instance=plan.instance,
                volume=plan.volume,
                image=args.image,
                subnet_id=args.vpc.subnets[host.subnet].id,
                security_group=args.security_group,
                bucket=args.bucket,
                bucket_arn=args.bucket_arn,
                bundle_key=bundle_key(host),
                archive_prefix=plan.archive_prefix,
                restored_from=plan.restored_from,
                authority=args.authority,
                verifiers=verifiers,
                replication_password=args.passwords[replication_password(plan.name)] if standby else None,
                zone_id=self.zone_id,
                tier=self._name,
                protect=args.protect,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _describe(self, plan: DatabasePlan, host: HostPlan, volume_id: str, bucket: str) -> PostgresHost:
        args = self._args
        site = DatabaseSite(
            region=args.region,
            bucket=bucket,
            client_cidrs=args.client_cidrs,
            peer_cidrs=args.peer_cidrs,
            retention_days=args.snapshot_days,
        )
        return postgres_host(plan, host, site, volume_id)
