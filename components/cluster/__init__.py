"""K3s on EC2."""
