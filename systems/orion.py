"""Orion: a gateway before authentication, users, notifications and analytics. Row ids refer to its requirements."""

from typing import Any

from model import (
    Acme,
    Alloy,
    Call,
    CertManager,
    ClusterAutoscaler,
    ConnectionPool,
    EbsCsi,
    Environment,
    External,
    ExternalDns,
    ExternalSecrets,
    Gp3,
    Headlamp,
    InCluster,
    Istio,
    K3s,
    Loki,
    Metric,
    MetricsServer,
    NetworkPolicies,
    Nodes,
    Observability,
    OutlierDetection,
    Platform,
    Pool,
    Pooler,
    PostgreSQL,
    Probe,
    PrometheusAdapter,
    Quota,
    RabbitMQ,
    Redis,
    Resources,
    Retry,
    Route,
    Scale,
    Service,
    ServicePolicy,
    SidecarResources,
    SingleVpc,
    Slack,
    System,
    Tempo,
    Tier,
    Tokens,
    Topic,
    TrafficPolicy,
    Vault,
    Velero,
    VerticalPodAutoscaler,
    days,
    hours,
    seconds,
)

SIZE = Resources(cpu="500m", memory="512Mi", cpu_limit="1", memory_limit="1Gi")
"""OR-SVC-05, OR-SVC-09."""
STANDARD: dict[str, Any] = {
    "resources": SIZE,
    "liveness": Probe(delay=seconds(15), period=seconds(10), timeout=seconds(5)),
    "readiness": Probe(delay=seconds(5), period=seconds(10), timeout=seconds(5), successes=2),
    "startup": Probe(delay=seconds(0), period=seconds(5), timeout=seconds(5), failures=24),
    "drain": seconds(5),
    "metrics": 9090,
    "keys": ("API_KEY",),
    "vertical": "Off",
    "pool": "application",
}
"""Of the four services: OR-SVC-05, OR-SVC-07, OR-SVC-09, OR-CFG-02, OR-SCL-06, OR-BEY-09."""
AUTH_HEALTH = "/api/auth/health"
BREAKER = TrafficPolicy(
    pool=ConnectionPool(connections=100, pending_requests=50),
    outliers=OutlierDetection(consecutive_5xx=5, interval=seconds(10), ejection=seconds(10), max_ejected=50),
)
"""OR-MSH-05."""


