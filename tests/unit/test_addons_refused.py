"""Add-ons that cannot stand where they are asked for: refused with the place and the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from derive.addons import addons
from model import (
    Alloy,
    DeclarationError,
    ExternalSecrets,
    Istio,
    Jaeger,
    Kiali,
    Loki,
    Metric,
    NoMesh,
    Observability,
    Platform,
    PrometheusAdapter,
    Scale,
    Service,
    Tempo,
    Velero,
)
from model.addons import AddonChoice
from tests.unit.declared import deployed, environment, shop
from tests.unit.equipped import RATE, charts


@pytest.mark.parametrize(
    ("addons_", "changes", "message"),
    [
        ((Loki(), Loki()), {}, "platform.addons asks for 'loki' twice; keep one"),
        ((Alloy(),), {}, "platform.addons: 'alloy' ships logs to Loki, which is not there; add Loki() or remove it"),
        (
            (ExternalSecrets(store="vault"),),
            {},
            "platform.addons: 'external-secrets' reads Vault, which is not there; add Vault() or read AWS",
        ),
        (
            (Kiali(),),
            {"mesh": NoMesh()},
            "platform.addons: 'kiali' shows the mesh; set platform.mesh to Istio() or remove it",
        ),
        (
            (Tempo(), Jaeger()),
            {},
            "platform.addons asks for 'tempo' and 'jaeger', but spans go to one place; keep one",
        ),
        (
            (),
            {"mesh": Istio(traces=1)},
            "platform.mesh.traces: nobody takes the spans; add Tempo() or Jaeger() to addons",
        ),
    ],
)
def test_what_cannot_stand_is_refused(addons_: tuple[AddonChoice, ...], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Platform(addons=addons_, **changes)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: shop(platform=Platform(addons=(Loki(pool="watchers"),))),
            "platform.addons['loki'].pool 'watchers' is no pool of the platform; declared are: agents",
        ),
        (
            lambda: shop(platform=Platform(observability=Observability(pool="agent"))),
            "platform.observability.pool 'agent' is no pool of the platform; did you mean 'agents'?",
        ),
        (
            lambda: shop(platform=Platform(addons=(Loki(),)), environments={"dev": environment(without=("lokki",))}),
            "environments['dev'].without names 'lokki', which is no add-on of the platform; did you mean 'loki'?",
        ),
        (
            lambda: shop(
                platform=Platform(addons=(Loki(), Alloy())), environments={"dev": environment(without=("loki",))}
            ),
            "add-ons of environment 'dev': 'alloy' ships logs to Loki, which is not there; add Loki() or remove it",
        ),
    ],
)
def test_what_a_system_cannot_hold_is_refused(build: Any, message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        build()
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (
            (RATE, RATE.model_copy(update={"query": "up"})),
            "services['web'].scale.metrics: 'http_requests_per_second' has another query elsewhere; "
            "give it another name",
        ),
        (
            (Metric(name="queue-depth", target="1", query="up"),),
            "services['web'].scale.metrics: 'queue-depth' is no name for a metric; use letters, digits and '_'",
        ),
    ],
)
def test_a_metric_that_cannot_be_served_is_refused(metrics: tuple[Metric, ...], message: str) -> None:
    system = shop(
        services=(Service(name="web", port=3000, scale=Scale(maximum=4, metrics=metrics)),),
        platform=Platform(addons=(PrometheusAdapter(),)),
    )
    with pytest.raises(DeclarationError) as refusal:
        addons(deployed(system))
    assert str(refusal.value) == message


def test_directories_of_a_node_are_not_called_backed_up() -> None:
    with pytest.raises(DeclarationError) as refusal:
        addons(deployed(shop(platform=Platform(addons=(Velero(),)))))
    assert str(refusal.value) == (
        "platform.addons['velero'] is to copy volumes, but K3s' local-path makes directories of a node, which it "
        "cannot copy; add EbsCsi(), or set volumes to 'none'"
    )
    assert "velero" in charts(deployed(shop(platform=Platform(addons=(Velero(volumes="none"),)))))
