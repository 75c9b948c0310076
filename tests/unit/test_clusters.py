"""One contract for clusters: a system moves from one kind to another by one setting, and what is above stays."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Any

import pytest

from derive.cluster.eks import EksPlan
from derive.plan import ExistingPlan, SystemPlan, system_plan
from model import DeclarationError
from stacks.settings import SettingsError, validated

TWO_ZONES = {"environments": {"dev": {"zones": 2}}}


def plan(system: str, region: str, **settings: Any) -> SystemPlan:
    values = {"system": system, "environment": "dev", "region": region, "image_tags": {"default": "1.2.3"}}
    return system_plan(validated({**values, **settings}, "dev").deployment())


def above(found: SystemPlan, without: Set[str] = frozenset()) -> dict[str, Any]:
    """What runs in the cluster, and what is said of it. ``without``: services that are compared by themselves."""
    app = found.application
    return {
        "namespaces": app.namespaces,
        "services": [part for part in app.services if part.name not in without],
        "edge": app.edge,
        "secrets": found.secrets,
        "databases": found.databases,
        "managed": found.managed,
        "doors": found.doors,
    }


CLUSTERS_OWN = {"addon-gate", "aws-ebs-csi-driver", "metrics-server"}
"""Add-ons that one kind of cluster brings along, and another lets the platform install."""


def test_fitsync_moves_to_eks_by_one_setting() -> None:
    here = plan("fitsync", "eu-west-1", **TWO_ZONES)
    there = plan("fitsync", "eu-west-1", cluster="eks", **TWO_ZONES)
    assert isinstance(there.cluster, EksPlan)
    assert above(here) == above(there)
    assert here.observability == there.observability
    names = [{addon.name for addon in found.addons} - CLUSTERS_OWN for found in (here, there)]
    assert names[0] == names[1]
    # Volumes are of whichever class is the cluster's.
    local = json.dumps([part.objects for part in here.application.stores])
    assert local.replace(', "storageClassName": "local-path"', "") == json.dumps(
        [part.objects for part in there.application.stores]
    )


def test_myhealth_moves_to_machines_by_one_setting() -> None:
    here, there = plan("myhealth", "us-east-1"), plan("myhealth", "us-east-1", cluster="k3s")
    assert there.k3s.servers.count == 1
    # Who has rights in the cloud comes to them in another way: by a role of its own, or its machine's.
    granted = {grant.account for grant in here.application.grants}
    assert granted == {grant.account for grant in there.application.grants} == {"oura-collector"}
    assert above(here, granted) == above(there, granted)
    assert here.application.stores == there.application.stores
    names = [{addon.name for addon in found.addons} - CLUSTERS_OWN for found in (here, there)]
    assert names[0] == names[1]


def test_charts_come_by_whoever_is_there_to_install_them() -> None:
    """K3s' controller would never see a HelmChart in a cluster of another kind."""
    here = plan("fitsync", "eu-west-1", **TWO_ZONES)
    there = plan("fitsync", "eu-west-1", cluster="eks", **TWO_ZONES)
    assert not any(addon.chart for addon in here.addons)
    assert not any(item["kind"] == "HelmChart" for addon in there.addons for item in addon.objects)
    (istiod,) = [addon.chart for addon in there.addons if addon.name == "istiod"]
    assert istiod
    assert (istiod.repo, istiod.namespace) == ("https://istio-release.storage.googleapis.com/charts", "istio-system")


def test_behind_aws_plug_in_cilium_only_enforces_policies() -> None:
    there = plan("fitsync", "eu-west-1", cluster="eks", **TWO_ZONES)
    (cilium,) = [addon.chart for addon in there.addons if addon.name == "cilium"]
    assert cilium
    assert cilium.values["cni"] == {"chainingMode": "aws-cni", "exclusive": False}
    assert "k8sServiceHost" not in cilium.values
    assert isinstance(there.cluster, EksPlan)
    (network,) = [addon for addon in there.cluster.addons if addon.name == "vpc-cni"]
    assert json.loads(network.configuration or "")["enableNetworkPolicy"] == "false"


NOTHING_OF_AWS = {
    "environments": {"dev": {"without": ["ebs-csi"]}},
    "changes": {"stores": {"mysql": {"backup": None}, "redis": {"backup": None}}},
    "secrets": {"kubeconfig": "..."},
}


def test_an_existing_cluster_gets_what_goes_into_it_and_nothing_below() -> None:
    found = plan("gym", "eu-west-1", cluster="existing", **NOTHING_OF_AWS)
    assert isinstance(found.cluster, ExistingPlan)
    assert (found.own_network, found.references, found.grants) == (None, frozenset(), ())
    assert "kubeconfig" in found.given
    kinds = {item["kind"] for part in found.application.services for item in part.objects}
    assert "NetworkPolicy" in kinds
    assert "CiliumNetworkPolicy" not in kinds


def test_what_needs_aws_is_refused_by_name_in_an_existing_cluster() -> None:
    with pytest.raises(DeclarationError, match=r"^'gym/mysql-backup' needs AWS, in which an existing cluster has "):
        plan("gym", "eu-west-1", cluster="existing")
    with pytest.raises(DeclarationError, match=r"^database 'myhealth' is a managed one, but an existing "):
        plan("myhealth", "us-east-1", cluster="existing")


def test_an_unknown_kind_of_cluster_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"cluster in Pulumi\.dev\.yaml: Input should be 'k3s', "):
        plan("fitsync", "eu-west-1", cluster="gke")
