"""Buckets: which there are, what they delete and freeze, and where their copies are."""

from __future__ import annotations

import pytest

from derive.cloud import Reference
from derive.data.buckets import BucketPlan, buckets
from derive.plan import system_plan
from model import R2, Backup, Bucket, DeclarationError, EbsCsi, Loki, Redis, Velero, days
from systems.fitsync import SYSTEM as FITSYNC
from tests.unit.declared import deployed, environment, shop
from tests.unit.equipped import equipped

NOTHING = frozenset[Reference]()


def test_an_environment_that_declares_none_has_the_one_for_backups() -> None:
    """Its folder of archives expires by itself: nobody else deletes there."""
    (plan,) = buckets(deployed(shop()), NOTHING)
    assert plan == BucketPlan("backups", expire={"archive/": 9})
    (plan,) = system_plan(deployed(FITSYNC, "prod")).buckets
    assert plan == BucketPlan("backups", expire={"archive/": 32}, protect=True)


def test_a_declared_bucket_is_made_whether_anything_refers_to_it_or_not() -> None:
    """A bucket that only services write to is named in no manifest of the platform."""
    system = shop(
        stores=(Bucket(name="uploads", keep=days(365), glacier=days(90), replica="eu-west-1"),),
        environments={"dev": environment(protect=True)},
    )
    backups, uploads = buckets(deployed(system), NOTHING)
    assert (backups.name, backups.own_key) == ("backups", False)
    assert uploads == BucketPlan(
        "uploads", expire={"": 365}, glacier={"": 90}, replica="eu-west-1", own_key=True, protect=True
    )


def test_the_bucket_for_backups_can_be_declared() -> None:
    """Two of the same name would clash; the archives below it must still expire."""
    system = shop(stores=(Bucket(name="backups", glacier=days(90), replica="eu-west-1"),))
    assert buckets(deployed(system), NOTHING) == (
        BucketPlan("backups", {"archive/": 9}, {"": 90}, replica="eu-west-1", own_key=True),
    )


def test_what_others_keep_is_not_made() -> None:
    """A bucket at another provider would get a namesake here, which nobody writes to and somebody pays for."""
    system = shop(stores=(Bucket(name="backups", at=R2()), Bucket(name="uploads", at=R2())))
    assert buckets(deployed(system), NOTHING) == (BucketPlan("backups", expire={"archive/": 9}),)


def test_what_is_referred_to_is_made() -> None:
    plan = system_plan(deployed(equipped((Loki(store="bucket"), EbsCsi()))))
    assert [bucket.name for bucket in plan.buckets] == ["backups", "logs"]


def test_what_later_backups_refer_to_stays_warm() -> None:
    """Velero's copies of volumes share their content: one that froze after 90 days would break yesterday's, too."""
    cold = Bucket(name="backups", glacier=days(90))
    stores = (cold, Redis(name="cache", backup=Backup(schedule="0 * * * *")), Redis(name="queue"))
    for velero, wanted in (
        (Velero(), {"cache/": 90, "velero/backups/": 90}),
        (Velero(volumes="snapshots"), {"": 90}),
        (Velero(bucket="elsewhere"), {"": 90}),
    ):
        system = equipped((EbsCsi(), velero)).model_copy(update={"stores": stores})
        assert buckets(deployed(system), NOTHING)[0].glacier == wanted


def test_a_copy_beside_its_original_is_refused() -> None:
    system = shop(stores=(Bucket(name="uploads", replica="eu-central-1"),))
    with pytest.raises(DeclarationError) as refusal:
        buckets(deployed(system), NOTHING)
    assert str(refusal.value) == (
        "stores['uploads'].replica is 'eu-central-1', the region of the bucket itself; choose another one"
    )


@pytest.mark.parametrize(
    ("bucket", "message"),
    [
        (
            Bucket(name="backups", keep=days(90)),
            "bucket 'backups' deletes objects after 90 d, also those that the backups of 'velero' still need",
        ),
        (
            Bucket(name="backups", glacier=days(30)),
            "bucket 'backups' moves objects to Glacier after 30 d, but backups of 'velero' are kept for 30 d",
        ),
    ],
)
def test_a_bucket_does_not_take_velero_s_backups_away(bucket: Bucket, message: str) -> None:
    platform = equipped((EbsCsi(), Velero())).platform
    pools = {pool.name: environment().servers for pool in platform.pools}
    with pytest.raises(ValueError, match=message):
        shop(platform=platform, stores=(bucket,), environments={"dev": environment(pools=pools)})
