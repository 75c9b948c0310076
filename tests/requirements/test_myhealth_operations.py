"""What operators of myHealth find: whose each resource is, and what the backups' role may touch."""

from __future__ import annotations

import pytest

from tests.requirements.myhealth import environment, listed, policies_of
from tests.requirements.registered import Registered

SNAPSHOTS = {"CreateSnapshot", "DeleteSnapshot", "DescribeSnapshots", "DescribeVolumes", "CreateVolume", "CreateTags"}


@pytest.mark.rows("MH-BEY-08", "MH-ENV-02")
def test_every_resource_that_takes_tags_says_whose_it_is(myhealth: Registered) -> None:
    """Also what nodes make for themselves: machines and their disks."""
    wanted = {"System": "myhealth", "Environment": environment(myhealth), "ManagedBy": "pulumi"}
    tagged = [item for item in myhealth.resources if "tagsAll" in item.outputs]
    assert len(tagged) > 50
    assert [item.name for item in tagged if not wanted.items() <= item.outputs["tagsAll"].items()] == []
    for template in myhealth.all("ec2.LaunchTemplate"):
        specified = {item["resourceType"]: item["tags"] for item in template.inputs["tagSpecifications"]}
        assert {"instance", "volume"} <= specified.keys()
        assert all(wanted.items() <= tags.items() for tags in specified.values())


@pytest.mark.rows("MH-BKP-02")
def test_velero_s_role_reaches_its_bucket_and_snapshots_alone(myhealth_prod: Registered) -> None:
    bucket = f"arn:aws:s3:::{myhealth_prod.outputs['backupBucket']}"
    annotation = myhealth_prod.charts["velero"].values["serviceAccount"]["server"]["annotations"]
    arn = annotation["eks.amazonaws.com/role-arn"]
    (role,) = [item for item in myhealth_prod.all("iam.Role") if item.outputs["arn"] == arn]
    assert not myhealth_prod.all("iam.RolePolicyAttachment", role=role.id)
    for right in policies_of(myhealth_prod, role):
        services = {action.partition(":")[0] for action in right["Action"]}
        if services == {"s3"}:
            assert {resource.partition("/")[0] for resource in listed(right["Resource"])} == {bucket}
        else:
            assert {action.removeprefix("ec2:") for action in right["Action"]} <= SNAPSHOTS
