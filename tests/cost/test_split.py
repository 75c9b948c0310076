"""The split over services: its one rule, and that nothing is lost or invented."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost.estimate import Estimate
from cost.owners import owners
from cost.quantities import quantity
from cost.split import Requested, apportion, pod_requests
from model import PostgreSQL, Redis, Service
from tests.cost.exported import bill, component, resource, urn
from tests.unit.declared import shop

NAMES = st.sampled_from([f"service-{number}" for number in range(30)])
WEIGHT = st.integers(min_value=0, max_value=10**6).map(lambda number: Fraction(number, 997))
WEIGHTS = st.dictionaries(NAMES, WEIGHT, min_size=1, max_size=12).filter(lambda weights: any(weights.values()))
CENTS = st.integers(min_value=0, max_value=10**9).map(lambda cents: Decimal(cents) / 100)


@given(amount=CENTS, weights=WEIGHTS)
def test_the_parts_sum_to_the_amount_to_the_cent(amount: Decimal, weights: dict[str, Fraction]) -> None:
    assert sum(apportion(amount, weights).values()) == amount


@given(amount=CENTS, weights=WEIGHTS)
def test_a_part_is_within_a_cent_of_its_exact_share(amount: Decimal, weights: dict[str, Fraction]) -> None:
    """And a weight of nothing costs nothing."""
    total = sum(weights.values())
    for name, part in apportion(amount, weights).items():
        assert abs(Fraction(part) - Fraction(amount) * weights[name] / total) < Fraction(1, 100)
        assert weights[name] or not part


@given(amount=CENTS, weights=WEIGHTS, factor=st.integers(min_value=1, max_value=1000))
def test_only_the_proportions_of_weights_matter(
    amount: Decimal, weights: dict[str, Fraction], factor: Fraction
) -> None:
    assert apportion(amount, weights) == apportion(amount, {name: part * factor for name, part in weights.items()})


def test_the_cents_left_go_to_the_largest_remainders() -> None:
    """10 cents over 1/2, 1/3, 1/6: 5, 3.33, 1.67; the cent left is the third's. Equal remainders go by name."""
    weights = {"a": Fraction(3), "b": Fraction(2), "c": Fraction(1)}
    assert apportion(Decimal("0.10"), weights) == {"a": Decimal("0.05"), "b": Decimal("0.03"), "c": Decimal("0.02")}
    equal = dict.fromkeys("cba", Fraction(1))
    assert apportion(Decimal("0.04"), equal) == {"a": Decimal("0.02"), "b": Decimal("0.01"), "c": Decimal("0.01")}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", Fraction(1, 4)),
        ("2", Fraction(2)),
        ("1.5", Fraction(3, 2)),
        ("1Ki", Fraction(1024)),
        ("1k", Fraction(1000)),
    ],
)
def test_quantities(text: str, value: Fraction) -> None:
    assert quantity(text) == value


