"""Timings, printed beside their budgets; nothing here passes or fails."""
