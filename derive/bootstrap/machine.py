"""What every machine's bootstrap shares: files, shell settings, the bundle's JSON and the cloud-config."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources

from derive.yaml_text import yaml_text
from model import DeclarationError

USER_DATA_LIMIT = 16_384
"""Bytes of user data that EC2 accepts, counted before base64 (EC2 user guide, "Instance user data")."""

SECRET_LIMIT = 65_536
"""Bytes of one Secrets Manager secret value (Secrets Manager quotas)."""

PROGRAMS = "/opt/wheelhouse"
SETTINGS = "/etc/wheelhouse/host.env"
FIRST_BOOT_UNIT = "wheelhouse-first-boot.service"

_MODE = re.compile(r"0[0-7]{3}")
_SETTING_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


class BootstrapError(DeclarationError):
    """An input that would give a machine that cannot boot; the message names the field and the remedy."""


def require(condition: bool, message: str) -> None:
    """Raise `BootstrapError(message)` unless the condition holds."""
    if not condition:
        raise BootstrapError(message)


@dataclass(frozen=True)
class MachineFile:
    """One text file of a machine: absolute path, content, octal mode such as "0600", owner and group by name."""

    path: str
    content: str
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"

    def __post_init__(self) -> None:
        require(
            self.path.startswith("/") and ".." not in self.path.split("/"),
            f"file {self.path!r}: the path must be absolute and without '..'",
        )
        require(_MODE.fullmatch(self.mode) is not None, f"file {self.path}: mode {self.mode!r} is not like '0644'")


TIME = MachineFile("/etc/chrony.d/link-local.sources", "server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\n")
"""Time from the Amazon Time Sync Service, which needs no way out (EC2 user guide, "Set the time reference"): what
Amazon Linux does by itself, said here so that it stays."""


def program(name: str, *, source: str | None = None, path: str | None = None) -> MachineFile:
    """The executable `/opt/wheelhouse/<name>`, or ``path``, from this package's `files/` (same name unless given)."""
    text = resources.files("derive.bootstrap").joinpath("files", source or name).read_text(encoding="utf-8")
    return MachineFile(path or f"{PROGRAMS}/{name}", text, mode="0755")


def settings_file(values: Mapping[str, str], path: str = SETTINGS) -> MachineFile:
    """Shell settings that the programs source; every value is quoted, so no value can run as a command."""
    for name, value in values.items():
        require(_SETTING_NAME.fullmatch(name) is not None, f"setting {name!r} must be upper case letters, digits, '_'")
        require("\n" not in value, f"setting {name}: line breaks are not allowed")
    return MachineFile(path, "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()))


def first_boot_unit(command: str) -> MachineFile:
    """A systemd unit that runs `command` until it succeeds once.

    A unit, not `runcmd`, because the NAT gateway, the volume or the secret may come later than the machine: systemd
    retries and survives a reboot. Output also goes to the console, which is the only view into a machine without login.
    """
    text = f"""[Unit]
Description=First boot of this machine
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0
ConditionPathExists=!/var/lib/wheelhouse/first-boot-done

[Service]
Type=oneshot
Restart=on-failure
RestartSec=20
StateDirectory=wheelhouse
ExecStart={command}
ExecStartPost=/usr/bin/touch /var/lib/wheelhouse/first-boot-done
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
"""
    return MachineFile(f"/etc/systemd/system/{FIRST_BOOT_UNIT}", text)


def bundle_json(files: Iterable[MachineFile]) -> str:
    """The JSON that `lay-out-bundle` unpacks: `{"files": [{path, mode, owner, group, content}, ...]}`, stable order."""
    ordered = sorted(files, key=lambda file: file.path)
    paths = [file.path for file in ordered]
    require(len(set(paths)) == len(paths), f"bundle: a path occurs twice among {paths}")
    entries = [
        {"path": f.path, "mode": f.mode, "owner": f.owner, "group": f.group, "content": f.content} for f in ordered
    ]
    return json.dumps({"files": entries}, separators=(",", ":"), sort_keys=True)


def cloud_config(name: str, files: Iterable[MachineFile], distribution: Mapping[str, object] | None = None) -> str:
    """The `#cloud-config` that writes `files` and starts the first-boot unit; refused when EC2 would refuse it.

    `distribution`: further keys that the machine's operating system needs."""
    document = {
        **(distribution or {}),
        "write_files": [
            {"path": f.path, "permissions": f.mode, "owner": f"{f.owner}:{f.group}", "content": f.content}
            for f in files
        ],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", "--now", "--no-block", FIRST_BOOT_UNIT],
        ],
    }
    text = "#cloud-config\n" + yaml_text(document)
    size = len(text.encode())
    require(
        size < USER_DATA_LIMIT,
        f"user data of {name} has {size} bytes, EC2 accepts fewer than {USER_DATA_LIMIT}: "
        "shorten its labels, taints or argument lists",
    )
    return text
