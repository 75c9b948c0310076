"""FitSync's production databases on this system: the machines that the plan gives, one after the other."""

from __future__ import annotations

from derive.data.database_state import DatabaseState
from derive.data.databases import DatabasePlan, DatabaseSite, HostPlan, postgres_host
from derive.plan import system_plan
from systems.fitsync import SYSTEM
from tests.real.bootstrap_site import LOOPBACK, Machine, Site
from tests.unit.declared import deployed

NAMES = ("userdb", "trainingdb", "scheduledb", "progressdb")
SITE = DatabaseSite("eu-central-1", "archive", LOOPBACK, LOOPBACK, retention_days=30)
VOLUME = "vol-0123456789abcdef0"


def planned(database: str, state: DatabaseState | None = None) -> DatabasePlan:
    """A database of production, in the state that the stack's configuration gives it."""
    states = {database: state} if state else {}
    plans = system_plan(deployed(SYSTEM, "prod", database_states=states)).databases
    return next(plan for plan in plans if plan.name == database)


def passwords(plan: DatabasePlan) -> dict[str, str]:
    return {role: f"{plan.name}-{role}-password" for role in (plan.owner, "monitoring", "replicator")}


def install(site: Site, plan: DatabasePlan, host: HostPlan, place: str = "") -> Machine:
    """A machine with a blank volume; ``place`` tells machines apart that had the same name one after the other."""
    return site.install(place or host.name, postgres_host(plan, host, SITE, VOLUME), host.fqdn, passwords(plan))


def declare(site: Site, machine: Machine, plan: DatabasePlan, host: HostPlan) -> None:
    """The same volume in a machine that is declared anew."""
    site.declare(machine, postgres_host(plan, host, SITE, VOLUME), host.fqdn)


def started(machine: Machine) -> Machine:
    """As at a first boot: data found or made, server up, roles and grants applied."""
    machine.program("pg-prepare-data")
    machine.start()
    machine.wait("SELECT pg_is_in_recovery()", "f")
    machine.program("pg-apply-sql")
    return machine
