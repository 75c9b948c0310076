"""Logs and database metrics: Fluent Bit, OpenSearch, the retention of indices, the exporters."""

from __future__ import annotations

import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from derive.addons import addons, opensearch, postgres_exporter
from derive.addons.fluent_bit import values as fluent_bit_values
from derive.observability import fluent_bit
from derive.shapes import STACK_CA
from manifests.base import Manifest
from systems.fitsync import SYSTEM
from tests.unit.declared import deployed, shop

SECTIONS = {
    "SERVICE": {"Flush": "5", "Daemon": "off", "Log_Level": "info"},
    "INPUT": {
        "Name": "tail",
        "Path": "/var/log/containers/*fitsync*.log",
        "multiline.parser": "cri",
        "Tag": "kube.*",
        "Refresh_Interval": "5",
        "Mem_Buf_Limit": "50MB",
        "Skip_Long_Lines": "On",
    },
    "FILTER": {
        "Name": "kubernetes",
        "Match": "kube.*",
        "Kube_URL": "https://kubernetes.default.svc:443",
        "Merge_Log": "On",
        "Keep_Log": "Off",
        "K8S-Logging.Parser": "On",
        "K8S-Logging.Exclude": "On",
    },
    "OUTPUT": {
        "Name": "opensearch",
        "Match": "kube.*",
        "Host": "opensearch.logging.svc.cluster.local",
        "Port": "9200",
        "Logstash_Format": "On",
        "Logstash_Prefix": "fitsync",
        "Retry_Limit": "5",
        "Suppress_Type_Name": "On",
        "tls": "On",
        "tls.verify": "On",
    },
}


def parsed(text: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in filter(str.strip, text.splitlines()):
        if line.startswith("["):
            found[line.strip("[]")] = current = {}
        else:
            key, value = line.split(maxsplit=1)
            assert key not in current, f"{key} twice"
            current[key] = value
    return found


def objects(kind: str, env: str = "dev", **facts: object) -> dict[str, Manifest]:
    return {
        item["metadata"]["name"]: item
        for plan in addons(deployed(SYSTEM, env, **facts))
        for item in (*plan.objects, *plan.settings)
        if item["kind"] == kind
    }


def test_fluent_bit_is_configured_as_required() -> None:
    configuration = objects("ConfigMap")["fluent-bit-config"]
    assert configuration["metadata"]["namespace"] == "logging"
    found = parsed(configuration["data"]["fluent-bit.conf"])
    assert list(found) == list(SECTIONS)
    for section, expected in SECTIONS.items():
        assert expected.items() <= found[section].items(), section


def test_no_document_type_and_no_literal_password() -> None:
    """OpenSearch refuses the one; everybody who may read ConfigMaps would read the other."""
    output = parsed(fluent_bit.configuration(["fitsync"], "fitsync"))["OUTPUT"]
    assert not {"Type", "Index", "Parser"} & set(output)
    assert output["HTTP_Passwd"] == "${OPENSEARCH_PASSWORD}"


def test_every_namespace_of_a_system_is_read() -> None:
    found = parsed(fluent_bit.configuration(["a", "b"], "x"))["INPUT"]["Path"]
    assert found == "/var/log/containers/*a*.log,/var/log/containers/*b*.log"


def test_a_new_configuration_restarts_the_shippers() -> None:
    """Fluent Bit reads its configuration once. The chart writes its own "checksum/config" beside these annotations, and
    a key that occurs twice is refused by stricter parsers than Helm's."""
    first = fluent_bit_values(fluent_bit.config_map(["a"], "x"))["podAnnotations"]
    second = fluent_bit_values(fluent_bit.config_map(["b"], "x"))["podAnnotations"]
    assert first != second
    assert "checksum/config" not in first


def test_the_shipper_runs_on_every_node_and_remembers_where_it_was() -> None:
    found = fluent_bit_values(fluent_bit.config_map(["a"], "x"))
    assert found["kind"] == "DaemonSet"
    assert found["tolerations"] == [{"operator": "Exists"}]
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in found["daemonSetVolumeMounts"]}
    assert mounts == {"/var/log": True, fluent_bit.STATE: False}
    assert parsed(fluent_bit.configuration(["a"], "x"))["INPUT"]["DB"].startswith(fluent_bit.STATE)


def test_opensearch_answers_under_its_name_with_tls_of_the_stack() -> None:
    """The image's demo certificates have published keys, an administrator's among them."""
    found = opensearch.values(1, "20Gi", "fitsync-dev", "fitsync-*")
    assert (found["masterService"], found["fullnameOverride"]) == ("opensearch", "opensearch")
    environment = {entry["name"]: entry for entry in found["extraEnvs"]}
    assert environment["DISABLE_INSTALL_DEMO_CONFIG"]["value"] == "true"
    settings = yaml.safe_load(found["config"]["opensearch.yml"])
    assert settings["plugins.security.ssl.http.enabled"] is True
    assert "plugins.security.authcz.admin_dn" not in settings
    (certificate,) = [plan for plan in opensearch.secrets() if plan.certificate]
    assert certificate.certificate[0] == "opensearch.logging.svc.cluster.local"
    assert settings["plugins.security.nodes_dn"] == [f"CN={certificate.certificate[0]}"]
    assert certificate.passwords == {"ca.crt": STACK_CA}


