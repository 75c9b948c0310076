"""Gym registration: two web applications and two backends on a mesh. Row ids refer to its requirements."""

from typing import Any

from model import (
    ArgoRollouts,
    Backup,
    BlueGreen,
    Call,
    Canary,
    ConnectionPool,
    Dashboard,
    EbsCsi,
    Environment,
    External,
    ExtraPort,
    Identity,
    Istio,
    IstioGateway,
    Jaeger,
    K3s,
    Kiali,
    MetricsServer,
    MySQL,
    Nodes,
    Observability,
    OutlierDetection,
    Panel,
    Platform,
    RateLimit,
    Redis,
    Resources,
    Retry,
    Route,
    Scale,
    Service,
    ServicePolicy,
    SingleVpc,
    System,
    Tier,
    TrafficPolicy,
    VerticalPodAutoscaler,
    hours,
    seconds,
)

SIZE = Resources(cpu="100m", memory="128Mi", cpu_limit="500m", memory_limit="512Mi")
"""GY-SVC-06."""
GROWS = Scale(minimum=1, maximum=10, cpu=70, memory=80)
"""GY-ASC-01, GY-ASC-02."""
PAGES = ("GET", "HEAD", "POST")
MAIN = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STREAM = ("GET", "HEAD", "POST", "OPTIONS")
"""GY-SEC-05."""
RETRIED = Retry(attempts=3, per_try=seconds(2))
"""GY-MSH-08."""
RECONNECTED = Retry(attempts=3, on=("connect-failure", "refused-stream"))
"""GY-MSH-09: a long poll takes longer than any limit per try."""
BREAKER = OutlierDetection(consecutive_5xx=5, interval=seconds(30), ejection=seconds(30), max_ejected=50)
"""GY-MSH-12."""


def traffic(connections: int) -> TrafficPolicy:
    """GY-MSH-10 to GY-MSH-12, of the four services."""
    return TrafficPolicy(balance="LEAST_REQUEST", pool=ConnectionPool(connections=connections), outliers=BREAKER)


def store(connections: int, timeout: float) -> TrafficPolicy:
    """GY-MSH-13, GY-MSH-14: what a proxy opens, and for how long it tries."""
    pool = ConnectionPool(connections=connections, connect_timeout=seconds(timeout))
    return TrafficPolicy(balance="ROUND_ROBIN", pool=pool)


WHERE = 'reporter="destination",destination_service_namespace="gym"'
SENT = 'namespace="gym"'


def latency(quantile: float) -> str:
    """Milliseconds that a share of the requests stays below."""
    buckets = f"rate(istio_request_duration_milliseconds_bucket{{{WHERE}}}[5m])"
    return f"histogram_quantile({quantile:g}, sum by (destination_service_name, le) ({buckets}))"


def average(metric: str) -> str:
    """Bytes of a request or a response."""
    return (
        f"sum by (destination_service_name) (rate({metric}_sum{{{WHERE}}}[5m])) / "
        f"sum by (destination_service_name) (rate({metric}_count{{{WHERE}}}[5m]))"
    )


def answered(codes: str) -> str:
    return f'sum by (destination_service_name) (rate(istio_requests_total{{{WHERE},response_code=~"{codes}"}}[5m]))'


