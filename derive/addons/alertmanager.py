"""Alertmanager: how alerts are grouped, which silence others, and who is told."""

from __future__ import annotations

from typing import Any, Final

from derive.addons.chart import OUTSIDE_MESH, resources
from derive.addons.flows import Flow, Hosts
from derive.shapes import SecretPlan
from manifests.base import Manifest
from model.platform import Email, Observability, PagerDuty, Receiver, Slack

SECRET: Final = "alertmanager-receivers"
"""One key per receiver: what is its to keep."""
MOUNT: Final = f"/etc/alertmanager/secrets/{SECRET}"
"""Where the operator mounts it (Prometheus Operator API, AlertmanagerSpec.secrets)."""
NOBODY: Final = "operators"
"""The receiver without an integration: its alerts are kept, and shown to whoever looks."""


def values(settings: Observability, members: int, claim: Manifest, place: Manifest) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "replicas": members,
        "podMetadata": {"labels": OUTSIDE_MESH},
        "resources": resources("10m", "48Mi", "128Mi"),
        "storage": {
            "volumeClaimTemplate": {
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **claim}
            }
        },
        **place,
    }
    if settings.receivers:
        spec["secrets"] = [SECRET]
    return {"service": {"type": "ClusterIP"}, "alertmanagerSpec": spec, "config": configuration(settings.receivers)}


def configuration(receivers: tuple[Receiver, ...]) -> dict[str, Any]:
    """Alerts are grouped per place and kept; a critical alert silences the lesser ones of the same place."""
    same_place = ["namespace", "alertname"]
    return {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": NOBODY,
            "group_by": ["namespace", "alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [
                # Watchdog always fires, to show that the way of an alert works; it is news only when it stops.
                {"receiver": "null", "matchers": ['alertname =~ "Watchdog|InfoInhibitor"']},
                *(_route(receiver) for receiver in receivers),
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": ['severity = "critical"'],
                "target_matchers": ['severity =~ "warning|info"'],
                "equal": same_place,
            },
            {
                "source_matchers": ['severity = "warning"'],
                "target_matchers": ['severity = "info"'],
                "equal": same_place,
            },
            {
                "source_matchers": ['alertname = "InfoInhibitor"'],
                "target_matchers": ['severity = "info"'],
                "equal": ["namespace"],
            },
        ],
        "receivers": [{"name": "null"}, {"name": NOBODY}, *(_receiver(receiver) for receiver in receivers)],
        "templates": ["/etc/alertmanager/config/*.tmpl"],
    }


def _route(receiver: Receiver) -> dict[str, Any]:
    """Each receiver is told, whoever else was told before."""
    return {
        "receiver": receiver.name,
        "matchers": [f'severity {"=~" if receiver.severities[1:] else "="} "{"|".join(receiver.severities)}"'],
        "continue": True,
    }


def _receiver(receiver: Receiver) -> dict[str, Any]:
    secret = f"{MOUNT}/{receiver.name}"
    match receiver:
        case Slack():
            own = {"channel": receiver.channel, "api_url_file": secret, "send_resolved": True}
            return {"name": receiver.name, "slack_configs": [own]}
        case Email():
            own = {
                "to": receiver.to,
                "from": receiver.sender,
                "smarthost": receiver.server,
                "auth_username": receiver.user,
                "auth_password_file": secret,
                "require_tls": True,
                "send_resolved": True,
            }
            return {"name": receiver.name, "email_configs": [own]}
        case PagerDuty():
            return {"name": receiver.name, "pagerduty_configs": [{"routing_key_file": secret, "send_resolved": True}]}


def secrets(settings: Observability) -> tuple[SecretPlan, ...]:
    if not settings.receivers:
        return ()
    given = {receiver.name: receiver.name for receiver in settings.receivers}
    return (SecretPlan(name=SECRET, namespace=settings.namespace, given=given),)


def told(settings: Observability) -> tuple[Flow, ...]:
    """The ways out to the receivers."""
    return tuple(dict.fromkeys(way(receiver) for receiver in settings.receivers))


def way(receiver: Receiver) -> Flow:
    """The way out to one receiver."""
    match receiver:
        case Slack():
            return Flow(Hosts(("hooks.slack.com",)), (443,))
        case Email():
            host, _, port = receiver.server.partition(":")
            return Flow(Hosts((host,)), (int(port),))
        case PagerDuty():
            return Flow(Hosts(("events.pagerduty.com",)), (443,))
