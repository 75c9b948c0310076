"""What the standard NetworkPolicy cannot tell apart: it knows addresses outside the cluster, not names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from audit.addresses import PUBLIC, common
from audit.callees import Admission
from audit.platform import API_SERVER, NODES
from audit.population import Mask, Population, Port, bits, union
from audit.scope import Scope, store_port

Admissions = Mapping[int, dict[Port | None, Admission]]
"""By callee and port."""


def blur(scope: Scope, population: Population, admissions: Admissions) -> None:
    """Who may leave to one database may leave to the data subnets, who may leave to one external to the internet, on
    that port. The mesh tells the names apart.

    Where a managed database has an address among those of the nodes, who may leave to it may leave to them.
    """
    outside = list(bits(population.world & ~population.role("metadata")))
    public = [index for index in outside if common(population.actors[index].addresses, PUBLIC)]
    _spread(admissions, public)
    private = [index for index in outside if index not in public]
    stores = [index for index in private if population.actors[index].role.startswith("store:")]
    managed = union(population.role(f"store:{name}") for name in scope.managed_stores)
    # AWS may give a managed database any address of its subnets, so that they hold nothing else that is unknown.
    _spread(admissions, stores if managed else private)
    for name in scope.managed_stores:
        port = ("TCP", store_port(scope.system.store(name)))
        for store in bits(population.role(f"store:{name}")):
            for index in bits(population.role(NODES) | population.role(API_SERVER)):
                if common(population.actors[store].addresses, population.actors[index].addresses):
                    admissions[index][port].leave |= admissions[store][port].leave


def _spread(admissions: Admissions, group: Iterable[int]) -> None:
    """Whoever may leave to one of a group on a port may leave to all of it."""
    members = list(group)
    leaving: dict[Port | None, Mask] = defaultdict(int)
    for index in members:
        for port, admission in admissions.get(index, {}).items():
            leaving[port] |= admission.leave
    for index in members:
        for port, callers in leaving.items():
            admissions[index][port].leave |= callers
