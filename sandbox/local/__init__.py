"""Providers that need no backend: what they make is computed here and kept in the state."""