def container(cpu: str, memory: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


def test_a_pod_requests_its_containers_its_sidecars_and_istios_proxy() -> None:
    """Sidecars are a large part of small pods; an init container counts only where it asks for more than they do."""
    pod = {
        "metadata": {
            "annotations": {
                "sidecar.istio.io/inject": "true",
                "sidecar.istio.io/proxyCPU": "50m",
                "sidecar.istio.io/proxyMemory": "64Mi",
            }
        },
        "spec": {
            "containers": [container("100m", "128Mi"), {"resources": {"limits": {"cpu": "50m", "memory": "64Mi"}}}],
            "initContainers": [container("25m", "32Mi", restartPolicy="Always"), container("1", "1Mi")],
        },
    }
    assert pod_requests(pod) == Requested(Fraction(1), Fraction(288 * 2**20))


def deployment(
    name: str, parent: str, cpu: str = "100m", memory: str = "128Mi", replicas: int | None = 1
) -> Mapping[str, Any]:
    spec: dict[str, Any] = {"template": {"spec": {"containers": [container(cpu, memory)]}}}
    if replicas is not None:
        spec["replicas"] = replicas
    inputs = {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}
    return resource("kubernetes:apps/v1:Deployment", f"shop/{name}", inputs, parent)


def service(name: str, **settings: Any) -> list[Mapping[str, Any]]:
    """The component of a service or store, and its pods."""
    return [
        component("wheelhouse:mesh:MicroService", name),
        deployment(name, urn("dev", "wheelhouse:mesh:MicroService", name), **settings),
    ]


def shares(found: Estimate) -> dict[str, tuple[str, str]]:
    assert sum(share.total for share in found.shares) == found.total
    return {share.service: (str(share.direct), str(share.shared)) for share in found.shares}


CLUSTER = resource("aws:eks/cluster:Cluster", "eks", {})
"""73.00 that nobody has for themselves."""


def test_shared_costs_go_half_by_cpu_and_half_by_memory() -> None:
    """CPU 3:1, memory 1:1: 5/8 and 3/8 of 73.00."""
    found = bill([CLUSTER, *service("a", cpu="300m"), *service("b", cpu="100m")])
    assert shares(found) == {"a": ("0.00", "45.63"), "b": ("0.00", "27.37")}


def test_replicas_count_as_the_stack_starts_with_them() -> None:
    """Where an autoscaler is, the Deployment states none: its minimum counts."""
    scaler = resource(
        "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
        "shop/a",
        {
            "metadata": {"name": "a", "namespace": "shop"},
            "spec": {"minReplicas": 3, "maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "a"}},
        },
    )
    found = bill([CLUSTER, *service("a", replicas=None), scaler, *service("b")])
    assert shares(found) == {"a": ("0.00", "54.75"), "b": ("0.00", "18.25")}


def test_a_cron_job_counts_for_the_time_that_it_runs() -> None:
    """A tenth, as assumed: 10/11 and 1/11."""
    parent = urn("dev", "wheelhouse:mesh:MicroService", "b")
    template = {"spec": {"containers": [container("100m", "128Mi")]}}
    job = resource(
        "kubernetes:batch/v1:CronJob",
        "shop/b",
        {"metadata": {"name": "b", "namespace": "shop"}, "spec": {"jobTemplate": {"spec": {"template": template}}}},
        parent,
    )
    found = bill([CLUSTER, *service("a"), component("wheelhouse:mesh:MicroService", "b"), job])
    assert shares(found) == {"a": ("0.00", "66.36"), "b": ("0.00", "6.64")}


def database(store: str, tier: str = "shop-data") -> list[Mapping[str, Any]]:
    """A machine of a store's own (31.01) in the tier of all."""
    host = f"{tier}-{store}"
    parent = urn("dev", "wheelhouse:data:PostgresTier", tier)
    return [
        component("wheelhouse:data:DatabaseHost", host, parent),
        resource(
            "aws:ec2/instance:Instance",
            f"{host}-instance",
            {"instanceType": "t3.medium"},
            urn("dev", "wheelhouse:data:DatabaseHost", host),
        ),
    ]


def test_a_stores_machines_are_its_owners() -> None:
    """The standby's too; a store's name that the tier's own name contains does not draw the others' costs."""
    tier = component("wheelhouse:data:PostgresTier", "shop-data")
    resources = [
        tier,
        *database("users"),
        *database("users-standby"),
        *database("orders"),
        *service("a"),
        *service("b"),
    ]
    found = bill(resources, {"users": "a", "orders": "b", "data": "b"})
    assert shares(found) == {"a": ("62.02", "0.00"), "b": ("31.01", "0.00")}


def test_the_longer_of_two_stores_names_counts() -> None:
    tier = component("wheelhouse:data:PostgresTier", "shop-data")
    found = bill([tier, *database("users-archive"), *service("a"), *service("b")], {"users": "a", "users-archive": "b"})
    assert shares(found) == {"b": ("31.01", "0.00"), "a": ("0.00", "0.00")}


def test_a_managed_store_is_its_owners_wherever_it_stands() -> None:
    stored = {"engine": "postgres", "instanceClass": "db.t3.micro", "allocatedStorage": 20}
    found = bill([resource("aws:rds/instance:Instance", "shop-dev-users", stored), *service("a")], {"users": "a"})
    assert shares(found) == {"a": ("15.44", "0.00")}


def test_a_stores_pods_count_for_its_owner_and_a_shared_stores_for_nobody() -> None:
    pods = [*service("a"), *service("b"), *service("cache"), *service("broker", cpu="900m")]
    found = bill([CLUSTER, *pods], {"cache": "a", "broker": None})
    # two pods against one: 2/3 and 1/3 of 73.00
    assert shares(found) == {"a": ("0.00", "48.67"), "b": ("0.00", "24.33")}


def test_what_a_service_has_of_its_own_is_its_own() -> None:
    parent = urn("dev", "wheelhouse:mesh:MicroService", "a")
    own = resource("aws:s3/bucket:Bucket", "uploads", {"bucket": "uploads"}, parent)
    assert shares(bill([*service("a"), *service("b"), own])) == {"a": ("0.60", "0.00"), "b": ("0.00", "0.00")}


def test_a_stack_without_pods_is_not_split() -> None:
    """The hub's costs are every environment's; naming a service for them would be made up."""
    assert bill([CLUSTER]).shares == ()


def test_owners_are_as_declared() -> None:
    system = shop(
        stores=(
            PostgreSQL(name="users", owner="accounts"),
            PostgreSQL(name="bookings"),
            Redis(name="cache"),
            Redis(name="own"),
        ),
        services=(
            Service(name="web", port=3000, uses=("bookings", "cache")),
            Service(name="accounts", port=3001, uses=("users", "bookings", "cache", "own")),
        ),
    )
    assert owners(system) == {"users": "accounts", "bookings": "web", "cache": None, "own": "accounts"}