CALLED: dict[str, Any] = {"legend": "{{destination_service_name}}"}
OPENED: dict[str, Any] = {"legend": "{{pod}} > {{cluster_name}}"}
POD: dict[str, Any] = {"legend": "{{pod}}"}
ALL = f"sum by (destination_service_name) (rate(istio_requests_total{{{WHERE}}}[5m]))"
DASHBOARDS = (
    Dashboard(
        title="Requests",
        panels=(
            Panel(title="Request rate", query=ALL, unit="reqps", **CALLED),
            Panel(title="Request duration, P50", query=latency(0.5), unit="ms", **CALLED),
            Panel(title="Request duration, P95", query=latency(0.95), unit="ms", **CALLED),
            Panel(title="Request duration, P99", query=latency(0.99), unit="ms", **CALLED),
            Panel(title="Request size", query=average("istio_request_bytes"), unit="bytes", **CALLED),
        ),
    ),
    Dashboard(
        title="Responses",
        panels=(
            Panel(title="Responses 2xx", query=answered("2.."), unit="reqps", **CALLED),
            Panel(title="Responses 4xx", query=answered("4.."), unit="reqps", **CALLED),
            Panel(title="Responses 5xx", query=answered("5.."), unit="reqps", **CALLED),
            Panel(title="Response size", query=average("istio_response_bytes"), unit="bytes", **CALLED),
            Panel(title="Error rate", query=f"{answered('5..')} / {ALL}", unit="percentunit", **CALLED),
        ),
    ),
    Dashboard(
        title="Connections",
        panels=(
            Panel(
                title="Active connections",
                query=f"sum by (pod, cluster_name) (envoy_cluster_upstream_cx_active{{{SENT}}})",
                **OPENED,
            ),
            Panel(
                title="Queue depth",
                query=f"sum by (pod, cluster_name) (envoy_cluster_upstream_rq_pending_active{{{SENT}}})",
                **OPENED,
            ),
            Panel(
                title="Circuit breakers: connections",
                query=f"max by (pod, cluster_name) (envoy_cluster_circuit_breakers_default_cx_open{{{SENT}}})",
                **OPENED,
            ),
            Panel(
                title="Circuit breakers: waiting requests",
                query=f"max by (pod, cluster_name) (envoy_cluster_circuit_breakers_default_rq_pending_open{{{SENT}}})",
                **OPENED,
            ),
            Panel(
                title="Ejected pods",
                query=f"sum by (pod, cluster_name) (envoy_cluster_outlier_detection_ejections_active{{{SENT}}})",
                **OPENED,
            ),
        ),
    ),
    Dashboard(
        title="Infrastructure",
        panels=(
            Panel(
                title="CPU",
                query=f'sum by (pod) (rate(container_cpu_usage_seconds_total{{{SENT},container!=""}}[5m]))',
                **POD,
            ),
            Panel(
                title="Memory",
                query=f'sum by (pod) (container_memory_working_set_bytes{{{SENT},container!=""}})',
                unit="bytes",
                **POD,
            ),
            Panel(
                title="Network, received",
                query=f"sum by (pod) (rate(container_network_receive_bytes_total{{{SENT}}}[5m]))",
                unit="bytes",
                **POD,
            ),
            Panel(
                title="Network, sent",
                query=f"sum by (pod) (rate(container_network_transmit_bytes_total{{{SENT}}}[5m]))",
                unit="bytes",
                **POD,
            ),
        ),
    ),
)
"""GY-OBS-04 to GY-OBS-07."""

