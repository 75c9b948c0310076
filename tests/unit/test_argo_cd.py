"""Argo CD: what it may deploy, and who hears of it."""

from __future__ import annotations

from typing import Any

import yaml

from derive.addons.additions import additions
from derive.addons.argo_cd import webhook_url
from derive.application import application
from derive.shapes import Deployment
from manifests.base import Manifest
from model import ArgoCd, Observability
from tests.unit.declared import deployed
from tests.unit.equipped import equipped, values

CHOICE = ArgoCd(repository="https://git.example/shop/shop", path="helm/shop")


def followed(deployment: Deployment) -> dict[str, Manifest]:
    (part,) = application(deployment, {}).delivery
    return {item["kind"]: item for item in part.objects}


def argo(**platform: Any) -> Deployment:
    return deployed(equipped((CHOICE,), **platform))


def test_the_project_admits_one_repository_and_one_namespace() -> None:
    """Who may push to any other repository must not be able to deploy here, nor this one elsewhere."""
    project = followed(argo())["AppProject"]
    assert project["metadata"]["name"] == "shop"
    assert project["spec"]["sourceRepos"] == ["https://git.example/shop/shop"]
    assert project["spec"]["destinations"] == [{"server": "https://kubernetes.default.svc", "namespace": "shop"}]
    assert project["spec"]["clusterResourceWhitelist"] == []


def test_the_application_follows_the_environments_values() -> None:
    spec = followed(argo())["Application"]["spec"]
    assert spec["project"] == "shop"
    assert spec["source"] == {
        "repoURL": "https://git.example/shop/shop",
        "path": "helm/shop",
        "targetRevision": "main",
        "helm": {"valueFiles": ["values-dev.yaml"]},
    }
    assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert "ServerSideApply=true" in spec["syncPolicy"]["syncOptions"]


def test_the_autoscalers_keep_the_number_of_replicas() -> None:
    """Else each synchronisation would put back what an autoscaler has just raised."""
    ignored = followed(argo())["Application"]["spec"]["ignoreDifferences"]
    assert {item["kind"] for item in ignored} == {"Deployment", "Rollout"}, "a release in stages scales, too"
    assert all(item["jsonPointers"] == ["/spec/replicas"] for item in ignored)


def test_the_webhooks_secret_is_a_reference() -> None:
    found = values("argo-cd", equipped((CHOICE,)))
    assert found["configs"]["secret"] == {"githubSecret": "$argocd-webhook:github"}
    webhook, _ = additions(argo())["argo-cd"].secrets
    assert (webhook.name, dict(webhook.passwords)) == ("argocd-webhook", {"github": "argocd-webhook"})
    assert webhook.labels == {"app.kubernetes.io/part-of": "argocd"}


def test_a_webhook_reaches_it_by_one_path_of_a_host_of_its_own() -> None:
    """MH-CD-07: Git's server must get in, and nothing but its signed calls: pages and API of Argo CD stay inside."""
    deployment = deployed(equipped((CHOICE.model_copy(update={"webhook": "argocd"}),)))
    found = [item for part in application(deployment, {}).edge for item in part.objects]
    (route,) = [
        item["spec"] for item in found if item["kind"] == "VirtualService" and item["metadata"]["name"] == "argocd"
    ]
    assert route["hosts"] == ["argocd.dev.shop.example"]
    (entry,) = route["http"]
    assert entry["match"] == [{"uri": {"exact": "/api/webhook"}}]
    assert entry["route"] == [
        {"destination": {"host": "argocd-server.argocd.svc.cluster.local", "port": {"number": 80}}}
    ]
    rules = {rule.name: rule for rule in additions(deployment)["argo-cd"].rules}
    (called,) = rules["argocd-server"].inbound
    assert called.ports == (8080,)
    assert webhook_url(deployment) == "https://argocd.dev.shop.example/api/webhook"
    assert webhook_url(argo()) is None
    assert {rule.name: rule for rule in additions(argo())["argo-cd"].rules}["argocd-server"].inbound == ()


def test_no_policy_of_the_chart_s_stands_beside_ours() -> None:
    """Helm does not install over objects of the same names that somebody else made; and policies only ever add up."""
    assert values("argo-cd", equipped((CHOICE,)))["global"] == {"networkPolicy": {"create": False}}


def test_the_slack_receivers_hear_of_every_synchronisation() -> None:
    found = values("argo-cd", equipped((CHOICE,)))["notifications"]
    assert found["enabled"] is True
    assert found["subscriptions"] == [
        {"recipients": ["team"], "triggers": ["on-sync-succeeded", "on-sync-failed", "on-health-degraded"]}
    ]
    notifier = yaml.safe_load(found["notifiers"]["service.webhook.team"])
    assert notifier["url"] == "$team"
    template = yaml.safe_load(found["templates"]["template.synchronised"])
    assert set(template["webhook"]) == {"team"}
    for trigger in found["triggers"].values():
        (when,) = yaml.safe_load(trigger)
        assert when["send"] == ["synchronised"]


def test_without_receivers_nobody_is_told() -> None:
    silent = Observability(namespace="shop-monitoring")
    found = values("argo-cd", equipped((CHOICE,), observability=silent))
    assert found["notifications"]["enabled"] is False
    rules = additions(argo(observability=silent))["argo-cd"].rules
    assert not any(rule.name == "argocd-notifications" for rule in rules)


def test_without_it_nothing_is_deployed_from_elsewhere() -> None:
    assert application(deployed(equipped(())), {}).delivery == ()
