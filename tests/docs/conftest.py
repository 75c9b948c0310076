"""The stacks that the guides change copies of."""

from __future__ import annotations

from tests.platforms import platforms

__all__ = ["platforms"]
