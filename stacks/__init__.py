"""Composition roots: settings in, components, typed outputs out."""
