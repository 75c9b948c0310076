"""Sizes of EC2 instance types (AWS, Amazon EC2 instance types)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from model import DeclarationError
from model.base import did_you_mean


@dataclass(frozen=True)
class InstanceType:
    """vCPU and memory in MiB."""

    cpus: int
    memory: int


INSTANCE_TYPES: Final = {
    "t3.micro": InstanceType(2, 1024),
    "t3.small": InstanceType(2, 2048),
    "t3.medium": InstanceType(2, 4096),
    "t3.large": InstanceType(2, 8192),
    "t3.xlarge": InstanceType(4, 16384),
    "t3.2xlarge": InstanceType(8, 32768),
    "m7i.large": InstanceType(2, 8192),
    "m7i.xlarge": InstanceType(4, 16384),
    "m7i.2xlarge": InstanceType(8, 32768),
    "r6i.xlarge": InstanceType(4, 32768),
}


def instance_type(name: str) -> InstanceType:
    """The size of an instance type; refused when it is not in the table."""
    if name not in INSTANCE_TYPES:
        raise DeclarationError(f"instance type '{name}' is not known{did_you_mean(name, INSTANCE_TYPES)}")
    return INSTANCE_TYPES[name]
