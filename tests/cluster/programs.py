"""The programs of a Kubernetes control plane, for tests: etcd from the machine, the rest built from its Go modules.

``python -m tests.cluster.programs`` builds what ``servers/go.mod`` names into the user's cache, once. It exits with 2
where something is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

MODULE: Final = Path(__file__).parent / "servers"
REMEDIES: Final = {
    "etcd": "etcd (on Debian: apt-get install etcd-server)",
    "go": "Go, of the version in tests/cluster/servers/go.mod or newer",
}


class Unavailable(Exception):
    """Something that the control plane needs is missing; the message says what, and what to do."""


def version() -> str:
    """The version of Kubernetes that go.mod requires, such as ``v1.36.2``."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise Unavailable(f"{MODULE / 'go.mod'} does not require k8s.io/kubernetes")
    return found[1]


def folder() -> Path:
    """Where the built programs are."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "wheelhouse" / f"kubernetes-{version()}"


def require() -> None:
    """Raise :class:`Unavailable` unless a control plane can be started now."""
    _require("etcd")
    if not folder().is_dir():
        raise Unavailable(f"the API server {version()} is not built yet; `make cluster-test` builds it")


def build() -> None:
    """Build what is not built yet: about ten minutes on two cores. Raises :class:`Unavailable`."""
    if folder().is_dir():
        return _require("etcd")
    _require("etcd", "go")
    print(f"Building the API server {version()}, once; it takes about ten minutes", flush=True)
    folder().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder().parent) as scratch:
        target = Path(scratch) / "built"
        target.mkdir()
        flags = f"-s -w -X k8s.io/component-base/version.gitVersion={version()}"
        command = ["nice", "go", "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", f"{target}/", "tool"]
        if subprocess.run(command, cwd=MODULE, env={**os.environ, "CGO_ENABLED": "0"}, check=False).returncode:
            raise Unavailable(f"the API server could not be built from {MODULE}; Go's own message is above")
        target.rename(folder())
    return None


def _require(*programs: str) -> None:
    missing = [REMEDIES[name] for name in programs if shutil.which(name) is None]
    if missing:
        raise Unavailable(f"the tests on a Kubernetes API server need {' and '.join(missing)}")


if __name__ == "__main__":
    try:
        build()
    except Unavailable as error:
        print(error, file=sys.stderr)
        sys.exit(2)
