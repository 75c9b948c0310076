"""FitSync, observability: logs, from the containers into OpenSearch, and how long things are kept."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.requirements.registered import Registered, environment


def sections(stack: Registered) -> dict[str, dict[str, str]]:
    """The sections of Fluent Bit's configuration, each of which is there once."""
    text = stack.manifest("ConfigMap", "logging", "fluent-bit-config")["data"]["fluent-bit.conf"]
    found: dict[str, dict[str, str]] = {}
    for block in text.split("[")[1:]:
        name, _, lines = block.partition("]")
        assert name not in found, name
        found[name] = dict(line.split(None, 1) for line in lines.strip().splitlines())
    return found


@pytest.mark.rows("FS-OBS-12", "FS-OBS-13")
def test_logs_of_the_application_are_read_as_the_runtime_writes_them(spoke: Registered) -> None:
    found = sections(spoke)
    assert {"Flush": "5", "Daemon": "off", "Log_Level": "info"}.items() <= found["SERVICE"].items()
    assert {
        "Name": "tail",
        "Path": "/var/log/containers/*fitsync*.log",
        "Tag": "kube.*",
        "Refresh_Interval": "5",
        "Mem_Buf_Limit": "50MB",
        "Skip_Long_Lines": "On",
        "multiline.parser": "cri",
    }.items() <= found["INPUT"].items()
    assert "Parser" not in found["INPUT"], "K3s runs containerd, whose lines are CRI's"
    assert spoke.charts["fluent-bit"].values["existingConfigMap"] == "fluent-bit-config"


@pytest.mark.rows("FS-OBS-14")
def test_the_kubernetes_filter(spoke: Registered) -> None:
    assert sections(spoke)["FILTER"] == {
        "Name": "kubernetes",
        "Match": "kube.*",
        "Kube_URL": "https://kubernetes.default.svc:443",
        "Merge_Log": "On",
        "Keep_Log": "Off",
        "K8S-Logging.Parser": "On",
        "K8S-Logging.Exclude": "On",
    }


@pytest.mark.rows("FS-OBS-15")
def test_the_output_writes_daily_indices_without_a_document_type(spoke: Registered) -> None:
    found = sections(spoke)["OUTPUT"]
    assert {
        "Name": "opensearch",
        "Match": "kube.*",
        "Host": "opensearch.logging.svc.cluster.local",
        "Port": "9200",
        "Logstash_Format": "On",
        "Logstash_Prefix": "fitsync",
        "Retry_Limit": "5",
        "Suppress_Type_Name": "On",
    }.items() <= found.items()
    assert not {"Type", "Index"} & set(found)


@pytest.mark.rows("FS-OBS-16")
def test_opensearch_starts_answers_by_its_name_and_both_speak_tls(spoke: Registered) -> None:
    values = spoke.charts["opensearch"].values
    assert (values["fullnameOverride"], values["masterService"]) == ("opensearch", "opensearch")
    initial = environment({"env": values["extraEnvs"]})["OPENSEARCH_INITIAL_ADMIN_PASSWORD"]
    assert initial == ("opensearch-admin", "password")
    users = yaml.safe_load(values["securityConfig"]["config"]["data"]["internal_users.yml"])
    assert users["opensearch-admin"]["hash"] == "${envbc.OPENSEARCH_INITIAL_ADMIN_PASSWORD}"
    configuration = yaml.safe_load(values["config"]["opensearch.yml"])
    assert configuration["plugins.security.ssl.http.enabled"] is True
    (mount,) = values["secretMounts"]
    assert mount["secretName"] == "opensearch-tls"
    secret = spoke.manifest("Secret", "logging", "opensearch-tls")["stringData"]
    for key, file in (("pemcert", "tls.crt"), ("pemkey", "tls.key"), ("pemtrustedcas", "ca.crt")):
        assert configuration[f"plugins.security.ssl.http.{key}_filepath"] == f"{mount['path']}/{file}"
        assert file in secret
    certificate = x509.load_pem_x509_certificate(secret["tls.crt"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    output = sections(spoke)["OUTPUT"]
    assert output["Host"] in names.get_values_for_type(x509.DNSName)
    assert (output["tls"], output["tls.verify"]) == ("On", "On")

    collector = spoke.charts["fluent-bit"].values
    (authority,) = [
        volume for volume in collector["extraVolumes"] if volume["secret"]["secretName"] == "opensearch-tls"
    ]
    (mounted,) = [item for item in collector["extraVolumeMounts"] if item["name"] == authority["name"]]
    assert output["tls.ca_file"] == f"{mounted['mountPath']}/ca.crt"
    assert output["HTTP_Passwd"] == "${OPENSEARCH_PASSWORD}"
    assert environment(dict(collector))["OPENSEARCH_PASSWORD"] == ("opensearch-writer", "password")
    users = values["securityConfig"]["config"]["data"]["internal_users.yml"]
    assert output["HTTP_User"] in yaml.safe_load(users)


@pytest.mark.rows("FS-OBS-17")
def test_metrics_are_kept_fifteen_days_and_logs_as_long_as_the_environment_says(spoke: Registered) -> None:
    assert spoke.charts["kube-prometheus-stack"].values["prometheus"]["prometheusSpec"]["retention"] == "15d"
    job = spoke.spec("CronJob", "logging", "log-retention")
    (container,) = job["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    told = environment(container)
    assert told["DAYS"] == ("30" if spoke.stack == "prod" else "7")
    assert told["PREFIX"] == sections(spoke)["OUTPUT"]["Logstash_Prefix"]
    assert job["schedule"] == "17 * * * *"
    keeper = yaml.safe_load(spoke.charts["opensearch"].values["securityConfig"]["config"]["data"]["roles.yml"])[
        "opensearch-keeper"
    ]
    (granted,) = keeper["index_permissions"]
    assert granted["index_patterns"] == ["fitsync-*"]
    assert "indices:admin/delete" in granted["allowed_actions"]


@pytest.mark.rows("FS-OBS-18")
def test_metrics_and_logs_are_on_volumes(spoke: Registered) -> None:
    wanted = "50Gi" if spoke.stack == "prod" else "20Gi"
    spec: dict[str, Any] = spoke.charts["kube-prometheus-stack"].values["prometheus"]["prometheusSpec"]
    claim = spec["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"]["requests"]["storage"] == wanted
    persistence = spoke.charts["opensearch"].values["persistence"]
    assert (persistence["enabled"], persistence["size"]) == (True, wanted)
    limit, unit = spec["retentionSize"][:-3], spec["retentionSize"][-3:]
    assert unit == "GiB"
    assert int(limit) < int(wanted[:-2]), "Prometheus stops before its volume is full"
