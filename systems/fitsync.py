"""FitSync: training plans, bookings and progress. Row ids refer to the system's requirements."""

from model import (
    Cache,
    Call,
    Cilium,
    ConnectionPool,
    Dashboard,
    DatabaseHosts,
    Environment,
    Gp3,
    HubAndSpoke,
    Istio,
    K3s,
    Nodes,
    OnEc2,
    OutlierDetection,
    Panel,
    Platform,
    PostgreSQL,
    Redis,
    Retry,
    Route,
    Scale,
    SecretKey,
    Service,
    ServicePolicy,
    System,
    Topic,
    TrafficPolicy,
    minutes,
    seconds,
)

JWT = {"JWT_SECRET": SecretKey(secret="jwt-secrets", key="jwt-secret")}
PROFILES = (Cache(variable="PROFILE_CACHE_TTL", ttl=minutes(15)),)
GROWS = Scale(maximum=6, cpu=70)

DASHBOARDS = (
    Dashboard(
        title="Business Metrics",
        panels=(
            Panel(title="Active users by role", query="sum by (role) (active_users)", legend="{{role}}"),
            Panel(title="Bookings per day", query="sum(increase(bookings_created_total[1d]))", shape="number"),
            Panel(
                title="Programs assigned per week",
                query="sum(increase(program_assignments_total[7d]))",
                shape="number",
            ),
            Panel(
                title="Achievements earned per day",
                query="sum(increase(achievements_earned_total[1d]))",
                shape="number",
            ),
        ),
    ),
    Dashboard(
        title="Security Dashboard",
        panels=(
            Panel(
                title="JWT validation failures",
                query='sum by (service) (rate(jwt_validations_total{result="failure"}[5m]))',
                legend="{{service}}",
                unit="ops",
            ),
            Panel(
                title="Rate limit violations",
                query="sum by (service) (rate(rate_limit_hits_total[5m]))",
                legend="{{service}}",
                unit="ops",
            ),
        ),
    ),
    Dashboard(
        title="Application Metrics",
        panels=(
            Panel(
                title="api-gateway: requests",
                query='sum by (status) (rate(http_requests_total{service="api-gateway"}[5m]))',
                legend="{{status}}",
                unit="reqps",
            ),
            Panel(
                title="api-gateway: response time, P95",
                query="histogram_quantile(0.95, sum by (le) "
                '(rate(http_request_duration_seconds_bucket{service="api-gateway"}[5m])))',
                legend="P95",
                unit="s",
            ),
            Panel(
                title="api-gateway: rate limit hits",
                query='sum(rate(rate_limit_hits_total{service="api-gateway"}[5m]))',
                legend="hits",
                unit="ops",
            ),
            Panel(
                title="user-service: login attempts",
                query="sum by (result) (rate(login_attempts_total[5m]))",
                legend="{{result}}",
                unit="ops",
            ),
            Panel(
                title="user-service: JWT validations",
                query="sum by (result) (rate(jwt_validations_total[5m]))",
                legend="{{result}}",
                unit="ops",
            ),
            Panel(
                title="user-service: cache hit ratio",
                query="sum(rate(cache_hits_total[5m])) / "
                "(sum(rate(cache_hits_total[5m])) + sum(rate(cache_misses_total[5m])))",
                legend="hits",
                unit="percentunit",
            ),
            Panel(
                title="training-service: programs created",
                query="sum(increase(programs_created_total[1h]))",
                legend="per hour",
            ),
            Panel(
                title="training-service: program assignments",
                query="sum(increase(program_assignments_total[1h]))",
                legend="per hour",
            ),
            Panel(
                title="schedule-service: bookings created",
                query="sum(increase(bookings_created_total[1h]))",
                legend="per hour",
            ),
            Panel(
                title="schedule-service: bookings cancelled",
                query="sum(increase(bookings_cancelled_total[1h]))",
                legend="per hour",
            ),
            Panel(
                title="progress-service: metrics recorded",
                query="sum(rate(metrics_recorded_total[5m]))",
                legend="recorded",
                unit="ops",
            ),
            Panel(
                title="progress-service: achievements earned",
                query="sum(increase(achievements_earned_total[1h]))",
                legend="per hour",
            ),
            Panel(
                title="notification-service: events processed",
                query="sum by (topic) (rate(events_processed_total[5m]))",
                legend="{{topic}}",
                unit="ops",
            ),
            Panel(
                title="notification-service: notifications sent",
                query="sum by (channel) (rate(notifications_sent_total[5m]))",
                legend="{{channel}}",
                unit="ops",
            ),
        ),
    ),
)
"""The metrics that the services publish, on pages beside those that are derived from the graph."""

