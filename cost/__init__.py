"""What a stack costs a month, computed from its registered resources and a dated price table."""
