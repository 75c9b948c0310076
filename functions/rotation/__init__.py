"""Makes a secret anew when Secrets Manager asks for it."""
