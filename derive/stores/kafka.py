"""Kafka in the cluster, in KRaft mode: every member is broker and controller; the lag of consumers is measured.

Services are told apart by the mesh, not by Kafka: who does not use the store does not reach it. A single broker sends
its clients to the store's own name; of several, each sends them to its own.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from derive import images, labels, naming
from derive.mesh.graph import Links
from derive.quantities import memory_bytes
from derive.services.discovery import metrics_port
from derive.services.workloads import USER as ANYBODY
from derive.services.workloads import requirements
from derive.shapes import SecretPlan
from derive.stores import common
from derive.stores.kind import Member, Place, Site, StoreKind, StorePlan
from manifests import apps, core, pods, scaling
from manifests.base import Manifest
from model import DeclarationError, Kafka

PEERS: Final = {"tcp-controller": 9093, "tcp-brokers": 9094}
METRICS: Final = 9308
"""Default port of kafka_exporter (Prometheus' list of port allocations)."""
USER: Final = 1000
"""The uid of ``appuser`` in the official image."""
VOLUME: Final = "/var/lib/kafka"
DATA: Final = f"{VOLUME}/data"
"""Below the volume's root: Kafka takes every directory beside its own for a partition that it cannot read."""
CONFIGURATION: Final = "/etc/kafka-configuration"
PROPERTIES: Final = "server.properties"
"""Of each member, after its own name and a dot."""
LOGGING: Final = "log4j2.yaml"
CONSOLE: Final = """\
Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        ref: STDOUT
"""
"""Kafka's own configuration writes files as well, which nobody would read or delete."""


def hosts(store: Kafka, place: Place) -> tuple[str, ...]:
    """Each member's own name."""
    domain = naming.fqdn(naming.headless(store.name), place.namespace)
    return tuple(f"{store.name}-{index}.{domain}" for index in range(store.brokers))


def cluster_id(store: Kafka, place: Place) -> str:
    """What members check before they join: 16 bytes in base64. The first letter is no dash, for the command line."""
    digest = sha256(f"{place.system}/{store.name}".encode()).digest()[:16]
    return urlsafe_b64encode(bytes((digest[0] & 0x7F, *digest[1:]))).decode().rstrip("=")


def configuration(store: Kafka, place: Place, index: int) -> str:
    """One member's. No topic asks for more copies than there are brokers."""
    copies = min(store.brokers, 3)
    safe = max(copies - 1, 1)
    controller, brokers = PEERS.values()
    members = hosts(store, place)
    voters = (f"{number}@{host}:{controller}" for number, host in enumerate(members))
    door = members[index] if store.brokers > 1 else naming.fqdn(store.name, place.namespace)
    lines = [
        "process.roles=broker,controller",
        f"node.id={index}",
        f"controller.quorum.voters={','.join(voters)}",
        "controller.listener.names=CONTROLLER",
        "inter.broker.listener.name=BROKERS",
        f"listeners=CLIENTS://:{store.port},BROKERS://:{brokers},CONTROLLER://:{controller}",
        f"advertised.listeners=CLIENTS://{door}:{store.port},BROKERS://{members[index]}:{brokers}",
        "listener.security.protocol.map=CLIENTS:PLAINTEXT,BROKERS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        f"log.dirs={DATA}",
        f"default.replication.factor={copies}",
        f"min.insync.replicas={safe}",
        f"offsets.topic.replication.factor={copies}",
        f"transaction.state.log.replication.factor={copies}",
        f"transaction.state.log.min.isr={safe}",
        f"share.coordinator.state.topic.replication.factor={copies}",
        f"share.coordinator.state.topic.min.isr={safe}",
    ]
    return "\n".join(lines) + "\n"


def start(store: Kafka, place: Place) -> str:
    """Storage that is formatted once, and the server, by the member's own properties."""
    file = f"{CONFIGURATION}/$POD_NAME.{PROPERTIES}"
    return "\n".join(
        [
            "set -eu",
            "cd /opt/kafka/bin",
            f'./kafka-storage.sh format --ignore-formatted --cluster-id={cluster_id(store, place)} --config="{file}"',
            f'exec ./kafka-server-start.sh "{file}"',
        ]
    )


def exporter_name(store: Kafka) -> str:
    return f"{store.name}-exporter"


def members(store: Kafka, place: Place) -> tuple[Member, ...]:
    several = store.brokers > 1
    headless = (naming.headless(store.name),)
    server = Member(
        store.name,
        (store.port,),
        front=True,
        peers=tuple(PEERS.values()) if several else (),
        among=headless if several else (),
        services=headless if several else (),
        in_mesh=store.in_mesh,
    )
    return (server, Member(exporter_name(store), reaches={store.name: (store.port,)}, metrics=METRICS))


def secrets(store: Kafka, place: Place) -> Iterable[SecretPlan]:
    return ()


def variables(store: Kafka, place: Place, service: str, prefix: str) -> Iterable[Manifest]:
    yield pods.value(f"{prefix}_BOOTSTRAP_SERVERS", f"{naming.fqdn(store.name, place.namespace)}:{store.port}")


def plans(store: Kafka, place: Place, links: Mapping[str, Links], site: Site) -> dict[str, StorePlan]:
    """The brokers, and the exporter. Raises DeclarationError for brokers that could not decide."""
    if store.brokers % 2 == 0:
        raise DeclarationError(
            f"store '{store.name}' has {store.brokers} brokers, which are its controllers, too: of two halves neither "
            f"goes on; set stores['{store.name}'].brokers to {store.brokers - 1} or {store.brokers + 1}"
        )
    own, watching = links[store.name], links[exporter_name(store)]
    return {
        store.name: _brokers(store, place, own, site),
        exporter_name(store): _exporter(store, place, watching, site),
    }


def _brokers(store: Kafka, place: Place, links: Links, site: Site) -> StorePlan:
    """ServiceAccount, ConfigMap, Service, headless Service, StatefulSet; for several also a disruption budget."""
    name, workload, several = store.name, links.workload, store.brokers > 1
    own = {f"{name}-{index}.{PROPERTIES}": configuration(store, place, index) for index in range(store.brokers)}
    config = {**own, LOGGING: CONSOLE}
    template = pods.pod_template(
        labels.pod(name, workload.tier, links.metrics),
        {**site.annotations(links), **common.configuration_hash(config)},
        account=name,
        user=USER,
        containers=[_server(store, place)],
        volumes=[pods.config_volume("config", f"{name}-config"), pods.scratch("256Mi")],
        spread_by=workload.selector if several else None,
        grace=120,
    )
    objects = [
        core.service_account(name, place.namespace),
        core.config_map(f"{name}-config", place.namespace, config),
        common.service(links, "tcp-kafka", store.port, None),
        common.headless(links, (*PEERS.items(), *((("tcp-kafka", store.port),) if several else ()))),
        apps.stateful_set(
            name,
            place.namespace,
            naming.headless(name),
            workload.selector,
            template,
            store.brokers,
            [apps.volume_claim("data", store.size, site.storage_class)],
            labels.workload(name, workload.tier),
            parallel=several,
        ),
    ]
    if several:
        objects.append(scaling.pod_disruption_budget(name, place.namespace, workload.selector))
    return StorePlan(tuple(objects), store.brokers, (store.resources,), store.brokers)


def _server(store: Kafka, place: Place) -> Manifest:
    """Half of the memory is the heap's; the rest is for the JVM itself and the pages of the log."""
    heap = memory_bytes(store.resources.memory_limit) // 2
    socket = {"tcpSocket": {"port": store.port}}
    ports = [("kafka", store.port), *((port.removeprefix("tcp-"), number) for port, number in PEERS.items())]
    return pods.container(
        "kafka",
        images.kafka_image(store),
        requirements(store.resources),
        ports=ports,
        env=[
            pods.field_value("POD_NAME", "metadata.name"),
            pods.value("KAFKA_HEAP_OPTS", f"-Xms{heap} -Xmx{heap}"),
            pods.value("KAFKA_LOG4J_OPTS", f"-Dlog4j2.configurationFile={CONFIGURATION}/{LOGGING}"),
            pods.value("EXTRA_ARGS", "-name kafkaServer"),
            pods.value("LOG_DIR", f"{pods.scratch_mount()['mountPath']}/logs"),
        ],
        mounts=[
            pods.mount("data", VOLUME),
            pods.mount("config", CONFIGURATION, read_only=True),
            pods.scratch_mount(),
        ],
        command=["sh", "-c", start(store, place)],
        startupProbe={**socket, "periodSeconds": 5, "failureThreshold": 60},
        readinessProbe={**socket, "periodSeconds": 10},
        livenessProbe={**socket, "periodSeconds": 20, "failureThreshold": 6},
    )


def _exporter(store: Kafka, place: Place, links: Links, site: Site) -> StorePlan:
    name, workload = links.workload.name, links.workload
    server = f"{naming.fqdn(store.name, place.namespace)}:{store.port}"
    arguments = [f"--kafka.server={server}", f"--web.listen-address=:{METRICS}"]
    exporter = common.exporter(images.KAFKA_EXPORTER, METRICS, [], args=arguments)
    template = pods.pod_template(
        labels.pod(name, workload.tier, links.metrics),
        site.annotations(links),
        account=name,
        user=ANYBODY,
        containers=[{**exporter, "readinessProbe": pods.tcp_probe(METRICS)}],
    )
    own = labels.service(name, workload.tier, links.metrics)
    objects = (
        core.service_account(name, place.namespace),
        core.service(name, place.namespace, workload.selector, [metrics_port(METRICS)], own),
        apps.deployment(
            name,
            place.namespace,
            workload.selector,
            template,
            1,
            max_surge=1,
            max_unavailable=0,
            deadline=300,
            labels=labels.workload(name, workload.tier),
        ),
    )
    # One more during a rollout.
    return StorePlan(objects, 2, (common.EXPORTER_RESOURCES,), 0)


KIND: Final = StoreKind("KAFKA", members, secrets, variables, plans)
