"""The stacks of the default system, shared with the other tests."""

from __future__ import annotations

from tests.platforms import platforms

__all__ = ["platforms"]