SYSTEM = System(
    name="gym",
    domain="gym.example.com",
    stores=(
        MySQL(
            name="mysql",
            size="10Gi",
            database="gym",
            max_connections=1000,
            mtls="PERMISSIVE",
            backup=Backup(schedule="0 3 * * *"),
            resources=Resources(cpu="250m", memory="512Mi", cpu_limit="1", memory_limit="1Gi"),
        ),
        Redis(
            name="redis",
            size="5Gi",
            append_only=True,
            mtls="PERMISSIVE",
            resources=Resources(cpu="100m", memory="128Mi", cpu_limit="250m", memory_limit="256Mi"),
        ),
    ),
    services=(
        Service(
            name="frontend",
            port=3000,
            tier="frontend",
            methods=PAGES,
            resources=SIZE,
            scale=GROWS,
            vertical="Off",
            release=BlueGreen(),
        ),
        Service(
            name="admin-panel",
            port=3001,
            tier="frontend",
            methods=PAGES,
            resources=SIZE,
            replicas={"dev": 1, "prod": 2},
            vertical="Recreate",
            release=BlueGreen(),
        ),
        Service(
            name="backend-main",
            port=9084,
            extra_ports=(ExtraPort(name="grpc", port=9083, protocol="grpc"),),
            uses=("mysql", "redis"),
            methods=MAIN,
            resources=SIZE,
            scale=GROWS,
            vertical="Off",
            release=Canary(stages=(5, 25, 50, 100)),
        ),
        Service(
            name="backend-stream",
            port=9085,
            extra_ports=(ExtraPort(name="grpc", port=9086, protocol="grpc"),),
            uses=("mysql", "redis"),
            long_poll=True,
            methods=STREAM,
            resources=SIZE,
            scale=GROWS,
            vertical="Off",
            release=Canary(stages=(5, 25, 50, 100)),
        ),
    ),
    calls=(
        Call(caller="frontend", callee="backend-main"),
        Call(caller="frontend", callee="backend-stream"),
        Call(caller="admin-panel", callee="backend-main"),
    ),
    policies=(
        ServicePolicy(to="frontend", traffic=traffic(100)),
        ServicePolicy(to="admin-panel", traffic=traffic(100)),
        ServicePolicy(to="backend-main", timeout=seconds(15), retry=RETRIED, traffic=traffic(200)),
        ServicePolicy(to="backend-stream", timeout=seconds(60), retry=RECONNECTED, traffic=traffic(200)),
        ServicePolicy(to="mysql", traffic=store(50, timeout=30)),
        ServicePolicy(to="redis", traffic=store(100, timeout=5)),
    ),
    routes=(
        Route(host="@", prefix="/admin", to="admin-panel", timeout=seconds(30), retry=RETRIED),
        Route(host="@", prefix="/api/main/", to="backend-main", timeout=seconds(15), retry=RETRIED),
        Route(host="@", prefix="/api/stream/", to="backend-stream", timeout=seconds(60), retry=RECONNECTED),
        Route(host="@", to="frontend", timeout=seconds(30), retry=RETRIED),
    ),
    externals=(External(name="identity", hosts=("identity.gym.example.com",), used_by=("backend-main",)),),
    dashboards=DASHBOARDS,
    platform=Platform(
        cluster=K3s(),
        mesh=Istio(
            mtls="STRICT",
            traces=100,
            statistics=("upstream_cx_active", "upstream_rq_pending", "circuit_breakers", "outlier_detection"),
            certificates=hours(24),
        ),
        ingress=IstioGateway(
            limit=RateLimit(per_second=100, burst=200),
            identity=Identity(
                issuer="https://identity.gym.example.com/",
                keys="https://identity.gym.example.com/.well-known/jwks.json",
            ),
        ),
        delivery="helm-chart",
        observability=Observability(logs="none", mesh_dashboards=True),
        addons=(EbsCsi(), MetricsServer(), VerticalPodAutoscaler(), ArgoRollouts(), Jaeger(), Kiali()),
    ),
    network=SingleVpc(
        tiers=(
            Tier(name="public", offset=1, egress="internet"),
            Tier(name="nodes", offset=10, egress="nat"),
        ),
        stride=1,
        control="nodes",
    ),
    environments={
        "dev": Environment(
            cidr="10.20.0.0/16",
            domain="dev.gym.example.com",
            autoscale=True,
            servers=Nodes(instance="t3.medium", count=1),
            pools={"agents": Nodes(instance="t3.2xlarge", count=1)},
        ),
        "prod": Environment(
            cidr="10.21.0.0/16",
            domain="gym.example.com",
            zones=3,
            nat_per_zone=True,
            replicas=2,
            autoscale=True,
            servers=Nodes(instance="t3.large", count=3),
            pools={"agents": Nodes(instance="t3.2xlarge", count=2)},
            protect=True,
            snapshot_days=30,
            observability_volume="50Gi",
            moving_tags=False,
        ),
    },
)
