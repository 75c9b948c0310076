"""Functions: what their archives hold, and that it runs where only Lambda's runtime is."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pulumi
import pytest

from components.functions.function import Inside
from components.functions.package import packed
from components.identity.role import ServiceRole, ServiceRoleArgs
from tests.components.built import function
from tests.components.strict_monitor import plain, register

LIBRARIES = ("jwt", "ecdsa", "six")
RUNS = """
import sys
sys.modules["cryptography"] = None
sys.path.insert(0, sys.argv[1])
import functions.authorizer.handler as handler
import ecdsa, jwt, six
assert all(module.__file__.startswith(sys.argv[1]) for module in (handler, ecdsa, jwt, six))
try:
    handler.handler({"authorizationToken": "Basic x"}, None)
except handler.Unauthorized:
    print("refused")
"""
SETTINGS = {"KEYS_URL": "https://issuer.example/keys", "ISSUER": "i", "AUDIENCE": "a", "ALGORITHMS": "RS256,ES256"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def archive() -> Path:
    found = packed("functions.authorizer", LIBRARIES)
    assert isinstance(found, pulumi.FileArchive)
    return Path(found.path)


def test_an_archive_is_the_same_whenever_it_is_made() -> None:
    """Else every update would deploy the function again."""
    first = archive().read_bytes()
    assert archive().read_bytes() == first


def test_an_archive_holds_sources_of_what_is_named_and_nothing_else() -> None:
    names = zipfile.ZipFile(archive()).namelist()
    assert names == sorted(names)
    assert {name.split("/")[0] for name in names} == {"functions", "jwt", "ecdsa", "six.py"}
    assert all(name.endswith(".py") and "/test_" not in name for name in names)
    assert "functions/authorizer/handler.py" in names


def test_the_archive_runs_without_any_compiled_library() -> None:
    """Lambda has none: what works only beside a compiled library of this machine would fail there at its first call."""
    answer = subprocess.run(
        [sys.executable, "-c", RUNS, str(archive().resolve())],
        env=SETTINGS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.stdout, answer.stderr) == ("refused\n", "")


def test_what_cannot_run_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="compiled parts"):
        packed("functions.authorizer", ("bcrypt",))
    with pytest.raises(ValueError, match="'no_such_library' is not installed"):
        packed("functions.authorizer", ("no_such_library",))


def test_a_function_may_do_what_it_is_given_and_write_its_own_log() -> None:
    """Lambda would make a log that never ends, and a managed policy would let it write everybody's."""
    monitor = register(function)
    (policy,) = monitor.of("aws:iam/rolePolicy:RolePolicy").values()
    statements = json.loads(plain(policy.inputs["policy"]))["Statement"]
    assert statements == [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": ["shop-authorizer-log.arn:*"],
        },
        {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": ["arn:the-secret"]},
    ]
    made = monitor.one("aws:lambda/function:Function")
    assert made.inputs["handler"] == "functions.authorizer.handler.handler"
    assert {"shop-authorizer-log", "shop-authorizer-policy"} <= made.dependencies
    assert monitor.one("aws:cloudwatch/logGroup:LogGroup").inputs["name"] == "/aws/lambda/shop-authorizer"


def test_a_function_inside_a_network_may_have_interfaces_there() -> None:
    """Without that right Lambda refuses to make it."""
    monitor = register(lambda: function(Inside(["subnet"], ["group"])))
    (policy,) = monitor.of("aws:iam/rolePolicy:RolePolicy").values()
    assert "ec2:CreateNetworkInterface" in str(plain(policy.inputs["policy"]))
    made = monitor.one("aws:lambda/function:Function")
    assert made.inputs["vpcConfig"] == {"subnetIds": ["subnet"], "securityGroupIds": ["group"]}


@pytest.mark.parametrize("environment", ["prod", "staging", "a-much-longer-name"])
def test_a_role_s_name_fits_however_long_the_environment_s_is(environment: str) -> None:
    """MH-ENV-03: IAM takes 64 characters, and the engine refuses to cut; another environment must not break on that."""
    name = f"shop-{environment}-secrets-store-db-credentials-rotation-x"

    def program() -> None:
        ServiceRole(name, ServiceRoleArgs(service="lambda.amazonaws.com"))

    monitor = register(program)
    made = monitor.one("aws:iam/role:Role")
    given = made.inputs.get("name")
    assert len(given or f"{made.name}-0123456") <= 64
    assert (given or made.name).startswith("shop-")
