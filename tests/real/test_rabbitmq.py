"""A real RabbitMQ with the rendered configuration, plug-ins and definitions: each user may do what is declared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pika  # type: ignore[import-untyped]  # the package ships no types
import pytest
from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]  # as above
from pika.exceptions import (  # type: ignore[import-untyped]  # as above
    AMQPConnectionError,
    ChannelClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from derive.stores import copies, place_of, rabbitmq
from derive.stores.kind import Place
from model import Backup, RabbitMQ, Service, System, Topic
from tests.ports import free_ports
from tests.unit.declared import shop

pytestmark = [pytest.mark.tool("rabbitmq-server", "epmd")]

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
"""Debian's programs in PATH insist on the user `rabbitmq`; these run as whoever starts them."""


def system(port: int) -> System:
    return shop(
        stores=(RabbitMQ(name="events", members=1, port=port, backup=Backup(schedule="0 3 * * *")),),
        services=tuple(Service(name=name, port=80, uses=("events",)) for name in ("booking", "mail", "reports")),
        topics=(
            Topic(name="booking.created", broker="events", publishers=("booking",), subscribers=("mail",)),
            Topic(name="mail.sent", broker="events", publishers=("mail",), subscribers=("reports",)),
        ),
    )


@dataclass(frozen=True)
class Broker:
    port: int
    metrics: int
    management: int
    environment: dict[str, str]

    @contextmanager
    def channel(self, user: str, password: str | None = None, vhost: str = "shop") -> Iterator[BlockingChannel]:
        login = pika.PlainCredentials(user, password or f"password-of-{user}")
        parameters = pika.ConnectionParameters("127.0.0.1", self.port, vhost, login, blocked_connection_timeout=10)
        connection = pika.BlockingConnection(parameters)
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            yield channel
        finally:
            if connection.is_open:
                connection.close()

    def control(self, *command: str) -> str:
        done = subprocess.run(
            [PROGRAMS / "rabbitmqctl", "-q", *command], env=self.environment, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, user: str, action: Callable[[BlockingChannel], object]) -> str:
        with self.channel(user) as channel, pytest.raises(ChannelClosedByBroker) as refusal:
            action(channel)
        return f"{refusal.value.reply_code} {refusal.value.reply_text}"


def lay_out(root: Path, declared: System, store: RabbitMQ, metrics: int, management: int) -> None:
    """The ConfigMap and the Secret as files; everything listens on the loopback alone."""
    place: Place = place_of(declared, store, {})
    server = next(plan for plan in rabbitmq.secrets(store, place) if plan.templates)
    text = server.templates[rabbitmq.DEFINITIONS]
    text = text.replace(f"{{{rabbitmq.backup_password(store.name)}}}", "password-of-backup")
    for user in place.users:
        text = text.replace(f"{{{rabbitmq.password(store.name, user)}}}", f"password-of-{user}")
    (root / rabbitmq.DEFINITIONS).write_text(text)
    (root / rabbitmq.COOKIE).write_text("not-used-anywhere")
    (root / "enabled_plugins").write_text(rabbitmq.plugins(store))
    configuration = rabbitmq.configuration(store).replace(rabbitmq.SECRETS, str(root))
    configuration = configuration.replace("tcp.default = ", "tcp.local = 127.0.0.1:")
    configuration = configuration.replace(f"tcp.port = {rabbitmq.METRICS}", f"tcp.port = {metrics}")
    configuration = configuration.replace(f"tcp.port = {rabbitmq.MANAGEMENT}", f"tcp.port = {management}")
    (root / "rabbitmq.conf").write_text(
        f"{configuration}prometheus.tcp.ip = 127.0.0.1\nmanagement.tcp.ip = 127.0.0.1\n"
    )


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Started by the pod's own command."""
    root = tmp_path_factory.mktemp("rabbitmq")
    port, metrics, management, mapper, distribution = free_ports(5)
    declared = system(port)
    store = declared.store("events")
    assert isinstance(store, RabbitMQ)
    lay_out(root, declared, store, metrics, management)
    environment = {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "HOME": str(root),
        "RABBITMQ_NODENAME": "rabbit@localhost",
        "RABBITMQ_MNESIA_BASE": f"{root}/data",
        "RABBITMQ_LOG_BASE": f"{root}/log",
        "RABBITMQ_CONFIG_FILE": f"{root}/rabbitmq.conf",
        "RABBITMQ_CONFIG_FILES": f"{root}/none",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{root}/enabled_plugins",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "LANG": "C.UTF-8",
    }
    found = Broker(port, metrics, management, environment)
    names = subprocess.Popen([shutil.which("epmd") or "epmd"], env=environment, stderr=subprocess.DEVNULL)
    with (root / "console").open("wb") as console:
        command = ["sh", "-c", rabbitmq.START.replace(rabbitmq.SECRETS, str(root))]
        server = subprocess.Popen(command, env=environment, stdout=console, stderr=console)
    try:
        wait(found, root / "console")
        yield found
    finally:
        server.terminate()
        server.wait(timeout=30)
        names.terminate()
        names.wait(timeout=10)


