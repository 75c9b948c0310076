"""Go's regular expressions, which CustomResourceDefinitions are written with, for Python.

Two things differ in what is in use: a flag in the middle (``(a|(?i)b)c``) holds to the end of its group, and
``\\PC`` is every character that is not a control character or otherwise unprintable.
"""

from __future__ import annotations

import functools
import re
from typing import Final

_FLAG: Final = re.compile(r"\(\?([ims]+)\)")
_PRINTABLE: Final = r"[^\x00-\x1f\x7f-\x9f]"


@functools.cache
def translated(pattern: str) -> str | None:
    """The same expression for Python; None when there is none, so that the field is not checked by it."""
    found = _scoped(pattern.replace(r"\PC", _PRINTABLE))
    try:
        re.compile(found)
    except re.error:
        return None
    return found


def _scoped(pattern: str) -> str:
    """Turn ``(?i)rest`` into ``(?i:rest)``, up to the end of the group that it is in."""
    result: list[str] = []
    open_flags = [0]
    position, in_class = 0, False
    while position < len(pattern):
        letter = pattern[position]
        flag = None if in_class else _FLAG.match(pattern, position)
        if flag is not None:
            result.append(f"(?{flag[1]}:")
            open_flags[-1] += 1
            position = flag.end()
            continue
        if letter == "\\":
            result.append(pattern[position : position + 2])
            position += 2
            continue
        if letter == "(" and not in_class:
            open_flags.append(0)
        elif letter == ")" and not in_class and len(open_flags) > 1:
            result.append(")" * open_flags.pop())
        in_class = letter == "[" or (in_class and letter != "]")
        result.append(letter)
        position += 1
    return "".join(result) + ")" * open_flags[0]
