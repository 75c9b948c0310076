"""Neotool's delivery: Flux follows a repository, layer by layer, and installs the platform's charts."""

from __future__ import annotations

import pytest

from tests.requirements.registered import Registered

LAYERS = ("infrastructure", "observability", "data", "apps")
SYSTEM = "flux-system"


@pytest.mark.rows("NT-FLX-01")
def test_flux_controllers_are_installed_and_waited_for(neotool: Registered) -> None:
    chart = neotool.charts["flux"]
    assert (chart.chart, chart.namespace) == ("flux2", SYSTEM)
    for controller in ("sourceController", "kustomizeController", "helmController"):
        assert chart.values[controller].get("create", True) is True
    waits = [
        argument
        for item in neotool.manifests("Job", "kube-system").values()
        for container in (
            *item["spec"]["template"]["spec"]["initContainers"],
            *item["spec"]["template"]["spec"]["containers"],
        )
        for argument in container["args"]
        if argument.startswith("deployment/")
    ]
    assert {f"deployment/{name}-controller" for name in ("source", "kustomize", "helm")} <= set(waits)


@pytest.mark.rows("NT-FLX-02", "NT-FLX-12")
def test_the_repository_is_asked_every_minute_by_ssh(neotool: Registered) -> None:
    """A revert is seen no later than that."""
    (repository,) = neotool.manifests("GitRepository", SYSTEM).values()
    spec = repository["spec"]
    assert spec["interval"] == "1m"
    assert spec["url"].startswith("ssh://git@github.com/")
    assert spec["ref"] == {"branch": "main"}


@pytest.mark.rows("NT-FLX-03", "NT-OPS-01")
def test_the_deploy_key_is_generated_and_its_public_half_told(neotools: dict[str, Registered]) -> None:
    """A key that two environments share opens both repositories when one is lost."""
    keys = set()
    for stack in neotools.values():
        (repository,) = stack.manifests("GitRepository", SYSTEM).values()
        secret = stack.manifest("Secret", SYSTEM, repository["spec"]["secretRef"]["name"])["stringData"]
        assert set(secret) == {"identity", "identity.pub", "known_hosts"}
        assert secret["identity"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
        assert secret["known_hosts"].startswith("github.com ssh-ed25519 ")
        public = stack.outputs["fluxDeployPublicKey"]
        assert secret["identity.pub"].strip() == public
        assert public.startswith("ssh-ed25519 ")
        keys.add(public)
    assert len(keys) == len(neotools)


@pytest.mark.rows("NT-FLX-04", "NT-FLX-05", "NT-FLX-06", "NT-FLX-07", "NT-ENV-01")
def test_layers_are_reconciled_in_order_each_from_its_own_path(neotools: dict[str, Registered]) -> None:
    """A database before its namespace, or production from the development's folder, would be applied all the same."""
    for name, stack in neotools.items():
        found = {key: item["spec"] for key, item in stack.manifests("Kustomization", SYSTEM).items()}
        assert set(found) == set(LAYERS)
        assert {key: spec["interval"] for key, spec in found.items()} == {
            "infrastructure": "10m",
            "observability": "5m",
            "data": "5m",
            "apps": "5m",
        }
        assert {key: [item["name"] for item in spec.get("dependsOn", ())] for key, spec in found.items()} == {
            layer: list(LAYERS[:index][-1:]) for index, layer in enumerate(LAYERS)
        }
        assert {key: spec["path"] for key, spec in found.items()} == {
            layer: f"./clusters/neotool-{name}/{layer}" for layer in LAYERS
        }
        assert all(spec["prune"] and spec["wait"] for spec in found.values())
        assert {spec["sourceRef"]["name"] for spec in found.values()} == set(stack.manifests("GitRepository", SYSTEM))


@pytest.mark.rows("NT-FLX-08")
def test_charts_come_from_their_projects_repositories(neotool: Registered) -> None:
    urls = {item["spec"]["url"] for item in neotool.manifests("HelmRepository", SYSTEM).values()}
    assert urls >= {
        "https://helm.releases.hashicorp.com",
        "https://charts.external-secrets.io",
        "https://prometheus-community.github.io/helm-charts",
        "https://grafana.github.io/helm-charts",
    }


@pytest.mark.rows("NT-FLX-09", "NT-FLX-11", "NT-BEY-03")
def test_every_release_has_its_source_its_interval_and_a_remedy(neotool: Registered) -> None:
    sources = set(neotool.manifests("HelmRepository", SYSTEM))
    releases = {name: item["spec"] for name, item in neotool.manifests("HelmRelease").items()}
    charts = {spec["chart"]["spec"]["chart"] for spec in releases.values()}
    assert charts >= {"vault", "external-secrets", "kube-prometheus-stack", "loki", "alloy"}
    assert "grafana" in charts or releases["production/kube-prometheus-stack"]["values"]["grafana"]["enabled"]
    for name, spec in releases.items():
        chart = spec["chart"]["spec"]
        assert spec["interval"] == "30m", name
        assert (chart["sourceRef"]["kind"], chart["sourceRef"]["namespace"]) == ("HelmRepository", SYSTEM)
        assert chart["sourceRef"]["name"] in sources, name
        assert chart["version"].removeprefix("v").replace(".", "").isdigit(), f"{name} has no exact version"
        for step in ("install", "upgrade"):
            assert spec[step]["remediation"]["retries"] == 3, name


@pytest.mark.rows("NT-FLX-10")
def test_only_stable_interfaces_are_used(neotool: Registered) -> None:
    """Beta versions are no longer served."""
    versions = {
        item.type.split(":")[1]
        for item in neotool.resources
        if item.type.startswith("kubernetes:") and "toolkit.fluxcd.io" in item.type
    }
    assert versions == {
        "source.toolkit.fluxcd.io/v1",
        "kustomize.toolkit.fluxcd.io/v1",
        "helm.toolkit.fluxcd.io/v2",
    }
    external = {
        item.type.split(":")[1] for item in neotool.resources if item.type.endswith((":ExternalSecret", "Store"))
    }
    assert external == {"external-secrets.io/v1"}
