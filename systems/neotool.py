"""Neotool: a GraphQL platform on one machine; delivered by GitOps, its secrets in Vault, its backups in object storage.

Row ids in docstrings and comments name the requirements that a value answers.
"""

from __future__ import annotations

from typing import Any

from model import (
    R2,
    Acme,
    Alloy,
    Backup,
    Bucket,
    Budget,
    Call,
    CertManager,
    Dashboard,
    Email,
    Environment,
    External,
    ExternalSecrets,
    Flux,
    Gp3,
    Grafana,
    HttpProof,
    InCluster,
    K3s,
    Kafka,
    LogArchive,
    Loki,
    NetworkPolicies,
    Nodes,
    NoMesh,
    Observability,
    PagerDuty,
    Panel,
    Platform,
    Pooler,
    PostgreSQL,
    Probe,
    Quota,
    Resources,
    Rolling,
    Route,
    SecretKey,
    Service,
    SingleVpc,
    Slack,
    System,
    Tier,
    Topic,
    Traefik,
    Vault,
    days,
    hours,
    minutes,
    seconds,
)

IN_PLACE = Rolling(max_surge=0, max_unavailable=1)
"""One node and a quota: a new version takes over the room of the old one, pod by pod."""
JWT = SecretKey(secret="jwt-secrets", key="signing-key")
KOTLIN: dict[str, Any] = {
    "port": 8080,
    "metrics": 9090,
    "runtime": "jvm",
    "uses": ("postgres", "kafka", "objects"),
    "env": {"JWT_SIGNING_KEY": JWT},
    "resources": Resources(cpu="250m", memory="512Mi", cpu_limit="400m", memory_limit="1Gi"),
    "startup": Probe(delay=seconds(0), period=seconds(5), failures=24),
    "release": IN_PLACE,
}
KOTLIN_SERVICES = ("app-service", "security-service")
"""NT-APP-03. Another one is another name here."""
ROUTER = """\
supergraph:
  listen: 0.0.0.0:4000
health_check:
  listen: 0.0.0.0:4000
  path: /health
cors:
  policies:
    - origins: ["${env.WEB_ORIGIN}"]
telemetry:
  exporters:
    metrics:
      prometheus:
        enabled: true
        listen: 0.0.0.0:9090
        path: /metrics
"""

