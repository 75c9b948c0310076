"""Kubernetes and custom objects as plain dictionaries in exact camelCase; typed builders; no Pulumi."""
