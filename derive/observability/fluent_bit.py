"""Fluent Bit's configuration: which container logs are read, enriched, and sent to OpenSearch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from derive.addons import opensearch
from manifests import core
from manifests.base import Manifest

CONFIG_MAP: Final = "fluent-bit-config"
HTTP_PORT: Final = 2020
"""Fluent Bit's own health and metrics."""
PASSWORD_VARIABLE: Final = "OPENSEARCH_PASSWORD"
CA_PATH: Final = "/fluent-bit/opensearch/ca.crt"
STATE: Final = "/var/fluent-bit/state"
"""Directory on the host with the offsets: a restart neither loses nor repeats lines."""

Section = tuple[str, Sequence[tuple[str, str]]]


def config_map(namespaces: Iterable[str], prefix: str) -> Manifest:
    return core.config_map(
        CONFIG_MAP, opensearch.NAMESPACE, {"fluent-bit.conf": configuration(tuple(namespaces), prefix)}
    )


def configuration(namespaces: Sequence[str], prefix: str) -> str:
    """To OpenSearch."""
    return text(namespaces, _output(prefix))


def text(namespaces: Sequence[str], output: Section) -> str:
    """The classic format. ``namespaces``: whose containers are read; a log's file name holds its namespace."""
    return "\n".join(_render(section) for section in (_service(), _input(namespaces), _filter(), output))


def _render(section: Section) -> str:
    title, entries = section
    width = max(len(key) for key, _ in entries) + 1
    return "".join([f"[{title}]\n", *(f"    {key:<{width}}{value}\n" for key, value in entries)])


def _service() -> Section:
    return "SERVICE", (
        ("Flush", "5"),
        ("Daemon", "off"),
        ("Log_Level", "info"),
        ("HTTP_Server", "On"),
        ("HTTP_Listen", "0.0.0.0"),
        ("HTTP_Port", str(HTTP_PORT)),
        ("Health_Check", "On"),
        # What cannot be sent yet waits on disk, within the limit of the output.
        ("storage.path", f"{STATE}/buffer"),
    )


def _input(namespaces: Sequence[str]) -> Section:
    """The built-in CRI parser: containerd writes its own line format, and splits lines above 16 KiB, which the
    multiline form of the parser joins again. It leaves the text under ``log``, where the filter looks for it."""
    return "INPUT", (
        ("Name", "tail"),
        ("Path", ",".join(f"/var/log/containers/*{namespace}*.log" for namespace in namespaces)),
        ("multiline.parser", "cri"),
        ("Tag", "kube.*"),
        ("Refresh_Interval", "5"),
        ("Mem_Buf_Limit", "50MB"),
        ("Skip_Long_Lines", "On"),
        ("DB", f"{STATE}/containers.db"),
        ("storage.type", "filesystem"),
    )


def _filter() -> Section:
    return "FILTER", (
        ("Name", "kubernetes"),
        ("Match", "kube.*"),
        ("Kube_URL", "https://kubernetes.default.svc:443"),
        ("Merge_Log", "On"),
        ("Keep_Log", "Off"),
        ("K8S-Logging.Parser", "On"),
        ("K8S-Logging.Exclude", "On"),
    )


def _output(prefix: str) -> Section:
    """``Replace_Dots``: a label ``app`` beside a label ``app.kubernetes.io/name`` would otherwise be two types of one
    field. ``Generate_ID``: a batch that is sent again overwrites itself. ``Suppress_Type_Name``: OpenSearch refuses
    document types since version 2."""
    return "OUTPUT", (
        ("Name", "opensearch"),
        ("Match", "kube.*"),
        ("Host", opensearch.HOST),
        ("Port", str(opensearch.PORT)),
        ("HTTP_User", opensearch.WRITER),
        ("HTTP_Passwd", f"${{{PASSWORD_VARIABLE}}}"),
        ("tls", "On"),
        ("tls.verify", "On"),
        ("tls.ca_file", CA_PATH),
        ("Suppress_Type_Name", "On"),
        ("Logstash_Format", "On"),
        ("Logstash_Prefix", prefix),
        ("Replace_Dots", "On"),
        ("Generate_ID", "On"),
        ("Retry_Limit", "5"),
        ("storage.total_limit_size", "1G"),
    )
