"""Secrets, what keeps them, and rights in the cloud."""
