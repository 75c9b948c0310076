"""A stack's configuration: every refusal names the key and the file."""

from __future__ import annotations

import contextvars
import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import settings as sdk

from derive.data.database_state import DatabaseState
from model import Vault
from stacks.settings import KEYS, Settings, SettingsError, load, validated
from tests.conftest import ROOT

REGION = {"region": "eu-west-1"}


def refusal(values: Mapping[str, Any], stack: str = "dev") -> str:
    with pytest.raises(SettingsError) as caught:
        validated({**REGION, **values}, stack)
    return str(caught.value)


def loaded(config: Mapping[str, Any], stack: str = "dev") -> Settings:
    """Read settings as Pulumi hands them over: flat texts, structured values as JSON."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}

    def read() -> Settings:
        sdk.configure(sdk.Settings(project="wheelhouse", stack=stack))
        pulumi.runtime.set_all_config(texts)
        return load()

    return contextvars.copy_context().run(read)


def of_file(stack: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return config


@pytest.mark.parametrize("stack", ["hub", "dev", "stage", "prod"])
def test_the_stacks_that_come_with_it_hold(stack: str) -> None:
    """The first command of a newcomer must not fail on the project's own files."""
    settings = loaded(of_file(stack), stack)
    assert (settings.system, settings.environment, settings.region) == ("fitsync", stack, "eu-west-1")


def test_what_is_set_arrives() -> None:
    settings = loaded(
        {
            "aws:region": "eu-central-1",
            "wheelhouse:environment": "stage",
            "wheelhouse:imageTags": {"default": "1.2.3", "frontend": "1.3.0"},
            "wheelhouse:registry": "registry.example",
            "wheelhouse:databases": {"userdb": "cluster"},
            "wheelhouse:databaseStates": {"trainingdb": {"history": 2, "restore": "latest"}},
            "wheelhouse:adminRanges": ["192.168.100.0/24"],
        },
        stack="trial",
    )
    deployment = settings.deployment()
    assert (deployment.name, deployment.prefix) == ("stage", "fitsync-stage")
    facts = deployment.facts
    assert (facts.region, facts.registry, facts.default_tag) == ("eu-central-1", "registry.example", "1.2.3")
    assert (facts.tags, facts.placements) == ({"frontend": "1.3.0"}, {"userdb": "cluster"})
    assert facts.database_states == {"trainingdb": DatabaseState(history=2, restore="latest")}
    assert facts.admin_ranges == ("192.168.100.0/24",)


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2"])
def test_hosts_of_a_region_are_those_of_the_stack_s(region: str) -> None:
    """OR-EDG-12: another region is another stack, which called the first one's buckets if their host were written."""
    settings = Settings(system="orion", environment="dev", region=region)
    (storage,) = [external for external in settings.declaration.externals if external.name == "s3"]
    assert storage.hosts == (f"*.{region}.amazonaws.com",)
    assert settings.deployment().system == settings.declaration


def test_an_environment_takes_what_the_configuration_changes_and_keeps_the_rest() -> None:
    """A size or a host name must not need a change of the program."""
    change = {"replicas": 2, "domain": "dev.example.com", "servers": {"instance": "t3.large"}}
    settings = loaded({"aws:region": "eu-west-1", "wheelhouse:environments": {"dev": change}})
    declared = Settings(environment="dev", region="eu-west-1").declaration
    found = settings.declaration
    servers = declared.environments["dev"].servers
    assert servers
    assert found.environments["dev"] == declared.environments["dev"].model_copy(
        update={
            "replicas": 2,
            "domain": "dev.example.com",
            "servers": servers.model_copy(update={"instance": "t3.large"}),
        }
    )
    assert found.environments["prod"] == declared.environments["prod"]
    assert settings.deployment().environment == found.environments["dev"]


def test_what_is_absent_takes_its_default() -> None:
    settings = loaded({"aws:region": "eu-west-1", "wheelhouse:environment": "", "wheelhouse:registry": ""})
    assert settings == Settings(environment="dev", region="eu-west-1")


def test_a_missing_region_is_refused_with_the_command() -> None:
    with pytest.raises(SettingsError) as caught:
        loaded({})
    assert str(caught.value) == (
        "aws:region is not set in Pulumi.dev.yaml; set it with 'pulumi config set aws:region eu-west-1'"
    )