SYSTEM = System(
    name="fitsync",
    domain="fitsync.com",
    stores=(
        PostgreSQL(name="userdb", owner="user-service", version=15, placement=OnEc2()),
        PostgreSQL(name="trainingdb", owner="training-service", version=15, placement=OnEc2()),
        PostgreSQL(name="scheduledb", owner="schedule-service", version=15, placement=OnEc2()),
        PostgreSQL(name="progressdb", owner="progress-service", version=15, placement=OnEc2()),
        Redis(name="redis"),
    ),
    services=(
        Service(name="frontend", port=3000, tier="frontend"),
        Service(
            name="api-gateway",
            port=4000,
            metrics=9090,
            uses=("redis",),
            env=JWT,
            caches=PROFILES,
            scale=GROWS,
            network_policy="api-gateway-ingress",
        ),
        Service(
            name="user-service",
            port=3001,
            metrics=9090,
            uses=("userdb", "redis"),
            env=JWT,
            caches=PROFILES,
            scale=GROWS,
        ),
        Service(
            name="training-service",
            port=3002,
            metrics=9090,
            uses=("trainingdb", "redis"),
            env=JWT,
            caches=PROFILES,
            scale=GROWS,
        ),
        Service(
            name="schedule-service",
            port=8003,
            runtime="python",
            metrics=9090,
            uses=("scheduledb", "redis"),
            env=JWT,
            caches=PROFILES,
            scale=GROWS,
        ),
        Service(
            name="progress-service",
            port=8004,
            runtime="python",
            metrics=9090,
            uses=("progressdb", "redis"),
            env=JWT,
            caches=PROFILES,
            scale=GROWS,
        ),
        Service(
            name="notification-service", port=3005, metrics=9090, uses=("redis",), env=JWT, caches=PROFILES, scale=GROWS
        ),
    ),
    calls=(
        Call(caller="frontend", callee="api-gateway"),
        Call(caller="api-gateway", callee="user-service"),
        Call(caller="api-gateway", callee="training-service"),
        Call(caller="api-gateway", callee="schedule-service"),
        Call(caller="api-gateway", callee="progress-service"),
        Call(caller="api-gateway", callee="notification-service"),
        Call(caller="training-service", callee="user-service"),
        Call(caller="schedule-service", callee="user-service"),
        Call(caller="schedule-service", callee="training-service"),
        Call(caller="progress-service", callee="user-service"),
        Call(caller="progress-service", callee="schedule-service"),
        Call(caller="progress-service", callee="training-service"),
        Call(caller="notification-service", callee="user-service"),
        Call(caller="notification-service", callee="training-service"),
        Call(caller="notification-service", callee="schedule-service"),
    ),
    policies=(
        ServicePolicy(
            to="user-service",
            timeout=seconds(10),
            traffic=TrafficPolicy(
                pool=ConnectionPool(pending_requests=100, requests_per_connection=1),
                outliers=OutlierDetection(consecutive_5xx=3, interval=seconds(10), ejection=seconds(30)),
            ),
        ),
        ServicePolicy(to="training-service", timeout=seconds(10)),
        ServicePolicy(to="schedule-service", timeout=seconds(10)),
        ServicePolicy(to="progress-service", timeout=seconds(10)),
        ServicePolicy(to="notification-service", timeout=seconds(10)),
    ),
    topics=(
        *(
            Topic(
                name=name,
                broker="redis",
                publishers=("schedule-service",),
                subscribers=("progress-service", "notification-service"),
            )
            for name in ("booking.created", "booking.cancelled", "booking.completed")
        ),
        *(
            Topic(
                name=name,
                broker="redis",
                publishers=("training-service",),
                subscribers=("progress-service", "notification-service"),
            )
            for name in ("program.assigned", "program.completed")
        ),
        *(
            Topic(name=name, broker="redis", publishers=("progress-service",), subscribers=("notification-service",))
            for name in ("achievement.earned", "milestone.reached")
        ),
    ),
    routes=(
        Route(host="app", to="frontend", certificate="frontend-tls-cert"),
        Route(
            host="api",
            prefix="/api",
            to="api-gateway",
            timeout=seconds(30),
            retry=Retry(attempts=3, per_try=seconds(10)),
            certificate="api-tls-cert",
        ),
    ),
    dashboards=DASHBOARDS,
    platform=Platform(
        cluster=K3s(),
        cni=Cilium(),
        mesh=Istio(
            mtls="STRICT",
            defaults=TrafficPolicy(
                balance="ROUND_ROBIN",
                pool=ConnectionPool(connections=100, pending_requests=50, requests=100, requests_per_connection=2),
                outliers=OutlierDetection(
                    consecutive_5xx=5, interval=seconds(30), ejection=seconds(30), max_ejected=50
                ),
            ),
        ),
        delivery="helm-chart",
    ),
    network=HubAndSpoke(hub="10.0.0.0/16"),
    environments={
        "dev": Environment(
            cidr="10.1.0.0/16",
            domain="dev.fitsync.com",
            servers=Nodes(instance="t3.medium", count=1),
            pools={"agents": Nodes(instance="t3.xlarge", count=2, maximum=4)},
            databases=DatabaseHosts(instance="t3.micro", volume=Gp3(size=20)),
        ),
        "stage": Environment(
            cidr="10.2.0.0/16",
            domain="stage.fitsync.com",
            replicas=2,
            servers=Nodes(instance="t3.medium", count=1),
            pools={"agents": Nodes(instance="t3.xlarge", count=2, maximum=4)},
            databases=DatabaseHosts(instance="t3.small", volume=Gp3(size=50)),
            moving_tags=False,
        ),
        "prod": Environment(
            cidr="10.3.0.0/16",
            domain="fitsync.com",
            zones=3,
            nat_per_zone=True,
            replicas=3,
            autoscale=True,
            servers=Nodes(instance="t3.large", count=3),
            pools={"agents": Nodes(instance="t3.xlarge", count=4, maximum=8, disk=Gp3(size=120))},
            databases=DatabaseHosts(instance="t3.medium", volume=Gp3(size=100), standby=True),
            protect=True,
            snapshot_days=30,
            log_days=30,
            observability_volume="50Gi",
            moving_tags=False,
        ),
    },
)
