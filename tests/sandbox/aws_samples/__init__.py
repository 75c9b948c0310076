"""A whole account as data: one sample of every type the table has, in an order in which it can be made.

``${name}`` in a sample stands for the id of an earlier sample, ``${name.output}`` for an output of it.
"""

from tests.sandbox.aws_samples.compute import COMPUTE, IMAGE
from tests.sandbox.aws_samples.delivery import DELIVERY
from tests.sandbox.aws_samples.documents import READ, TRUST, Sample
from tests.sandbox.aws_samples.network import NETWORK
from tests.sandbox.aws_samples.platforms import PLATFORMS
from tests.sandbox.aws_samples.security import SECURITY
from tests.sandbox.aws_samples.serverless import SERVERLESS
from tests.sandbox.aws_samples.services import SERVICES

SAMPLES: list[Sample] = NETWORK + SECURITY + COMPUTE + SERVICES + PLATFORMS + DELIVERY + SERVERLESS

__all__ = ["COMPUTE", "IMAGE", "NETWORK", "READ", "SAMPLES", "SECURITY", "TRUST", "Sample"]
