"""Databases on machines."""
