"""The systems: data only, one file each. A new file is found by its name."""

from __future__ import annotations

import pkgutil
import traceback
from importlib import import_module
from pathlib import Path

from pydantic import ValidationError

from model import DeclarationError, System
from model.base import did_you_mean, mistakes


def names() -> tuple[str, ...]:
    """The systems there are, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg))


def load(name: str) -> System:
    """The declaration of one system; refused with the nearest name, or with the line of the mistake in it."""
    if name not in names():
        raise DeclarationError(f"system '{name}' is not declared in systems/{did_you_mean(name, names())}")
    try:
        system: System = import_module(f"systems.{name}").SYSTEM
    except ValidationError as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename).name == f"{name}.py"]
        raise DeclarationError(f"systems/{name}.py, line {lines[-1]}: {mistakes(error)}") from error
    return system
