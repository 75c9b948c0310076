"""myHealth: Oura Ring data, collected every five minutes, stored and shown. Row ids refer to its requirements."""

from model import (
    AccountWatch,
    ApiTokens,
    ArgoCd,
    ArgoRollouts,
    Budget,
    Call,
    Canary,
    CloudWatchLogs,
    ClusterAutoscaler,
    ConnectionPool,
    EbsCsi,
    Eks,
    Endpoint,
    Environment,
    External,
    ExternalSecrets,
    GithubActions,
    Gp3,
    Istio,
    Jaeger,
    Kiali,
    ManagedDatabases,
    Message,
    Metric,
    MetricsServer,
    NetworkPolicies,
    Nodes,
    Observability,
    OnRds,
    OutlierDetection,
    Platform,
    Pool,
    PostgreSQL,
    Probe,
    PrometheusAdapter,
    PublicApi,
    Pushgateway,
    Registry,
    Resources,
    Retry,
    Rolling,
    Route,
    Scale,
    Schedule,
    SecretKey,
    Service,
    ServiceChange,
    ServicePolicy,
    SidecarResources,
    SingleVpc,
    Site,
    Slack,
    System,
    Tier,
    TrafficPolicy,
    Velero,
    WebFirewall,
    days,
    hours,
    seconds,
)
from systems.parts.myhealth_pages import ALERTS, PAGES, TWO_PAGES
from systems.parts.myhealth_schema import ONE_PERSON, SEVERAL_PEOPLE

SIZE = Resources(cpu="250m", memory="256Mi", cpu_limit="500m", memory_limit="512Mi")
SMALL = Resources(cpu="100m", memory="128Mi", cpu_limit="250m", memory_limit="256Mi")
"""MH-SVC-09."""
HEALTH = Probe(path="/health", delay=seconds(10), period=seconds(10), timeout=seconds(3))
"""MH-SVC-06."""
BREAKER = TrafficPolicy(
    pool=ConnectionPool(connections=100, pending_requests=50),
    outliers=OutlierDetection(consecutive_5xx=5, interval=seconds(30), ejection=seconds(30), max_ejected=50),
)
"""MH-MSH-04."""
TRIES = Retry(attempts=3, per_try=seconds(3), on=("5xx", "reset", "connect-failure"))
"""MH-MSH-03."""

LOGGED_IN = Message(name="Token", fields={"token": "string", "expires_in": "integer"})
METRICS = Message(name="Metrics", fields={"days": "array"})
SPAN = ("from", "to")
"""Days between which metrics are asked for."""
READ = (
    Endpoint(path="/api/v1/dashboard", summary="Summary of the newest metrics", answers=METRICS),
    Endpoint(path="/api/v1/sleep", summary="Sleep", query=SPAN, answers=METRICS),
    Endpoint(path="/api/v1/activity", summary="Activity", query=SPAN, answers=METRICS),
    Endpoint(path="/api/v1/readiness", summary="Readiness", query=SPAN, answers=METRICS),
    Endpoint(path="/health", summary="Whether the API serves", open=True),
)
"""MH-EDG-04: what both environments publish beside signing in and trends."""
SCOPES = {
    "/api/v1/dashboard": ("read:sleep", "read:activity", "read:readiness", "write:profile"),
    "/api/v1/sleep": ("read:sleep",),
    "/api/v1/activity": ("read:activity",),
    "/api/v1/readiness": ("read:readiness",),
    "/api/v1/trends/{metric}": ("read:sleep", "read:activity", "read:readiness"),
}
"""MH-SEC-10."""
BY_KEY = Endpoint(
    method="POST",
    path="/auth/login",
    summary="A token for a day, for the API key",
    open=True,
    takes=Message(name="Login", fields={"api_key": "string"}),
    answers=LOGGED_IN,
)
BY_PASSWORD = Endpoint(
    method="POST",
    path="/auth/login",
    summary="A token for a day, for an address and its password",
    open=True,
    takes=Message(name="Login", fields={"email": "string", "password": "string"}),
    answers=LOGGED_IN,
)

