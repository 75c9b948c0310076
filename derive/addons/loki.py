"""Loki: logs with few indices, kept on a volume or in a bucket, and deleted after their time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from derive import choices, cloud, labels, naming, versions
from derive.addons import alloy, aws, ebs_csi, log_archive
from derive.addons.chart import OUTSIDE_MESH, Addition, Measured, Release, housed, resources
from derive.addons.flows import Flow, Pods, Rule
from derive.cloud import Grant
from derive.cluster.placement import placement
from derive.shapes import Deployment
from manifests import pods
from model import Alloy, Loki

NAME: Final = "loki"
LABELS: Final = {naming.APP: NAME}
BUCKET: Final = "logs"
"""Symbolic name of the bucket."""
GRPC: Final = 9095
GOSSIP: Final = 7946


def addition(deployment: Deployment, choice: Loki) -> Addition:
    source = housed(versions.LOKI, deployment.system.platform.observability.namespace)
    home = source.namespace
    members = (Flow((Pods(LABELS),), (GRPC,)), Flow((Pods(LABELS),), (GOSSIP,), ("TCP", "UDP")))
    askers = [Pods({naming.APP: "grafana"})]
    if choices.choice(deployment, Alloy):
        askers.append(Pods(alloy.LABELS, versions.ALLOY.namespace))
    bucket, archive = choice.store == "bucket", choice.archive
    if archive:
        askers.append(Pods(labels.selector(log_archive.NAME)))
    return Addition(
        release=Release(
            name=NAME,
            source=source,
            values=values(deployment, choice),
            requires=("cilium", ebs_csi.NAME),
            ready=(f"statefulset/{NAME}",),
        ),
        rules=(
            Rule(
                NAME,
                LABELS,
                (Flow(tuple(askers), (naming.LOKI_PORT,)), *members),
                (*members, *(aws.flows(deployment, "s3") if bucket else ())),
            ),
            *((log_archive.rule(deployment, archive, log_archive.loki_flow(LABELS)),) if archive else ()),
        ),
        settings=log_archive.objects(deployment, archive, home) if archive else (),
        grants=(
            *((Grant(home, NAME, cloud.objects(BUCKET)),) if bucket else ()),
            *(log_archive.grants(deployment, archive, home) if archive else ()),
        ),
        measured=(Measured(LABELS, naming.LOKI_PORT),),
    )


def retention(deployment: Deployment, choice: Loki) -> str:
    """In hours: the compactor's table of a day is its smallest unit, and Go knows no days."""
    kept = choice.retention or timedelta(days=deployment.environment.log_days)
    return f"{int(kept.total_seconds()) // 3600}h"


def members(deployment: Deployment, choice: Loki) -> int:
    """Several need a store that they share; three, so that a majority outlives a zone."""
    return 3 if choice.store == "bucket" and deployment.environment.zones == 3 else 1


def values(deployment: Deployment, choice: Loki) -> dict[str, Any]:
    place = placement(deployment.system.platform, choice.pool)
    count = members(deployment, choice)
    store = "s3" if choice.store == "bucket" else "filesystem"
    home = deployment.system.platform.observability.namespace
    storage = choices.storage_class(deployment)
    absent = {part: {"replicas": 0} for part in ("read", "write", "backend")}
    off = ("chunksCache", "resultsCache", "gateway", "lokiCanary", "test")
    return {
        "fullnameOverride": NAME,
        "deploymentMode": "Monolithic",
        "loki": {
            "auth_enabled": False,
            "commonConfig": {"replication_factor": count},
            "schemaConfig": {"configs": [_schema(store)]},
            "storage": _storage(deployment, store),
            "limits_config": {"retention_period": retention(deployment, choice)},
            # Without it nothing is ever deleted.
            "compactor": {"retention_enabled": True, "delete_request_store": store},
            "analytics": {"reporting_enabled": False},
        },
        "serviceAccount": {"name": NAME, "annotations": aws.identity(deployment, home, NAME)},
        "singleBinary": {
            "replicas": count,
            # No rules are read from ConfigMaps: alerts are Prometheus' business.
            "sidecar": False,
            "podLabels": OUTSIDE_MESH,
            "resources": resources("100m", "256Mi", "1Gi"),
            "podDisruptionBudget": {"enabled": count > 1, "maxUnavailable": 1},
            "persistence": {
                "enabled": True,
                "size": choice.volume or deployment.environment.observability_volume,
                **({"storageClass": storage} if storage else {}),
            },
            "affinity": {},
            "topologySpreadConstraints": pods.spread(LABELS),
            **place,
        },
        "sidecar": {"rules": {"enabled": False}},
        **absent,
        **{part: {"enabled": False} for part in off},
    }


def _schema(store: str) -> dict[str, Any]:
    return {
        "from": "2025-01-01",
        "store": "tsdb",
        "object_store": store,
        "schema": "v13",
        "index": {"prefix": "loki_index_", "period": "24h"},
    }


def _storage(deployment: Deployment, store: str) -> dict[str, Any]:
    if store == "filesystem":
        return {"type": store}
    buckets = {role: cloud.bucket(BUCKET) for role in ("chunks", "ruler", "admin")}
    return {"type": store, "bucketNames": buckets, "s3": {"region": deployment.facts.region}}