def test_a_structured_value_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(SettingsError) as caught:
        loaded({"aws:region": "eu-west-1", "wheelhouse:adminRanges": "192.168.100.0/24"})
    assert str(caught.value) == "wheelhouse:adminRanges in Pulumi.dev.yaml cannot be read; write it as a map or a list"


def test_a_secret_that_cannot_be_read_is_refused_like_any_setting() -> None:
    """A traceback would name neither key nor file, and show the value."""
    with pytest.raises(SettingsError) as caught:
        loaded({"aws:region": "eu-west-1", "wheelhouse:secrets": "a-token"})
    assert str(caught.value) == "wheelhouse:secrets in Pulumi.dev.yaml cannot be read; write it as a map or a list"


def test_an_unknown_system_is_refused() -> None:
    assert refusal({"system": "fitsink"}) == (
        "Pulumi.dev.yaml: system 'fitsink' is not declared in systems/; did you mean 'fitsync'?"
    )


def test_an_unknown_environment_is_refused() -> None:
    """A stack named by mistake would otherwise deploy nothing, or something else."""
    assert refusal({}, "prd") == (
        "Pulumi.prd.yaml: environment 'prd' is not declared in system 'fitsync'; did you mean 'prod'?"
    )


def test_an_environment_more_needs_the_configuration_only() -> None:
    own = {"like": "dev", "cidr": "10.9.0.0/16", "domain": "staging.example.org", "replicas": 2}
    settings = loaded(
        {
            "aws:region": "eu-west-1",
            "wheelhouse:environment": "staging",
            "wheelhouse:domain": "example.org",
            "wheelhouse:environments": {"staging": own},
        }
    )
    declared, found = Settings(environment="dev", region="eu-west-1").declaration, settings.declaration
    assert found.domain == "example.org"
    assert found.environments["staging"] == declared.environments["dev"].model_copy(
        update={"cidr": "10.9.0.0/16", "domain": "staging.example.org", "replicas": 2}
    )
    assert settings.deployment().prefix == "fitsync-staging"
    assert {**found.environments, "staging": None} == {**declared.environments, "staging": None}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"databases": {"userdb": "gcp"}},
            "Pulumi.dev.yaml: databases.userdb is 'gcp'; it must be 'ec2', 'rds' or 'cluster'",
        ),
        (
            {"system": "gym", "releases": {"backend-main": 5}},
            "Pulumi.dev.yaml: releases.backend-main is 5; it must be a stage from 1 to 4, or 'abort'",
        ),
        (
            {"system": "gym", "releases": {"backend-main": "stop"}},
            "Pulumi.dev.yaml: releases.backend-main is stop; it must be a stage from 1 to 4, or 'abort'",
        ),
        (
            {"system": "gym", "releases": {"backend-mian": 1}},
            "Pulumi.dev.yaml: releases names 'backend-mian', which is no service that is released in stages; "
            "did you mean 'backend-main'?",
        ),
        (
            {"system": "gym", "changes": {"servces": {}}},
            "Pulumi.dev.yaml: changes names 'servces', which it cannot change; did you mean 'services'?",
        ),
        (
            {"system": "gym", "changes": {"services": {"frontent": {"image": "x"}}}},
            "Pulumi.dev.yaml: changes.services names 'frontent', which is not declared in system 'gym'; "
            "did you mean 'frontend'?",
        ),
        (
            {"system": "gym", "changes": {"services": {"other": {"like": "frontent"}}}},
            "Pulumi.dev.yaml: changes.services names 'frontent', which is not declared in system 'gym'; "
            "did you mean 'frontend'?",
        ),
        (
            {"system": "gym", "changes": {"services": {"frontend": {"like": "backend-main"}}}},
            "Pulumi.dev.yaml: changes.services.frontend is declared in system 'gym'; remove its 'like: backend-main'",
        ),
        (
            {"releases": {"frontend": 1}},
            "Pulumi.dev.yaml: releases names 'frontend', which is no service that is released in stages; "
            "declared are: none",
        ),
        (
            {"databases": {"usersdb": "ec2"}},
            "Pulumi.dev.yaml: databases names 'usersdb', which is no database; did you mean 'userdb'?",
        ),
        (
            {"databases": {"redis": "ec2"}},
            "Pulumi.dev.yaml: databases names 'redis', which is no database; "
            "declared are: progressdb, scheduledb, trainingdb, userdb",
        ),
        (
            {"database_states": {"usersdb": {}}},
            "Pulumi.dev.yaml: databaseStates names 'usersdb', which is no database; did you mean 'userdb'?",
        ),
        (
            {"database_states": {"userdb": {"history": 2, "restore": "tomorrow"}}},
            "databaseStates.userdb.restore in Pulumi.dev.yaml: recovery target 'tomorrow': 'latest', "
            "or an ISO 8601 time with offset",
        ),
        (
            {"environments": {"prd": {"replicas": 2}}},
            "Pulumi.dev.yaml: environments names 'prd', which is not declared in system 'fitsync'; "
            "did you mean 'prod'?",
        ),
        (
            {"environments": {"staging": {"like": "dve", "cidr": "10.9.0.0/16"}}},
            "Pulumi.dev.yaml: environments names 'dve', which is not declared in system 'fitsync'; did you mean 'dev'?",
        ),
        (
            {"environments": {"prod": {"like": "dev"}}},
            "Pulumi.dev.yaml: environments.prod is declared in system 'fitsync'; remove its 'like: dev'",
        ),
        (
            {"environments": {"dev": {"servers": {"size": "t3.large"}}}},
            "Pulumi.dev.yaml: environments.dev.servers: Nodes has no field 'size'; declared are: alternatives, count, "
            "disk, instance, maximum, spot",
        ),
        (
            {"server_snapshots": {"0": "snap-0123456789abcdef0"}},
            "Pulumi.dev.yaml: serverSnapshots names server '0', which has no volume that outlives it; "
            "declared are: none",
        ),
        (
            {"changes": {"services": {"frontend": {"prot": 3000}}}},
            "Pulumi.dev.yaml: services.frontend: Service has no field 'prot'; did you mean 'port'?",
        ),
        (
            {"changes": {"services": {"frontend": {"port": 70000}}}},
            "Pulumi.dev.yaml: services.frontend.port: Input should be less than or equal to 65535",
        ),
        (
            {"environments": {"dev": {"replicas": 0}}},
            "Pulumi.dev.yaml: environments.dev.replicas: Input should be greater than or equal to 1",
        ),
        (
            {"environments": {"dev": {"cidr": "10.3.0.0/16"}}},
            "Pulumi.dev.yaml: environments['dev'].cidr 10.3.0.0/16 overlaps environments['prod'].cidr "
            "10.3.0.0/16; choose a range of its own",
        ),
        (
            {"image_tags": {"front-end": "1.0.0"}},
            "Pulumi.dev.yaml: imageTags names 'front-end', which is no service; did you mean 'frontend'?",
        ),
    ],
)
def test_a_setting_for_nobody_is_refused(values: dict[str, Any], message: str) -> None:
    """It would be ignored in silence: the tag stays the old one, the database where it was."""
    assert refusal(values) == message


