"""What watches over an account."""
