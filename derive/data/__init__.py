"""Databases outside the cluster, and buckets."""
