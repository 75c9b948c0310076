"""The way from the internet to a cluster."""
