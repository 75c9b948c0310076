"""Pure derivations: a system and an environment in, a frozen plan out. Neither Pulumi nor boto3."""
