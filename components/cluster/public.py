"""What stands in an entry's place where servers have public addresses: the addresses, the API's name, SSH keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_tls as tls

from components.cluster.entry import API


@dataclass(frozen=True)
class PublicAddressesArgs:
    """Where the servers stand, and who administers them."""

    vpc_id: pulumi.Input[str]
    region: str
    zone_name: str
    api_host: str
    private: Sequence[str]
    """Private address of each server."""
    ssh_key: str | None
    """Public key of the administrators. Absent: one is made, whose private half is in the state, encrypted."""


class PublicAddresses(pulumi.ComponentResource):
    """An Elastic IP for each server, the name by which servers and workers find the API, and the key for SSH.

    Costs: each address by the hour, one private zone. Outputs: the first address, the API's URL there, the key pair's
    name, and the private half of a key that was made here (secret).
    """

    addresses: list[aws.ec2.Eip]
    first: pulumi.Output[str]
    url: pulumi.Output[str]
    key_name: pulumi.Output[str]
    private_key: pulumi.Output[str] | None

    def __init__(self, name: str, args: PublicAddressesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:cluster:PublicAddresses", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        self.addresses = [
            aws.ec2.Eip(f"{name}-{index}", domain="vpc", tags={"Name": f"{name}-{index}"}, opts=children)
            for index in range(len(args.private))
        ]
        self.first = self.addresses[0].public_ip
        self.url = pulumi.Output.concat("https://", self.first, f":{API}")
        zone = aws.route53.Zone(
            f"{name}-zone",
            name=args.zone_name,
            vpcs=[aws.route53.ZoneVpcArgs(vpc_id=args.vpc_id, vpc_region=args.region)],
            tags={"Name": args.zone_name},
            opts=children,
        )
        aws.route53.Record(
            f"{name}-api",
            zone_id=zone.zone_id,
            name=args.api_host,
            type="A",
            ttl=60,
            records=list(args.private),
            opts=children,
        )
        public_key: pulumi.Input[str]
        self.private_key = None
        if args.ssh_key:
            public_key = args.ssh_key
        else:
            made = tls.PrivateKey(f"{name}-ssh", algorithm="ED25519", opts=children)
            public_key, self.private_key = made.public_key_openssh, pulumi.Output.secret(made.private_key_openssh)
        key = aws.ec2.KeyPair(f"{name}-key", public_key=public_key, tags={"Name": f"{name}-key"}, opts=children)
        self.key_name = key.key_name
        self.register_outputs({"url": self.url, "first": self.first, "key_name": self.key_name})
