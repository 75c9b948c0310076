"""RabbitMQ in the cluster: quorum queues, a user per service, exchanges for the declared topics.

Members find one another by their names alone: the plug-in for Kubernetes takes the StatefulSet's first pod for the one
to join (from RabbitMQ 4.1), so the pods have no token, and no list of members has to be kept.

Everything but queues is declared here and imported at every start: the virtual host, the exchanges, and users with the
rights that their topics give them. The server has no administrator and does not listen for management, unless its
definitions are backed up: then a Job, and nobody else, reaches that port and logs in as one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from derive import images, labels, naming, versions
from derive.cloud import Grant
from derive.mesh.graph import Links
from derive.quantities import memory_bytes
from derive.services.workloads import requirements
from derive.shapes import SecretPlan
from derive.stores import common, copies
from derive.stores.kind import Member, Place, Site, StoreKind, StorePlan, credentials_name
from manifests import apps, core, pods, scaling
from manifests.base import Manifest
from model import DeclarationError, RabbitMQ

METRICS: Final = 15692
"""Default port of the plug-in for Prometheus."""
PEERS: Final = {"tcp-epmd": 4369, "tcp-clustering": 25672}
"""Erlang's port mapper, and RabbitMQ's default port for talk between members."""
USER: Final = 999
"""The uid of ``rabbitmq`` in the official image."""
CONFIGURATION: Final = "/etc/rabbitmq"
"""Where the server looks by itself; the image's own settings there are replaced."""
SECRETS: Final = "/etc/rabbitmq-secrets"
DATA: Final = "/var/lib/rabbitmq"
HOME: Final = "/run/rabbitmq"
"""In memory: Erlang wants the cookie in a file that is the user's own and nobody else's."""
COOKIE: Final = "erlang-cookie"
DEFINITIONS: Final = "definitions.json"
START: Final = f'umask 077; cat {SECRETS}/{COOKIE} > "$HOME/.erlang.cookie"; exec rabbitmq-server'
DRAIN: Final = "rabbitmq-upgrade await_online_quorum_plus_one -t 60; rabbitmq-upgrade drain"
"""A member leaves once the others can decide without it, and its queues' leaders have moved."""
WATERMARK: Final = 0.6
"""Share of its memory from which publishers must wait (RabbitMQ's default)."""


MANAGEMENT: Final = 15672
"""Default port of the plug-in for management, which exports the definitions."""
BACKUP: Final = "_backup"
"""The server's only administrator; no service has such a name."""
BACKUP_PASSWORD: Final = "backup-password"


def configuration(store: RabbitMQ) -> str:
    """``rabbitmq.conf``. Memory is the container's, not the node's; of the volume as much stays free."""
    memory = memory_bytes(store.resources.memory_limit)
    lines = [
        f"listeners.tcp.default = {store.port}",
        "auth_mechanisms.1 = PLAIN",
        "auth_mechanisms.2 = AMQPLAIN",
        f"load_definitions = {SECRETS}/{DEFINITIONS}",
        f"total_memory_available_override_value = {memory}",
        f"vm_memory_high_watermark.relative = {WATERMARK}",
        f"disk_free_limit.absolute = {memory}",
        "cluster_partition_handling = pause_minority",
        "log.console = true",
        "log.file = false",
        f"prometheus.tcp.port = {METRICS}",
        "prometheus.return_per_object_metrics = true",
    ]
    if store.members > 1:
        growing = "quorum_queue.continuous_membership_reconciliation"
        lines += [
            "cluster_formation.peer_discovery_backend = k8s",
            # Of every virtual host: a queue of any other type has one copy.
            "default_queue_type = quorum",
            # A queue declared while a member was missing gets its copy there later.
            f"{growing}.enabled = true",
            f"{growing}.target_group_size = {min(store.members, 3)}",
        ]
    if store.backup:
        # Statistics are Prometheus' business.
        lines += [f"management.tcp.port = {MANAGEMENT}", "management.disable_stats = true"]
    return "\n".join(lines) + "\n"


def plugins(store: RabbitMQ) -> str:
    """What is asked of the store beyond AMQP."""
    found = ["rabbitmq_prometheus"]
    if store.members > 1:
        found.append("rabbitmq_peer_discovery_k8s")
    if store.backup:
        found.append("rabbitmq_management")
    return f"[{','.join(found)}].\n"


