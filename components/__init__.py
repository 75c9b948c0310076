"""Pulumi components: they register what a plan says and hold no policy of their own."""
