"""Schemas of the systems' databases, as SQL that may run again and again. No systems themselves."""
