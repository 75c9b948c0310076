"""What an Ubuntu machine needs before its first boot program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from derive.bootstrap.machine import MachineFile

CLOUD_CONFIG: Final[Mapping[str, object]] = {
    "ssh_pwauth": False,
    "disable_root": True,
    "package_update": True,
    "packages": ["unattended-upgrades", "xfsprogs"],
    "snap": {"commands": [["install", "aws-cli", "--classic"]]},
}
"""Keys are the only way in. Ubuntu's archive has no AWS CLI of the second version (AWS CLI user guide, "Snap")."""
UPDATES: Final = MachineFile(
    "/etc/apt/apt.conf.d/20auto-upgrades",
    'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n',
)
"""Security updates every day (Debian's unattended-upgrades, README)."""
ENVIRONMENT: Final[Mapping[str, str]] = {
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin",
}
"""Of the first boot program: systemd gives units neither a home nor the way to snaps (systemd.exec, "Environment
variables")."""