def wait(broker: Broker, console: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with broker.channel("reports"):
                return
        except AMQPConnectionError:
            if time.monotonic() > deadline:
                pytest.fail(console.read_text()[-3000:])
            time.sleep(0.2)


def test_events_reach_their_subscribers_through_quorum_queues(broker: Broker) -> None:
    """OR-MSG-02: a queue that says nothing of its type survives the loss of a member."""
    with broker.channel("mail") as channel:
        channel.queue_declare("mail:bookings", durable=True)
        channel.queue_bind("mail:bookings", "booking.created", "#")
    with broker.channel("booking") as channel:
        channel.basic_publish("booking.created", "de", b"42")
    with broker.channel("mail") as channel:
        assert channel.basic_get("mail:bookings", auto_ack=True)[2] == b"42"
        channel.exchange_declare("mail:dead", durable=True)
        channel.queue_declare(
            "mail:retry", durable=True, arguments={"x-message-ttl": 1000, "x-dead-letter-exchange": "mail:dead"}
        )
    assert sorted(broker.control("list_queues", "-p", "shop", "name", "type").split("\n")[1:3]) == [
        "mail:bookings\tquorum",
        "mail:retry\tquorum",
    ]


@pytest.mark.parametrize(
    ("user", "action"),
    [
        ("mail", lambda it: it.basic_publish("booking.created", "", b"forged")),
        ("reports", lambda it: it.basic_publish("mail.sent", "", b"forged")),
        ("reports", lambda it: it.basic_publish("", "mail:bookings", b"past every exchange")),
        ("reports", lambda it: it.basic_get("mail:bookings")),
        ("reports", lambda it: it.queue_purge("mail:bookings")),
        ("reports", lambda it: it.queue_declare("anything", durable=True)),
        ("reports", lambda it: it.exchange_declare("anything", durable=True)),
        ("booking", lambda it: it.exchange_delete("booking.created")),
        ("booking", lambda it: it.exchange_declare("mail.sent", "topic", durable=True)),
    ],
)
def test_nobody_reaches_beyond_its_topics(
    broker: Broker, user: str, action: Callable[[BlockingChannel], object]
) -> None:
    assert broker.refused(user, action).startswith("403 ACCESS_REFUSED")


def test_nobody_listens_to_topics_of_others(broker: Broker) -> None:
    """What a service does not subscribe to is none of its business, by whatever queue."""

    def listen(channel: BlockingChannel) -> None:
        channel.queue_declare("reports:secret", durable=True)
        channel.queue_bind("reports:secret", "booking.created", "#")

    assert broker.refused("reports", listen).startswith("403 ACCESS_REFUSED")


def test_nobody_else_gets_in(broker: Broker) -> None:
    """The server's own default user would be an administrator with a known password."""
    for user, password in (("guest", "guest"), ("mail", "password-of-booking"), ("mail", "guess")):
        with pytest.raises(ProbableAuthenticationError), broker.channel(user, password):
            pass
    with pytest.raises(ProbableAccessDeniedError), broker.channel("mail", vhost="/"):
        pass
    users = dict(line.split("\t") for line in broker.control("list_users").strip().split("\n")[1:])
    assert users == {"booking": "[]", "mail": "[]", "reports": "[]", "_backup": "[administrator]"}
    with pytest.raises(ProbableAccessDeniedError), broker.channel("_backup", "password-of-backup"):
        pass


def test_queues_are_measured_one_by_one(broker: Broker) -> None:
    """OR-OBS-04: an alert or an autoscaler asks for the depth of one queue."""
    with broker.channel("reports") as channel:
        channel.queue_declare("reports:mails", durable=True)
    wanted, deadline = 'rabbitmq_queue_messages_ready{vhost="shop",queue="reports:mails"} 0', time.monotonic() + 20
    while wanted not in metrics_of(broker):
        assert time.monotonic() < deadline, metrics_of(broker)
        time.sleep(0.5)


def metrics_of(broker: Broker) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{broker.metrics}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.tool("curl")
def test_the_backup_restores_what_services_declared(broker: Broker, tmp_path: Path) -> None:
    """OR-BKP-03: the Job's own command; nobody else gets the definitions, which hold every user's password hash."""
    with broker.channel("mail") as channel:
        channel.queue_declare("mail:kept", durable=True)
        channel.queue_bind("mail:kept", "booking.created", "#")
    declared = system(broker.port)
    store = declared.store("events")
    assert isinstance(store, RabbitMQ)
    command = rabbitmq.fetch(store, place_of(declared, store, {}))["command"]
    text = command[-1].replace(f"events.shop.svc.cluster.local:{rabbitmq.MANAGEMENT}", f"127.0.0.1:{broker.management}")
    environment = {"PATH": os.environ["PATH"], "PASSWORD": "password-of-backup"}
    script = [*command[:-1], text.replace(copies.ROOM, str(tmp_path))]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / rabbitmq.DEFINITIONS).read_text())
    assert {"mail:kept"} <= {queue["name"] for queue in found["queues"]}
    assert ("booking.created", "mail:kept") in {(item["source"], item["destination"]) for item in found["bindings"]}
    environment["PASSWORD"] = "password-of-mail"
    for name in (rabbitmq.BACKUP, "mail"):
        script[-1] = text.replace(rabbitmq.BACKUP, name).replace(copies.ROOM, str(tmp_path))
        assert subprocess.run(script, env=environment, capture_output=True, timeout=30).returncode != 0
