"""The pack as the CLI runs it: a process of its own that the engine asks over gRPC."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2 as messages
from pulumi.runtime.proto.analyzer_pb2_grpc import AnalyzerStub

from policies.pack import POLICIES
from sandbox.values import to_struct
from tests.conftest import ROOT

URN = "urn:pulumi:live::shop::aws:ebs/volume:Volume::data"


@pytest.fixture
def pack() -> Iterator[Any]:
    """A client of the running pack."""
    with subprocess.Popen([sys.executable, "-m", "policies"], cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield AnalyzerStub(channel)
        finally:
            process.kill()


def _options() -> messages.AnalyzerResourceOptions:
    return messages.AnalyzerResourceOptions(protect=False)


def _volume(**props: Any) -> dict[str, Any]:
    return {
        "type": "aws:ebs/volume:Volume",
        "urn": URN,
        "name": "data",
        "properties": to_struct({"tags": {"Project": "shop", "Environment": "live"}, **props}),
        "options": _options(),
    }


def test_the_pack_serves_the_engine(pack: Any) -> None:
    """A pack that does not start, loses its levels or ignores its configuration guards nothing."""
    info = pack.GetAnalyzerInfo(Empty())
    assert (info.name, [item.name for item in info.policies]) == ("wheelhouse", [item.name for item in POLICIES])

    good = pack.Analyze(messages.AnalyzeRequest(**_volume(encrypted=True)))
    bad = pack.Analyze(messages.AnalyzeRequest(**_volume(encrypted=False)))
    assert list(good.diagnostics) == []
    (found,) = bad.diagnostics
    assert (found.policyName, found.enforcementLevel) == ("encryption-at-rest", messages.MANDATORY)
    assert "encrypted is not true; set it to true" in found.message

    stack = messages.AnalyzeStackRequest(resources=[messages.AnalyzerResource(**_volume(encrypted=True))])
    assert list(pack.AnalyzeStack(stack).diagnostics) == []
    properties = Struct()
    properties.update({"stacks": ["live"]})
    settings = messages.PolicyConfig(enforcementLevel=messages.ADVISORY, properties=properties)
    pack.Configure(messages.ConfigureAnalyzerRequest(policyConfig={"protected-state": settings}))
    (found,) = pack.AnalyzeStack(stack).diagnostics
    assert (found.policyName, found.urn, found.enforcementLevel) == ("protected-state", URN, messages.ADVISORY)
