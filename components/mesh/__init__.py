"""What runs in a cluster: add-ons, namespaces, services."""
