"""Instances, volumes, interfaces and launch templates."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from moto.ec2.utils import parse_user_data

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError

_ARN: Final = "arn:aws:ec2:{region}:{account}:"
_BLOCK_DEVICES: Final = "becomes BlockDeviceMappings"
_ROOT_DEVICE: Final = "/dev/xvda"


# -- instances ------------------------------------------------------------------------------------------


def _block_devices(context: Context) -> list[dict[str, Any]] | None:
    given = context.inputs
    devices = [(_ROOT_DEVICE, given["rootBlockDevice"])] if given.get("rootBlockDevice") else []
    devices += [(device["deviceName"], device) for device in given.get("ebsBlockDevices") or ()]
    return [{"DeviceName": name, **_ebs(device)} for name, device in devices] or None


def _ebs(device: Mapping[str, Any]) -> dict[str, Any]:
    """A volume to launch with. It goes with its instance unless told otherwise, as AWS's own default is."""
    names = {
        "volumeType": "VolumeType",
        "volumeSize": "VolumeSize",
        "iops": "Iops",
        "throughput": "Throughput",
        "encrypted": "Encrypted",
        "kmsKeyId": "KmsKeyId",
        "deleteOnTermination": "DeleteOnTermination",
        "snapshotId": "SnapshotId",
    }
    known = {param: _plain(device[prop]) for prop, param in names.items() if device.get(prop) is not None}
    return {"Ebs": {"DeleteOnTermination": True, **known}}


def _plain(value: Any) -> Any:
    if value in ("true", "false"):
        return value == "true"
    return int(value) if isinstance(value, float) else value


def _user_data(context: Context) -> str | None:
    """boto3 encodes user data itself, so base64 is decoded first."""
    encoded = context.inputs.get("userDataBase64")
    return base64.b64decode(encoded).decode("latin-1") if encoded else None


def _root_device(context: Context) -> dict[str, Any] | None:
    """What was asked for with what AWS adds: the volume's id."""
    mappings = context.view.get("BlockDeviceMappings") or ()
    volume = next((mapping["Ebs"]["VolumeId"] for mapping in mappings if "Ebs" in mapping), None)
    if volume is None:
        return None
    return {**(context.inputs.get("rootBlockDevice") or {}), "volumeId": volume, "deviceName": _ROOT_DEVICE}


def _instance_update(context: Context) -> None:
    if context.changed("instanceType"):
        context.call("StopInstances", InstanceIds=[context.id])
        context.call(
            "ModifyInstanceAttribute", InstanceId=context.id, InstanceType={"Value": context.inputs["instanceType"]}
        )
        context.call("StartInstances", InstanceIds=[context.id])
    if context.changed("vpcSecurityGroupIds"):
        groups = list(context.inputs.get("vpcSecurityGroupIds") or ())
        context.call("ModifyInstanceAttribute", InstanceId=context.id, Groups=groups)
    if context.changed("metadataOptions"):
        options = {
            f"{key[:1].upper()}{key[1:]}": _plain(value)
            for key, value in (context.inputs.get("metadataOptions") or {}).items()
        }
        context.call("ModifyInstanceMetadataOptions", InstanceId=context.id, **options)


def _own_interfaces(context: Context) -> None:
    """AWS deletes the interfaces that an instance brought along, and their addresses are free; moto keeps them."""
    if not context.inputs.get("networkInterfaces"):
        instance = context.cloud.backend("ec2", context.region, context.account).get_instance(context.id)
        for interface in instance.nics.values():
            interface.delete_on_termination = True


