"""Quantities survive the way to numbers and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derive.quantities import cpu, memory, memory_bytes, millicores


@pytest.mark.parametrize(("text", "amount"), [("250m", 250), ("1", 1000), ("1.5", 1500), ("0.001", 1)])
def test_cpu_in_millicores(text: str, amount: int) -> None:
    assert millicores(text) == amount


@pytest.mark.parametrize(("text", "amount"), [("1Ki", 1024), ("256Mi", 268435456), ("2Gi", 2147483648)])
def test_memory_in_bytes(text: str, amount: int) -> None:
    assert memory_bytes(text) == amount


@given(st.integers(0, 10**7))
def test_cpu_is_written_as_read(amount: int) -> None:
    assert millicores(cpu(amount)) == amount


@given(st.integers(0, 2**45))
def test_memory_is_rounded_up_to_whole_mebibytes(amount: int) -> None:
    """Rounded down, a quota would refuse the last pod."""
    assert 0 <= memory_bytes(memory(amount)) - amount < 2**20
