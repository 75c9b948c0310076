"""Delivery by Flux: what installs the add-ons, from where, in which order; and whose each layer is."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Any

import pytest
import yaml

import systems
from derive import versions
from derive.addons import addons, flux
from derive.delivery import gitops
from derive.plan import SystemPlan, system_plan
from derive.shapes import Deployment
from manifests.base import Manifest
from model import CertManager, DeclarationError, Flux, K3s, MetricsServer, NetworkPolicies, NoMesh, Platform, Vault
from model.gitops import LAYERS
from tests.unit.declared import deployed, shop
from wheelhouse.render import write

REPOSITORY = "ssh://git@github.com/shop/gitops"
NEOTOOL = systems.load("neotool")
ACCOUNT = "0" * 32
PLAN = system_plan(deployed(NEOTOOL, "prod", cloudflare_account=ACCOUNT))


def gitops_shop(**fields: Any) -> Deployment:
    platform = Platform(
        cluster=K3s(),
        cni=NetworkPolicies(),
        mesh=NoMesh(),
        addons=(MetricsServer(),),
        delivery=Flux(repository=REPOSITORY, **fields),
    )
    return deployed(shop(platform=platform))


def applied(plan: SystemPlan) -> Iterator[Manifest]:
    """Everything that the stack registers in the cluster, Secrets aside."""
    for addon in plan.addons:
        yield from (*addon.objects, *addon.settings)
    app = plan.application
    for part in (*app.namespaces, *app.stores, *app.services, *app.edge, *plan.observability):
        yield from part.objects


def identity(item: Manifest) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


def releases(deployment: Deployment) -> dict[str, Manifest]:
    return {
        item["metadata"]["name"]: item
        for plan in addons(deployment)
        for item in plan.objects
        if item["kind"] == "HelmRelease"
    }


def test_a_release_states_its_chart_its_interval_and_what_happens_when_it_fails() -> None:
    """A release without remediation stays half installed until somebody looks."""
    found = releases(gitops_shop())["kube-prometheus-stack"]
    source = versions.KUBE_PROMETHEUS_STACK
    spec = found["spec"]
    assert found["apiVersion"] == "helm.toolkit.fluxcd.io/v2"
    assert (spec["interval"], spec["releaseName"], "targetNamespace" in spec) == ("30m", source.chart, False)
    assert spec["chart"]["spec"] == {
        "chart": source.chart,
        "version": source.version,
        "interval": "30m",
        "sourceRef": {"kind": "HelmRepository", "name": "prometheus-community", "namespace": "flux-system"},
    }
    assert spec["install"] == spec["upgrade"] == {"crds": "CreateReplace", "remediation": {"retries": 3}}


def test_what_is_lost_of_a_chart_comes_back() -> None:
    """Flux compares with what it installed only where it is told to. What cert-manager and the operators write into
    their webhooks is theirs: put back, the API server would trust nobody to admit what they guard."""
    drift = releases(gitops_shop())["kube-prometheus-stack"]["spec"]["driftDetection"]
    assert drift["mode"] == "enabled"
    assert {rule["target"]["kind"]: rule["paths"] for rule in drift["ignore"]} == {
        "MutatingWebhookConfiguration": ["/webhooks"],
        "ValidatingWebhookConfiguration": ["/webhooks"],
    }


def test_only_flux_itself_is_installed_by_the_cluster() -> None:
    """Flux cannot install what installs Flux; everything else has one way in."""
    charts = [item for plan in addons(gitops_shop()) for item in plan.objects if item["kind"] == "HelmChart"]
    assert [item["spec"]["chart"] for item in charts] == ["flux2"]
    assert charts[0]["spec"]["targetNamespace"] == "flux-system"


def test_what_an_operator_must_initialise_is_not_waited_for() -> None:
    """A release that waits for pods which wait for a person is taken for a failure, and undone."""
    platform = gitops_shop().system.platform.model_copy(update={"addons": (CertManager(), Vault())})
    found = releases(deployed(shop(platform=platform)))
    unawaited = {name: item["spec"]["install"].get("disableWait", False) for name, item in found.items()}
    assert [name for name, left in unawaited.items() if left] == ["vault"]


@pytest.mark.parametrize(
    ("repo", "name"),
    [
        ("https://helm.releases.hashicorp.com", "hashicorp"),
        ("https://charts.external-secrets.io", "external-secrets"),
        ("https://prometheus-community.github.io/helm-charts", "prometheus-community"),
        ("oci://ghcr.io/nginx/charts", "ghcr-nginx-charts"),
    ],
)
def test_a_source_is_called_after_whose_it_is(repo: str, name: str) -> None:
    assert flux.repository_name(repo) == name


def test_no_two_repositories_of_charts_share_a_name() -> None:
    """The second would take the place of the first, and every chart of the first would be missing."""
    used = {value.repo for value in vars(versions).values() if isinstance(value, versions.ChartVersion)}
    assert len({flux.repository_name(repo) for repo in used}) == len(used)


def test_a_server_whose_key_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match=r"known_hosts has no key of 'git\.shop\.example'.*ssh-keyscan"):
        Flux(repository="ssh://git@git.shop.example/gitops")
    key = "git.shop.example ssh-ed25519 AAAA"
    assert Flux(repository="ssh://git@git.shop.example/gitops", known_hosts=(key,)).keys == (key,)


def test_nodes_may_reach_the_git_server_by_ssh() -> None:
    """Flux would never see a commit. 587: the mail server that alerts go by."""
    outward = [rule for group in PLAN.network.groups for rule in group.rules if rule.direction == "egress"]
    assert {rule.port for rule in outward if rule.peer == "0.0.0.0/0"} == {22, 80, 443, 587}


# -- the tree --------------------------------------------------------------------------------------


def owned(*in_git: str) -> Deployment:
    return deployed(NEOTOOL, "prod", cloudflare_account=ACCOUNT, layers=dict.fromkeys(in_git, "git"))


def documents(deployment: Deployment) -> dict[str, Manifest]:
    return {path: yaml.safe_load(text) for path, text in gitops.tree(deployment, PLAN).items()}


def listed(files: dict[str, Manifest]) -> set[tuple[str, str, str]]:
    """What Flux would apply: what the layers' kustomizations list."""
    found = set()
    for path, document in files.items():
        if path.endswith("/kustomization.yaml"):
            home = path.removesuffix("kustomization.yaml")
            found |= {identity(files[home + name]) for name in document["resources"]}
    return found


