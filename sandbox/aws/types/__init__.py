"""The table of types, one module per family of services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sandbox.aws.row import Row
from sandbox.aws.types import (
    balancing,
    compute,
    containers,
    data,
    delivery,
    dns,
    firewall,
    identity,
    operations,
    scaling,
    secrets,
    serverless,
    storage,
    transit,
    vpc,
    watch,
)

_FAMILIES: Final = (
    balancing,
    compute,
    containers,
    data,
    delivery,
    dns,
    firewall,
    identity,
    operations,
    scaling,
    secrets,
    serverless,
    storage,
    transit,
    vpc,
    watch,
)

TABLE: Final[Mapping[str, Row]] = {type_: row for family in _FAMILIES for type_, row in family.ROWS.items()}

SECRETS: Final[Mapping[str, frozenset[str]]] = {
    "aws:iam/accessKey:AccessKey": frozenset({"secret", "sesSmtpPasswordV4"}),
    "aws:secretsmanager/secretVersion:SecretVersion": frozenset({"secretString", "secretBinary"}),
    "aws:ssm/parameter:Parameter": frozenset({"value"}),
    "aws:ec2/vpnConnection:VpnConnection": frozenset({"tunnel1PresharedKey", "tunnel2PresharedKey"}),
    "aws:acm/certificate:Certificate": frozenset({"privateKey"}),
}
"""Outputs that are secret whatever the program says."""
