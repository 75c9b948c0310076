"""What is measured. Each case is a function from a folder to figures, and runs in a process of its own.

``python -m benchmarks.cases NAME FOLDER`` prints the figures of one case as JSON. The folder outlives the case, so
that a second case can go on from what the first one saved.
"""

from __future__ import annotations

import importlib
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import yaml

from audit.scope import Scope
from benchmarks import registration, scale
from derive.plan import SystemPlan, system_plan
from derive.shapes import Deployment, Facts, Part
from model import System
from sandbox.events import Result
from sandbox.provider import Package
from sandbox.run import run
from tests.audit.planned import REGION, judged, planned
from wheelhouse import project
from wheelhouse.providers import packages

Figures = dict[str, float]

ROOT: Final = Path(__file__).resolve().parent.parent
PASSPHRASE: Final = "benchmark"
GROUPS: Final = 100
RULES: Final = 49
"""Rules per security group: with it and the VPC, 100 groups of 50 resources are about 5,000."""

PAIRS: Final = 7
FEW_PAIRS: Final = 3
"""Previews of either program; the figure is the median of their ratios."""

MANY: Final = f"""
import pulumi
import pulumi_aws as aws

vpc = aws.ec2.Vpc("main", cidr_block="10.0.0.0/16")
for group in range({GROUPS}):
    owner = aws.ec2.SecurityGroup(f"group-{{group}}", vpc_id=vpc.id, description="benchmark")
    for rule in range({RULES}):
        aws.ec2.SecurityGroupRule(
            f"group-{{group}}-rule-{{rule}}",
            type="ingress",
            security_group_id=owner.id,
            protocol="tcp",
            from_port=8000 + rule,
            to_port=8000 + rule,
            cidr_blocks=["10.0.0.0/16"],
        )
pulumi.export("vpc", vpc.id)
"""


def derivation(_: Path) -> Figures:
    """Derive a system of a thousand services, and write as many objects as YAML, which is what a template costs."""
    seconds = {}
    for services in (scale.FEWER, scale.SERVICES):
        started = time.process_time()
        system = scale.declared(services)
        declared = time.process_time()
        plan, seconds[services] = _derived(system, "dev")
    objects = [item for part in _parts(plan) for item in part.objects]
    started_plain = time.process_time()
    yaml.dump_all(objects, Dumper=yaml.CSafeDumper, sort_keys=False)
    plain = time.process_time() - started_plain
    return {
        "declare_seconds": declared - started,
        "derive_seconds": seconds[scale.SERVICES],
        "to_plain": seconds[scale.SERVICES] / plain,
        "growth": _growth(seconds),
        "resources": len(objects),
        "changed": 0,
    }


def audit(_: Path) -> Figures:
    """Audit what is planned of a system of a thousand services."""
    seconds = {}
    for services in (scale.FEWER, scale.SERVICES):
        system = scale.declared(services)
        registered = planned(system)
        started = time.process_time()
        report = judged(registered, Scope(system, "dev", REGION))
        seconds[services] = time.process_time() - started
        if report.differences:
            raise SystemExit(f"{services} services are not as declared: {report.differences[0].text}")
    return {"seconds": seconds[scale.SERVICES], "cpu_seconds": seconds[scale.SERVICES], "growth": _growth(seconds)}


def _growth(seconds: Mapping[int, float]) -> float:
    """How much more than in proportion a larger system takes: 1 is linear."""
    return seconds[scale.SERVICES] / seconds[scale.FEWER] / (scale.SERVICES / scale.FEWER)


def _parts(plan: SystemPlan) -> tuple[Part, ...]:
    found = plan.application
    return (*found.namespaces, *found.stores, *found.services, *found.edge)


def _derived(system: System, name: str) -> tuple[SystemPlan, float]:
    """An environment's plan, and the CPU seconds that it took."""
    started = time.process_time()
    plan = system_plan(Deployment(system, name, system.environments[name], Facts("eu-west-1")))
    return plan, time.process_time() - started


def stacks(folder: Path) -> Figures:
    """Bring the project's default stacks up, from nothing or from what the folder holds."""
    found = project.find(ROOT)
    started = time.monotonic()
    providers = packages()
    results = [_up(found.root, name, folder, providers) for name in found.choose(())]
    return _figures(results, time.monotonic() - started)


def many(folder: Path) -> Figures:
    """Bring about 5,000 AWS resources up."""
    root = _project(folder, "many", MANY)
    started = time.monotonic()
    return _figures([_up(root, "dev", folder, packages())], time.monotonic() - started)


def components(folder: Path) -> Figures:
    """The default system through the components, and registered raw."""
    return _registration(folder, "fitsync", PAIRS)


def large(folder: Path) -> Figures:
    """The same for a system of a thousand services."""
    return _registration(folder, scale.add(scale.SERVICES, folder), FEW_PAIRS)


def _registration(folder: Path, system: str, pairs: int) -> Figures:
    """Preview an environment through the components, derivation included, and its resources registered raw, in turns.

    In CPU time, as the two share one machine's noise.
    """
    found, real = project.find(ROOT), packages()
    *others, stack = found.choose(())
    config = {"system": system}
    for name in others:
        _up(found.root, name, folder, real)
    _up(found.root, stack, folder, real, config)
    for module in ("stacks.environment", "stacks.hub"):
        importlib.import_module(module)  # what a program is the first to import is read again by its next run
    backend, idle = folder / "stacks", registration.idle(real)
    registration.RESOURCES.extend(registration.saved(backend, found.name, stack, PASSPHRASE))
    raw = _project(folder, "raw", registration.PROGRAM)
    _up(raw, "dev", folder, idle)
    ratios = []
    for _ in range(pairs + 1):
        through = registration.cpu_seconds(stack, found.root, backend, idle, PASSPHRASE, config)
        plain = registration.cpu_seconds("dev", raw, backend, idle, PASSPHRASE)
        ratios.append(through / plain)
    ratio = statistics.median(ratios[1:])  # the first pair warms the process up
    return {"ratio": ratio, "resources": len(registration.RESOURCES), "changed": 0}


CASES: Final[Mapping[str, Callable[[Path], Figures]]] = {
    "derivation": derivation,
    "stacks": stacks,
    "many": many,
    "components": components,
    "large": large,
    "audit": audit,
}


def _project(folder: Path, name: str, program: str) -> Path:
    """A project with one stack, ``dev``, in a folder of its own."""
    root = folder / name
    root.mkdir(exist_ok=True)
    (root / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n", encoding="utf-8")
    (root / "Pulumi.dev.yaml").write_text("config:\n  aws:region: eu-west-1\n", encoding="utf-8")
    (root / "__main__.py").write_text(program, encoding="utf-8")
    return root


def _up(
    root: Path, stack: str, folder: Path, providers: Mapping[str, Package], config: Mapping[str, str] | None = None
) -> Result:
    result = run(
        "up",
        stack,
        project_dir=root,
        providers=providers,
        backend=folder / "stacks",
        passphrase=PASSPHRASE,
        config=config,
    )
    if not result.succeeded:
        raise SystemExit(f"{stack} did not come up: {'; '.join(result.errors)}")
    return result


def _figures(results: list[Result], seconds: float) -> Figures:
    changed = sum(count for result in results for op, count in result.counts.items() if op not in ("same", "read"))
    resources = sum(count for result in results for count in result.counts.values())
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time(),
        "resources": resources,
        "changed": changed,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    json.dump(CASES[sys.argv[1]](Path(sys.argv[2])), sys.stdout)
