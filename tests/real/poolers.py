"""Debian's PgBouncer with a derived configuration."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from derive.stores.pgbouncer import PREPARED_STATEMENTS
from tests.real.system_user import as_postgres

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin") or "pgbouncer"


@contextmanager
def serving(text: str, folder: Path, port: int, env: Mapping[str, str]) -> Iterator[None]:
    """Without what an older version does not know. ``folder``: for its configuration and its log."""
    shown = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    if tuple(map(int, re.findall(r"\d+", shown.stdout)[:2])) < (1, 21):
        text = text.replace(f"max_prepared_statements = {PREPARED_STATEMENTS}\n", "")
    (folder / "pgbouncer.ini").write_text(text)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(as_postgres(PROGRAM, str(folder / "pgbouncer.ini")), env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 10
        while not answers(port):
            assert time.monotonic() < deadline, (folder / "log").read_text()
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait(10)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
