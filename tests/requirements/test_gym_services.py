"""Gym's services and stores: what runs, what it is told, and where data is kept."""

from __future__ import annotations

import json

import pytest

from tests.platforms import Platforms
from tests.requirements.gym import CALLS, GRPC, HOSTS, IDENTITY, PORTS, STORES, inside, main_container, workload
from tests.requirements.policies import INGRESS
from tests.requirements.registered import Registered, containers, environment

USES = {"MYSQL_HOST": inside("mysql"), "MYSQL_PORT": "3306", "REDIS_HOST": inside("redis"), "REDIS_PORT": "6379"}
GRPC_WEB = "/api/main/gym.v1."
CHANGED = {
    "registry": "registry.example.com/gym",
    "imageTags": json.dumps({"default": "3.0.0", "backend-main": "3.1.0"}),
    "storageClass": "local-path",
    "environments": json.dumps({"dev": {"domain": "trial.example.com"}}),
    "releases": json.dumps({"backend-main": 2, "backend-stream": "abort"}),
    "changes": json.dumps(
        {
            "services": {"frontend": {"image": "other/frontend", "scale": {"minimum": 2, "maximum": 6}}},
            "stores": {"mysql": {"image": "mirror.example.com/mysql:8.4.9"}, "redis": {"version": "8.2"}},
            "externals": {
                "identity": {"hosts": ["id.example.com", "login.example.com"]},
                "payments": {"hosts": ["api.payments.example"], "used_by": ["backend-main"]},
            },
            "routes": {
                "grpc-web": {"host": "@", "prefix": GRPC_WEB, "to": "backend-main", "port": 9083, "timeout": 15}
            },
            "platform": {
                "ingress": {"identity": {"issuer": "https://id.example.com", "keys": "https://id.example.com/k"}}
            },
        }
    ),
}
"""What a stack's own configuration can change."""


@pytest.fixture(scope="session")
def changed(platforms: Platforms) -> Registered:
    return Registered(platforms.bench("gym-dev", CHANGED, "-changed"), "gym-dev")


