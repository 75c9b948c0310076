"""The cluster's certificates, entry and machines."""

from __future__ import annotations

import json
from base64 import b64decode
from functools import cache
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from components.cluster.certificates import AUTHORITIES
from derive.cloud import Allow, Grant
from tests.components import built
from tests.components.strict_monitor import Secret, StrictMonitor, plain, register


@cache
def certificates() -> StrictMonitor:
    return register(built.certificates)


@cache
def cluster(environment: str = "prod") -> StrictMonitor:
    def program() -> None:
        built.cluster(environment)

    return register(program)


def files() -> dict[str, str]:
    found: dict[str, str] = plain(certificates().exports["files"])
    return found


def chain(pem: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem.encode())


def decoded(text: str) -> str:
    return b64decode(text).decode()


def kubeconfig() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(plain(certificates().exports["kubeconfig"]))
    return found


def test_every_authority_is_signed_by_the_one_root() -> None:
    """K3s takes its authorities from these files; one that does not lead to the root is refused at start."""
    roots = set()
    for name in AUTHORITIES:
        own, root = chain(files()[f"{name}.crt"])
        own.verify_directly_issued_by(root)
        root.verify_directly_issued_by(root)
        constraints = own.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert constraints.ca, name
        key = load_pem_private_key(files()[f"{name}.key"].encode(), None)
        assert key.public_key() == own.public_key(), name
        roots.add(root)
    assert len(roots) == 1


def test_authorities_do_not_share_a_key() -> None:
    """Whoever holds etcd's authority must not be able to sign an administrator."""
    keys = [files()[f"{name}.key"] for name in AUTHORITIES]
    assert len({*keys, files()["service.key"]}) == len(AUTHORITIES) + 1
    assert files().keys() == {f"{name}.{end}" for name in AUTHORITIES for end in ("crt", "key")} | {"service.key"}


