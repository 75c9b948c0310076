"""Questions about a declared system and its stacks: what a loss costs, what a change touches, and how it looks."""
