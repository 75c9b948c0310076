"""The ``aws`` package of the sandbox: moto in this process, with the checks that moto lacks."""

from sandbox.aws.provider import AwsProvider

__all__ = ["AwsProvider"]
