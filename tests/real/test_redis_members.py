"""Three members of Redis, each with its Sentinel and its door, as rendered: they replicate, fail over, and let nobody
do more than is meant."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from derive.stores import redis, redis_members
from derive.stores.kind import Place
from model import Backup, Redis, hours

pytestmark = [pytest.mark.tool("redis-server", "haproxy")]

STORE = Redis(name="cache", members=3, snapshot=hours(1), backup=Backup(schedule="0 * * * *"))
PLACE = Place(host=None, namespace="shop", users=(), spaces={})
HOSTS = redis_members.hosts(STORE, PLACE)
PARTS = ("default", "exporter", "sentinel", "replication", "backup")
PASSWORDS = {f"cache-{name}": f"{name}-password" for name in PARTS}
SERVER = redis_members.server_port(STORE)


@dataclass
class Member:
    """What a pod holds: a volume, and three processes on an address of its own."""

    address: str
    root: Path
    replace: Callable[[str], str]
    addresses: tuple[str, ...]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def lay_out(self) -> None:
        config = {"redis.conf": redis.configuration(STORE), **redis_members.files(STORE, PLACE)}
        secret = {redis.ACL_FILE: redis.acl(STORE), **redis_members.templates("cache")}
        (self.root / "data").mkdir(parents=True)
        for name, text in {**config, **{key: text.format_map(PASSWORDS) for key, text in secret.items()}}.items():
            (self.root / name).write_text(self.replace(self._own(text)))

    def _own(self, text: str) -> str:
        text = text.replace("/data", f"{self.root}/data").replace(redis.USERS, str(self.root))
        return text.replace("bind * -::*", f"bind {self.address}").replace("bind :", f"bind {self.address}:")

    def run(self, part: str) -> subprocess.Popen[bytes]:
        """One part of the program, or the door, with the environment of its container."""
        environment = {
            "PATH": os.environ["PATH"],
            "OWN": self.address,
            "MEMBERS": " ".join(self.addresses),
            "SERVER_PORT": str(SERVER),
            "SENTINEL_PORT": str(redis_members.SENTINEL_PORT),
            "QUORUM": "2",
            "SENTINEL_PASSWORD": PASSWORDS["cache-sentinel"],
            "EXPORTER_PASSWORD": PASSWORDS["cache-exporter"],
            "CONFIGURATION": str(self.root),
            "USERS": str(self.root),
            "DATA": f"{self.root}/data",
        }
        command = redis_members.command(str(self.root), part)
        if part == "door":
            command = ["haproxy", "-db", "-f", f"{self.root}/{redis_members.DOOR}"]
        with (self.root / f"{part}.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.processes[part] = process
        return process

    def start(self) -> None:
        for part in ("server", "sentinel", "door"):
            self.run(part)

    def kill(self) -> None:
        """As a lost machine: nothing is said, nothing is written."""
        for process in self.processes.values():
            process.kill()
            process.wait(timeout=10)

    def ask(self, port: int, *commands: str) -> list[str]:
        """The first line of each answer; empty if nobody answers."""
        try:
            with socket.create_connection((self.address, port), timeout=3) as connection:
                answers = connection.makefile("rb")
                found = []
                for command in commands:
                    connection.sendall(f"{command}\r\n".encode())
                    found.append(answers.readline().decode().strip())
                return found
        except OSError:
            return []

    def door(self, command: str) -> str:
        """As a client of the store."""
        return (self.ask(STORE.port, "AUTH default-password", command) or [""])[-1]

    def role(self) -> str:
        """``*3`` (a primary's answer) or ``*5`` (a replica's)."""
        return (self.ask(SERVER, "AUTH sentinel sentinel-password", "ROLE") or [""])[-1]


def until(holds: Callable[[], bool], members: list[Member], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            logs = "\n".join(f"{log}:\n{log.read_text()[-1500:]}" for m in members for log in m.root.glob("*.log"))
            pytest.fail(f"not within {seconds} s\n{logs}")
        time.sleep(0.1)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Member]]:
    """Three running members on loopback addresses that nobody else uses. Each test leaves them whole."""
    root = tmp_path_factory.mktemp("redis")
    network = f"127.{random.SystemRandom().randint(1, 254)}.{random.SystemRandom().randint(1, 254)}"
    addresses = tuple(f"{network}.{index}" for index in (1, 2, 3))

    def replace(text: str) -> str:
        for host, address in zip(HOSTS, addresses, strict=True):
            text = text.replace(host, address)
        return text

    found = [Member(address, root / address, replace, addresses) for address in addresses]
    for member in found:
        member.lay_out()
        member.start()
    try:
        until(lambda: found[1].door("WAIT 2 1") == ":2", found)
        yield found
    finally:
        for member in found:
            member.kill()


def primary_of(members: list[Member]) -> Member:
    return next(member for member in members if member.role() == "*3")


def settled(members: list[Member]) -> bool:
    """One primary, two replicas, and every Sentinel knows all the others: without them it decides nothing."""
    texts = [(member.root / "data/sentinel.conf").read_text() for member in members]
    known = all(text.count(f"sentinel known-{kind} ") == 2 for text in texts for kind in ("sentinel", "replica"))
    return known and sorted(member.role() for member in members) == ["*3", "*5", "*5"]


def test_users_may_what_they_need_and_nothing_else(members: list[Member]) -> None:
    """OR-DAT-12: a leaked password of one part opens no other."""
    first = members[0]
    assert first.ask(STORE.port, "PING") == ["-NOAUTH Authentication required."]
    refused = {
        "AUTH default-password": ["FLUSHALL", "CONFIG GET *", "REPLICAOF NO ONE", "PSYNC ? -1"],
        "AUTH exporter exporter-password": ["GET a", "SET a 1", "PUBLISH a b"],
        "AUTH replication replication-password": ["GET a", "INFO", "REPLICAOF NO ONE"],
        "AUTH sentinel sentinel-password": ["GET a", "SET a 1", "CONFIG GET *", "ACL LIST"],
    }
    for login, commands in refused.items():
        answers = first.ask(SERVER, login, *commands)
        assert answers[0] == "+OK"
        assert [answer[:7] for answer in answers[1:]] == ["-NOPERM"] * len(commands), (login, answers)
    sentinel = redis_members.SENTINEL_PORT
    assert first.ask(sentinel, "SENTINEL masters") == ["-NOAUTH Authentication required."]
    assert first.ask(sentinel, "AUTH default-password")[0].startswith("-WRONGPASS")
    answers = first.ask(sentinel, "AUTH sentinel sentinel-password", "SENTINEL remove primary", "ACL LIST")
    assert [answer[:7] for answer in answers[1:]] == ["-NOPERM"] * 2


def served(member: Member) -> int:
    """How often a server has been copied."""
    return (member.root / "server.log").read_text().count("asks for synchronization")


def test_the_backup_is_what_a_replica_would_get(members: list[Member]) -> None:
    """OR-BKP-03: through any door, by a user who may do nothing else."""
    second = members[1]
    until(lambda: second.door("SET kept forever") == "+OK", members)
    until(lambda: second.door("WAIT 2 1000") == ":2", members)
    primary = primary_of(members)
    before = served(primary)
    target = second.root / "dump.rdb"
    fetch = [*redis.fetch(STORE, PLACE)["command"]]
    fetch[fetch.index("-h") + 1], fetch[-1] = second.address, str(target)
    environment = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": "backup-password"}
    # A door finds out within a second that the replicas follow.
    until(lambda: subprocess.run(fetch, env=environment, capture_output=True, timeout=30).returncode == 0, members, 10)
    assert target.read_bytes()[:5] == b"REDIS"
    assert b"forever" in target.read_bytes()
    assert served(primary) == before, "Sentinels would take whoever copies the primary for a replica, for ever"
    answers = second.ask(STORE.port, "AUTH backup backup-password", "GET kept", "SET kept 1", "CONFIG GET *")
    assert [answer[:7] for answer in answers[1:]] == ["-NOPERM"] * 3


def test_a_primary_hands_over_before_it_stops(members: list[Member]) -> None:
    """A rollout must not cost the seconds in which a Sentinel waits for an answer."""
    until(lambda: settled(members), members)
    stopping = primary_of(members)
    left = [member for member in members if member is not stopping]
    assert left[0].run("hand-over").wait(timeout=10) == 0, "a replica has nothing to hand over"
    assert primary_of(members) is stopping
    assert stopping.run("hand-over").wait(timeout=10) == 0
    assert "*3" in [member.role() for member in left]
    stopping.kill()
    until(lambda: left[0].door("SET booking 5") == "+OK", members, seconds=6)
    stopping.start()
    until(lambda: stopping.role() == "*5", members)


def test_a_lost_primary_is_replaced(members: list[Member]) -> None:
    """OR-DAT-11: what was written is there, every door leads to the new one, the old one comes back as a replica."""
    until(lambda: settled(members), members)
    lost = primary_of(members)
    left = [member for member in members if member is not lost]
    until(lambda: [member.door("SET booking 1") for member in members] == ["+OK"] * 3, members)
    until(lambda: left[0].door("WAIT 2 1000") == ":2", members)
    lost.kill()
    until(lambda: left[0].door("INCR booking") == ":2", members)
    until(lambda: left[1].door("INCR booking") == ":3", members)
    lost.start()
    until(lambda: lost.role() == "*5", members)
    until(lambda: lost.door("WAIT 2 1000") == ":2", members)
    assert primary_of(members) in left


def test_a_lonely_primary_takes_no_writes(members: list[Member]) -> None:
    """What a primary accepts on the smaller side of a broken network is lost when the network is whole again."""
    until(lambda: sorted(member.role() for member in members) == ["*3", "*5", "*5"], members)
    primary = primary_of(members)
    others = [member for member in members if member is not primary]
    for member in others:
        member.kill()
    until(lambda: primary.door("SET a 1").startswith("-NOREPLICAS"), members)
    for member in others:
        member.start()
    until(lambda: primary.door("SET a 1") == "+OK", members)


@pytest.mark.tool("shellcheck")
def test_the_program_is_posix_shell() -> None:
    """The image's shell is BusyBox's."""
    program = Path(redis_members.__file__).parent / "files" / redis_members.PROGRAM
    checked = subprocess.run(["shellcheck", "--shell=sh", program], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
