"""A request without a valid token goes no further than the sidecar."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from derive.addons.istio import istiod_values
from model import Call, Istio, Service, System, Tokens
from model.base import mistakes
from tests.unit.declared import derived, objects, shop

TOKENS = Tokens(
    at="web", issuer="https://auth.shop.example", keys_from="auth", open_paths=("/health", "/api/auth/login")
)
SERVICES = (Service(name="web", port=3000, metrics=9090), Service(name="auth", port=3001, namespace="identity"))


def declared(**changes: object) -> System:
    fields: dict[str, object] = {
        "services": SERVICES,
        "calls": (Call(caller="web", callee="auth"),),
        "tokens": (TOKENS,),
    }
    return shop(**{**fields, **changes})


def test_tokens_are_checked_with_keys_from_inside_the_mesh() -> None:
    """Keys fetched by istiod would meet STRICT mTLS without a certificate, and every token would be refused."""
    found = objects(derived(declared()), "RequestAuthentication")["web-tokens"]
    assert found["metadata"]["namespace"] == "shop"
    assert found["spec"] == {
        "selector": {"matchLabels": {"app": "web"}},
        "jwtRules": [
            {
                "issuer": "https://auth.shop.example",
                "jwksUri": "http://auth.identity.svc.cluster.local:3001/.well-known/jwks.json",
                "forwardOriginalToken": True,
            }
        ],
    }
    assert istiod_values(Istio(), 1)["env"] == {"PILOT_JWT_ENABLE_REMOTE_JWKS": "envoy"}


def test_what_has_no_token_is_refused_but_on_open_paths() -> None:
    """RequestAuthentication alone lets a request without any token through; the metrics port is Prometheus' own."""
    found = objects(derived(declared()), "AuthorizationPolicy")["web-tokens"]
    assert found["spec"] == {
        "selector": {"matchLabels": {"app": "web"}},
        "action": "DENY",
        "rules": [
            {
                "from": [{"source": {"notRequestPrincipals": ["*"]}}],
                "to": [{"operation": {"ports": ["3000"], "notPaths": ["/health", "/api/auth/login"]}}],
            }
        ],
    }


def test_other_services_are_left_alone() -> None:
    plan = derived(declared())
    assert objects(plan, "RequestAuthentication").keys() == {"web-tokens"}
    assert "auth-tokens" not in objects(plan, "AuthorizationPolicy")


def test_keys_out_of_reach_are_refused() -> None:
    """Without the call, policies would keep the sidecar from the keys."""
    with pytest.raises(ValidationError) as caught:
        declared(calls=())
    assert mistakes(caught.value) == (
        "tokens[0]: 'web' fetches keys from 'auth' but does not call it; declare Call(caller='web', callee='auth')"
    )