def test_the_kubeconfig_verifies() -> None:
    """It is made before the cluster: its certificate must lead to the client authority that K3s will be given."""
    user = kubeconfig()["users"][0]["user"]
    (admin,) = chain(decoded(user["client-certificate-data"]))
    admin.verify_directly_issued_by(chain(files()["client-ca.crt"])[0])
    key = load_pem_private_key(decoded(user["client-key-data"]).encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == admin.public_key()
    assert [each.value for each in admin.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [
        "system:masters"
    ]
    uses = admin.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    server = kubeconfig()["clusters"][0]["cluster"]
    assert server["server"] == "https://api.shop-dev.internal:6443"
    assert decoded(server["certificate-authority-data"]) == files()["server-ca.crt"]


def test_an_administrator_is_not_an_authority() -> None:
    """Else every administrator could make others."""
    (admin,) = chain(decoded(kubeconfig()["users"][0]["user"]["client-certificate-data"]))
    assert not admin.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_kubeconfig_holds_no_token_and_no_time() -> None:
    """What changes from run to run replaces the provider, and with it everything in the cluster."""
    config = kubeconfig()
    assert list(config) == ["apiVersion", "kind", "current-context", "clusters", "contexts", "users"]
    assert config["users"][0]["user"].keys() == {"client-certificate-data", "client-key-data"}


def test_keys_and_kubeconfig_are_secret() -> None:
    assert isinstance(certificates().exports["files"], Secret)
    assert isinstance(certificates().exports["kubeconfig"], Secret)
    assert isinstance(cluster().exports["kubeconfig"], Secret)
    assert not isinstance(cluster().exports["url"], Secret)


def test_the_join_values_are_secret_and_apart() -> None:
    """An agent's secret must not start or join a control plane."""
    values = cluster().of("aws:secretsmanager/secretVersion:SecretVersion")
    server = values["cluster-server-join-value"].inputs["secretString"]
    agent = values["cluster-agent-join-value"].inputs["secretString"]
    assert isinstance(server, Secret)
    assert isinstance(agent, Secret)
    own = [entry["path"] for entry in json.loads(agent.value)["files"]]
    assert own == ["/etc/rancher/k3s/token"]
    token = cluster().of("random:index/randomPassword:RandomPassword")["cluster-server-token"].outputs["result"]
    assert token in server.value
    assert token not in agent.value


def policy(role: str) -> list[tuple[list[str], list[str]]]:
    document = json.loads(cluster().of("aws:iam/rolePolicy:RolePolicy")[f"cluster-{role}-policy"].inputs["policy"])
    return [(statement["Action"], statement["Resource"]) for statement in document["Statement"]]


def test_machines_may_do_what_they_need_and_no_more() -> None:
    """A node's role belongs to whoever breaks out of a pod."""
    assert policy("agent") == [(["secretsmanager:GetSecretValue"], ["cluster-agent-join.arn"])]
    assert policy("server") == [
        (["secretsmanager:GetSecretValue"], ["cluster-server-join.arn"]),
        (
            ["ssm:GetParameter", "ssm:PutParameter"],
            ["arn:aws:ssm:eu-west-1:*:parameter/fitsync-prod/k3s/initialized"],
        ),
        (["s3:GetBucketLocation", "s3:ListBucket"], ["arn:aws:s3:::backups"]),
        (["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::backups/fitsync-prod/*"]),
    ]


def groups(environment: str) -> dict[str, Any]:
    return {
        item.name.removeprefix("cluster-"): (
            item.inputs["minSize"],
            item.inputs["maxSize"],
            item.inputs["vpcZoneIdentifiers"],
            item.inputs["targetGroupArns"],
            item.ignore_changes,
        )
        for item in cluster(environment).of("aws:autoscaling/group:Group").values()
    }


def test_pods_get_the_granted_rights_and_a_way_to_ask_for_them() -> None:
    """One hop ends at the machine: a pod with rights could not use them. Without grants no pod may ask at all."""
    rights = (Allow(("s3:GetObject",), ("${bucket-arn:logs}/*",)),)
    grant = Grant("logging", "loki", rights, ("arn:aws:iam::aws:policy/X",))

    def program() -> None:
        built.cluster("dev", (grant,))

    monitor = register(program)
    document = json.loads(plain(monitor.of("aws:iam/rolePolicy:RolePolicy")["cluster-agent-policy"].inputs["policy"]))
    assert [(item["Action"], item["Resource"]) for item in document["Statement"]] == [
        (["secretsmanager:GetSecretValue"], ["cluster-agent-join.arn"]),
        (["s3:GetObject"], ["arn:aws:s3:::logs/*"]),
    ]
    attached = monitor.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    assert "arn:aws:iam::aws:policy/X" in {item.inputs["policyArn"] for item in attached.values()}
    templates = monitor.of("aws:ec2/launchTemplate:LaunchTemplate")
    hops = {name: item.inputs["metadataOptions"]["httpPutResponseHopLimit"] for name, item in templates.items()}
    assert hops == {"cluster-agents-template": 2, "cluster-server-0-template": 1}


def test_production_has_a_server_in_each_zone_and_growing_agents() -> None:
    """etcd keeps its majority when a zone is lost; what the autoscaler decided is not undone by an update."""
    api = ["cluster-entry-6443.arn"]
    assert groups("prod") == {
        "server-0-group": (1, 1, ["net-k8s-a.id"], api, ()),
        "server-1-group": (1, 1, ["net-k8s-b.id"], api, ()),
        "server-2-group": (1, 1, ["net-k8s-c.id"], api, ()),
        "agents-group": (
            4,
            8,
            [f"net-k8s-{zone}.id" for zone in "abc"],
            ["cluster-entry-80.arn", "cluster-entry-443.arn"],
            ("desiredCapacity",),
        ),
    }


def test_development_has_one_server() -> None:
    assert groups("dev").keys() == {"server-0-group", "agents-group"}
    assert groups("dev")["agents-group"][:2] == (2, 4)


def test_servers_start_one_by_one_and_agents_last() -> None:
    """Two servers that start at once may each begin a cluster of their own."""
    found = cluster().of("wheelhouse:cluster:NodeGroup")
    assert "cluster-server-0-group" in found["cluster-server-1"].dependencies
    assert "cluster-server-1-group" in found["cluster-server-2"].dependencies
    assert "cluster-server-0-group" in found["cluster-agents"].dependencies
    servers = [f"cluster-server-{index}-group" for index in range(3)]
    waits = cluster().of("aws:autoscaling/group:Group")
    assert [waits[name].inputs["waitForElbCapacity"] for name in servers] == [1, 1, 1]
    assert "waitForElbCapacity" not in waits["cluster-agents-group"].inputs


def test_no_machine_is_ended_to_even_out_the_zones() -> None:
    """AWS drains nothing, and a budget of disruptions does not hold it."""
    found = {name: item.inputs for name, item in cluster().of("aws:autoscaling/group:Group").items()}
    assert found["cluster-agents-group"]["suspendedProcesses"] == ["AZRebalance"]
    assert "suspendedProcesses" not in found["cluster-server-0-group"], "one zone is even by itself"


def test_machines_and_volumes_carry_the_tags() -> None:
    """The provider's default tags do not reach what an Auto Scaling group starts."""
    for item in cluster().of("aws:ec2/launchTemplate:LaunchTemplate").values():
        tagged = {each["resourceType"]: each["tags"]["Environment"] for each in item.inputs["tagSpecifications"]}
        assert tagged == {"instance": "prod", "volume": "prod"}
        assert item.inputs["blockDeviceMappings"][0]["ebs"]["volumeType"] == "gp3"


def test_the_entry_is_internal_and_at_fixed_addresses() -> None:
    """The hub's edge and the kubeconfig know it by address and name, from before it exists."""
    balancer = cluster().one("aws:lb/loadBalancer:LoadBalancer").inputs
    assert balancer["internal"] is True
    assert balancer["securityGroups"] == ["entry-group"]
    assert balancer["subnetMappings"] == [
        {"subnetId": f"net-k8s-{zone}.id", "privateIpv4Address": f"10.3.{10 * index + 2}.10"}
        for index, zone in enumerate("abc")
    ]
    zone = cluster().one("aws:route53/zone:Zone").inputs
    assert (zone["name"], [each["vpcId"] for each in zone["vpcs"]]) == (
        "fitsync-prod.internal",
        ["net-vpc.id", "hub-vpc"],
    )
    assert cluster().exports["url"] == "https://cluster-entry-api.fqdn:6443"


def test_a_server_can_join_through_the_entry_that_leads_to_itself() -> None:
    """With client addresses preserved, a target's connection to itself hangs; the gateway needs the real ones."""
    found = cluster().of("aws:lb/targetGroup:TargetGroup").values()
    assert {item.inputs["port"]: item.inputs["preserveClientIp"] for item in found} == {
        6443: "false",
        80: "true",
        443: "true",
    }
    assert {item.inputs["port"]: item.inputs["healthCheck"]["port"] for item in found} == {
        6443: "6443",
        80: "15021",
        443: "15021",
    }