@pytest.mark.rows("GY-SVC-01", "GY-SVC-02", "GY-SVC-03", "GY-SVC-04", "GY-SVC-09")
def test_services_are_stateless_workloads_behind_services_of_their_own(gym: Registered) -> None:
    for name, number in PORTS.items():
        spec = gym.spec("Service", "gym", name)
        wanted = {number, *([GRPC[name]] if name in GRPC else [])}
        assert (spec["type"], {port["port"] for port in spec["ports"]}) == ("ClusterIP", wanted)
        pod = workload(gym, name)["spec"]["template"]["spec"]
        assert {port["containerPort"] for port in pod["containers"][0]["ports"]} == wanted
        assert not [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
        assert "volumeClaimTemplates" not in workload(gym, name)["spec"]


@pytest.mark.rows("GY-SVC-05")
def test_every_workload_is_probed(gym: Registered) -> None:
    for name in (*PORTS, *STORES):
        container = main_container(gym, name)
        assert {"livenessProbe", "readinessProbe"} <= container.keys()
    for name, number in PORTS.items():
        container = main_container(gym, name)
        for probe in ("livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == number


@pytest.mark.rows("GY-SVC-06", "GY-ASC-06")
def test_every_workload_asks_for_what_is_declared(gym: Registered) -> None:
    def size(cpu: str, memory: str, most_cpu: str, most_memory: str) -> dict[str, dict[str, str]]:
        return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": most_cpu, "memory": most_memory}}

    for name in PORTS:
        assert main_container(gym, name)["resources"] == size("100m", "128Mi", "500m", "512Mi")
    assert main_container(gym, "mysql")["resources"] == size("250m", "512Mi", "1", "1Gi")
    assert main_container(gym, "redis")["resources"] == size("100m", "128Mi", "250m", "256Mi")
    for name in (*PORTS, *STORES):
        template = workload(gym, name)["spec"]["template"]
        for container in containers(template):
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        notes = template["metadata"]["annotations"]
        assert {"sidecar.istio.io/proxyCPU", "sidecar.istio.io/proxyMemory"} <= notes.keys()


@pytest.mark.rows("GY-SVC-07", "GY-MSG-01")
def test_both_backends_are_given_the_same_stores(gym: Registered) -> None:
    for name in ("backend-main", "backend-stream"):
        told = environment(main_container(gym, name))
        assert USES.items() <= told.items()
        assert (told["MYSQL_USER"], told["MYSQL_PASSWORD"], told["REDIS_PASSWORD"]) == (
            ("mysql-credentials", "username"),
            ("mysql-credentials", "password"),
            ("redis-credentials", "password"),
        )


@pytest.mark.rows("GY-SVC-08")
def test_user_interfaces_are_given_their_backends(gym: Registered) -> None:
    for name in ("frontend", "admin-panel"):
        told = environment(main_container(gym, name))
        urls = {value for key, value in told.items() if key.endswith("_URL") and not key.endswith("_PUBLIC_URL")}
        assert urls == {f"http://{inside(callee)}:{PORTS[callee]}" for callee in CALLS[name]}
        public = {value for key, value in told.items() if key.endswith("_PUBLIC_URL")}
        assert public <= {f"https://{HOSTS[gym.stack]}/api/main/", f"https://{HOSTS[gym.stack]}/api/stream/"}


@pytest.mark.rows("GY-DAT-01", "GY-DAT-02", "GY-DAT-03", "GY-DAT-05")
def test_stores_keep_their_data_on_a_volume_with_one_writer(gym: Registered) -> None:
    for name, size, path in (("mysql", "10Gi", "/var/lib/mysql"), ("redis", "5Gi", "/data")):
        spec = gym.spec("StatefulSet", "gym", name)
        (claim,) = spec["volumeClaimTemplates"]
        assert (spec["replicas"], claim["spec"]["accessModes"]) == (1, ["ReadWriteOnce"])
        assert claim["spec"]["resources"]["requests"]["storage"] == size
        mounts = {mount["mountPath"]: mount["name"] for mount in main_container(gym, name)["volumeMounts"]}
        assert mounts[path] == claim["metadata"]["name"]
    redis = gym.manifest("ConfigMap", "gym", "redis-config")["data"]["redis.conf"].splitlines()
    assert {"appendonly yes", "dir /data"} <= set(redis)


@pytest.mark.rows("GY-DAT-04")
def test_mysql_takes_all_connections_that_the_pools_can_open(gym: Registered) -> None:
    """Fifty for each of twenty proxies."""
    lines = gym.manifest("ConfigMap", "gym", "mysql-config")["data"]["server.cnf"].splitlines()
    (value,) = [line.partition("=")[2] for line in lines if line.startswith("max_connections")]
    assert int(value) >= 1000


@pytest.mark.rows("GY-CFG-01")
def test_mysql_s_passwords_are_random_and_each_its_own(gym: Registered) -> None:
    values = gym.manifest("Secret", "gym", "mysql-credentials")["stringData"]
    assert {"username", "password", "root-password"} <= values.keys()
    generated = {item.outputs["result"] for item in gym.all("index.RandomPassword")}
    passwords = [values[key] for key in values if key.endswith("password")]
    assert set(passwords) <= generated
    assert len(set(passwords)) == len(passwords)


@pytest.mark.rows("GY-CFG-02")
def test_no_secret_is_a_literal_and_every_secret_that_is_named_exists(gym: Registered) -> None:
    known = {name: item["stringData"].keys() for name, item in gym.manifests("Secret").items()}
    secret = {item.outputs["result"] for item in gym.all("index.RandomPassword")}
    for _, name, template in gym.pods():
        namespace = name.partition("/")[0]
        for container in containers(template):
            for value in environment(container).values():
                if isinstance(value, tuple):
                    assert value[1] in known[f"{namespace}/{value[0]}"]
                else:
                    assert value not in secret
        for volume in template["spec"].get("volumes", ()):
            if "secret" in volume:
                assert f"{namespace}/{volume['secret']['secretName']}" in known


@pytest.mark.rows("GY-CFG-03", "GY-NET-09")
def test_the_stack_s_configuration_changes_what_differs_between_installations(changed: Registered) -> None:
    assert main_container(changed, "frontend")["image"] == "registry.example.com/gym/other/frontend:3.0.0"
    assert main_container(changed, "backend-main")["image"] == "registry.example.com/gym/gym/backend-main:3.1.0"
    assert main_container(changed, "mysql")["image"] == "mirror.example.com/mysql:8.4.9"
    assert main_container(changed, "redis")["image"].startswith("redis:8.2")
    assert changed.spec("VirtualService", "gym", "frontend")["hosts"] == ["trial.example.com"]
    outside = {name: item["spec"]["hosts"] for name, item in changed.manifests("ServiceEntry", "gym").items()}
    assert {name: hosts for name, hosts in outside.items() if name != "s3-copies"} == {
        "identity": ["id.example.com"],
        "identity.login.example.com": ["login.example.com"],
        "payments": ["api.payments.example"],
    }
    (rule,) = changed.spec("RequestAuthentication", "istio-system", "ingress-tokens")["jwtRules"]
    assert (rule["issuer"], rule["jwksUri"]) == ("https://id.example.com", "https://id.example.com/k")
    scaled = changed.spec("HorizontalPodAutoscaler", "gym", "frontend")
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (2, 6)
    for name in STORES:
        (claim,) = changed.spec("StatefulSet", "gym", name)["volumeClaimTemplates"]
        assert claim["spec"]["storageClassName"] == "local-path"
    assert IDENTITY not in str(changed.manifests("ServiceEntry"))


@pytest.mark.rows("GY-MSH-16", "GY-CFG-03")
def test_one_setting_says_how_far_a_canary_may_go(changed: Registered) -> None:
    held = changed.spec("Rollout", "gym", "backend-main")["strategy"]["canary"]["steps"]
    assert held == [{"setWeight": 5}, {"setWeight": 25}, {"pause": {}}]
    released = changed.spec("Rollout", "gym", "backend-main")["template"]["metadata"]["labels"]
    assert released["version"] == "3.1.0", "the mesh's metrics tell it from the stable one's pods by this"
    given_up = changed.spec("Rollout", "gym", "backend-stream")["strategy"]["canary"]["steps"]
    assert given_up == [{"setWeight": 0}, {"pause": {}}]


@pytest.mark.rows("GY-SVC-03", "GY-MSH-05", "GY-NET-03", "GY-SEC-03")
def test_configuration_opens_a_port_of_grpc_web_to_browsers(changed: Registered) -> None:
    """Beside the other route to the service, before it because it is longer, and at every layer."""
    first, second = changed.spec("VirtualService", "gym", "backend-main")["http"]
    for route, prefix, port in ((first, GRPC_WEB, 9083), (second, "/api/main/", PORTS["backend-main"])):
        assert (route["match"], route["timeout"]) == ([{"uri": {"prefix": prefix}}], "15s")
        assert {to["destination"]["port"]["number"] for to in route["route"]} == {port}
    moved = changed.spec("Rollout", "gym", "backend-main")["strategy"]["canary"]["trafficRouting"]["istio"]
    assert moved["virtualServices"][0]["routes"] == [first["name"], second["name"]]
    (rule,) = [
        rule
        for rule in changed.spec("AuthorizationPolicy", "gym", "backend-main-authz")["rules"]
        if rule["from"] == [{"source": {"principals": [INGRESS]}}]
    ]
    assert set(rule["to"][0]["operation"]["ports"]) == {"9083", "9084"}
    admitted = changed.spec("CiliumNetworkPolicy", "gym", "backend-main-policy")["ingress"][0]
    left = changed.spec("CiliumNetworkPolicy", "istio-system", "ingress-gateway")["egress"]
    to = [item for item in left if item.get("toEndpoints", [{}])[0].get("matchLabels", {}).get("app") == "backend-main"]
    for rules in ([admitted], to):
        assert {port["port"] for item in rules for part in item["toPorts"] for port in part["ports"]} == {
            "9083",
            "9084",
        }
