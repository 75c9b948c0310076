"""RDS: not reachable from the internet, and backed up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pulumi_policy import ResourceValidationArgs

from policies.rules import ADVISORY, Violation, integer, is_true, resource_policy

INSTANCE: Final = "aws:rds/instance:Instance"
CLUSTER: Final = "aws:rds/cluster:Cluster"
MEMBER: Final = "aws:rds/clusterInstance:ClusterInstance"

DAYS: Final = integer("days", "Fewest days that automated backups are kept", 7, 1)


def _private(args: ResourceValidationArgs) -> Iterator[Violation]:
    if is_true(args.props.get("publiclyAccessible")):
        yield Violation("publiclyAccessible", "is true", "set it to false and reach the database from inside the VPC")


def _backups(args: ResourceValidationArgs) -> Iterator[Violation]:
    """A replica can be made anew from its source."""
    if args.props.get("replicateSourceDb") or args.props.get("replicationSourceIdentifier"):
        return
    kept, days = int(args.props.get("backupRetentionPeriod") or 0), int(DAYS.of(args))
    if kept < days:
        yield Violation("backupRetentionPeriod", f"is {kept} days", f"keep backups for at least {days} days")


def _deletion(args: ResourceValidationArgs) -> Iterator[Violation]:
    if not is_true(args.props.get("deletionProtection")):
        yield Violation("deletionProtection", "is not true", "set it to true")
    if is_true(args.props.get("skipFinalSnapshot")):
        yield Violation("skipFinalSnapshot", "is true", "set it to false and name a finalSnapshotIdentifier")


POLICIES: Final = [
    resource_policy(
        "database-private", "No database has a public address.", dict.fromkeys((INSTANCE, MEMBER), _private)
    ),
    resource_policy(
        "database-backups",
        "Databases keep automated backups.",
        dict.fromkeys((INSTANCE, CLUSTER), _backups),
        (DAYS,),
    ),
    resource_policy(
        "database-deletion",
        "Databases are protected from deletion and leave a last snapshot.",
        dict.fromkeys((INSTANCE, CLUSTER), _deletion),
        level=ADVISORY,
    ),
]
