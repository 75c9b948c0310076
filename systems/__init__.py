"""The systems: data only, one file each. A new file is found by its name."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from model import DeclarationError, System
from model.base import did_you_mean


def names() -> tuple[str, ...]:
    """The systems there are, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> System:
    """The declaration of one system; refused with the nearest name when there is none."""
    if name not in names():
        raise DeclarationError(f"system '{name}' is not declared in systems/{did_you_mean(name, names())}")
    system: System = import_module(f"systems.{name}").SYSTEM
    return system
