"""A public certificate for one name, proved by a record in the name's zone."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

RECORD_SECONDS = 60
"""How long the proof is remembered: it is asked for when the certificate is issued and renewed."""


@dataclass(frozen=True)
class PublicCertificateArgs:
    """The name, and the public zone that it lies in."""

    host: str
    zone_id: pulumi.Input[str]
    region: str | None = None
    """Absent: the provider's own. CloudFront reads certificates in ``us-east-1`` only."""


class PublicCertificate(pulumi.ComponentResource):
    """A certificate of AWS's own authority (ACM), which renews it by itself as long as its record stands.

    Costs nothing. Outputs: its ARN, known once it is issued.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: PublicCertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:edge:PublicCertificate", name, None, opts)
        children = pulumi.ResourceOptions(parent=self)
        certificate = aws.acm.Certificate(
            f"{name}-certificate",
            domain_name=args.host,
            validation_method="DNS",
            key_algorithm="EC_prime256v1",
            region=args.region,
            tags={"Name": args.host},
            opts=children,
        )
        proof = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            f"{name}-proof",
            zone_id=args.zone_id,
            name=proof.resource_record_name,
            type=proof.resource_record_type,
            records=[proof.resource_record_value],
            ttl=RECORD_SECONDS,
            # The same name in another stack or region asks for the same record.
            allow_overwrite=True,
            opts=children,
        )
        issued = aws.acm.CertificateValidation(
            f"{name}-issued",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            region=args.region,
            opts=children,
        )
        self.arn = issued.certificate_arn
        self.register_outputs({"arn": self.arn})


def alias(
    name: str,
    zone_id: pulumi.Input[str],
    host: str,
    target: tuple[pulumi.Input[str], pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> aws.route53.Record:
    """A name that leads to a thing of AWS's. ``target``: its DNS name, and the zone that this one is in."""
    return aws.route53.Record(
        name,
        zone_id=zone_id,
        name=host,
        type="A",
        aliases=[aws.route53.RecordAliasArgs(name=target[0], zone_id=target[1], evaluate_target_health=False)],
        opts=opts,
    )