def definitions(place: Place, passwords: Mapping[str, str], backup: str | None = None) -> dict[str, Any]:
    """What the server imports. ``passwords`` by user; ``backup``: the password of whoever exports the definitions,
    which only an administrator may; it has no rights in the virtual host."""
    vhost = place.system
    administrator = [{"name": BACKUP, "password": backup, "tags": ["administrator"]}] if backup else []
    return {
        "vhosts": [{"name": vhost, "metadata": {"default_queue_type": "quorum"}}],
        "users": [{"name": user, "password": password, "tags": []} for user, password in passwords.items()]
        + administrator,
        "permissions": [{"user": user, "vhost": vhost, **rights(user, place)} for user in passwords],
        "exchanges": [
            {
                "name": topic.name,
                "vhost": vhost,
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for topic in place.topics
        ],
    }


def own_prefix(user: str) -> str:
    """What a user's queues and exchanges are called; no topic's name has a colon."""
    return f"{user}:"


def rights(user: str, place: Place) -> dict[str, str]:
    """Names that a user may declare, write to and read from.

    To bind a queue is to write to it and to read from the exchange. The nameless exchange, which leads to every queue,
    belongs to nobody.
    """
    published = [topic.name for topic in place.topics if user in topic.publishers]
    subscribed = [topic.name for topic in place.topics if user in topic.subscribers]

    def names(topics: Iterable[str]) -> str:
        return f"^({'|'.join([f'{own_prefix(user)}.*', *map(re.escape, topics)])})$"

    return {"configure": names(()), "write": names(published), "read": names(subscribed)}


def members(store: RabbitMQ, place: Place) -> tuple[Member, ...]:
    several = store.members > 1
    server = Member(
        store.name,
        (store.port,),
        front=True,
        peers=tuple(PEERS.values()) if several else (),
        among=(naming.headless(store.name),) if several else (),
        metrics=METRICS,
        in_mesh=store.in_mesh,
    )
    return (server, *((copies.member(store.name, MANAGEMENT, place, store.backup),) if store.backup else ()))


def grants(store: RabbitMQ, place: Place) -> tuple[Grant, ...]:
    return copies.grants(store.name, store.backup, DEFINITIONS, place) if store.backup else ()


def password(store: str, user: str) -> str:
    """Name of a user's generated password."""
    return f"{store}-user-{user}"


def cookie(store: str) -> str:
    """Name of the secret by which members know one another."""
    return f"{store}-cookie"


def backup_password(store: str) -> str:
    return f"{store}-backup"


def secrets(store: RabbitMQ, place: Place) -> Iterable[SecretPlan]:
    """At home the members' cookie and the definitions; beside each user its own credentials."""
    known = {user: f"{{{password(store.name, user)}}}" for user in place.users}
    backup = backup_password(store.name) if store.backup else None
    yield SecretPlan(
        name=credentials_name(store.name),
        namespace=place.namespace,
        passwords={COOKIE: cookie(store.name)} | ({BACKUP_PASSWORD: backup} if backup else {}),
        templates={
            DEFINITIONS: json.dumps(definitions(place, known, f"{{{backup}}}" if backup else None), indent=2),
        },
    )
    for user, space in place.spaces.items():
        yield SecretPlan(
            name=credentials_name(store.name, user),
            namespace=space,
            literals={"username": user},
            passwords={"password": password(store.name, user)},
        )


def variables(store: RabbitMQ, place: Place, service: str, prefix: str) -> Iterable[Manifest]:
    """``<prefix>_QUEUES`` is what the names of the service's own queues begin with."""
    own = credentials_name(store.name, service)
    yield pods.value(f"{prefix}_HOST", naming.fqdn(store.name, place.namespace))
    yield pods.value(f"{prefix}_PORT", str(store.port))
    yield pods.value(f"{prefix}_VHOST", place.system)
    yield pods.secret_value(f"{prefix}_USER", own, "username")
    yield pods.secret_value(f"{prefix}_PASSWORD", own, "password")
    yield pods.value(f"{prefix}_QUEUES", own_prefix(service))


def plans(store: RabbitMQ, place: Place, links: Mapping[str, Links], site: Site) -> dict[str, StorePlan]:
    """ServiceAccount, ConfigMap, Service, headless Service, StatefulSet, and for several members a disruption budget.

    Raises DeclarationError for members that could not decide, and for a volume that could never be free enough.
    """
    _check(store)
    name, own = store.name, links[store.name]
    config = {"rabbitmq.conf": configuration(store), "enabled_plugins": plugins(store)}
    objects = [
        core.service_account(name, place.namespace),
        core.config_map(f"{name}-config", place.namespace, config),
        common.service(own, "tcp-amqp", store.port, None, {"tcp-management": MANAGEMENT} if store.backup else {}),
        common.headless(own, tuple(PEERS.items())),
        _stateful_set(store, place, own, {**site.annotations(own), **common.configuration_hash(config)}, site),
    ]
    if store.members > 1:
        objects.append(scaling.pod_disruption_budget(name, place.namespace, own.workload.selector))
    found = {name: StorePlan(tuple(objects), store.members, (store.resources,), store.members)}
    if store.backup:
        jobs = links[copies.name_of(name)]
        found[jobs.workload.name] = copies.plan(
            name, store.backup, DEFINITIONS, "64Mi", fetch(store, place), jobs, site
        )
    return found


def fetch(store: RabbitMQ, place: Place) -> Manifest:
    """The password stays out of the command line, which every process of the pod can read."""
    url = f"http://{naming.fqdn(store.name, place.namespace)}:{MANAGEMENT}/api/definitions"
    curl = f"curl --config - --fail --silent --show-error --output {copies.ROOM}/{DEFINITIONS} {url}"
    return pods.container(
        "fetch",
        versions.CURL_IMAGE,
        requirements(copies.FETCHING),
        env=[pods.secret_value("PASSWORD", credentials_name(store.name), BACKUP_PASSWORD)],
        mounts=[pods.mount("copy", copies.ROOM)],
        command=["sh", "-c", f'printf \'user = "{BACKUP}:%s"\' "$PASSWORD" | {curl}'],
    )


def _check(store: RabbitMQ) -> None:
    place = f"stores['{store.name}']"
    if store.members % 2 == 0:
        raise DeclarationError(
            f"store '{store.name}' has {store.members} members: when they part in halves, neither half goes on; "
            f"set {place}.members to {store.members - 1} or {store.members + 1}"
        )
    if memory_bytes(store.size) < 2 * memory_bytes(store.resources.memory_limit):
        raise DeclarationError(
            f"store '{store.name}' stops publishers when less than {store.resources.memory_limit} of its volume is "
            f"free, which leaves too little of {store.size}; raise {place}.size or lower its memory_limit"
        )


def _stateful_set(store: RabbitMQ, place: Place, links: Links, annotations: dict[str, str], site: Site) -> Manifest:
    name, workload, several = store.name, links.workload, store.members > 1
    template = pods.pod_template(
        labels.pod(name, workload.tier, links.metrics),
        annotations,
        account=name,
        user=USER,
        containers=[_server(store, place)],
        volumes=[
            pods.config_volume("config", f"{name}-config"),
            pods.secret_volume("secrets", credentials_name(name), [COOKIE, DEFINITIONS]),
            pods.empty_dir("home", "16Mi", in_memory=True),
            pods.scratch("64Mi"),
        ],
        spread_by=workload.selector if several else None,
        grace=180,
    )
    return apps.stateful_set(
        name,
        workload.namespace,
        naming.headless(name),
        workload.selector,
        template,
        store.members,
        [apps.volume_claim("data", store.size, site.storage_class)],
        labels.workload(name, workload.tier),
        parallel=several,
    )


def _server(store: RabbitMQ, place: Place) -> Manifest:
    """Ready when it accepts clients. Its name is the pod's, so a member stays itself wherever it runs."""
    domain = naming.fqdn(naming.headless(store.name), place.namespace)
    socket = {"tcpSocket": {"port": store.port}}
    ports = [("amqp", store.port), ("metrics", METRICS)]
    if store.members > 1:
        ports += [(port.removeprefix("tcp-"), number) for port, number in PEERS.items()]
    if store.backup:
        ports.append(("management", MANAGEMENT))
    return pods.container(
        "rabbitmq",
        images.rabbitmq_image(store),
        requirements(store.resources),
        ports=ports,
        env=[
            pods.field_value("POD_NAME", "metadata.name"),
            pods.value("RABBITMQ_NODENAME", f"rabbit@$(POD_NAME).{domain}"),
            pods.value("RABBITMQ_USE_LONGNAME", "true"),
            pods.value("RABBITMQ_MNESIA_BASE", f"{DATA}/mnesia"),
            pods.value("RABBITMQ_LOG_BASE", f"{DATA}/log"),
            pods.value("HOME", HOME),
        ],
        mounts=[
            pods.mount("data", DATA),
            pods.mount("home", HOME),
            pods.mount("config", CONFIGURATION, read_only=True),
            pods.mount("secrets", SECRETS, read_only=True),
            pods.scratch_mount(),
        ],
        command=["sh", "-c", START],
        lifecycle=pods.before_stop(["sh", "-c", DRAIN]) if store.members > 1 else None,
        startupProbe={**socket, "periodSeconds": 5, "failureThreshold": 120},
        readinessProbe={**socket, "periodSeconds": 10},
        livenessProbe=pods.exec_probe(["rabbitmq-diagnostics", "-q", "ping"], period=60, timeout=20),
    )


KIND: Final = StoreKind("AMQP", members, secrets, variables, plans, grants=grants)
