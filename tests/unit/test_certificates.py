"""Certificates by HTTP-01: the authority asks at the public names, so what answers must be reached, and by it alone."""

from __future__ import annotations

import pytest

from derive.addons import cert_manager
from derive.addons.flows import Hosts
from derive.plan import system_plan
from model import Acme, CertManager, DeclarationError, HttpProof, Platform, Route
from tests.unit.declared import deployed, objects, shop
from tests.unit.test_exposed import exposed

MANAGER = CertManager(issuer=Acme(email="ops@shop.example", proof=HttpProof(), staging=("dev",)))
ROUTES = (Route(host="@", to="web"), Route(host="api", to="orders"))


def test_only_the_ingress_reaches_what_answers_the_authority() -> None:
    """The solver's pods come and go in the services' namespace, which is closed by default."""
    plan = system_plan(deployed(exposed(platform={"addons": (MANAGER,)}, routes=ROUTES)))
    policy = objects(plan.application, "NetworkPolicy")["certificate-proof"]["spec"]
    assert policy["podSelector"] == {"matchLabels": {"acme.cert-manager.io/http01-solver": "true"}}
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": 8089, "protocol": "TCP"}]
    assert [peer["podSelector"]["matchLabels"] for peer in rule["from"]] == [{"app.kubernetes.io/name": "traefik"}]
    assert policy["egress"] == []
    assert "certificate-proof" in objects(plan.application, "ServiceAccount")


def test_the_solver_is_published_by_the_platforms_ingress_and_needs_no_token() -> None:
    addition = cert_manager.addition(deployed(exposed(platform={"addons": (MANAGER,)}, routes=ROUTES)), MANAGER)
    (issuer,) = addition.settings
    acme = issuer["spec"]["acme"]
    assert acme["server"] == "https://acme-staging-v02.api.letsencrypt.org/directory"
    (solver,) = acme["solvers"]
    assert solver["http01"]["ingress"] == {
        "ingressClassName": "traefik",
        "serviceType": "ClusterIP",
        "podTemplate": {"spec": {"serviceAccountName": "certificate-proof"}},
    }
    assert addition.secrets == ()
    asked = [flow for rule in addition.rules for flow in rule.outbound if isinstance(flow.peers, Hosts)]
    assert [(flow.peers.names, flow.ports) for flow in asked if isinstance(flow.peers, Hosts)] == [
        (("acme-staging-v02.api.letsencrypt.org",), (443,)),
        (("dev.shop.example", "api.dev.shop.example"), (80, 443)),
    ]


def test_a_gateway_that_cannot_lead_to_the_solver_is_refused() -> None:
    """Otherwise no certificate is ever issued, and nothing says why."""
    deployment = deployed(shop(routes=ROUTES, platform=Platform(addons=(MANAGER,))))
    with pytest.raises(DeclarationError, match="which the mesh's gateway does not lead to"):
        cert_manager.addition(deployment, MANAGER)
