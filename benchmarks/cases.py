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

import systems
from benchmarks import registration
from derive.plan import system_plan
from derive.shapes import Deployment, Facts
from model import Call, Service, System
from sandbox.events import Result
from sandbox.provider import Package
from sandbox.run import run
from wheelhouse import project
from wheelhouse.providers import packages

Figures = dict[str, float]

ROOT: Final = Path(__file__).resolve().parent.parent
PASSPHRASE: Final = "benchmark"
SERVICES: Final = 1_000
GROUPS: Final = 100
RULES: Final = 49
"""Rules per security group: with it and the VPC, 100 groups of 50 resources are about 5,000."""

PAIRS: Final = 7
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
    """Derive one environment of a system with a thousand more services, called in a tree three calls wide."""
    shipped = systems.load("fitsync")
    names = [f"made-{index}" for index in range(SERVICES)]
    template = next(service for service in shipped.services if service.metrics)
    services = tuple(Service(name=name, port=8080, metrics=template.metrics) for name in names)
    calls = tuple(Call(caller=names[(index - 1) // 3], callee=names[index]) for index in range(1, SERVICES))
    started = time.process_time()
    system = System(**(dict(shipped) | {"services": shipped.services + services, "calls": shipped.calls + calls}))
    declared = time.process_time()
    return {"declare_seconds": declared - started, "derive_seconds": _derive(system, next(iter(system.environments)))}


def _derive(system: System, name: str) -> float:
    """CPU seconds of deriving an environment's plan."""
    started = time.process_time()
    system_plan(Deployment(system, name, system.environments[name], Facts("eu-west-1")))
    return time.process_time() - started


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
    """Preview an environment registered through the components, and its resources registered raw, in turns.

    In CPU time, as the two share one machine's noise, and without the derivation, which has a budget of its own.
    """
    found, real = project.find(ROOT), packages()
    names = found.choose(())
    for name in names:
        _up(found.root, name, folder, real)
    for module in ("stacks.environment", "stacks.hub"):
        importlib.import_module(module)  # what a program is the first to import is read again by its next run
    backend, stack, idle = folder / "stacks", names[-1], registration.idle(real)
    registration.RESOURCES.extend(registration.saved(backend, found.name, stack, PASSPHRASE))
    raw = _project(folder, "raw", registration.PROGRAM)
    _up(raw, "dev", folder, idle)
    pairs = []
    for _ in range(PAIRS + 1):
        through = registration.cpu_seconds(stack, found.root, backend, idle, PASSPHRASE)
        plain = registration.cpu_seconds("dev", raw, backend, idle, PASSPHRASE)
        pairs.append((through - _derive(systems.load("fitsync"), stack), plain))
    ratios = [through / plain for through, plain in pairs[1:]]  # the first pair warms the process up
    return {"ratio": statistics.median(ratios), "resources": len(registration.RESOURCES), "changed": 0}


CASES: Final[Mapping[str, Callable[[Path], Figures]]] = {
    "derivation": derivation,
    "stacks": stacks,
    "many": many,
    "components": components,
}


def _project(folder: Path, name: str, program: str) -> Path:
    """A project with one stack, ``dev``, in a folder of its own."""
    root = folder / name
    root.mkdir(exist_ok=True)
    (root / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n", encoding="utf-8")
    (root / "Pulumi.dev.yaml").write_text("config:\n  aws:region: eu-west-1\n", encoding="utf-8")
    (root / "__main__.py").write_text(program, encoding="utf-8")
    return root


def _up(root: Path, stack: str, backend: Path, providers: Mapping[str, Package]) -> Result:
    result = run("up", stack, project_dir=root, providers=providers, backend=backend / "stacks", passphrase=PASSPHRASE)
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
