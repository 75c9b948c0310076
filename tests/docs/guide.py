"""Documents as something to run: their commands, their files, their changes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

BLOCK: Final = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
FILE: Final = re.compile(r"^`(?P<path>[\w./-]+\.(?:py|yaml))`:\n\n```\w+\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
HUNK: Final = re.compile(r"^@@\n((?:[ +-].*\n|\n)+)", re.MULTILINE)
PROGRAMS: Final = frozenset({"aws", "kubectl", "make", "pulumi", "sudo", "wheelhouse"})


def blocks(text: str, language: str) -> Iterator[str]:
    """The fenced blocks of a language, without their indentation."""
    for found in BLOCK.finditer(text):
        if found["language"] == language:
            yield re.sub(rf"^{found['indent']}", "", found["body"], flags=re.MULTILINE)


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command line in blocks without a language, continued lines joined, comments left out."""
    for block in blocks(text, ""):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if line.strip().split(" ")[0] in PROGRAMS else []
            if words:
                yield words


def files(text: str) -> dict[str, str]:
    """Whole files: blocks below a line that is a path in backticks and a colon."""
    return {found["path"]: found["body"] for found in FILE.finditer(text)}


def apply(text: str, project: Path) -> None:
    """Make the files and the changes of a document in a copy of the project.

    A change's hunks have no line numbers: what it removes and leaves, in one piece, occurs exactly once in the file.
    """
    for path, body in files(text).items():
        (project / path).write_text(body)
    for block in blocks(text, "diff"):
        for part in re.split(r"^--- .*\n(?=\+\+\+ )", block, flags=re.MULTILINE)[1:]:
            file = project / part.split("\n", 1)[0].removeprefix("+++ b/")
            for hunk in HUNK.findall(part):
                lines = hunk.splitlines(keepends=True)
                old = "".join(line[1:] or "\n" for line in lines if not line.startswith("+"))
                new = "".join(line[1:] or "\n" for line in lines if not line.startswith("-"))
                content = file.read_text()
                if content.count(old) != 1:
                    raise AssertionError(f"{file.name} has this {content.count(old)} times, not once:\n{old}")
                file.write_text(content.replace(old, new))
