"""A function's archive, the same bytes from the same sources on every machine."""

from __future__ import annotations

import importlib.util
import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import pulumi

FOLDER: Final = Path(".wheelhouse", "functions")
"""Below the project's folder, where the engine runs the program; not committed."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that an archive can name."""
_READABLE: Final = 0o644 << 16


def packed(package: str, libraries: Sequence[str] = ()) -> pulumi.FileArchive:
    """A package of ``functions`` with the libraries that it imports beside those of Lambda's runtime.

    Libraries are installed with the program, at the versions of its lock; pure Python only, for Lambda's machine is
    another. Only sources are packed: no tests, no compiled files. Raises ValueError for a library that is not pure.
    """
    files = dict(sorted(_sources(package, libraries)))
    FOLDER.mkdir(parents=True, exist_ok=True)
    target = FOLDER / f"{package.rpartition('.')[2]}.zip"
    with (
        tempfile.NamedTemporaryFile(dir=FOLDER, suffix=".zip", delete=False) as draft,
        zipfile.ZipFile(draft, "w") as archive,
    ):
        for name, path in files.items():
            entry = zipfile.ZipInfo(str(name), _EPOCH)
            entry.external_attr = _READABLE
            archive.writestr(entry, path.read_bytes())
    # Another stack may be packing, too: a reader gets the one archive or the other, never a part of one.
    os.replace(draft.name, target)
    return pulumi.FileArchive(target.as_posix())


def _sources(package: str, libraries: Sequence[str]) -> Iterator[tuple[PurePosixPath, Path]]:
    """Name in the archive and file. A package's parents are packed without what else is in them."""
    parents = package.split(".")[:-1]
    for depth in range(len(parents)):
        parent = ".".join(parents[: depth + 1])
        yield PurePosixPath(*parents[: depth + 1], "__init__.py"), _root(parent) / "__init__.py"
    for name in (package, *libraries):
        root = _root(name)
        place = PurePosixPath(*name.split("."))
        if root.is_file():
            yield place.with_suffix(".py"), root
            continue
        for path in root.rglob("*"):
            if path.suffix in (".so", ".pyd", ".dylib"):
                raise ValueError(f"library '{name}' has compiled parts ({path.name}): it cannot be packed")
            if path.suffix == ".py" and not path.name.startswith("test_"):
                yield place.joinpath(*path.relative_to(root).parts), path


def _root(name: str) -> Path:
    """The folder of a package, or the file of a module."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ValueError(f"'{name}' is not installed: run 'make .venv/.installed'")
    origin = Path(found.origin)
    return origin.parent if found.submodule_search_locations else origin
