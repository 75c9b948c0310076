"""Databases, buckets, snapshots and identities."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from cryptography import x509

from derive.data.database_state import DatabaseState
from tests.components import built
from tests.components.strict_monitor import Registered, Secret, StrictMonitor, plain, register

VOLUME = "aws:ebs/volume:Volume"
INSTANCE = "aws:ec2/instance:Instance"
NAMES = ("userdb", "trainingdb", "scheduledb", "progressdb")


@cache
def tier(environment: str) -> StrictMonitor:
    def program() -> None:
        built.tier(environment)

    return register(program)


@cache
def bucket(protect: bool) -> StrictMonitor:
    def program() -> None:
        built.bucket(protect)

    return register(program)


def statements(item: Registered) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(plain(item.inputs["policy"]))["Statement"]
    return found


def test_only_production_s_volumes_and_bucket_are_protected() -> None:
    """What holds data survives a mistake; what can be made anew must not stand in the way of a change."""
    assert {item.type for item in tier("prod").resources.values() if item.protect} == {VOLUME}
    assert all(item.protect for item in tier("prod").of(VOLUME).values())
    assert not any(item.protect for item in tier("dev").resources.values())
    assert {item.type for item in bucket(True).resources.values() if item.protect} == {"aws:s3/bucket:Bucket"}
    assert not any(item.protect for item in bucket(False).resources.values())
    assert bucket(True).one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is False
    assert bucket(False).one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is True


def test_machines_are_protected_in_the_account_where_volumes_are() -> None:
    """A click in the console must not end production's database."""
    for environment, wanted in (("prod", True), ("dev", False)):
        found = {item.inputs["disableApiTermination"] for item in tier(environment).of(INSTANCE).values()}
        assert found == {wanted}


def test_a_declared_change_replaces_a_protected_machine_and_a_volume_leaves_a_snapshot_behind() -> None:
    """Otherwise a promotion or a restore would end at AWS's refusal to terminate, halfway through."""
    assert all(item.inputs["forceDestroy"] for item in tier("prod").of(INSTANCE).values())
    assert all(item.inputs["finalSnapshot"] for item in tier("prod").of(VOLUME).values())


def test_production_has_a_standby_in_another_zone_for_each_database() -> None:
    zones = {name: item.inputs["availabilityZone"] for name, item in tier("prod").of(VOLUME).items()}
    assert len(zones) == 8
    for name in NAMES:
        assert zones[f"data-{name}-data"] != zones[f"data-{name}-standby-data"]


def test_a_machine_stands_in_its_volume_s_zone() -> None:
    """A volume can be attached in its own zone only."""
    for volume in tier("prod").of(VOLUME).values():
        machine = tier("prod").of(INSTANCE)[f"{volume.parent}-instance"].inputs
        assert machine["subnetId"] == f"net-db-{volume.inputs['availabilityZone'][-1]}.id"


def test_a_volume_outlives_its_machine() -> None:
    """It is a resource of its own; the machine at its fixed address goes before its successor comes."""
    for item in tier("dev").of(INSTANCE).values():
        assert item.delete_before_replace
        assert item.inputs["userDataReplaceOnChange"] is True
        assert item.ignore_changes == ("ami",), "a newer image must not replace a database overnight"
    attachments = tier("dev").of("aws:ec2/volumeAttachment:VolumeAttachment")
    assert {item.inputs["instanceId"] for item in attachments.values()} == {f"data-{n}-instance.id" for n in NAMES}
    assert all(item.inputs["stopInstanceBeforeDetaching"] is True for item in attachments.values())


def test_a_standby_waits_for_its_primary() -> None:
    """It copies the primary on its first start."""
    hosts = tier("prod").of("wheelhouse:data:DatabaseHost")
    assert "data-userdb-instance" in hosts["data-userdb-standby"].dependencies
    assert "data-userdb-standby-instance" not in hosts["data-userdb"].dependencies


def test_bundles_are_secret_and_encrypted() -> None:
    """They hold the server's key and the replication password."""
    found = tier("prod").of("aws:s3/bucketObjectv2:BucketObjectv2").values()
    assert len(found) == 8
    for item in found:
        assert isinstance(item.inputs["content"], Secret)
        assert item.inputs["serverSideEncryption"] == "aws:kms"


