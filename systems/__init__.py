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
    file = f"systems/{name}.py"
    try:
        module = import_module(f"systems.{name}")
    except ValidationError as error:
        raise DeclarationError(f"{file}, line {_lines(error, name)[-1]}: {mistakes(error)}") from error
    except SyntaxError as error:
        if not str(error.filename).endswith(file):
            raise
        raise DeclarationError(f"{file}, line {error.lineno}: {error.msg}") from error
    except (ImportError, NameError, TypeError, AttributeError) as error:
        lines = _lines(error, name)
        if not lines or not traceback.extract_tb(error.__traceback__)[-1].filename.endswith(file):
            raise
        raise DeclarationError(f"{file}, line {lines[-1]}: {error}") from error
    system = getattr(module, "SYSTEM", None)
    if not isinstance(system, System):
        raise DeclarationError(f"{file} declares no system; it must say SYSTEM = System(...)")
    return system


def _lines(error: Exception, name: str) -> list[int | None]:
    """The lines of a system's file that an error came through, the innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame.lineno for frame in frames if Path(frame.filename).name == f"{name}.py"]
