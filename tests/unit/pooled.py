"""A system whose database is reached through a pooler, and dumped into a bucket of another provider."""

from __future__ import annotations

from derive.application import ApplicationPlan
from model import (
    R2,
    Backup,
    Bucket,
    InCluster,
    NetworkPolicies,
    NoMesh,
    Platform,
    Pooler,
    PostgreSQL,
    Service,
    System,
    days,
)
from tests.unit.declared import derived, shop

ACCOUNT = "0123456789abcdef0123456789abcdef"
ENDPOINT = f"https://{ACCOUNT}.r2.cloudflarestorage.com"
DUMP = Backup(bucket="archive", schedule="0 3 * * *", keep=days(30))


def pooled(bucket: Bucket | None = None, dump: Backup | None = DUMP, members: int = 1) -> System:
    """``orders`` uses ``postgres`` through ``pgbouncer``, and the bucket; there is no mesh."""
    return shop(
        stores=(
            PostgreSQL(
                name="postgres",
                database="shop",
                version=18,
                image="postgres:18.1-alpine",
                placement=InCluster(size="100Gi", dump=dump, members=members),
                pooler=Pooler(name="pgbouncer", members=1, authentication="plain"),
            ),
            bucket or Bucket(name="archive", at=R2(), keep=None, prefix="assets/"),
        ),
        services=(
            Service(name="web", port=3000, tier="frontend"),
            Service(name="orders", port=3001, uses=("postgres", "archive")),
        ),
        platform=Platform(mesh=NoMesh(), cni=NetworkPolicies()),
    )


def plan(system: System | None = None) -> ApplicationPlan:
    return derived(system or pooled(), cloudflare_account=ACCOUNT, placements={"postgres": "cluster"})
