"""What has no price, and what cannot be computed at all."""

from __future__ import annotations


class CostError(ValueError):
    """Input that no cost can be computed from. The message names the place and the remedy."""

    user_facing = True


class Unpriced(Exception):
    """One resource whose price is not known; the message says what is missing."""
