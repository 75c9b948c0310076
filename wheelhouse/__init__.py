"""The `wheelhouse` command: the project's stacks in the embedded sandbox."""
