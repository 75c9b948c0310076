"""myHealth's way from a commit to the cluster, and what watches the account."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.state import Resource
from tests.requirements.myhealth import ACCOUNT, REGION, document, listed, policies_of, statements, values
from tests.requirements.registered import Registered

SERVICES = ("oura-collector", "data-processor", "api-service")
ISSUER = "token.actions.githubusercontent.com"
REPOSITORY = "eric-n/myhealth"


def roles(stack: Registered) -> dict[str, Resource]:
    """The roles that GitHub's tokens open, by what they are for."""
    found = {}
    for role in stack.all("iam.Role"):
        (statement,) = statements(role.inputs["assumeRolePolicy"])
        if str(statement["Principal"].get("Federated", "")).endswith(ISSUER):
            found[role.name.removeprefix("myhealth-prod-pipeline-").removesuffix("-role")] = role
    return found


def subjects(role: Resource) -> list[str]:
    (statement,) = statements(role.inputs["assumeRolePolicy"])
    return listed(statement["Condition"]["StringEquals"][f"{ISSUER}:sub"])


def managed(stack: Registered, role: Resource) -> set[str]:
    return {
        item.inputs["policyArn"].rpartition("/")[2]
        for item in stack.all("iam.RolePolicyAttachment")
        if item.inputs["role"] == role.id
    }


def application(stack: Registered) -> dict[str, Any]:
    found: dict[str, Any] = stack.spec("Application", "argocd", "myhealth-prod")
    return found


