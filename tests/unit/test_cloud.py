"""What add-ons need of the cloud: rights by symbolic names, and names that are filled in once they exist."""

from __future__ import annotations

from derive import cloud, versions
from derive.cloud import Allow, Grant, Reference, filled, references
from derive.plan import system_plan
from model import ClusterAutoscaler, EbsCsi, ExternalSecrets, Loki, Velero
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed
from tests.unit.equipped import equipped


def test_each_add_on_may_do_what_it_must_and_no_more() -> None:
    found = {grant.account: grant for grant in system_plan(deployed(equipped())).grants}
    assert found.keys() == {"ebs-csi-controller-sa", "cluster-autoscaler", "loki", "vault", "velero"}
    logs = "${bucket-arn:logs}"
    assert found["loki"] == Grant(
        "shop-monitoring",
        "loki",
        (
            Allow(("s3:ListBucket", "s3:GetBucketLocation"), (logs,)),
            Allow(
                (
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ),
                (f"{logs}/*",),
            ),
        ),
    )
    assert found["velero"].statements[1].resources == ("${bucket-arn:backups}/velero/*",)
    assert found["vault"].statements == (
        Allow(("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"), ("${key-arn:vault}",)),
    )
    assert found["ebs-csi-controller-sa"].managed == (versions.EBS_CSI_POLICY,)
    assert {
        resource for statement in found["ebs-csi-controller-sa"].statements for resource in statement.resources
    } == {"${key-arn:volumes}"}


def test_the_autoscaler_changes_the_groups_of_its_own_cluster_only() -> None:
    (grant,) = system_plan(deployed(equipped((ClusterAutoscaler(),)))).grants
    looking, changing = grant.statements
    assert not any(action.split(":")[1].startswith(("Set", "Terminate")) for action in looking.actions)
    assert changing == Allow(
        ("autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"),
        ("*",),
        {"StringEquals": {"aws:ResourceTag/k8s.io/cluster-autoscaler/shop-dev": "owned"}},
    )


def test_secrets_are_read_below_the_environments_own_name() -> None:
    (grant,) = system_plan(deployed(equipped((ExternalSecrets(),)))).grants
    reading, decrypting = grant.statements
    assert reading.resources == ("arn:aws:secretsmanager:eu-central-1:*:secret:shop/dev/*",)
    assert decrypting.actions == ("kms:Decrypt",)
    assert decrypting.conditions["StringLike"] == {
        "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com",
        "kms:EncryptionContext:SecretARN": "arn:aws:secretsmanager:eu-central-1:*:secret:shop/dev/*",
    }


def test_snapshots_need_ec2_and_copies_do_not() -> None:
    for velero, wanted in ((Velero(), False), (Velero(volumes="snapshots"), True)):
        grants = {grant.account: grant for grant in system_plan(deployed(equipped((EbsCsi(), velero)))).grants}
        actions = {action for statement in grants["velero"].statements for action in statement.actions}
        assert ("ec2:CreateSnapshot" in actions) is wanted


def test_what_is_referred_to_is_known_before_anything_is_made() -> None:
    assert system_plan(deployed(equipped())).references == {
        Reference("bucket", "backups"),
        Reference("bucket-arn", "backups"),
        Reference("bucket", "logs"),
        Reference("bucket-arn", "logs"),
        Reference("edge-host", "public"),
        Reference("key-arn", "vault"),
        Reference("key-arn", "volumes"),
    }
    assert system_plan(deployed(equipped((Loki(),)))).references == frozenset()
    assert system_plan(deployed(SYSTEM)).references == frozenset()
    assert system_plan(deployed(SYSTEM)).grants == ()


def test_references_are_filled_wherever_they_stand() -> None:
    value = {"a": [cloud.bucket("logs"), {"b": f"{cloud.bucket_arn('logs')}/*"}], "c": 1, "d": "${HOME} ${other:x}"}
    made = filled(value, lambda reference: f"<{reference.kind} {reference.name}>")
    assert made == {"a": ["<bucket logs>", {"b": "<bucket-arn logs>/*"}], "c": 1, "d": "${HOME} ${other:x}"}
    assert references(made) == frozenset()
    assert references(cloud.role_arn("velero", "velero")) == {Reference("role-arn", "velero/velero")}
