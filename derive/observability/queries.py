"""Questions in PromQL that rules and dashboards both ask, about the namespaces, stores and nodes of one system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

WINDOW = "1m"
"""Four scrapes at the default interval; a rate needs two."""


def one_of(label: str, values: Sequence[str]) -> str:
    """A label matcher: equality for one value, alternatives for several."""
    if len(values) == 1:
        return f'{label}="{values[0]}"'
    return f'{label}=~"{"|".join(values)}"'


def requests(spaces: Sequence[str], *matchers: str, reporter: str = "source", window: str = WINDOW) -> str:
    """Rate of the requests to a system's services, as their callers' proxies (or their own) count them."""
    where = ",".join((f'reporter="{reporter}"', one_of("destination_service_namespace", spaces), *matchers))
    return f"rate(istio_requests_total{{{where}}}[{window}])"


def success_rate(spaces: Sequence[str], by: str = " by (destination_service_name)") -> str:
    """Share of the requests that were not answered by an error of the server."""
    good = requests(spaces, 'response_code!~"5.*"')
    return f"sum({good}){by}\n/\nsum({requests(spaces)}){by}"


def error_rate(spaces: Sequence[str], window: str) -> str:
    """Share of the requests that were answered by an error of the server, of each service that had any: what is left of
    the successes has no value where there never was a success."""
    bad = requests(spaces, 'response_code=~"5.*"', window=window)
    by = "sum by (destination_service_name)"
    return f"{by} ({bad})\n/\n{by} ({requests(spaces, window=window)})"


def latency(quantile: float, spaces: Sequence[str], window: str = WINDOW, but: Sequence[str] = ()) -> str:
    """Milliseconds that the given share of the requests to each service stays below. ``but``: services left out."""
    where = f'reporter="source",{one_of("destination_service_namespace", spaces)}'
    where += f',destination_service_name!~"{"|".join(but)}"' if but else ""
    return (
        f"histogram_quantile({quantile:g},\n"
        f"  sum(rate(istio_request_duration_milliseconds_bucket{{{where}}}[{window}]))\n"
        "  by (destination_service_name, le)\n"
        ")"
    )


def total_latency(quantile: float, spaces: Sequence[str]) -> str:
    where = f'reporter="source",{one_of("destination_service_namespace", spaces)}'
    buckets = f"sum by (le) (rate(istio_request_duration_milliseconds_bucket{{{where}}}[{WINDOW}]))"
    return f"histogram_quantile({quantile:g}, {buckets})"


def mutual_tls() -> str:
    return (
        'sum(istio_requests_total{reporter="destination",connection_security_policy="mutual_tls"})'
        " by (destination_service_name)"
    )


def edges(spaces: Sequence[str]) -> str:
    """Requests per second along each pair of workloads, with the labels of an edge in Grafana's node graph."""
    rate = requests(spaces, window="5m")
    pairs = f"sum by (source_workload, destination_service_name) ({rate})"
    named = f'label_replace({pairs}, "source", "$1", "source_workload", "(.*)")'
    named = f'label_replace({named}, "target", "$1", "destination_service_name", "(.*)")'
    return f'sum by (id, source, target) (label_join({named}, "id", " > ", "source", "target"))'


def nodes(spaces: Sequence[str]) -> str:
    """Requests per second at each node: those it answers, or, where nobody calls it, those it sends."""
    rate = requests(spaces, window="5m")
    answered = f'sum by (id) (label_replace({rate}, "id", "$1", "destination_service_name", "(.*)"))'
    sent = f'sum by (id) (label_replace({rate}, "id", "$1", "source_workload", "(.*)"))'
    return f'label_replace({answered} or {sent}, "title", "$1", "id", "(.*)")'


def refused(spaces: Sequence[str]) -> str:
    """Requests that an authorization policy refused: the callee's own proxy answers them with 403."""
    denied = requests(spaces, 'response_code="403"', reporter="destination", window="5m")
    return f"sum by (source_workload, destination_service_name) ({denied})"


def dropped() -> str:
    """Packets per second that network policies drop."""
    return 'sum by (direction) (rate(cilium_drop_count_total{reason="Policy denied"}[5m]))'


def connections_used(services: Sequence[str]) -> str:
    """Share of each database server's connections that is in use."""
    where = one_of("service", services)
    used = f"sum by (service) (pg_stat_activity_count{{{where}}})"
    return f"{used} / max by (service) (pg_settings_max_connections{{{where}}})"


def query_duration(services: Sequence[str]) -> str:
    """Mean duration of a statement, in seconds."""
    where = one_of("service", services)
    seconds = f"sum by (service) (rate(pg_stat_statements_seconds_total{{{where}}}[5m]))"
    return f"{seconds} / sum by (service) (rate(pg_stat_statements_calls_total{{{where}}}[5m]))"


def database_size(services: Sequence[str]) -> str:
    return f"sum by (service) (pg_database_size_bytes{{{one_of('service', services)}}})"


def restarts(spaces: Iterable[str], window: str = "1h") -> str:
    where = one_of("namespace", tuple(spaces))
    return (
        f"sum by (namespace, pod, container) (increase(kube_pod_container_status_restarts_total{{{where}}}[{window}]))"
    )


def node_cpu() -> str:
    """Share of each node's processors that is in use."""
    return '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))'


def node_memory() -> str:
    return "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"


def node_disk() -> str:
    """Share of each file system on a disk that is in use."""
    where = '{fstype=~"ext4|xfs"}'
    return f"1 - node_filesystem_avail_bytes{where} / node_filesystem_size_bytes{where}"


def door_errors() -> str:
    """Share of the requests by Traefik that the server answered with an error."""
    rate, failed = "sum by (exported_service) (rate(traefik_service_requests_total{}[5m]))", '{code=~"5.."}'
    return f"{rate.format(failed)} / {rate.format('')}"


def door_latency(quantile: float) -> str:
    """Seconds that the given share of the requests by Traefik stays below."""
    buckets = "sum by (exported_service, le) (rate(traefik_service_request_duration_seconds_bucket[5m]))"
    return f"histogram_quantile({quantile:g}, {buckets})"
