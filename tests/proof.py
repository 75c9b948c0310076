"""How much of a proof a run makes: all of it with the variable PROOF set (`make proof`), otherwise a sample."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

WHOLE: Final = "PROOF" in os.environ
SLOW: Final = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
"""A declaration is large, and some are refused: neither is a fault of the test."""
for name, examples in (("sample", 40), ("proof", 1000)):
    settings.register_profile(
        name, max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW
    )
PROFILE: Final = settings(settings.get_profile("proof" if WHOLE else "sample"))
"""The same examples at every run."""
