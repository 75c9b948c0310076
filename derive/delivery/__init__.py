"""Who builds and who applies: repositories, pipelines, Flux."""