def test_passwords_reach_a_machine_as_verifiers_only() -> None:
    """Only a standby needs a password in clear: replication's."""
    passwords = tier("prod").of("random:index/randomPassword:RandomPassword")
    bundles = tier("prod").of("aws:s3/bucketObjectv2:BucketObjectv2")
    for host in NAMES:
        primary, standby = (plain(bundles[f"data-{host}{end}-bundle"].inputs["content"]) for end in ("", "-standby"))
        for name, item in passwords.items():
            inside = (item.outputs["result"] in primary, item.outputs["result"] in standby)
            assert inside == (False, name == f"shop-{host}-replicator"), name


def test_a_host_reads_its_own_bundle_and_archive_only() -> None:
    """One database's machine must not read another's keys or history."""
    policies = tier("prod").of("aws:iam/rolePolicy:RolePolicy")
    allowed = {
        action + " " + resource
        for statement in statements(policies["data-userdb-standby-policy"])
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
    assert allowed == {
        "s3:GetObject arn:aws:s3:::backups/bootstrap/userdb-standby.json",
        "s3:GetObject arn:aws:s3:::backups/archive/userdb/*",
        "s3:PutObject arn:aws:s3:::backups/archive/userdb/*",
        "s3:ListBucket arn:aws:s3:::backups",
    }
    listing = statements(policies["data-userdb-standby-policy"])[-1]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "archive/userdb/*"}}


def test_a_restored_host_reads_the_former_archive_and_cannot_write_to_it() -> None:
    """The history that is being left is what the next attempt starts from."""

    def program() -> None:
        built.tier("prod", {"userdb": DatabaseState(history=2, restore="latest")})

    policies = register(program).of("aws:iam/rolePolicy:RolePolicy")
    former = "arn:aws:s3:::backups/archive/userdb/*"
    allowed = [
        statement["Action"]
        for statement in statements(policies["data-userdb-policy"])
        if former in statement["Resource"]
    ]
    assert allowed == [["s3:GetObject"]]
    listed = [statement.get("Condition") for statement in statements(policies["data-userdb-policy"])[2:]]
    assert listed == [
        {"StringLike": {"s3:prefix": "archive/userdb-h2/*"}},
        {"StringLike": {"s3:prefix": "archive/userdb/*"}},
    ]


def test_a_snapshot_becomes_the_first_volume_of_its_history() -> None:
    """FS-BKP-02: in place of the old volume, at the same machine, and found by the snapshots' policy."""

    def program() -> None:
        built.tier("prod", {"userdb": DatabaseState(history=2, snapshot="snap-0123456789abcdef0")})

    monitor = register(program)
    volume = monitor.of(VOLUME)["data-userdb-data-h2"]
    assert volume.inputs["snapshotId"] == "snap-0123456789abcdef0"
    assert volume.inputs["tags"]["Snapshot"] == "data"
    attachment = monitor.of("aws:ec2/volumeAttachment:VolumeAttachment")["data-userdb-attachment"]
    assert volume.name in attachment.dependencies
    assert "snapshotId" not in monitor.of(VOLUME)["data-userdb-standby-data-h2"].inputs


def test_a_promotion_moves_two_names_and_replaces_none() -> None:
    """A record that is replaced is made before the old one is deleted, and Route 53 refuses the second of a name."""

    def program() -> None:
        built.tier("prod", {"userdb": DatabaseState(primary="userdb-standby", volumes={"userdb": 2})})

    record = "aws:route53/record:Record"
    before, after = tier("prod").of(record), register(program).of(record)
    assert {name: item.inputs["name"] for name, item in before.items()} == {
        name: item.inputs["name"] for name, item in after.items()
    }
    assert after["data-userdb-record"].inputs["records"] == before["data-userdb-standby-record"].inputs["records"]
    assert after["data-userdb-standby-record"].inputs["records"] == before["data-userdb-record"].inputs["records"]


def test_a_host_s_certificate_names_it_and_leads_to_the_authority() -> None:
    """Clients verify the name they connect to."""
    made = tier("prod").of("tls:index/locallySignedCert:LocallySignedCert")["shop-userdb-standby"]
    own = x509.load_pem_x509_certificate(made.outputs["certPem"].encode())
    root = x509.load_pem_x509_certificate(tier("prod").exports["authority"].encode())
    own.verify_directly_issued_by(root)
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["userdb-standby.database.internal"]
    assert made.parent == "data-userdb-standby"
    assert not own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_names_lead_to_the_machines() -> None:
    records = tier("prod").of("aws:route53/record:Record")
    assert records["data-userdb-record"].inputs["name"] == "userdb.database.internal"
    assert records["data-userdb-record"].inputs["records"] == ["10.3.3.10"]
    zone = tier("prod").one("aws:route53/zone:Zone").inputs
    assert [each["vpcId"] for each in zone["vpcs"]] == ["net-vpc.id"], "without a VPC the zone would be public"