SYSTEM = System(
    name="myhealth",
    domain="eric-n.com",
    stores=(
        PostgreSQL(
            name="myhealth",
            owner="data-processor",
            version=17,
            placement=OnRds(secret="db-credentials", rotate=days(90)),
            rights={"data-processor": "writer", "api-service": "reader"},
        ),
    ),
    services=(
        Service(
            name="oura-collector",
            runtime="python",
            schedule=Schedule(cron="*/5 * * * *", deadline=seconds(240)),
            env={
                "OURA_API_KEY": SecretKey(secret="oura-api-key", key="token", issued=True),
                "PROCESSOR_URL": "http://data-processor:8080",
                "LOG_LEVEL": "info",
            },
            secrets={"oura-api-key": "write"},
            resources=Resources(cpu="100m", memory="128Mi", cpu_limit="200m", memory_limit="256Mi"),
        ),
        Service(
            name="data-processor",
            runtime="python",
            port=8080,
            metrics=9090,
            uses=("myhealth",),
            env={"DB_POOL_MAX": "20"},
            resources=SIZE,
            liveness=HEALTH,
            readiness=HEALTH,
            migrations=SEVERAL_PEOPLE,
            scale=Scale(minimum=2, maximum=5, cpu=70),
        ),
        Service(
            name="api-service",
            runtime="python",
            port=8080,
            metrics=9090,
            uses=("myhealth",),
            env={
                "JWT_EXPIRY": "24h",
                "JWT_PRIVATE_KEY": SecretKey(secret="jwt-secret", key="private-key"),
                "DB_POOL_MAX": "20",
            },
            release=Canary(),
            resources=SIZE,
            liveness=HEALTH,
            readiness=HEALTH,
            scale=Scale(
                minimum=3,
                maximum=10,
                cpu=None,
                metrics=(
                    Metric(
                        name="http_requests_per_second",
                        target="100",
                        query='sum by (namespace, pod) (rate(istio_requests_total{reporter="destination", '
                        'destination_workload="api-service"}[2m]))',
                    ),
                ),
            ),
        ),
    ),
    calls=(
        Call(caller="oura-collector", callee="data-processor", methods=("POST",), paths=("/api/v1/ingest",)),
        Call(caller="api-service", callee="data-processor", methods=("GET",), paths=("/api/v1/metrics/*",)),
    ),
    policies=(
        ServicePolicy(to="data-processor", traffic=BREAKER),
        ServicePolicy(to="api-service", traffic=BREAKER),
    ),
    routes=(
        Route(host="api", prefix="/auth/login", to="api-service", timeout=seconds(10), retry=TRIES),
        Route(host="api", prefix="/api/v1/", to="api-service", timeout=seconds(10), retry=TRIES),
        Route(host="api", prefix="/health", to="api-service", timeout=seconds(10), retry=TRIES),
    ),
    externals=(External(name="oura", hosts=("api.ouraring.com",), used_by=("oura-collector",), through_gateway=True),),
    alerts=ALERTS,
    dashboards=PAGES,
    platform=Platform(
        cluster=Eks(),
        cni=NetworkPolicies(),
        delivery="helm-release",
        pools=(
            Pool(name="general", labels={"role": "general"}),
            Pool(name="platform", labels={"role": "platform"}),
        ),
        mesh=Istio(
            mtls="STRICT",
            sidecar=SidecarResources(cpu="50m", memory="64Mi", cpu_limit="200m", memory_limit="128Mi"),
            egress_gateway=True,
            egress_tls="PASSTHROUGH",
            traces=10,
        ),
        registry=Registry(moving_tags=("latest",)),
        pipeline=GithubActions(
            repository="eric-n/myhealth",
            runner="self-hosted",
            state_bucket="eric-n-pulumi-state",
            state_key="alias/pulumi-state",
        ),
        watch=AccountWatch(),
        observability=Observability(
            metrics_days=15,
            scrape=seconds(30),
            logs="none",
            host="grafana",
            database="myhealth",
            mesh_dashboards=True,
            runbooks="https://github.com/eric-n/myhealth/blob/main/docs/runbooks.md",
            receivers=(Slack(name="operations", channel="#myhealth-operations"),),
        ),
        addons=(
            EbsCsi(),
            MetricsServer(),
            ExternalSecrets(refresh=hours(1)),
            CloudWatchLogs(),
            Pushgateway(),
            ArgoRollouts(),
            PrometheusAdapter(),
            ClusterAutoscaler(max_nodes_total=10),
            Jaeger(),
            Kiali(),
            ArgoCd(repository="https://github.com/eric-n/myhealth", path="helm/myhealth", webhook="argocd"),
            Velero(schedule="0 2 * * *", keep=days(30), volumes="snapshots"),
        ),
    ),
    network=SingleVpc(
        tiers=(
            Tier(name="public", offset=1, egress="internet"),
            Tier(name="private", offset=1, prefix=18, egress="nat"),
        ),
        control="private",
        edge="internal",
        endpoints=("ecr.api", "ecr.dkr", "secretsmanager", "sts"),
    ),
    environments={
        "dev": Environment(
            cidr="10.0.0.0/16",
            domain="dev.myhealth.eric-n.com",
            zones=3,
            servers=Nodes(instance="t3.medium", count=1),
            pools={
                "general": Nodes(
                    instance="t3.medium",
                    count=2,
                    maximum=10,
                    spot=True,
                    alternatives=("t3a.medium",),
                    disk=Gp3(size=30),
                ),
                "platform": None,
            },
            managed_databases=ManagedDatabases(instance="db.t3.micro", storage=20, maximum=100),
            envelope_encryption=False,
            services={
                "data-processor": ServiceChange(resources=SMALL, env={"DB_POOL_MAX": "4"}, migrations=ONE_PERSON),
                "api-service": ServiceChange(
                    resources=SMALL, env={"DB_POOL_MAX": "4", "DEFAULT_USER_ID": "1"}, release=Rolling()
                ),
            },
            dashboards=TWO_PAGES,
            origins=("@", "grafana"),
            autoscale=True,
            log_days=7,
            flow_log_days=7,
            observability_volume="50Gi",
            moving_tags=False,
            api=PublicApi(
                endpoints=(
                    BY_KEY,
                    *READ,
                    Endpoint(path="/api/v1/trends", summary="Trends", query=("metric", *SPAN), answers=METRICS),
                ),
                tokens=ApiTokens(
                    audience="myhealth",
                    rotate=days(180),
                    served_by="api-service",
                ),
            ),
            budget=Budget(amount=149, notify=("operations@eric-n.com",)),
            without=("alertmanager", "argo-cd", "argo-rollouts", "jaeger", "kiali", "velero"),
        ),
        "prod": Environment(
            cidr="10.1.0.0/16",
            domain="myhealth.eric-n.com",
            zones=3,
            nat_per_zone=True,
            servers=Nodes(instance="t3.medium", count=3),
            pools={
                "general": Nodes(instance="t3.large", count=2, maximum=6),
                "platform": Nodes(instance="t3.large", count=2, maximum=4),
            },
            managed_databases=ManagedDatabases(
                instance="db.r6g.large", storage=100, maximum=500, standby=True, backup_days=7
            ),
            origins=("@",),
            autoscale=True,
            protect=True,
            snapshot_days=30,
            log_days=30,
            observability_volume="50Gi",
            moving_tags=False,
            owns_account=True,
            api=PublicApi(
                endpoints=(
                    BY_PASSWORD,
                    *READ,
                    Endpoint(path="/api/v1/trends/{metric}", summary="Trends of one", query=SPAN, answers=METRICS),
                ),
                tokens=ApiTokens(
                    audience="myhealth",
                    rotate=days(180),
                    served_by="api-service",
                    roles=("admin", "user"),
                    scopes=SCOPES,
                ),
                firewall=WebFirewall(),
            ),
            site=Site(),
            budget=Budget(amount=857, notify=("operations@eric-n.com",)),
        ),
    },
)