@pytest.mark.parametrize(
    ("values", "place", "message"),
    [
        ({"admin_ranges": ["0.0.0.0/0"]}, "adminRanges", "0.0.0.0/0 is everybody"),
        ({"admin_ranges": ["192.168.100.7/24"]}, "adminRanges.0", "IPv4 network"),
        ({"vpn_peers": [{"name": "office", "address": "198.51.100"}]}, "vpnPeers.0.address", "IPv4 address"),
        ({"vpn_peers": [{"name": "office"}]}, "vpnPeers.0.address", "Field required"),
        ({"vpn_peers": [{"name": "office", "address": "198.51.100.1", "asn": 0}]}, "vpnPeers.0.asn", "greater than"),
        ({"region": "europe"}, "aws:region", "must be a region of AWS"),
        ({"rotations": {"jwt-secret": 0}}, "rotations.jwt-secret", "greater than 0"),
        ({"image_tags": {"default": 1}}, "imageTags.default", "valid string"),
    ],
)
def test_a_bad_value_is_refused_with_key_and_file(values: dict[str, Any], place: str, message: str) -> None:
    found = refusal(values)
    assert found.startswith(f"{place} in Pulumi.dev.yaml: ")
    assert message in found


def test_secrets_are_complete_and_asked_for() -> None:
    """A token that is missing shows as an add-on that never works; a misspelt one as both."""
    settings = validated({"region": "eu-west-1", "secrets": {"cloudflare-api-token": "a", "slack": "b"}}, "dev")
    assert settings.given({"cloudflare-api-token", "slack"}, "dev") == {"cloudflare-api-token": "a", "slack": "b"}
    with pytest.raises(SettingsError) as missing:
        settings.given({"cloudflare-api-token", "slack", "mail"}, "dev")
    assert str(missing.value) == (
        "secrets in Pulumi.dev.yaml has no 'mail'; set it with 'pulumi config set --secret --path secrets.mail VALUE'"
    )
    with pytest.raises(SettingsError) as unknown:
        settings.given({"cloudflare-api-token"}, "dev")
    assert str(unknown.value) == (
        "secrets in Pulumi.dev.yaml names 'slack', which nothing asks for; declared are: cloudflare-api-token"
    )
    assert "'a'" not in repr(settings), "a traceback shows the settings"