_INSTANCE: Final = Row(
    "ec2",
    "RunInstances",
    id="Instances[0].InstanceId",
    key="InstanceId",
    tag_type="instance",
    rename={
        "ami": "ImageId",
        "vpcSecurityGroupIds": "SecurityGroupIds",
        "iamInstanceProfile": "IamInstanceProfile.Name",
        "availabilityZone": "Placement.AvailabilityZone",
        "tenancy": "Placement.Tenancy",
        "placementGroup": "Placement.GroupName",
        "privateIp": "PrivateIpAddress",
        "launchTemplate.id": "LaunchTemplateId",
        "launchTemplate.name": "LaunchTemplateName",
        "hibernation": "HibernationOptions.Configured",
    },
    args={
        "MinCount": 1,
        "MaxCount": 1,
        "BlockDeviceMappings": _block_devices,
        "UserData": _user_data,
    },
    ignore={
        "rootBlockDevice": _BLOCK_DEVICES,
        "ebsBlockDevices": _BLOCK_DEVICES,
        "userDataBase64": "becomes UserData",
        "userDataReplaceOnChange": "how the provider updates",
        "forceDestroy": "how the provider deletes",
        "getPasswordData": "read by the provider",
        "associatePublicIpAddress": "moto gives public addresses by subnet",
        "volumeTags": "moto does not tag volumes at launch",
    },
    calls=(
        Call("ModifyInstanceAttribute", "sourceDestCheck"),
        Call("ModifyInstanceAttribute", "disableApiTermination", on_create=False),
    ),
    on_update=_instance_update,
    replace="ami availabilityZone subnetId keyName privateIp associatePublicIpAddress placementGroup tenancy "
    "hibernation ebsBlockDevices rootBlockDevice.encrypted rootBlockDevice.kmsKeyId networkInterfaces "
    "cpuOptions enclaveOptions",
    replace_if={"userData": "userDataReplaceOnChange", "userDataBase64": "userDataReplaceOnChange"},
    links={"iamInstanceProfile": "aws:iam/instanceProfile:InstanceProfile", "keyName": "aws:ec2/keyPair:KeyPair"},
    read=("DescribeInstances", {"InstanceIds": ["{id}"]}, "Reservations[0].Instances[0]"),
    arn=_ARN + "instance/{id}",
    outputs={
        "privateIp": "@PrivateIpAddress",
        "publicIp": "@PublicIpAddress",
        "privateDns": "@PrivateDnsName",
        "publicDns": "@PublicDnsName",
        "instanceState": lambda _: "running",
        "primaryNetworkInterfaceId": "@NetworkInterfaces[0].NetworkInterfaceId",
        "availabilityZone": "@Placement.AvailabilityZone",
        "rootBlockDevice": _root_device,
    },
    before_delete=_own_interfaces,
    delete="TerminateInstances",
    delete_args={"InstanceIds": ["{id}"]},
)


# -- volumes --------------------------------------------------------------------------------------------


def _one_zone(context: Context) -> None:
    """AWS attaches a volume once, to an instance of its zone; moto does not look."""
    volume = context.call("DescribeVolumes", VolumeIds=[context.inputs["volumeId"]])["Volumes"][0]
    described = context.call("DescribeInstances", InstanceIds=[context.inputs["instanceId"]])
    zone = described["Reservations"][0]["Instances"][0]["Placement"]["AvailabilityZone"]
    if volume["AvailabilityZone"] != zone:
        raise ResourceError(f"the volume is in {volume['AvailabilityZone']}, the instance in {zone}", path="volumeId")
    holders = [
        live for live in context.cloud.index.of_type(_ATTACHMENT) if live.inputs["volumeId"] == volume["VolumeId"]
    ]
    if holders:
        raise ResourceError(f"{volume['VolumeId']} is attached already, by {holders[0].name!r}", path="volumeId")


_ATTACHMENT: Final = "aws:ec2/volumeAttachment:VolumeAttachment"


def _attach_volume(context: Context) -> str:
    _one_zone(context)
    given = context.inputs
    context.call("AttachVolume", Device=given["deviceName"], InstanceId=given["instanceId"], VolumeId=given["volumeId"])
    return f"vai-{context.fill('{hex10}')}"


def _detach_volume(context: Context) -> None:
    given = context.inputs
    context.call("DetachVolume", InstanceId=given["instanceId"], VolumeId=given["volumeId"])


# -- launch templates -----------------------------------------------------------------------------------


def _template_data(context: Context) -> dict[str, Any]:
    from sandbox.aws.serve import Served

    params, _ = Served(_TEMPLATE, context).create_params()
    data: dict[str, Any] = params.get("LaunchTemplateData") or {}
    return data


def _new_version(context: Context) -> None:
    context.call("CreateLaunchTemplateVersion", LaunchTemplateId=context.id, LaunchTemplateData=_template_data(context))
    _parse_user_data(context)
    if context.inputs.get("updateDefaultVersion"):
        latest = context.call("DescribeLaunchTemplates", LaunchTemplateIds=[context.id])["LaunchTemplates"][0]
        context.call(
            "ModifyLaunchTemplate", LaunchTemplateId=context.id, DefaultVersion=str(latest["LatestVersionNumber"])
        )


def _parse_user_data(context: Context) -> None:
    """moto parses the user data of a template's first version only, and cannot launch from the others."""
    templates = context.cloud.backend("ec2", context.region, context.account).launch_templates
    data = templates[context.id].latest_version().data
    data["UserData"] = parse_user_data(data.get("UserData"))


def _earlier_versions(context: Context) -> None:
    """On replay, as many versions as there were: groups name them by number."""
    for _ in range(1, int(context.saved.get("latestVersion", 1))):
        _new_version(context)


