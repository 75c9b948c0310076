"""Routes behind an ingress controller: Ingress objects beside their Services, and the certificates they name."""

from __future__ import annotations

from typing import Any

import pytest

from model import (
    Acme,
    ArgoRollouts,
    Canary,
    CertManager,
    DeclarationError,
    IstioGateway,
    NoMesh,
    Platform,
    Retry,
    Route,
    Service,
    System,
    seconds,
)
from tests.unit.declared import derived, objects, parts, shop
from tests.unit.fronted import fronted

BY_SERVICE = {"nginx.org/use-cluster-ip": "true"}


def ingresses(system: System) -> dict[tuple[str, str], dict[str, Any]]:
    """Annotations and spec by namespace and name."""
    found = [item for part in parts(derived(system)) for item in part.objects if item["kind"] == "Ingress"]
    return {
        (item["metadata"]["namespace"], item["metadata"]["name"]): {
            "annotations": item["metadata"]["annotations"],
            **item["spec"],
        }
        for item in found
    }


def rule(host: str, prefix: str, service: str, port: int) -> list[dict[str, Any]]:
    backend = {"service": {"name": service, "port": {"number": port}}}
    return [{"host": host, "http": {"paths": [{"path": prefix, "pathType": "Prefix", "backend": backend}]}}]


def tls(host: str, secret: str) -> list[dict[str, Any]]:
    return [{"hosts": [host], "secretName": secret}]


def test_every_route_is_an_ingress_beside_the_service_it_names() -> None:
    """An Ingress names Services of its own namespace only; NGINX takes one Ingress per host, or one that others join.
    Without the annotation NGINX calls pods, whose addresses its proxy does not know."""
    apex, api, www = "dev.shop.example", "api.dev.shop.example", "www.dev.shop.example"
    waits = {"nginx.org/proxy-read-timeout": "30s", "nginx.org/proxy-send-timeout": "30s"}
    joins = BY_SERVICE | {"nginx.org/mergeable-ingress-type": "minion"}
    assert ingresses(fronted()) == {
        ("shop", "web-apex"): {
            "annotations": BY_SERVICE,
            "ingressClassName": "nginx",
            "tls": tls(apex, "shop-tls-cert"),
            "rules": rule(apex, "/", "web", 3000),
        },
        ("back", "orders-api"): {
            "annotations": BY_SERVICE | waits,
            "ingressClassName": "nginx",
            "tls": tls(api, "api-tls-cert"),
            "rules": rule(api, "/", "orders", 3001),
        },
        ("shop", "www-host"): {
            "annotations": {"nginx.org/mergeable-ingress-type": "master"},
            "ingressClassName": "nginx",
            "tls": tls(www, "www-tls-cert"),
            "rules": [{"host": www}],
        },
        ("shop", "web-www"): {
            "annotations": joins,
            "ingressClassName": "nginx",
            "rules": rule(www, "/", "web", 3000),
        },
        ("back", "orders-www"): {
            "annotations": joins,
            "ingressClassName": "nginx",
            "rules": rule(www, "/orders", "orders", 3001),
        },
    }


def test_there_is_no_gateway_of_the_mesh_beside_it() -> None:
    """Two doors would have to be guarded."""
    plan = derived(fronted())
    assert (objects(plan, "Gateway"), objects(plan, "VirtualService")) == ({}, {})


def test_requests_over_grpc_are_passed_on_as_such() -> None:
    system = fronted(
        services=(Service(name="web", port=3000, protocol="grpc"),), calls=(), routes=(Route(host="@", to="web"),)
    )
    assert ingresses(system)["shop", "web"]["annotations"] == BY_SERVICE | {"nginx.org/grpc-services": "web"}


def test_without_a_mesh_nginx_serves_the_same_routes() -> None:
    bare = fronted(platform={"mesh": NoMesh()}, firewalls=())
    assert ingresses(bare) == ingresses(fronted())


def test_the_stack_s_own_authority_signs_where_nobody_else_does() -> None:
    """The Secret lies beside the Ingress that names it: NGINX reads it nowhere else."""
    assert {(item.namespace, item.name, item.certificate) for item in derived(fronted()).secrets} == {
        ("shop", "shop-tls-cert", ("dev.shop.example",)),
        ("back", "api-tls-cert", ("api.dev.shop.example",)),
        ("shop", "www-tls-cert", ("www.dev.shop.example",)),
    }


def certificates(system: System) -> dict[tuple[str, str], dict[str, Any]]:
    found = [item for part in parts(derived(system)) for item in part.objects if item["kind"] == "Certificate"]
    return {(item["metadata"]["namespace"], item["metadata"]["name"]): item["spec"] for item in found}


def test_cert_manager_issues_where_it_is_there() -> None:
    """A Secret of the stack's authority beside it would be written over, by one or the other."""
    addons = (CertManager(issuer=Acme(email="ops@shop.example")),)
    system = fronted(platform={"addons": addons}, routes=(Route(host="*", to="web", certificate="all-hosts"),))
    assert derived(system).secrets == ()
    assert certificates(system) == {
        ("shop", "all-hosts"): {
            "secretName": "all-hosts",
            "dnsNames": ["*.dev.shop.example"],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {"name": "platform", "kind": "ClusterIssuer", "group": "cert-manager.io"},
        }
    }


def test_the_mesh_s_gateway_reads_certificates_of_cert_manager_in_its_own_namespace() -> None:
    system = shop(routes=(Route(host="@", to="web"),), platform=Platform(addons=(CertManager(),)))
    assert isinstance(system.platform.ingress, IstioGateway)
    assert [(place, spec["dnsNames"]) for place, spec in certificates(system).items()] == [
        (("istio-system", "shop-tls-cert"), ["dev.shop.example"])
    ]


REFUSED = {
    "retries": (
        {"routes": (Route(host="@", to="web", retry=Retry(attempts=2)),)},
        "a route to 'web' has retries, but the ingress sees one address per service and cannot try another; drop them, "
        "or give them to the services that call it",
    ),
    "timeouts": (
        {"routes": (Route(host="@", to="web", timeout=seconds(5)), Route(host="@", to="web", prefix="/slow"))},
        "routes of host '@' to 'web' have different timeouts, but an Ingress has one; give them the same",
    ),
    "a canary": (
        {
            "services": (Service(name="web", port=3000, release=Canary()),),
            "routes": (Route(host="@", to="web"),),
            "platform": {"addons": (ArgoRollouts(),)},
        },
        "service 'web' is released by canary and is routed: only the mesh's gateway sends it a share of the requests; "
        "set platform.ingress to IstioGateway(), or release it otherwise",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_nginx_cannot_do_is_refused(changes: dict[str, Any], message: str) -> None:
    """Not left out in silence."""
    with pytest.raises(DeclarationError) as caught:
        derived(fronted(**{"calls": (), "firewalls": (), **changes}))
    assert str(caught.value) == message
