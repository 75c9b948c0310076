"""Where stacks are saved: one JSON file each, a journal while a run lasts, a lock, and the last good copy.

The journal takes one line per change as it happens, so that a run that is killed keeps what it did; the
next run folds it into the state file. Lines are handed to the operating system at once, not forced to
disk: a kill loses nothing, a power cut may lose the last steps. The state file itself is written beside,
forced to disk and moved into place.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from sandbox.events import SandboxError
from sandbox.state import Raw, Snapshot

STATE_VERSION: Final = 3
_WRITER: Final = "v3.272.0"
"""The Pulumi version whose state format this is; ``pulumi stack import`` checks the magic made from it."""
_JOURNAL_REMEDY: Final = "delete the journal to go on without that run's steps"
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")


class Store:
    """The saved state of one stack."""

    def __init__(self, backend: Path, project: str, stack: str) -> None:
        for kind, name in (("project", project), ("stack", stack)):
            if not _NAME.fullmatch(name):
                raise SandboxError(f"{kind} name {name!r}: only letters, digits, '_', '-' and '.' are allowed")
        self.project = project
        self.stack = stack
        self.path = backend / project / f"{stack}.json"
        self.snapshot = Snapshot()
        self._backup = self.path.with_suffix(".json.bak")
        self._journal_path = self.path.with_suffix(".journal")
        self._lock_path = self.path.with_suffix(".lock")
        self._lock: IO[str] | None = None
        self._journal: IO[str] | None = None
        self._checksum = ""
        self._journal_length = 0
        self._mutex = threading.Lock()

    def exists(self) -> bool:
        """Whether anything was ever saved for this stack."""
        return self.path.exists() or self._journal_path.exists()

    def load(self) -> Snapshot:
        """Read the state file and fold an interrupted run's journal in; nothing is written."""
        self.snapshot = self._read_state() if self.path.exists() else Snapshot()
        try:
            for change in self._read_journal():
                self.snapshot.apply(change)
        except (KeyError, TypeError) as error:
            raise SandboxError(f"{self._journal_path} is damaged ({error}); {_JOURNAL_REMEDY}") from error
        return self.snapshot

    def acquire(self, operation: str) -> None:
        """Lock the stack for this process. :class:`SandboxError` when another run holds it.

        The lock is the operating system's and ends with its process; the file's text is for people.
        """
        while True:
            with self._writing():
                self.path.parent.mkdir(parents=True, exist_ok=True)
                handle = self._lock_path.open("a+", encoding="utf-8")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                handle.seek(0)
                holder = _holder(handle.read())
                handle.close()
                raise SandboxError(
                    f"stack {self.stack} is locked by {holder} ({self._lock_path}); wait until that run ends"
                ) from error
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(handle.fileno()).st_ino == self._lock_path.stat().st_ino:
                    break
            handle.close()
        self._refuse_other_host(handle)
        handle.truncate(0)
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        handle.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "run": operation, "since": started}))
        handle.flush()
        self._lock = handle

    def _refuse_other_host(self, handle: IO[str]) -> None:
        """A lock left by another machine: its process cannot be asked whether it still runs."""
        handle.seek(0)
        try:
            host = json.loads(handle.read() or "{}").get("host")
        except ValueError:
            return
        if host not in (None, socket.gethostname()):
            handle.close()
            raise SandboxError(
                f"stack {self.stack} is locked by a run on {host}; if that run is over, delete {self._lock_path}"
            )

    def fold(self) -> None:
        """Write down what an interrupted run's journal holds. Needs the lock, and to be loaded."""
        if self._journal_path.exists():
            self.save()

    def release(self) -> None:
        """Give the lock back."""
        if self._lock:
            self._lock_path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """A disk that is full, or may not be written to, is the user's to put right."""
        try:
            yield
        except OSError as error:
            raise SandboxError(
                f"{self.path.parent} cannot be written to: {error.strerror}; what was written until then is kept: "
                "put that right, and run again"
            ) from error

    def record(self, change: Raw) -> None:
        """Apply one change and append it to the journal. Needs the lock; thread-safe."""
        with self._mutex, self._writing():
            if self._journal is None:
                self._journal = self._journal_path.open("a", encoding="utf-8")
                if self._journal.tell() == 0:
                    self._journal.write(json.dumps({"base": self._checksum}) + "\n")
            self._journal.write(json.dumps(change) + "\n")
            self._journal.flush()
            self.snapshot.apply(change)

    def save(self) -> None:
        """Write the state file, if it differs from the one on disk, and drop the journal. Needs the lock."""
        with self._mutex, self._writing():
            if self._journal is None and self._journal_path.exists():
                os.truncate(self._journal_path, self._journal_length)
                self._journal = self._journal_path.open("a", encoding="utf-8")
            deployment = self._deployment()
            checksum = _checksum(deployment)
            if checksum != self._checksum:
                self._write(deployment, checksum)
            if self._journal is not None:
                self._journal.close()
                self._journal = None
            self._journal_path.unlink(missing_ok=True)

    def document(self) -> Raw:
        """The loaded state as ``pulumi stack export`` shows it."""
        return {"version": STATE_VERSION, "deployment": {"manifest": _manifest(), **self._deployment()}}

    def _deployment(self) -> Raw:
        return {
            "secrets_providers": self.snapshot.secrets,
            "resources": self.snapshot.ordered(),
            "pending_operations": list(self.snapshot.pending.values()),
        }

    def _write(self, deployment: Raw, checksum: str) -> None:
        """One resource a line, so that a diff of two state files reads well."""
        temporary = self.path.with_suffix(".json.new")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(f'{{"version": {STATE_VERSION},\n"checksum": "{checksum}",\n"deployment": {{\n')
            file.write(f'"manifest": {json.dumps(_manifest())},\n')
            file.write(f'"secrets_providers": {json.dumps(deployment["secrets_providers"])},\n"resources": [')
            file.write(",".join(f"\n{json.dumps(raw)}" for raw in deployment["resources"]))
            file.write(f'],\n"pending_operations": {json.dumps(deployment["pending_operations"])}\n}}}}\n')
            file.flush()
            os.fsync(file.fileno())
        if self.path.exists():
            shutil.copyfile(self.path, self._backup)
        if self._journal is not None:
            self._journal.write(json.dumps({"folded": checksum}) + "\n")
            self._journal.flush()
        os.replace(temporary, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._checksum = checksum

    def _read_state(self) -> Snapshot:
        copied = self._backup.exists()
        remedy = (
            f"restore the last good copy: cp {self._backup} {self.path}"
            if copied
            else ("it has no earlier copy; put back one of your own, or delete it and run up again")
        )
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            version = document["version"]
            if version != STATE_VERSION:
                raise SandboxError(f"{self.path}: version {version} is not supported, only {STATE_VERSION}; {remedy}")
            deployment = document["deployment"] or {}
            content: Raw = {key: deployment.get(key) or [] for key in ("resources", "pending_operations")}
            content["secrets_providers"] = deployment.get("secrets_providers") or {}
            snapshot = Snapshot(content["resources"], content["pending_operations"], content["secrets_providers"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SandboxError(f"{self.path} is damaged ({type(error).__name__}: {error}); {remedy}") from error
        self._checksum = _checksum(content)
        if document.get("checksum", self._checksum) != self._checksum:
            raise SandboxError(
                f"{self.path} is damaged: its checksum does not match; {remedy} "
                '(or, after editing it on purpose, delete its "checksum")'
            )
        return snapshot

    def _read_journal(self) -> list[Raw]:
        if not self._journal_path.exists():
            return []
        text = self._journal_path.read_bytes()
        self._journal_length = text.rfind(b"\n") + 1  # a line cut short by a kill never took effect
        try:
            entries = [json.loads(line) for line in text[: self._journal_length].splitlines()]
            base = entries[0]["base"] if entries else self._checksum
        except (ValueError, KeyError, TypeError) as error:
            raise SandboxError(f"{self._journal_path} is damaged ({error}); {_JOURNAL_REMEDY}") from error
        if entries and entries[-1].get("folded") == self._checksum:
            return []
        if base != self._checksum:
            raise SandboxError(
                f"{self.path} was changed after the interrupted run that wrote {self._journal_path}; "
                f"put the state file back as it was, or {_JOURNAL_REMEDY}"
            )
        return [entry for entry in entries[1:] if "do" in entry]


def _manifest() -> Raw:
    time = datetime.datetime.now(datetime.UTC).isoformat()
    return {"time": time, "magic": hashlib.sha256(_WRITER.encode()).hexdigest(), "version": _WRITER}


def _holder(text: str) -> str:
    """Who a lock says it is held by, in words."""
    try:
        run = json.loads(text)
        return f"`{run['run']}` of process {run['pid']} on {run['host']}, since {run['since']}"
    except (ValueError, KeyError, TypeError):
        return "another run"


def _checksum(deployment: Raw) -> str:
    content = json.dumps(deployment, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
