"""Wheelhouse: the whole platform of a declared system, one stack per environment."""

from stacks import environment, hub, settings

found = settings.load()
if found.environment == settings.HUB:
    hub.deploy(found)
else:
    environment.deploy(found)
