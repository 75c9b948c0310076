"""Stores that run in the cluster: a StatefulSet each, with its Service, configuration and exporter."""
