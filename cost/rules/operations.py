"""Keys, secrets, logs, alarms, functions, queues, detection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from cost.errors import Unpriced
from cost.resources import Resource
from cost.world import MILLION, TEN_THOUSAND, THOUSAND, Charge, Rule, World

DAYS: Final = 30
"""Of a month, for what a log group holds at a time."""
MEBIBYTES: Final = Decimal(1024)
MEMORY: Final = 128
"""MiB of a function that states none (AWS Lambda API, CreateFunction)."""


def key(world: World, item: Resource) -> Iterator[Charge]:
    yield world.charge("kms.key", 1)
    yield world.requests("kms.requests", "kms.requests", TEN_THOUSAND)


def secret(world: World, item: Resource) -> Iterator[Charge]:
    """One secret, and one more in every region that it is replicated to."""
    yield world.charge("secrets.secret", 1 + len(item.rows("replicas")))
    yield world.requests("secrets.requests", "secrets.requests", TEN_THOUSAND)


def log_group(world: World, item: Resource) -> Iterator[Charge]:
    """What comes in, and what is kept until its retention ends."""
    if item.get("logGroupClass") not in (None, "", "STANDARD"):
        raise Unpriced(f"a log group of class {item.get('logGroupClass')} is not understood")
    gigabytes = world.usage["logs.gb"]
    days = Decimal(str(item.get("retentionInDays") or world.usage["logs.endless_days"]))
    yield world.charge("cloudwatch.ingest.gb", gigabytes)
    yield world.charge("cloudwatch.stored.gb", gigabytes * world.usage["logs.stored_share"] * days / DAYS)


def alarm(world: World, item: Resource) -> Iterator[Charge]:
    """By the metrics that it watches."""
    yield world.charge("cloudwatch.alarm", max(1, sum(1 for row in item.rows("metricQueries") if row.get("metric"))))


def dashboard(world: World, item: Resource) -> Iterator[Charge]:
    yield world.charge("cloudwatch.dashboard", 1)


def function(world: World, item: Resource) -> Iterator[Charge]:
    architecture = (item.get("architectures") or ["x86_64"])[0]
    seconds = world.usage["lambda.requests"] * world.usage["lambda.milliseconds"] / THOUSAND
    yield world.requests("lambda.requests", "lambda.requests", MILLION)
    gigabytes = Decimal(str(item.get("memorySize") or MEMORY)) / MEBIBYTES
    yield world.charge(f"lambda.{architecture}.gb_second", seconds * gigabytes)


def topic(world: World, item: Resource) -> Iterator[Charge]:
    yield world.requests("sns.requests", "sns.requests", MILLION)


def queue(world: World, item: Resource) -> Iterator[Charge]:
    yield world.requests("sqs.requests", "sqs.requests", MILLION)


def parameter(world: World, item: Resource) -> Iterator[Charge]:
    """Standard parameters are free."""
    if item.get("tier") == "Advanced":
        yield world.charge("ssm.advanced", 1)


def detector(world: World, item: Resource) -> Iterator[Charge]:
    yield world.requests("guardduty.events", "guardduty.events", MILLION)
    yield world.charge("guardduty.gb", world.usage["guardduty.gb"])


def recorder(world: World, item: Resource) -> Iterator[Charge]:
    """By what it records: each change of anything, once."""
    yield world.charge("config.items", world.usage["config.items"])


RULES: Final[Mapping[str, Rule]] = {
    "aws:kms/key:Key": key,
    "aws:secretsmanager/secret:Secret": secret,
    "aws:cloudwatch/logGroup:LogGroup": log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": alarm,
    "aws:cloudwatch/dashboard:Dashboard": dashboard,
    "aws:lambda/function:Function": function,
    "aws:sns/topic:Topic": topic,
    "aws:sqs/queue:Queue": queue,
    "aws:ssm/parameter:Parameter": parameter,
    "aws:guardduty/detector:Detector": detector,
    "aws:cfg/recorder:Recorder": recorder,
}
