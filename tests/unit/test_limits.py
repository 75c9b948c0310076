"""Limits of the services that names must fit."""

from __future__ import annotations

import pytest

from derive.limits import LOAD_BALANCER_NAME, fits
from model import DeclarationError


def test_a_name_at_the_limit_fits() -> None:
    assert fits("n" * LOAD_BALANCER_NAME, LOAD_BALANCER_NAME, "load balancer") == "n" * 32


def test_a_name_one_beyond_is_refused() -> None:
    with pytest.raises(DeclarationError) as caught:
        fits("n" * 33, LOAD_BALANCER_NAME, "load balancer")
    assert str(caught.value) == (
        f"load balancer '{'n' * 33}' has 33 characters, AWS allows 32; shorten the system's or environment's name"
    )