def test_only_what_is_generated_is_rotated() -> None:
    """A misspelt name would leave a leaked password in use."""
    settings = validated({"region": "eu-west-1", "rotations": {"jwt-secret": 2}}, "dev")
    settings.check_rotations({"jwt-secret", "redis-default"}, "dev")
    assert settings.deployment().facts.rotations == {"jwt-secret": 2}
    with pytest.raises(SettingsError) as refused:
        settings.check_rotations({"jwt-secrets"}, "dev")
    assert str(refused.value) == (
        "rotations in Pulumi.dev.yaml names 'jwt-secret', which this stack does not generate; "
        "did you mean 'jwt-secrets'?"
    )


def test_a_key_that_is_no_setting_is_refused() -> None:
    """A misspelt one would be ignored in silence, and what it says be missing at the next update."""
    with pytest.raises(SettingsError) as refused:
        loaded({"aws:region": "eu-west-1", "aws:profile": "x", "wheelhouse:imagTags": {"default": "2"}})
    assert str(refused.value) == "wheelhouse:imagTags in Pulumi.dev.yaml is no setting; did you mean 'imageTags'?"


def test_the_project_file_declares_the_flat_keys() -> None:
    """Pulumi fills in a default only for a key that Pulumi.yaml declares, and lists only those."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert declared.keys() <= KEYS.keys()
    assert set(KEYS.values()) | {"region"} == set(Settings.model_fields)


def test_nothing_else_reads_the_configuration() -> None:
    """A value read on the side is checked by nobody."""
    readers = [
        path.relative_to(ROOT).as_posix()
        for folder in ("components", "derive", "model", "stacks", "systems")
        for path in (ROOT / folder).rglob("*.py")
        if any(way in path.read_text() for way in ("pulumi.Config(", "runtime.config", "os.environ"))
    ]
    assert readers == ["stacks/settings.py"]


def test_the_stack_decides_how_vault_is_unsealed() -> None:
    """NT-VLT-05: by hand or by a KMS key, without a change of the declaration."""

    def declared(**values: object) -> list[bool]:
        settings = validated({**REGION, "system": "orion", "environment": "prod", **values}, "prod")
        addons = settings.declaration.platform.addons
        return [addon.auto_unseal for addon in addons if isinstance(addon, Vault)]

    assert declared() == [True]
    assert declared(vault_auto_unseal="false") == [False]
    assert refusal({"vault_auto_unseal": "true"}) == (
        "Pulumi.dev.yaml: vaultAutoUnseal is set, but the platform of 'fitsync' has no Vault; remove it"
    )


def test_changes_reach_named_members_of_lists_and_leave_the_others() -> None:
    changed = validated(
        {
            **REGION,
            "system": "gym",
            "changes": {
                "services": {"frontend": {"scale": {"maximum": 4}}},
                "externals": {"payments": {"hosts": ["pay.example"], "used_by": ["backend-main"]}},
                "platform": {"mesh": {"traces": 10}},
            },
        },
        "dev",
    ).declaration
    declared = validated({**REGION, "system": "gym"}, "dev").declaration
    scale = changed.service("frontend").scale
    assert scale is not None
    assert (scale.minimum, scale.maximum) == (1, 4)
    assert changed.service("backend-main") == declared.service("backend-main")
    assert [external.name for external in changed.externals] == ["identity", "payments"]
    assert changed.platform.model_dump()["mesh"]["traces"] == 10
    assert changed.platform.addons == declared.platform.addons


def test_a_release_may_be_held_or_given_up() -> None:
    settings = validated({**REGION, "system": "gym", "releases": {"backend-main": 1, "frontend": "abort"}}, "dev")
    assert settings.deployment().facts.releases == {"backend-main": 1, "frontend": 0}