_TEMPLATE: Final = Row(
    "ec2",
    "CreateLaunchTemplate",
    id="LaunchTemplate.LaunchTemplateId",
    key="LaunchTemplateId",
    nest="LaunchTemplateData",
    rename={
        "description": "VersionDescription",
        "vpcSecurityGroupIds": "LaunchTemplateData.SecurityGroupIds",
        "securityGroupNames": "LaunchTemplateData.SecurityGroups",
        "networkInterfaces.securityGroups": "Groups",
        "blockDeviceMappings.ebs": _ebs,
        "tagSpecifications": "LaunchTemplateData.TagSpecifications",
        "iamInstanceProfile": "LaunchTemplateData.IamInstanceProfile",
    },
    args={"LaunchTemplateData": {}},
    ignore={"updateDefaultVersion": "how the provider updates", "defaultVersion": "set by a later call"},
    after_create=_earlier_versions,
    on_update=_new_version,
    replace="name",
    read=("DescribeLaunchTemplates", {"LaunchTemplateIds": ["{id}"]}, "LaunchTemplates[0]"),
    arn=_ARN + "launch-template/{id}",
    outputs={"latestVersion": "@LatestVersionNumber", "defaultVersion": "@DefaultVersionNumber"},
    delete="DeleteLaunchTemplate",
)


ROWS: Final[Mapping[str, Row]] = {
    "aws:ec2/instance:Instance": _INSTANCE,
    "aws:ec2/launchTemplate:LaunchTemplate": _TEMPLATE,
    "aws:ebs/volume:Volume": Row(
        "ec2",
        "CreateVolume",
        id="VolumeId",
        key="VolumeId",
        rename={"type": "VolumeType"},
        ignore={"finalSnapshot": "how the provider deletes"},
        calls=(Call("ModifyVolume", "size type", on_create=False),),
        replace="availabilityZone encrypted kmsKeyId snapshotId outpostArn multiAttachEnabled",
        read=("DescribeVolumes", {"VolumeIds": ["{id}"]}, "Volumes[0]"),
        arn=_ARN + "volume/{id}",
        delete="DeleteVolume",
    ),
    _ATTACHMENT: Row(
        "ec2",
        make=_attach_volume,
        replace="deviceName instanceId volumeId",
        before_delete=_detach_volume,
        delete_first=True,
    ),
    "aws:ec2/networkInterface:NetworkInterface": Row(
        "ec2",
        "CreateNetworkInterface",
        id="NetworkInterface.NetworkInterfaceId",
        key="NetworkInterfaceId",
        rename={
            "securityGroups": "Groups",
            "privateIps": lambda ips: {
                "PrivateIpAddresses": [{"PrivateIpAddress": ip, "Primary": not at} for at, ip in enumerate(ips)]
            },
        },
        calls=(Call("ModifyNetworkInterfaceAttribute", "sourceDestCheck", store=True),),
        replace="subnetId privateIps interfaceType",
        read=("DescribeNetworkInterfaces", {"NetworkInterfaceIds": ["{id}"]}, "NetworkInterfaces[0]"),
        arn=_ARN + "network-interface/{id}",
        outputs={"privateIp": "@PrivateIpAddress", "privateIps": "@PrivateIpAddresses[].PrivateIpAddress"},
        delete="DeleteNetworkInterface",
    ),
    "aws:ec2/eipAssociation:EipAssociation": Row(
        "ec2",
        "AssociateAddress",
        id="AssociationId",
        key="AssociationId",
        replace="allocationId instanceId networkInterfaceId privateIpAddress publicIp",
        delete="DisassociateAddress",
    ),
    "aws:ec2/keyPair:KeyPair": Row(
        "ec2",
        "ImportKeyPair",
        id="{keyName}",
        tag_type="key-pair",
        tag_key="{keyPairId}",
        rename={"publicKey": "PublicKeyMaterial"},
        auto_name="keyName",
        replace="keyName publicKey",
        read=("DescribeKeyPairs", {"KeyNames": ["{keyName}"]}, "KeyPairs[0]"),
        arn=_ARN + "key-pair/{id}",
        outputs={"fingerprint": "@KeyFingerprint"},
        delete="DeleteKeyPair",
        delete_args={"KeyName": "{keyName}"},
    ),
    "aws:ec2/placementGroup:PlacementGroup": Row(
        "ec2",
        "CreatePlacementGroup",
        id="{name}",
        store=True,
        rename={"name": "GroupName"},
        replace="name partitionCount spreadLevel strategy",
        arn=_ARN + "placement-group/{name}",
        outputs={"placementGroupId": "pg-{hex17}"},
    ),
}