PODS = 'namespace="production",container!=""'
RECEIVED = "http_server_request_duration_seconds"
SENT = "http_client_request_duration_seconds"
SLOWEST = "histogram_quantile(0.95, sum by ({by}, le) (rate({metric}_bucket[5m])))"
DASHBOARDS = (
    Dashboard(
        title="Kubernetes Cluster",
        panels=(
            Panel(
                title="CPU of the nodes",
                query='1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
                unit="percentunit",
            ),
            Panel(
                title="Memory of the nodes",
                query="1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
                legend="{{instance}}",
                unit="percentunit",
            ),
            Panel(
                title="Disk of the nodes",
                query='1 - node_filesystem_avail_bytes{fstype=~"ext4|xfs"} / node_filesystem_size_bytes',
                legend="{{instance}} {{mountpoint}}",
                unit="percentunit",
            ),
            Panel(title="CPU by pod", query=f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{PODS}}}[5m]))"),
            Panel(
                title="Memory by pod",
                query=f"sum by (pod) (container_memory_working_set_bytes{{{PODS}}})",
                unit="bytes",
            ),
            Panel(
                title="Share of the quota in use",
                query='sum by (resource) (kube_resourcequota{namespace="production",type="used"}) '
                '/ sum by (resource) (kube_resourcequota{namespace="production",type="hard"} > 0)',
                unit="percentunit",
            ),
        ),
    ),
    Dashboard(
        title="PostgreSQL",
        panels=(
            Panel(title="Connections by state", query="sum by (state) (pg_stat_activity_count)"),
            Panel(
                title="Transactions",
                query='rate(pg_stat_database_xact_commit{datname="neotool"}[5m]) '
                '+ rate(pg_stat_database_xact_rollback{datname="neotool"}[5m])',
                unit="ops",
            ),
            Panel(
                title="Mean time of a statement",
                query="sum(rate(pg_stat_statements_seconds_total[5m])) / sum(rate(pg_stat_statements_calls_total[5m]))",
                unit="s",
            ),
            Panel(title="Size", query='pg_database_size_bytes{datname="neotool"}', unit="bytes"),
            Panel(title="Clients that wait in PgBouncer", query="sum(pgbouncer_pools_client_waiting_connections)"),
            Panel(title="Locks", query='sum by (mode) (pg_locks_count{datname="neotool"})'),
        ),
    ),
    Dashboard(
        title="GraphQL",
        panels=(
            Panel(title="Operations", query=f"sum(rate({RECEIVED}_count[5m]))", unit="reqps", shape="number"),
            Panel(
                title="Answers by status",
                query=f"sum by (http_response_status_code) (rate({RECEIVED}_count[5m]))",
                unit="reqps",
            ),
            Panel(title="Latency, P95", query=SLOWEST.format(by="service", metric=RECEIVED), unit="s"),
            Panel(title="Latency of subgraphs, P95", query=SLOWEST.format(by="subgraph_name", metric=SENT), unit="s"),
            Panel(title="Errors by code", query="sum by (code) (rate(apollo_router_graphql_error_total[5m]))"),
        ),
    ),
    Dashboard(
        title="Applications",
        panels=(
            Panel(
                title="Requests by application",
                query="sum by (exported_service) (rate(traefik_service_requests_total[5m]))",
                unit="reqps",
            ),
            Panel(
                title="Share of errors by application",
                query='sum by (exported_service) (rate(traefik_service_requests_total{code=~"5.."}[5m])) '
                "/ sum by (exported_service) (rate(traefik_service_requests_total[5m]))",
                unit="percentunit",
            ),
            Panel(
                title="Latency by application, P95",
                query=SLOWEST.format(by="exported_service", metric="traefik_service_request_duration_seconds"),
                unit="s",
            ),
            Panel(
                title="Lag of consumers",
                query="sum by (consumergroup, topic) (kafka_consumergroup_lag)",
                legend="{{consumergroup}} {{topic}}",
            ),
            Panel(
                title="Messages by topic",
                query="sum by (topic) (rate(kafka_topic_partition_current_offset[5m]))",
                unit="ops",
            ),
        ),
    ),
)