def test_the_volumes_are_the_ones_that_snapshots_look_for() -> None:
    """A tag spelt in two ways: a policy that runs every day and takes nothing."""
    policy = tier("prod").one("aws:dlm/lifecyclePolicy:LifecyclePolicy").inputs["policyDetails"]
    for item in tier("prod").of(VOLUME).values():
        assert policy["targetTags"].items() <= item.inputs["tags"].items()
    assert policy["schedules"][0]["retainRule"] == {"count": 30}
    assert policy["schedules"][0]["createRule"] == {"interval": 24, "intervalUnit": "HOURS", "times": "03:00"}


def test_a_key_is_rotated_and_hard_to_lose() -> None:
    """What a deleted key encrypted is lost for good."""
    inputs = {item.type: item for item in register(built.key).custom()}
    key = inputs["aws:kms/key:Key"]
    assert (key.inputs["enableKeyRotation"], key.inputs["deletionWindowInDays"], key.protect) == (True, 30, True)
    assert inputs["aws:kms/alias:Alias"].inputs["name"] == "alias/volumes"


def test_a_bucket_is_closed_encrypted_and_versioned() -> None:
    inputs = {item.type.rsplit(":", 1)[-1]: item.inputs for item in bucket(True).custom()}
    assert inputs["BucketPublicAccessBlock"] == {
        "bucket": "backups-bucket.id",
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    rule = inputs["BucketServerSideEncryptionConfiguration"]["rules"][0]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms"}
    assert inputs["BucketVersioning"]["versioningConfiguration"] == {"status": "Enabled"}
    everywhere, archive = inputs["BucketLifecycleConfiguration"]["rules"]
    assert (everywhere["filter"], everywhere["noncurrentVersionExpiration"]) == ({"prefix": ""}, {"noncurrentDays": 7})
    assert "expiration" not in everywhere
    assert (archive["filter"], archive["expiration"]) == ({"prefix": "archive/"}, {"days": 90})
    assert json.loads(inputs["BucketPolicy"]["policy"])["Statement"] == [
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["backups-bucket.arn", "backups-bucket.arn/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def test_a_role_trusts_one_service_and_may_do_what_it_was_given() -> None:
    monitor = register(built.service_role)
    trust = json.loads(monitor.one("aws:iam/role:Role").inputs["assumeRolePolicy"])["Statement"]
    assert trust == [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]
    assert statements(monitor.one("aws:iam/rolePolicy:RolePolicy")) == [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::bucket/*"]}
    ]
    managed = monitor.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment").inputs
    assert managed == {"role": "worker-role.name", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    assert monitor.one("aws:iam/instanceProfile:InstanceProfile").inputs["role"] == "worker-role.name"


def test_the_bastion_is_entered_by_session_manager_only() -> None:
    monitor = register(built.bastion)
    managed = monitor.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment").inputs["policyArn"]
    assert managed == "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    assert "keyName" not in monitor.one(INSTANCE).inputs
    assert not monitor.of("aws:iam/rolePolicy:RolePolicy")


def test_passwords_are_one_per_name_and_secret() -> None:
    """A name asked for twice must get one value, or two readers disagree."""
    monitor = register(built.passwords)
    made = monitor.of("random:index/randomPassword:RandomPassword")
    assert made.keys() == {"shop-a", "shop-b"}
    assert all((item.inputs["length"], item.inputs["special"]) == (32, False) for item in made.values())
    assert made["shop-a"].inputs["keepers"] == {"rotation": "2"}
    assert "keepers" not in made["shop-b"].inputs, "a value that nobody rotates would be made anew by an upgrade"
    exported = monitor.exports["passwords"]
    whole = exported.value if isinstance(exported, Secret) else exported
    assert whole.keys() == {"a", "b"}
    assert isinstance(exported, Secret) or all(isinstance(value, Secret) for value in whole.values())
