"""Stores with several members: who they are to one another, what their users are told, and who may do what."""

from __future__ import annotations

import json

from derive.cloud import Allow, Grant
from derive.shapes import SecretPlan
from derive.stores import place_of, rabbitmq
from model import Backup, RabbitMQ, Redis, Service, System, Topic, hours
from tests.unit.declared import derived, objects, shop, variables
from tests.unit.test_secrets import keys, references

SYSTEM = shop(
    services=(
        Service(name="web", port=3000, uses=("cache",)),
        Service(name="orders", port=3001, uses=("cache", "events"), namespace="back"),
        Service(name="mail", port=3002, uses=("events",)),
    ),
    stores=(Redis(name="cache", members=3, snapshot=hours(1)), RabbitMQ(name="events")),
    topics=(
        Topic(name="order.placed", broker="events", publishers=("orders",), subscribers=("mail",)),
        Topic(name="mail.sent", broker="events", publishers=("mail",), subscribers=()),
    ),
)
BACKED_UP = shop(
    stores=(
        Redis(name="cache", backup=Backup(schedule="0 * * * *")),
        RabbitMQ(name="events", backup=Backup(schedule="30 3 * * *", bucket="archive")),
    ),
    services=(Service(name="web", port=3000, uses=("cache", "events")),),
)


def secret(system: System, name: str) -> SecretPlan:
    return next(plan for plan in derived(system).secrets if plan.name == name)


def test_three_members_of_redis_with_a_volume_each() -> None:
    """OR-DAT-11, OR-BKP-03."""
    plan = derived(SYSTEM)
    spec = objects(plan, "StatefulSet")["cache"]["spec"]
    assert (spec["replicas"], spec["serviceName"], spec["podManagementPolicy"]) == (3, "cache-headless", "Parallel")
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"] == {"requests": {"storage": "5Gi"}}
    pod = spec["template"]["spec"]
    assert [container["name"] for container in pod["containers"]] == ["redis", "exporter", "sentinel", "door"]
    assert {constraint["topologyKey"] for constraint in pod["topologySpreadConstraints"]} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
    configuration = objects(plan, "ConfigMap")["cache-config"]["data"]["redis.conf"].split("\n")
    assert {"port 6380", "save 3600 1", "min-replicas-to-write 1"} <= set(configuration)
    assert objects(plan, "PodDisruptionBudget")["cache"]["spec"]["selector"] == {"matchLabels": {"app": "cache"}}


def test_clients_of_redis_know_one_name_and_one_port() -> None:
    """A client without Sentinel writes to the primary: behind the Service are the doors, never the servers."""
    plan = derived(SYSTEM)
    services = objects(plan, "Service")
    assert [port["targetPort"] for port in services["cache"]["spec"]["ports"]] == [6379, 9121]
    headless = services["cache-headless"]
    assert headless["spec"]["clusterIP"] == "None"
    assert headless["spec"]["publishNotReadyAddresses"] is True
    assert [(port["name"], port["port"]) for port in headless["spec"]["ports"]] == [
        ("tcp-redis", 6380),
        ("tcp-sentinel", 26379),
    ]
    assert "monitoring" not in headless["metadata"]["labels"], "each member would be measured twice"
    told = variables(plan, "web")
    assert {name: value for name, value in told.items() if name.startswith("REDIS")} == {
        "REDIS_HOST": "cache.shop.svc.cluster.local",
        "REDIS_PORT": "6379",
        "REDIS_PASSWORD": ("cache-credentials", "password"),
    }
    door = objects(plan, "ConfigMap")["cache-config"]["data"]["door.cfg"]
    assert "server cache-2 cache-2.cache-headless.shop.svc.cluster.local:6380 check" in door


