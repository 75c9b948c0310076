"""Dashboards and alert rules as registered, held to what Grafana, Prometheus and the exporters know."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.requirements.queries import labels
from tests.requirements.registered import Registered


def pages(stack: Registered, namespace: str) -> dict[str, dict[str, Any]]:
    """Dashboards by title, of the ConfigMaps that Grafana's sidecar looks for in its own namespace."""
    loaded = [
        json.loads(text)
        for item in stack.manifests("ConfigMap", namespace).values()
        if item["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for text in item["data"].values()
    ]
    return {page["title"]: page for page in loaded}


def rules(stack: Registered) -> dict[str, dict[str, Any]]:
    """Alerts by name."""
    groups = [group for item in stack.manifests("PrometheusRule").values() for group in item["spec"]["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def lost(given: Any, read: Any, place: str = "") -> Iterator[str]:
    """What is in a document but not in what was read of it."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            yield from lost(value, read.get(key), f"{place}.{key}")
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for number, (value, other) in enumerate(zip(given, read, strict=True)):
            yield from lost(value, other, f"{place}[{number}]")
    elif given != read:
        yield place


def through_grafana(page: dict[str, Any]) -> list[str]:
    """Fields of a dashboard that Grafana's own types do not know, those of panels and queries included."""
    register_default_plugins()
    return list(lost(page, json.loads(json.dumps(Dashboard.from_json(page), cls=JSONEncoder))))


def check_layout(page: dict[str, Any]) -> None:
    """Grafana ignores a misspelt field, and shows something else than was meant."""
    assert through_grafana(page) == [], page["title"]
    numbers = [panel["id"] for panel in page["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert not [panel["title"] for panel in page["panels"] if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24]


def check_queries(page: dict[str, Any]) -> None:
    """A metric or label that nobody publishes is a panel without data, which looks like peace."""
    for panel in page["panels"]:
        for target in panel.get("targets", ()):
            found = labels(target["expr"])
            shown = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", "")))
            assert shown <= found, panel["title"]


def check_alert(name: str, rule: dict[str, Any]) -> None:
    """It can find something, and says what it found."""
    found = labels(rule["expr"])
    text = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", text)) <= found, name
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]


def accepted(*command: str) -> None:
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
