"""Provider package of the sandbox."""