SYSTEM = System(
    name="orion",
    domain="orion.com",
    namespace="orion-system",
    stores=(
        PostgreSQL(
            name="orion",
            namespace="orion-data",
            pool="data",
            owner="user",
            version=16,
            placement=InCluster(size="100Gi"),
            pooler=Pooler(name="pgbouncer", port=5432),
            resources=Resources(cpu="1", memory="2Gi", cpu_limit="2", memory_limit="4Gi"),
        ),
        Redis(
            name="redis", namespace="orion-data", pool="data", members=3, size="10Gi", snapshot=hours(1), in_mesh=False
        ),
        RabbitMQ(name="rabbitmq", namespace="orion-data", pool="data", members=3, size="20Gi"),
    ),
    services=(
        Service(
            name="gateway",
            namespace="orion-gateway",
            port=3000,
            config={
                "ROUTE_AUTH": "/api/auth=http://auth.orion-auth:3001",
                "ROUTE_USER": "/api/user=http://user.orion-user:3002",
                "ROUTE_NOTIFICATION": "/api/notification=http://notification.orion-notification:3003",
                "ROUTE_ANALYTICS": "/api/analytics=http://analytics.orion-analytics:3004",
                "ROUTE_HEALTH": "/health",
            },
            log_directory="/var/log/gateway",
            scale=Scale(
                maximum=10,
                cpu=70,
                memory=80,
                metrics=(
                    Metric(
                        name="http_requests_per_second",
                        target="100",
                        query="sum by (namespace, pod) "
                        '(rate(http_requests_total{namespace=~"orion-gateway|orion-user"}[2m]))',
                    ),
                ),
            ),
            **STANDARD,
        ),
        Service(
            name="auth",
            namespace="orion-auth",
            port=3001,
            uses=("orion", "redis"),
            config={"TOKEN_ISSUER": "https://auth.orion.com", "TOKEN_LIFETIME": "15m"},
            log_directory="/var/log/auth",
            scale=Scale(
                maximum=8,
                cpu=75,
                memory=80,
                metrics=(
                    Metric(
                        name="logins_per_second",
                        target="20",
                        query="sum by (namespace, pod) (rate(login_attempts_total[2m]))",
                    ),
                ),
            ),
            **{
                **STANDARD,
                "liveness": Probe(path=AUTH_HEALTH, delay=seconds(15), period=seconds(10), timeout=seconds(5)),
                "readiness": Probe(
                    path=AUTH_HEALTH, delay=seconds(5), period=seconds(10), timeout=seconds(5), successes=2
                ),
                "startup": Probe(
                    path=AUTH_HEALTH, delay=seconds(0), period=seconds(5), timeout=seconds(5), failures=24
                ),
            },
        ),
        Service(
            name="user",
            namespace="orion-user",
            port=3002,
            uses=("orion", "redis", "rabbitmq"),
            config={"PROFILE_CACHE_TTL": "900"},
            scale=Scale(
                maximum=10,
                cpu=70,
                memory=80,
                metrics=(
                    Metric(
                        name="http_requests_per_second",
                        target="100",
                        query="sum by (namespace, pod) "
                        '(rate(http_requests_total{namespace=~"orion-gateway|orion-user"}[2m]))',
                    ),
                ),
            ),
            **STANDARD,
        ),
        Service(
            name="notification",
            namespace="orion-notification",
            port=3003,
            uses=("orion", "redis", "rabbitmq"),
            config={"MAIL_PROVIDERS": "sendgrid,mailgun", "SMS_PROVIDER": "twilio"},
            replicas={"prod": 2},
            scale=Scale(
                maximum=6,
                cpu=70,
                memory=75,
                metrics=(
                    Metric(
                        name="queue_depth",
                        target="100",
                        query="sum by (namespace, pod) (notification_queue_messages)",
                    ),
                ),
            ),
            **STANDARD,
        ),
        Service(
            name="analytics",
            namespace="orion-analytics",
            port=3004,
            metrics=9090,
            replicas={"prod": 2},
            resources=Resources(),
            vertical="Recreate",
            drain=seconds(5),
            pool="application",
        ),
        Service(
            name="admin-ui",
            port=3004,
            runtime="static",
            tier="frontend",
            replicas={"prod": 2},
            vertical="Recreate",
            drain=seconds(5),
            pool="management",
        ),
    ),
    calls=(
        Call(caller="gateway", callee="auth"),
        Call(caller="gateway", callee="user"),
        Call(caller="gateway", callee="notification"),
        Call(caller="gateway", callee="analytics"),
    ),
    topics=(Topic(name="user.changed", broker="rabbitmq", publishers=("user",), subscribers=("notification",)),),
    policies=(
        ServicePolicy(to="gateway", traffic=BREAKER.model_copy(update={"balance": "LEAST_REQUEST"})),
        ServicePolicy(
            to="auth",
            retry=Retry(attempts=3, per_try=seconds(2), on=("5xx", "reset", "connect-failure")),
            traffic=BREAKER.model_copy(update={"balance": "ROUND_ROBIN"}),
        ),
        ServicePolicy(to="user", timeout=seconds(10), traffic=BREAKER.model_copy(update={"balance": "LEAST_REQUEST"})),
        ServicePolicy(to="notification", traffic=BREAKER.model_copy(update={"balance": "SOURCE_IP"})),
    ),
    routes=(
        Route(host="api", to="gateway", timeout=seconds(30)),
        Route(host="*", to="gateway", timeout=seconds(30)),
        Route(host="admin", to="admin-ui"),
    ),
    tokens=(
        Tokens(
            at="gateway",
            issuer="https://auth.orion.com",
            keys_from="auth",
            open_paths=("/api/auth/login", "/api/auth/register", "/health"),
        ),
    ),
    externals=(
        External(name="google", hosts=("accounts.google.com", "oauth2.googleapis.com"), used_by=("auth",)),
        External(name="github", hosts=("github.com", "api.github.com"), used_by=("auth",)),
        External(name="stripe", hosts=("api.stripe.com",), used_by=("user",)),
        External(name="s3", hosts=("s3.us-east-1.amazonaws.com",), used_by=("user",)),
        External(name="twilio", hosts=("api.twilio.com",), used_by=("notification",)),
        External(
            name="datadog",
            hosts=("api.datadoghq.com", "http-intake.logs.datadoghq.com", "trace.agent.datadoghq.com"),
            used_by=("gateway", "auth", "user", "notification"),
        ),
        External(
            name="sentry",
            hosts=("sentry.io", "ingest.sentry.io"),
            used_by=("gateway", "auth", "user", "notification"),
        ),
    ),
    quota=Quota(cpu="20", memory="40Gi", pods=50, claims=10),
    platform=Platform(
        cluster=K3s(),
        cni=NetworkPolicies(proxy="ipvs", scheduler="lc"),
        pools=(
            Pool(
                name="public",
                tier="public",
                labels={"orion.io/tier": "public"},
                taints=("orion.io/tier=public:NoSchedule",),
            ),
            Pool(name="application", tier="application", labels={"orion.io/tier": "application"}, ingress=False),
            Pool(
                name="data",
                tier="data",
                labels={"orion.io/tier": "data"},
                taints=("orion.io/tier=data:NoSchedule",),
                ingress=False,
            ),
            Pool(name="monitoring", tier="monitoring", labels={"orion.io/tier": "monitoring"}, ingress=False),
            Pool(name="management", tier="management", labels={"orion.io/tier": "management"}, ingress=False),
        ),
        mesh=Istio(
            mtls="STRICT",
            sidecar=SidecarResources(cpu="100m", memory="128Mi", cpu_limit="200m", memory_limit="256Mi"),
            egress_gateway=True,
            traces=10,
        ),
        delivery="helm-chart",
        observability=Observability(
            namespace="orion-monitoring",
            pool="monitoring",
            metrics_days=15,
            receivers=(Slack(name="operations", channel="#orion-operations"),),
        ),
        addons=(
            EbsCsi(own_key=True),
            MetricsServer(),
            PrometheusAdapter(pool="monitoring"),
            ClusterAutoscaler(pool="management", scale_down_utilization=0.5, max_nodes_total=20),
            VerticalPodAutoscaler(pool="management"),
            CertManager(
                namespace="orion-ingress",
                pool="management",
                issuer=Acme(email="operations@orion.com"),
            ),
            ExternalDns(pool="management"),
            Vault(namespace="orion-system", pool="management"),
            ExternalSecrets(store="vault", pool="management"),
            Loki(pool="monitoring", retention=days(30)),
            Alloy(),
            Tempo(pool="monitoring"),
            Headlamp(pool="management", host="dashboard", ingress_namespace="orion-ingress"),
            Velero(pool="management", schedule="0 3 * * *"),
        ),
    ),
    network=SingleVpc(
        tiers=(
            Tier(name="public", offset=1, egress="internet"),
            Tier(name="application", offset=10, egress="nat"),
            Tier(name="data", offset=20, egress="nat", admits=("application", "data", "monitoring", "management")),
            Tier(name="monitoring", offset=30, egress="nat"),
            Tier(name="management", offset=40, egress="nat"),
        ),
        control="management",
    ),
    environments={
        "dev": Environment(
            cidr="10.1.0.0/16",
            domain="dev.orion.com",
            servers=Nodes(instance="t3.medium", count=1),
            pools={
                "public": Nodes(instance="t3.small", count=1),
                "application": Nodes(instance="t3.large", count=1, maximum=2),
                "data": Nodes(instance="t3.xlarge", count=1),
                "monitoring": Nodes(instance="t3.large", count=1),
                "management": Nodes(instance="t3.large", count=1),
            },
            without=("alertmanager", "cert-manager", "external-dns"),
        ),
        "prod": Environment(
            cidr="10.0.0.0/16",
            domain="orion.com",
            zones=3,
            nat_per_zone=True,
            replicas=3,
            autoscale=True,
            servers=Nodes(instance="t3.large", count=3),
            pools={
                "public": Nodes(instance="t3.medium", count=3, maximum=3),
                "application": Nodes(instance="t3.xlarge", count=3, maximum=8),
                "data": Nodes(instance="r6i.xlarge", count=3, maximum=3, disk=Gp3(size=100)),
                "monitoring": Nodes(instance="t3.xlarge", count=2, maximum=3),
                "management": Nodes(instance="t3.large", count=2, maximum=3),
            },
            protect=True,
            snapshot_days=30,
            flow_log_days=30,
            log_days=30,
            observability_volume="50Gi",
            moving_tags=False,
        ),
    },
)
