"""The cluster: what its nodes are, how they boot, and where pods may run."""
