"""What runs a service: its pods, their configuration, their number, their releases."""