@pytest.mark.rows("MH-CD-01", "MH-CD-02")
def test_each_service_has_a_repository_that_keeps_ten_images(myhealth_prod: Registered) -> None:
    repositories = {item.inputs["name"]: item for item in myhealth_prod.all("ecr.Repository")}
    assert set(repositories) == {f"myhealth/{name}" for name in SERVICES}
    for name, item in repositories.items():
        assert item.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
        assert item.inputs["encryptionConfigurations"] == [{"encryptionType": "KMS"}]
        assert item.inputs["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
        assert [one["filter"] for one in item.inputs["imageTagMutabilityExclusionFilters"]] == ["latest"]
        rule = json.loads(myhealth_prod.one("ecr.LifecyclePolicy", repository=name).inputs["policy"])["rules"][0]
        assert (rule["selection"]["countType"], rule["selection"]["countNumber"]) == ("imageCountMoreThan", 10)
        assert rule["action"] == {"type": "expire"}


@pytest.mark.rows("MH-CD-01", "MH-CD-03", "MH-SEC-12")
def test_what_an_account_has_once_is_productions(myhealth_dev: Registered) -> None:
    """Two stacks that make the same repository, provider or trail cannot both come up in one account."""
    assert not {kind for kind in myhealth_dev.kinds if kind.startswith(("ecr.", "cloudtrail.", "cfg.", "guardduty."))}
    providers = [item.inputs["url"] for item in myhealth_dev.all("iam.OpenIdConnectProvider")]
    assert not any(ISSUER in url for url in providers)


@pytest.mark.rows("MH-CD-03")
def test_workflows_of_this_repository_sign_in_without_keys(myhealth_prod: Registered) -> None:
    provider = myhealth_prod.one("iam.OpenIdConnectProvider", url=f"https://{ISSUER}")
    assert provider.inputs["clientIdLists"] == ["sts.amazonaws.com"]
    found = roles(myhealth_prod)
    assert set(found) == {"build", "plan", "apply"}
    for role in found.values():
        (statement,) = statements(role.inputs["assumeRolePolicy"])
        assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert statement["Condition"]["StringEquals"][f"{ISSUER}:aud"] == "sts.amazonaws.com"
        assert all(subject.startswith(f"repo:{REPOSITORY}:") and "*" not in subject for subject in subjects(role))
    assert not {"iam.AccessKey", "iam.User"} & myhealth_prod.kinds


@pytest.mark.rows("MH-CD-04")
def test_building_looking_and_changing_are_three_rights(myhealth_prod: Registered) -> None:
    found = roles(myhealth_prod)
    main = [f"repo:{REPOSITORY}:ref:refs/heads/main"]
    assert subjects(found["plan"]) == [f"repo:{REPOSITORY}:pull_request"]
    assert subjects(found["build"]) == subjects(found["apply"]) == main
    assert managed(myhealth_prod, found["build"]) == set()
    assert managed(myhealth_prod, found["plan"]) == {"SecurityAudit", "ViewOnlyAccess"}
    pushing = policies_of(myhealth_prod, found["build"])
    arns = {f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/myhealth/{name}" for name in SERVICES}
    assert {arn for item in pushing for arn in listed(item["Resource"])} == arns | {"*"}
    (everywhere,) = [item for item in pushing if listed(item["Resource"]) == ["*"]]
    assert listed(everywhere["Action"]) == ["ecr:GetAuthorizationToken"]
    changing = {"Create", "Put", "Delete", "Update", "Attach"}
    looking = {action for item in policies_of(myhealth_prod, found["plan"]) for action in listed(item["Action"])}
    assert not {action for action in looking if action.partition(":")[2].startswith(tuple(changing))}


@pytest.mark.rows("MH-CD-04", "MH-OPS-04")
def test_the_state_is_read_to_plan_and_written_to_apply(myhealth_prod: Registered) -> None:
    def on_state(name: str) -> set[str]:
        return {
            action
            for item in policies_of(myhealth_prod, roles(myhealth_prod)[name])
            for action in listed(item["Action"])
            if any("pulumi-state" in arn for arn in listed(item["Resource"]))
        }

    assert on_state("plan") == {"s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"}
    assert on_state("apply") == on_state("plan") | {"s3:PutObject", "s3:DeleteObject"}
    assert on_state("build") == set()


@pytest.mark.rows("MH-CD-05", "MH-ADD-04")
def test_argo_cd_deploys_the_chart_from_git(myhealth_prod: Registered) -> None:
    release = myhealth_prod.one("Release", name="argocd").inputs
    assert release["chart"] == "argo-cd"
    assert int(release["version"].partition(".")[0]) >= 6, "Argo CD 2.9 came with 5.51"
    spec = application(myhealth_prod)
    assert spec["source"] == {
        "repoURL": f"https://github.com/{REPOSITORY}",
        "path": "helm/myhealth",
        "targetRevision": "main",
        "helm": {"valueFiles": ["values-prod.yaml"]},
    }
    assert spec["destination"] == {"server": "https://kubernetes.default.svc", "namespace": "myhealth"}
    assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert "ServerSideApply=true" in spec["syncPolicy"]["syncOptions"]
    targets = {
        item["spec"]["scaleTargetRef"]["kind"] for item in myhealth_prod.manifests("HorizontalPodAutoscaler").values()
    }
    ignored = {item["kind"] for item in spec["ignoreDifferences"] if item["jsonPointers"] == ["/spec/replicas"]}
    assert targets <= ignored, "what an autoscaler scales, Argo CD must leave alone"


@pytest.mark.rows("MH-CD-05", "MH-ADD-06")
def test_dev_has_no_argo_cd(myhealth_dev: Registered) -> None:
    assert not myhealth_dev.all("Release", name="argocd")
    assert not {"Application", "AppProject"} & myhealth_dev.kinds


@pytest.mark.rows("MH-CD-06")
def test_a_project_bounds_it(myhealth_prod: Registered) -> None:
    name = application(myhealth_prod)["project"]
    assert name != "default"
    spec = myhealth_prod.spec("AppProject", "argocd", name)
    assert spec["sourceRepos"] == [f"https://github.com/{REPOSITORY}"]
    assert spec["destinations"] == [{"server": "https://kubernetes.default.svc", "namespace": "myhealth"}]
    assert spec["clusterResourceWhitelist"] == []


@pytest.mark.rows("MH-CD-07")
def test_the_webhooks_secret_comes_from_a_store_and_people_are_told(myhealth_prod: Registered) -> None:
    found = values(myhealth_prod, "argocd")
    reference = found["configs"]["secret"]["githubSecret"]
    assert reference.startswith("$")
    name, _, key = reference.removeprefix("$").partition(":")
    assert name in {item.partition("/")[2] for item in myhealth_prod.manifests("Secret")} | {
        item.partition("/")[2] for item in myhealth_prod.manifests("ExternalSecret")
    }
    assert key
    notified = found["notifications"]
    assert notified["enabled"] is True
    (subscription,) = notified["subscriptions"]
    assert "on-sync-succeeded" in subscription["triggers"]
    assert all(f"service.webhook.{name}" in notified["notifiers"] for name in subscription["recipients"])


@pytest.mark.rows("MH-CD-07", "MH-EDG-04")
def test_a_call_of_github_reaches_argo_cd_by_one_path(myhealth_prod: Registered) -> None:
    """From the internet to the pod: the API, the link, the ingress gateway's server and route, the network policy."""
    operation = document(myhealth_prod)["paths"]["/api/webhook"]
    assert set(operation) == {"post"}
    assert operation["post"]["security"] == []
    host = "argocd.myhealth.eric-n.com"
    way = operation["post"]["x-amazon-apigateway-integration"]
    assert (way["type"], way["connectionType"], way["uri"]) == (
        "HTTP_PROXY",
        "VPC_LINK",
        f"https://{host}/api/webhook",
    )
    assert myhealth_prod.outputs["webhookUrl"] == "https://api.myhealth.eric-n.com/api/webhook"
    gateway = myhealth_prod.spec("Gateway", "myhealth", "myhealth-gateway")
    assert any(server["hosts"] == [host] and server["port"]["number"] == 443 for server in gateway["servers"])
    route = myhealth_prod.spec("VirtualService", "argocd", "argocd")
    assert [entry["match"] for entry in route["http"]] == [[{"uri": {"exact": "/api/webhook"}}]]
    (target,) = route["http"][0]["route"]
    assert target["destination"] == {"host": "argocd-server.argocd.svc.cluster.local", "port": {"number": 80}}
    (called,) = myhealth_prod.spec("NetworkPolicy", "argocd", "argocd-server")["ingress"][:1]
    assert called["ports"] == [{"port": 8080, "protocol": "TCP"}]
    (peer,) = called["from"]
    assert peer["podSelector"] == {"matchLabels": {"istio": "ingressgateway"}}


@pytest.mark.rows("MH-CD-07", "MH-EDG-11")
def test_the_firewall_does_not_stop_what_is_signed(myhealth_prod: Registered) -> None:
    """AWS's common rules refuse bodies above 8 KB, which is most pushes; how often an address asks still counts."""
    rules = {item["name"]: item for item in myhealth_prod.one("wafv2.WebAcl").inputs["rules"]}
    signed = rules["api-webhook"]
    match = signed["statement"]["byteMatchStatement"]
    assert (match["searchString"], match["positionalConstraint"]) == ("/api/webhook", "ENDS_WITH")
    assert "allow" in signed["action"]
    assert rules["rate"]["priority"] < signed["priority"] < rules["AWSManagedRulesCommonRuleSet"]["priority"]


@pytest.mark.rows("MH-CD-08")
def test_pipelines_find_what_they_need(myhealth_prod: Registered) -> None:
    outputs = myhealth_prod.outputs
    assert set(outputs["repositories"]) == {f"myhealth/{name}" for name in SERVICES}
    assert set(outputs["pipelineRoles"]) == {"build", "plan", "apply"}
    assert outputs["clusterName"]
    assert outputs["apiUrl"]


@pytest.mark.rows("MH-SEC-12")
def test_a_trail_sees_all_regions_and_cannot_be_changed_unseen(myhealth_prod: Registered) -> None:
    trail = myhealth_prod.one("cloudtrail.Trail").inputs
    assert (trail["isMultiRegionTrail"], trail["enableLogFileValidation"], trail["enableLogging"]) == (True, True, True)
    keys = {item.outputs["arn"] for item in myhealth_prod.all("kms.Key")}
    assert trail["kmsKeyId"] in keys
    bucket = myhealth_prod.by_id("s3.Bucket", trail["s3BucketName"])
    found = statements(myhealth_prod.one("s3.BucketPolicy", bucket=bucket.id).inputs["policy"])
    assert {str(item["Principal"]) for item in found if item["Effect"] == "Allow"} == {
        str({"Service": "cloudtrail.amazonaws.com"})
    }


@pytest.mark.rows("MH-SEC-12")
def test_config_records_everything_and_guardduty_is_on(myhealth_prod: Registered) -> None:
    recorder = myhealth_prod.one("cfg.Recorder")
    assert recorder.inputs["recordingGroup"] == {"allSupported": True, "includeGlobalResourceTypes": True}
    assert myhealth_prod.one("cfg.DeliveryChannel").inputs["s3BucketName"]
    assert myhealth_prod.one("cfg.RecorderStatus").inputs == {"name": recorder.id, "isEnabled": True}
    assert myhealth_prod.one("guardduty.Detector").inputs["enable"] is True
