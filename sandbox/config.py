"""A project's settings as the Pulumi CLI reads them: ``Pulumi.yaml`` and ``Pulumi.<stack>.yaml``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.events import SandboxError
from sandbox.secrets import Crypter

_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": (str, int, float, bool),
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


@dataclass(frozen=True)
class Project:
    """What ``Pulumi.yaml`` says. ``main`` is the program's folder."""

    name: str
    root: Path
    main: Path
    stack_files: Path
    declared: Mapping[str, Any]


@dataclass(frozen=True)
class StackConfig:
    """The configuration of one stack: full keys (``aws:region``) to text, and which of them are secret."""

    values: Mapping[str, str]
    secret_keys: frozenset[str]
    salt: str = ""


def load_project(folder: Path) -> Project:
    """Read ``Pulumi.yaml``. :class:`SandboxError` when there is none or it is not a Python project."""
    path = folder / "Pulumi.yaml"
    content = _read(path)
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise SandboxError(f"{path}: 'name' is missing")
    runtime = content.get("runtime")
    language = runtime.get("name") if isinstance(runtime, dict) else runtime
    if language != "python":
        raise SandboxError(f"{path}: runtime {language!r}; the sandbox runs Python programs only")
    main = folder / str(content.get("main", "."))
    main = main.parent if main.suffix == ".py" else main
    declared = content.get("config") or {}
    if not isinstance(declared, dict):
        raise SandboxError(f"{path}: 'config' must be a map of keys")
    return Project(name, folder, main, folder / str(content.get("stackConfigDir", ".")), declared)


def load_config(project: Project, stack: str, passphrase: str, overrides: Mapping[str, str]) -> StackConfig:
    """Merge the project's defaults, the stack's file and ``overrides``, the last one winning."""
    path = project.stack_files / f"Pulumi.{stack}.yaml"
    content = _read(path) if path.exists() else {}
    salt = str(content.get("encryptionsalt") or "")
    configured = content.get("config") or {}
    if not isinstance(configured, dict):
        raise SandboxError(f"{path}: 'config' must be a map of keys")
    secrets: set[str] = set()
    values: dict[str, Any] = {}
    opener = _Opener(path, passphrase, salt)
    for key, raw in configured.items():
        full = _full(project, str(key))
        values[full], is_secret = opener.open(raw, str(key))
        if is_secret:
            secrets.add(full)
    values.update({_full(project, key): value for key, value in overrides.items()})
    for key, declaration in project.declared.items():
        _declare(project, stack, path, str(key), declaration, values, secrets)
    return StackConfig({key: _text(value) for key, value in values.items()}, frozenset(secrets), salt)


def find_passphrase(given: str | None) -> str:
    """The passphrase given, or the environment's as the CLI looks for it. :class:`SandboxError` when there is none."""
    if given is not None:
        return given
    if "PULUMI_CONFIG_PASSPHRASE" in os.environ:
        return os.environ["PULUMI_CONFIG_PASSPHRASE"]
    file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if not file:
        raise SandboxError(
            "no passphrase for the stack's secrets: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"
        )
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SandboxError(f"PULUMI_CONFIG_PASSPHRASE_FILE: {file} cannot be read: {error.strerror}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SandboxError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SandboxError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise SandboxError(f"{path} must be a map")
    return content


def _full(project: Project, key: str) -> str:
    """``name`` belongs to the project; ``ns:config:name`` is the old spelling of ``ns:name``."""
    if ":" not in key:
        return f"{project.name}:{key}"
    return key.replace(":config:", ":", 1)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value)


def _declare(
    project: Project, stack: str, path: Path, key: str, declaration: Any, values: dict[str, Any], secrets: set[str]
) -> None:
    """Apply one entry of the ``config`` block of ``Pulumi.yaml``: its default, its type, its secrecy."""
    full = _full(project, key)
    if not isinstance(declaration, dict):
        declaration = {"default": declaration}
    default = declaration.get("default", declaration.get("value"))
    if full not in values:
        if default is None:
            raise SandboxError(f"{path}: stack {stack} is missing the configuration value {full}")
        values[full] = default
    if declaration.get("secret"):
        secrets.add(full)
    wanted = declaration.get("type")
    if wanted is None:
        return
    if wanted not in _TYPES:
        place = project.root / "Pulumi.yaml"
        raise SandboxError(f"{place}: config {key}: type {wanted!r} is not one of {', '.join(_TYPES)}")
    value = values[full]
    if isinstance(value, str) and wanted != "string":
        try:
            value = json.loads(value)
        except ValueError:
            value = str(value)
    wrong = not isinstance(value, _TYPES[wanted]) or (wanted == "integer" and isinstance(value, bool))
    if wrong:
        raise SandboxError(f"{path}: {full} must be of type {wanted}, not {json.dumps(value)}")


class _Opener:
    """Decrypts the ``secure:`` values of one stack file."""

    def __init__(self, path: Path, passphrase: str, salt: str) -> None:
        self._path = path
        self._passphrase = passphrase
        self._salt = salt
        self._crypter: Crypter | None = None

    def open(self, raw: Any, key: str) -> tuple[Any, bool]:
        """The value with every secret in it decrypted, and whether there was one."""
        if isinstance(raw, dict):
            if set(raw) == {"secure"}:
                return self._decrypt(str(raw["secure"]), key), True
            opened = {name: self.open(item, f"{key}.{name}") for name, item in raw.items()}
            return {name: value for name, (value, _) in opened.items()}, any(s for _, s in opened.values())
        if isinstance(raw, list):
            items = [self.open(item, f"{key}[{index}]") for index, item in enumerate(raw)]
            return [value for value, _ in items], any(s for _, s in items)
        return raw, False

    def _decrypt(self, ciphertext: str, key: str) -> str:
        if not self._salt:
            raise SandboxError(
                f"{self._path}: {key} is encrypted, but there is no 'encryptionsalt'; "
                "the sandbox reads secrets of the passphrase provider only"
            )
        if self._crypter is None:
            self._crypter = Crypter.open(self._passphrase, self._salt, str(self._path))
        try:
            return self._crypter.decrypt(ciphertext)
        except SandboxError as error:
            raise SandboxError(f"{self._path}: {key}: {error}") from error