def test_every_user_of_opensearch_has_a_random_password_and_only_what_it_needs() -> None:
    found = opensearch.values(1, "20Gi", "fitsync-dev", "fitsync-*")
    environment = {
        entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in found["extraEnvs"] if "valueFrom" in entry
    }
    made = {plan.name: plan.passwords for plan in opensearch.secrets()}
    users = opensearch.internal_users()
    del users["_meta"]
    assert set(users) == {"opensearch-admin", "opensearch-writer", "opensearch-keeper"}, "no user of the image's own"
    for user, entry in users.items():
        variable = entry["hash"].removeprefix("${envbc.").removesuffix("}")
        assert environment[variable] == {"name": user, "key": "password"}
        assert made[user] == {"password": user}
    roles = opensearch.roles("fitsync-*")
    allowed = {
        role: {action for entry in roles[role]["index_permissions"] for action in entry["allowed_actions"]}
        for role in ("opensearch-writer", "opensearch-keeper")
    }
    assert not any(action in ("read", "delete", "all", "*") for action in allowed["opensearch-writer"])
    assert not any(action in ("read", "write", "index", "all", "*") for action in allowed["opensearch-keeper"])


@pytest.mark.parametrize(("env", "members", "size"), [("dev", 1, "20Gi"), ("stage", 1, "20Gi"), ("prod", 3, "50Gi")])
def test_opensearch_has_a_majority_or_stands_alone(env: str, members: int, size: str) -> None:
    found = yaml.safe_load(objects("HelmChart", env)["opensearch"]["spec"]["valuesContent"])
    assert (found["replicas"], found["singleNode"]) == (members, members == 1)
    assert found["persistence"]["size"] == size
    replicas = yaml.safe_load(found["config"]["opensearch.yml"])["cluster.default_number_of_replicas"]
    assert replicas == (1 if members == 3 else 0), "a replica that has no second node leaves the index yellow"


@pytest.mark.parametrize(("env", "days"), [("dev", "7"), ("stage", "7"), ("prod", "30")])
def test_indices_are_kept_as_long_as_the_environment_says(env: str, days: str) -> None:
    job = objects("CronJob", env)["log-retention"]
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert {entry["name"]: entry.get("value") for entry in container["env"]}["DAYS"] == days


def test_only_indices_past_their_time_are_dropped(tmp_path: Path) -> None:
    """Run for real against a server that lists indices: one too many would be a loss of logs."""
    today = datetime.now(UTC).date()
    names = [f"fitsync-{today - timedelta(days=age):%Y.%m.%d}" for age in (0, 1, 6, 7, 8, 9, 40, 400)]
    asked = tmp_path / "asked"
    server = tmp_path / "curl"
    listing = " ".join(names)
    server.write_text(
        f'#!/bin/sh\necho "$@" >> {asked}\ncase "$*" in *_cat/indices*) printf "%s\\n" {listing} ;; esac\n'
    )
    server.chmod(server.stat().st_mode | stat.S_IXUSR)
    subprocess.run(
        ["/bin/sh", "-euc", opensearch.KEEP],
        check=True,
        capture_output=True,
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "URL": "https://store:9200",
            "PREFIX": "fitsync",
            "DAYS": "7",
            "TEMPLATE": "{}",
            "PASSWORD": "x",
        },
    )
    lines = asked.read_text().splitlines()
    dropped = [line.rsplit("/", 1)[1] for line in lines if "--request DELETE" in line]
    assert dropped == names[4:]
    assert "--request PUT" in lines[0]


def test_a_failing_server_fails_the_job(tmp_path: Path) -> None:
    """A job that hides errors would let the volume fill up unseen."""
    server = tmp_path / "curl"
    server.write_text("#!/bin/sh\nexit 22\n")
    server.chmod(server.stat().st_mode | stat.S_IXUSR)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "URL": "u", "PREFIX": "p", "DAYS": "7", "TEMPLATE": "{}"}
    result = subprocess.run(
        ["/bin/sh", "-euc", opensearch.KEEP], check=False, capture_output=True, env={**environment, "PASSWORD": "x"}
    )
    assert result.returncode == 22


def test_each_database_has_an_exporter_with_its_own_credentials() -> None:
    targets = postgres_exporter.targets(deployed(SYSTEM))
    assert [(target.host, target.port) for target in targets] == [
        (f"{name}.database.internal", 5432) for name in ("userdb", "trainingdb", "scheduledb", "progressdb")
    ]
    for target in targets:
        source = postgres_exporter.values(target)["config"]["datasource"]
        assert source["passwordSecret"]["name"] == f"{target.name}-monitoring"
        assert source["sslmode"] == "verify-full"
        assert postgres_exporter.secret(target, "monitoring").passwords["password"] == f"{target.name}-monitoring"


def test_databases_in_the_cluster_need_no_exporter_of_their_own() -> None:
    """There the exporter is a container beside the database."""
    placements = dict.fromkeys(("userdb", "trainingdb", "scheduledb", "progressdb"), "cluster")
    assert postgres_exporter.targets(deployed(SYSTEM, placements=placements)) == ()
    assert postgres_exporter.targets(deployed(shop())) == ()
