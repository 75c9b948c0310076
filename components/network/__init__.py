"""VPCs, the Transit Gateway and security groups."""
