"""What the Pulumi CLI starts: a server that answers for the pack until the CLI ends it."""

from pulumi_policy import PolicyPack

from policies.pack import NAME, POLICIES

if __name__ == "__main__":
    PolicyPack(NAME, POLICIES)
