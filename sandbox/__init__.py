"""The embedded engine and its providers: try, test and review a stack with no CLI, account or cluster.

A tool for trying, testing and reviewing; never a substitute for the Pulumi engine in production.
"""