def test_servers_and_sentinels_hear_one_another_alone() -> None:
    """OR-SEC-06, OR-SEC-10: a client that reaches a replica's server reads the past; one that reaches a Sentinel can
    move the primary."""
    plan = derived(SYSTEM)
    inbound = {}
    for rule in objects(plan, "CiliumNetworkPolicy")["cache-policy"]["spec"]["ingress"]:
        ports = tuple(int(port["port"]) for port in rule["toPorts"][0]["ports"])
        inbound[ports] = [entry.get("matchExpressions", [{}])[0].get("values") for entry in rule["fromEndpoints"]]
    assert inbound == {(6379,): [["web"], ["orders"]], (6379, 6380, 26379): [["cache"]], (9121, 15020): [None]}
    rules = objects(plan, "AuthorizationPolicy")["cache-authz"]["spec"]["rules"]
    callers = {
        tuple(rule["to"][0]["operation"]["ports"]): rule["from"][0]["source"]["principals"]
        for rule in rules
        if "from" in rule
    }
    assert callers == {
        ("6379",): ["cluster.local/ns/shop/sa/web", "cluster.local/ns/back/sa/orders"],
        ("6379", "6380", "26379"): ["cluster.local/ns/shop/sa/cache"],
    }
    hosts = {name: set(item["spec"]["egress"][0]["hosts"]) for name, item in objects(plan, "Sidecar").items()}
    headless = "shop/cache-headless.shop.svc.cluster.local"
    assert headless in hosts["cache"]
    assert headless not in hosts["web"]