@pytest.mark.parametrize("count", range(len(LAYERS) + 1))
def test_nothing_is_both_applied_by_flux_and_registered(count: int) -> None:
    """Of two owners, the last to run wins, and pruning by one deletes what the other needs."""
    deployment = owned(*LAYERS[len(LAYERS) - count :])
    from_git = listed(documents(deployment))
    kept = {identity(item) for item in applied(gitops.registered(deployment, PLAN))}
    notes = {("ConfigMap", "flux-system", f"layer-{layer}") for layer in LAYERS}
    assert notes <= from_git
    assert not from_git & kept
    everything = {identity(item) for item in applied(PLAN)}
    assert (from_git - notes) | kept == everything


def test_the_tree_holds_the_objects_as_the_stack_registers_them() -> None:
    """A tree that says something else than what runs would mislead whoever reads the commit."""
    files = documents(owned())
    shown = {identity(item): item for path, item in files.items() if "/objects/" in path}
    registered = {identity(item): item for item in applied(PLAN)}
    assert shown
    for key, item in shown.items():
        assert item == yaml.safe_load(yaml.safe_dump(registered[key]))
    layered = [item for addon in PLAN.addons if addon.layer for item in (*addon.objects, *addon.settings)]
    assert {identity(item) for item in layered if item["kind"] != "Namespace"} <= shown.keys()


def test_every_kustomization_has_its_path_and_the_order_has_no_circle() -> None:
    files = gitops.tree(owned(), PLAN)
    found = {item["metadata"]["name"]: item["spec"] for item in applied(PLAN) if item["kind"] == "Kustomization"}
    assert all(f"{spec['path'].removeprefix('./')}/kustomization.yaml" in files for spec in found.values())
    order = {name: [item["name"] for item in spec.get("dependsOn", ())] for name, spec in found.items()}
    assert list(TopologicalSorter(order).static_order()) == list(LAYERS)


def test_every_release_has_its_source() -> None:
    names = {item["metadata"]["name"] for item in applied(PLAN) if item["kind"] == "HelmRepository"}
    used = {
        item["spec"]["chart"]["spec"]["sourceRef"]["name"] for item in applied(PLAN) if item["kind"] == "HelmRelease"
    }
    assert used == names


def test_no_secret_is_in_the_tree() -> None:
    assert not [path for path, item in documents(owned(*LAYERS)).items() if item["kind"] == "Secret"]


def test_a_tree_is_the_same_from_run_to_run_and_what_is_gone_goes(tmp_path: Any) -> None:
    """A tree that changes by itself restarts what did not change."""
    files = gitops.tree(owned(), PLAN)
    assert write(tmp_path, files) == sorted(files)
    assert write(tmp_path, gitops.tree(owned(), PLAN)) == []
    own = tmp_path / "clusters/neotool-prod/apps/own.yaml"
    own.write_text("kind: ConfigMap\n")
    gone = next(path for path in files if "/objects/" in path)
    assert write(tmp_path, {path: text for path, text in files.items() if path != gone}) == [gone]
    assert own.exists()


@pytest.mark.parametrize("above", LAYERS[1:])
def test_a_layer_in_git_beneath_one_that_the_stack_applies_is_refused(above: str) -> None:
    """The stack would apply what stands on objects that Flux may not have made yet."""
    with pytest.raises(DeclarationError, match=f"'{above}', which stands on it, is not; hand over '{above}' first"):
        gitops.check(owned(*(name for name in LAYERS if name != above)))


def test_layers_of_a_system_that_follows_no_repository_are_refused() -> None:
    with pytest.raises(DeclarationError, match="layers: system 'shop' follows no repository; remove the setting"):
        gitops.check(deployed(shop(), layers={"apps": "git"}))
    with pytest.raises(DeclarationError, match=r"follows no repository; set platform\.delivery to Flux"):
        gitops.tree(deployed(shop()), PLAN)
