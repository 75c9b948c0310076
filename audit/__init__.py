"""Reads back what was registered and recomputes who can reach whom, layer by layer."""