def test_a_single_redis_has_no_helpers() -> None:
    plan = derived(shop(stores=(Redis(name="cache"),)))
    assert set(objects(plan, "Service")) == {"web", "orders", "cache"}
    containers = objects(plan, "StatefulSet")["cache"]["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["redis", "exporter"]
    assert keys(secret(shop(stores=(Redis(name="cache"),)), "cache-credentials")) == {
        "password",
        "exporter-password",
        "users.acl",
    }


def test_three_members_of_rabbitmq_with_a_volume_each() -> None:
    """OR-MSG-01: they find one another by name, so the pods hold no token for the API."""
    plan = derived(SYSTEM)
    spec = objects(plan, "StatefulSet")["events"]["spec"]
    assert (spec["replicas"], spec["serviceName"], spec["podManagementPolicy"]) == (3, "events-headless", "Parallel")
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"] == {"requests": {"storage": "20Gi"}}
    pod = spec["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    (server,) = pod["containers"]
    environment = {entry["name"]: entry.get("value") for entry in server["env"]}
    assert environment["RABBITMQ_NODENAME"] == "rabbit@$(POD_NAME).events-headless.shop.svc.cluster.local"
    config = objects(plan, "ConfigMap")["events-config"]["data"]
    assert config["enabled_plugins"] == "[rabbitmq_prometheus,rabbitmq_peer_discovery_k8s].\n"
    assert {
        "cluster_formation.peer_discovery_backend = k8s",
        "total_memory_available_override_value = 1073741824",
        "disk_free_limit.absolute = 1073741824",
        "quorum_queue.continuous_membership_reconciliation.target_group_size = 3",
    } <= set(config["rabbitmq.conf"].split("\n"))
    services = objects(plan, "Service")
    assert [port["port"] for port in services["events"]["spec"]["ports"]] == [5672, 15692]
    assert [port["port"] for port in services["events-headless"]["spec"]["ports"]] == [4369, 25672]
    assert set(objects(plan, "PodDisruptionBudget")) == {"cache", "events"}


def test_a_service_has_credentials_of_its_own() -> None:
    """One service that leaks its password must not give away the others'."""
    plan = derived(SYSTEM)
    assert {name: value for name, value in variables(plan, "mail").items() if name.startswith("AMQP")} == {
        "AMQP_HOST": "events.shop.svc.cluster.local",
        "AMQP_PORT": "5672",
        "AMQP_VHOST": "shop",
        "AMQP_USER": ("mail-events-credentials", "username"),
        "AMQP_PASSWORD": ("mail-events-credentials", "password"),
        "AMQP_QUEUES": "mail:",
    }
    assert secret(SYSTEM, "orders-events-credentials") == SecretPlan(
        name="orders-events-credentials",
        namespace="back",
        literals={"username": "orders"},
        passwords={"password": "events-user-orders"},
    )
    made = {(item.namespace, item.name, key) for item in plan.secrets for key in keys(item)}
    assert made == set(references(plan))


def test_rights_follow_the_topics() -> None:
    """The server looks for the expression anywhere in a name: without its ends it would match too much."""
    place = place_of(SYSTEM, SYSTEM.store("events"), {})
    assert rabbitmq.rights("orders", place) == {
        "configure": "^(orders:.*)$",
        "write": r"^(orders:.*|order\.placed)$",
        "read": "^(orders:.*)$",
    }
    assert rabbitmq.rights("mail", place) == {
        "configure": "^(mail:.*)$",
        "write": r"^(mail:.*|mail\.sent)$",
        "read": r"^(mail:.*|order\.placed)$",
    }


def test_passwords_are_in_no_configmap() -> None:
    """OR-DAT-12, OR-BEY-10."""
    definitions = json.loads(secret(SYSTEM, "events-credentials").templates["definitions.json"])
    assert definitions["users"] == [
        {"name": "orders", "password": "{events-user-orders}", "tags": []},
        {"name": "mail", "password": "{events-user-mail}", "tags": []},
    ]
    assert definitions["vhosts"] == [{"name": "shop", "metadata": {"default_queue_type": "quorum"}}]
    assert [exchange["name"] for exchange in definitions["exchanges"]] == ["order.placed", "mail.sent"]
    config = objects(derived(SYSTEM), "ConfigMap")
    text = json.dumps([config["cache-config"], config["events-config"]])
    assert "{cache-" not in text
    assert "{events-" not in text


def test_jobs_copy_stores_into_buckets_as_often_as_declared() -> None:
    """OR-BKP-03, OR-BKP-05: an hourly snapshot and daily definitions."""
    plan = derived(BACKED_UP)
    jobs = objects(plan, "CronJob")
    assert {name: job["spec"]["schedule"] for name, job in jobs.items()} == {
        "cache-backup": "0 * * * *",
        "events-backup": "30 3 * * *",
    }
    sent = {}
    for name, job in jobs.items():
        pod = job["spec"]["jobTemplate"]["spec"]["template"]
        assert (
            pod["metadata"]["annotations"]["traffic.sidecar.istio.io/excludeOutboundIPRanges"] == "169.254.169.254/32"
        )
        (send,) = pod["spec"]["containers"]
        sent[name] = (send["command"][-1], *send["args"])
    assert sent == {
        "cache-backup": ("/copy/dump.rdb", "s3://${bucket:backups}/cache/dump.rdb"),
        "events-backup": ("/copy/definitions.json", "s3://${bucket:archive}/events/definitions.json"),
    }
    made = {(item.namespace, item.name, key) for item in plan.secrets for key in keys(item)}
    assert made == set(references(plan))


def test_a_job_may_write_one_object() -> None:
    """Whoever takes over a Job can neither read old copies nor delete them."""
    assert derived(BACKED_UP).grants == (
        Grant("shop", "cache-backup", (Allow(("s3:PutObject",), ("${bucket-arn:backups}/cache/dump.rdb",)),)),
        Grant("shop", "events-backup", (Allow(("s3:PutObject",), ("${bucket-arn:archive}/events/definitions.json",)),)),
    )


def test_management_is_reached_by_the_job_alone() -> None:
    """Without a backup nobody listens there."""
    plan = derived(BACKED_UP)
    policies = objects(plan, "CiliumNetworkPolicy")
    inbound = {
        tuple(port["port"] for port in rule["toPorts"][0]["ports"]): json.dumps(rule["fromEndpoints"])
        for rule in policies["events-policy"]["spec"]["ingress"]
    }
    assert '["events-backup"]' in inbound["15672",]
    assert '["web"]' in inbound["5672",]
    leaving = policies["events-backup-policy"]["spec"]["egress"]
    assert {"toCIDR": ["169.254.169.254/32"], "toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]} in leaving
    without = objects(derived(SYSTEM), "ConfigMap")["events-config"]["data"]
    assert "management" not in without["rabbitmq.conf"] + without["enabled_plugins"]