SYSTEM = System(
    name="neotool",
    domain="neotool.io",
    namespace="production",
    stores=(
        PostgreSQL(
            name="postgres",
            database="neotool",
            version=18,
            image="postgres:18.1-alpine",
            placement=InCluster(
                size="100Gi",
                storage_class="local-path",
                dump=Backup(bucket="objects", schedule="0 3 * * *", keep=days(30)),
            ),
            network_policy="postgres-allow-pgbouncer",
            pooler=Pooler(
                name="pgbouncer",
                port=6432,
                members=1,
                mode="transaction",
                max_clients=1000,
                pool_size=25,
                authentication="plain",
                label="access-pgbouncer",
                network_policy="pgbouncer-allow-apps",
                resources=Resources(cpu="100m", memory="64Mi", cpu_limit="250m", memory_limit="128Mi"),
            ),
            resources=Resources(cpu="1", memory="2Gi", cpu_limit="1250m", memory_limit="4Gi"),
        ),
        Kafka(
            name="kafka",
            brokers=1,
            size="100Gi",
            resources=Resources(cpu="500m", memory="2Gi", cpu_limit="750m", memory_limit="2Gi"),
        ),
        Bucket(name="objects", at=R2(), keep=None, prefix="assets/"),
    ),
    services=(
        Service(
            name="apollo-router",
            port=4000,
            metrics=9090,
            runtime="other",
            image="ghcr.io/apollographql/router",
            config={"router.yaml": ROUTER},
            env={
                "APOLLO_ROUTER_CONFIG_PATH": "/etc/apollo-router/config/router.yaml",
                "APOLLO_GRAPH_REF": "neotool@current",
                "APOLLO_KEY": SecretKey(secret="api-keys", key="apollo-key", issued=True),
            },
            resources=Resources(cpu="250m", memory="256Mi", cpu_limit="400m", memory_limit="512Mi"),
            release=IN_PLACE,
        ),
        Service(
            name="web",
            port=3000,
            tier="frontend",
            resources=Resources(cpu="250m", memory="256Mi", cpu_limit="300m", memory_limit="512Mi"),
            release=IN_PLACE,
        ),
        *(Service(name=name, **KOTLIN) for name in KOTLIN_SERVICES),
    ),
    calls=(
        Call(caller="web", callee="apollo-router"),
        *(Call(caller="apollo-router", callee=name) for name in KOTLIN_SERVICES),
    ),
    topics=(
        Topic(name="account.changed", broker="kafka", publishers=("security-service",), subscribers=("app-service",)),
    ),
    routes=(
        Route(host="app", to="web"),
        Route(host="api", to="apollo-router"),
    ),
    externals=(
        External(
            name="apollo",
            hosts=("uplink.api.apollographql.com", "aws.uplink.api.apollographql.com"),
            used_by=("apollo-router",),
        ),
    ),
    dashboards=DASHBOARDS,
    # NT-INF-02. The limits leave room for charts, whose containers get the defaults' 500m each, and for one Job.
    quota=Quota(cpu="8", cpu_limit="12", memory="16Gi", memory_limit="24Gi", pods=50, claims=10, storage="340Gi"),
    defaults=Resources(cpu="50m", memory="64Mi", cpu_limit="500m", memory_limit="512Mi"),
    viewers="neotool:viewers",
    platform=Platform(
        cluster=K3s(machines="ubuntu-24.04"),
        cni=NetworkPolicies(),
        mesh=NoMesh(),
        ingress=Traefik(),
        pools=(),
        delivery=Flux(repository="ssh://git@github.com/neotool/neotool-gitops", branch="main"),
        observability=Observability(
            namespace="production",
            metrics_days=15,
            logs="none",
            service="prometheus",
            discovery="pods",
            receivers=(
                Email(
                    name="mail",
                    to="operations@neotool.io",
                    sender="alerts@neotool.io",
                    server="smtp.neotool.io:587",
                    user="alerts@neotool.io",
                ),
                Slack(name="slack", channel="#neotool-alerts"),
                PagerDuty(name="pagerduty", severities=("critical",)),
            ),
        ),
        addons=(
            CertManager(issuer=Acme(email="operations@neotool.io", proof=HttpProof(), staging=("dev",))),
            Vault(namespace="production", members=1, volume="10Gi", tls=False, auto_unseal=False, token_ttl=hours(24)),
            ExternalSecrets(store="vault", refresh=minutes(5)),
            Grafana(),
            Loki(volume="50Gi", retention=days(7), archive=LogArchive(bucket="objects", keep=days(90))),
            Alloy(),
        ),
    ),
    network=SingleVpc(
        tiers=(Tier(name="public", offset=1, egress="internet"),),
        control="public",
        edge="nodes",
    ),
    environments={
        "dev": Environment(
            cidr="10.21.0.0/16",
            domain="dev.neotool.io",
            servers=Nodes(instance="m7i.xlarge", count=1, disk=Gp3(size=350)),
            pools={},
            budget=Budget(amount=250, notify=("operations@neotool.io",)),
        ),
        "prod": Environment(
            cidr="10.20.0.0/16",
            domain="neotool.io",
            replicas=2,
            servers=Nodes(instance="m7i.2xlarge", count=1, disk=Gp3(size=400)),
            pools={},
            protect=True,
            observability_volume="50Gi",
            moving_tags=False,
            budget=Budget(amount=500, notify=("operations@neotool.io",)),
        ),
    },
)
