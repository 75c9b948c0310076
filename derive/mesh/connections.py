"""Who connects to whom, read once from the declaration: the common input of every policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from derive import naming
from derive.data import object_stores
from derive.mesh.graph import Connection, Exit, Links, Workload
from derive.services import releases
from derive.stores import members
from derive.stores.kind import Member
from model import Bucket, Eks, PostgreSQL, Pushgateway, Service, System
from model.stores import Store


def links(system: System, hosts: Mapping[str, str], region: str) -> dict[str, Links]:
    """Every service and every member of a store in the cluster, by the name of its pods.

    ``hosts``: names of the databases outside the cluster.
    """
    stores = {store.name: members(system, store, hosts, region) for store in system.stores}
    workloads = {
        service.name: Workload(service.name, naming.service_namespace(system, service), service.tier)
        for service in system.services
    }
    for name, found in stores.items():
        namespace = naming.store_namespace(system, system.store(name))
        workloads |= {member.name: Workload(member.name, namespace, "data", member.services) for member in found}
    inbound: dict[str, list[Connection]] = defaultdict(list)
    outbound: dict[str, list[Connection]] = defaultdict(list)
    testers = {
        tester.workload.name: tester
        for service in system.services
        if (tester := releases.tester_links(service, workloads[service.name]))
    }
    tested = (call for tester in testers.values() for call in tester.outbound)
    for connection in (*_calls(system, workloads), *tested, *_store_connections(system, stores, workloads)):
        outbound[connection.source.name].append(connection)
        inbound[connection.target.name].append(connection)
    # Pods with roles of their own ask for them by their tokens, others the machine's metadata service.
    pushing = any(isinstance(addon, Pushgateway) for addon in system.platform.addons)
    machine = not isinstance(system.platform.cluster, Eks)
    tokens = Exit("sts", "external", (f"sts.{region}.amazonaws.com",), 443, "TLS")
    exits = _exits(system, stores, hosts, region)
    doors: dict[str, list[int]] = defaultdict(list)
    for route in system.routes:
        doors[route.to].append(naming.route_port(system, route))
    result = {}
    for service in system.services:
        name = service.name
        result[name] = Links(
            workload=workloads[name],
            ports=naming.served_ports(service),
            metrics=service.metrics,
            doors=tuple(dict.fromkeys(doors[name])),
            methods=service.methods,
            protocol=service.protocol,
            requests=service.request_ports,
            release=service.release.kind,
            inbound=tuple(inbound[name]),
            outbound=tuple(outbound[name]),
            exits=tuple(exits[name]),
            granted=machine and bool(service.secrets),
            pushes=pushing and service.schedule is not None,
        )
    result |= testers
    for member in (member for found in stores.values() for member in found):
        result[member.name] = Links(
            workload=workloads[member.name],
            ports=member.ports,
            metrics=member.metrics,
            inbound=tuple(inbound[member.name]),
            outbound=tuple(outbound[member.name]),
            exits=(*member.exits, *(() if machine or not member.granted else (tokens,))),
            in_mesh=member.in_mesh,
            mtls=member.mtls,
            granted=machine and member.granted,
        )
    return result


def pooler_labels(system: System, service: Service) -> dict[str, str]:
    """What the poolers of a service's databases know its pods by."""
    stores = (system.store(name) for name in service.uses)
    poolers = [store.pooler for store in stores if isinstance(store, PostgreSQL) and store.pooler]
    return {pooler.label: "true" for pooler in poolers if pooler.label}


def _calls(system: System, workloads: Mapping[str, Workload]) -> Iterable[Connection]:
    services = {service.name: service for service in system.services}
    for call in system.calls:
        callee = services[call.callee]
        yield Connection(
            source=workloads[call.caller],
            target=workloads[call.callee],
            ports=naming.served_ports(callee),
            methods=call.methods or callee.methods,
            paths=call.paths,
        )


def _store_connections(
    system: System, stores: Mapping[str, tuple[Member, ...]], workloads: Mapping[str, Workload]
) -> Iterable[Connection]:
    """Services to the members in front; members to one another, and among themselves."""
    for service in system.services:
        for name in service.uses:
            for member in stores[name]:
                if member.front:
                    yield Connection(
                        workloads[service.name], workloads[member.name], member.ports, admitted=member.admits
                    )
    for member in (member for found in stores.values() for member in found):
        own = workloads[member.name]
        if member.peers:
            among = tuple(naming.fqdn(service, own.namespace) for service in member.among)
            yield Connection(own, own, member.peers, hosts=among)
        for name, ports in member.reaches.items():
            yield Connection(own, workloads[name], ports)


def _exits(
    system: System, stores: Mapping[str, tuple[Member, ...]], hosts: Mapping[str, str], region: str
) -> dict[str, list[Exit]]:
    """Where services leave the cluster: to a store that has no door inside, and to externals."""
    exits: dict[str, list[Exit]] = defaultdict(list)
    for service in system.services:
        for name in service.uses:
            if not any(member.front for member in stores[name]):
                exits[service.name].append(_store_exit(system.store(name), hosts, region))
    for external in system.externals:
        for name in external.used_by:
            exits[name].append(
                Exit(
                    external.name,
                    "external",
                    external.hosts,
                    external.called_ports[0],
                    external.protocol,
                    external.called_ports[1:],
                    external.through_gateway,
                    system.home if external.through_gateway else ".",
                )
            )
    return exits


def _store_exit(store: Store, hosts: Mapping[str, str], region: str) -> Exit:
    if isinstance(store, Bucket):
        return object_stores.leaving(store, region)
    return Exit(store.name, "database", (hosts[store.name],), store.port, "TCP")
