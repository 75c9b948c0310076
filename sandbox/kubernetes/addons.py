"""Which add-on brings which CustomResourceDefinitions, and which kinds those are.

Sources: the projects' published CustomResourceDefinitions and chart values (August 2026). A group that is
not listed is served only by CustomResourceDefinitions declared as resources; those also override the lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Group:
    """One API group that an add-on brings."""

    charts: tuple[str, ...]
    """Charts that install its definitions; the first is the one to recommend. Empty: part of K3s."""
    versions: str
    namespaced: str
    cluster: str = ""

    def kinds(self) -> list[str]:
        return [*self.namespaced.split(), *self.cluster.split()]


@dataclass(frozen=True)
class Switch:
    """A chart value that turns its definitions on; ``default`` is the chart's own."""

    path: str
    default: bool


_ISTIO: Final = ("base", "istio-base")
_CERT_MANAGER: Final = ("cert-manager",)
_FLUX: Final = ("flux2",)
_RABBITMQ: Final = ("rabbitmq-cluster-operator", "rabbitmq-operators", "rabbitmq-messaging-topology-operator")
_SNAPSHOT: Final = ("snapshot-controller", "csi-snapshotter")
_LBC: Final = ("aws-load-balancer-controller",)
_GATEWAY: Final = ("gateway-api", "gateway-api-crds", "gateway-helm", "traefik-crd")

GROUPS: Final[Mapping[str, Group]] = {
    "helm.cattle.io": Group((), "v1", "HelmChart HelmChartConfig"),
    "k3s.cattle.io": Group((), "v1", "Addon", "ETCDSnapshotFile"),
    "networking.istio.io": Group(
        _ISTIO,
        "v1 v1beta1 v1alpha3",
        "DestinationRule EnvoyFilter Gateway ProxyConfig ServiceEntry Sidecar VirtualService WorkloadEntry "
        "WorkloadGroup",
    ),
    "security.istio.io": Group(_ISTIO, "v1 v1beta1", "AuthorizationPolicy PeerAuthentication RequestAuthentication"),
    "telemetry.istio.io": Group(_ISTIO, "v1 v1alpha1", "Telemetry"),
    "extensions.istio.io": Group(_ISTIO, "v1alpha1", "TrafficExtension WasmPlugin"),
    "cilium.io": Group(
        ("cilium",),
        "v2 v2alpha1",
        "CiliumNetworkPolicy CiliumEndpoint CiliumEnvoyConfig CiliumLocalRedirectPolicy CiliumNodeConfig "
        "CiliumBGPNodeConfigOverride CiliumGatewayClassConfig",
        "CiliumClusterwideNetworkPolicy CiliumCIDRGroup CiliumEgressGatewayPolicy CiliumClusterwideEnvoyConfig "
        "CiliumNode CiliumIdentity CiliumEndpointSlice CiliumLoadBalancerIPPool CiliumL2AnnouncementPolicy "
        "CiliumPodIPPool CiliumBGPClusterConfig CiliumBGPPeerConfig CiliumBGPAdvertisement",
    ),
    "cert-manager.io": Group(_CERT_MANAGER, "v1", "Certificate CertificateRequest Issuer", "ClusterIssuer"),
    "acme.cert-manager.io": Group(_CERT_MANAGER, "v1", "Challenge Order"),
    "trust.cert-manager.io": Group(("trust-manager",), "v1alpha1", "", "Bundle ClusterBundle"),
    "external-secrets.io": Group(
        ("external-secrets",),
        "v1 v1alpha1",
        "ExternalSecret PushSecret SecretStore",
        "ClusterExternalSecret ClusterPushSecret ClusterSecretStore",
    ),
    "generators.external-secrets.io": Group(
        ("external-secrets",),
        "v1alpha1",
        "ACRAccessToken ECRAuthorizationToken Fake GCRAccessToken GithubAccessToken GeneratorState MFA Password "
        "QuayAccessToken SSHKey STSSessionToken UUID VaultDynamicSecret Webhook CloudsmithAccessToken Grafana",
        "ClusterGenerator",
    ),
    "monitoring.coreos.com": Group(
        ("kube-prometheus-stack", "prometheus-operator-crds"),
        "v1 v1beta1 v1alpha1",
        "Alertmanager AlertmanagerConfig PodMonitor Probe Prometheus PrometheusAgent PrometheusRule ScrapeConfig "
        "ServiceMonitor ThanosRuler",
    ),
    "keda.sh": Group(
        ("keda",), "v1alpha1", "ScaledObject ScaledJob TriggerAuthentication", "ClusterTriggerAuthentication"
    ),
    "eventing.keda.sh": Group(("keda",), "v1alpha1", "CloudEventSource", "ClusterCloudEventSource"),
    "velero.io": Group(
        ("velero",),
        "v1 v2alpha1",
        "Backup BackupRepository BackupStorageLocation DataDownload DataUpload DeleteBackupRequest DownloadRequest "
        "PodVolumeBackup PodVolumeRestore Restore Schedule ServerStatusRequest VolumeSnapshotLocation",
    ),
    "argoproj.io": Group(
        ("argo-cd", "argo-rollouts", "argo-workflows", "argo-events"),
        "v1alpha1",
        "Application ApplicationSet AppProject AnalysisRun AnalysisTemplate Experiment Rollout Workflow "
        "WorkflowTemplate CronWorkflow WorkflowEventBinding EventBus EventSource Sensor",
        "ClusterAnalysisTemplate ClusterWorkflowTemplate",
    ),
    "helm.toolkit.fluxcd.io": Group(_FLUX, "v2", "HelmRelease"),
    "kustomize.toolkit.fluxcd.io": Group(_FLUX, "v1", "Kustomization"),
    "source.toolkit.fluxcd.io": Group(
        _FLUX, "v1", "Bucket ExternalArtifact GitRepository HelmChart HelmRepository OCIRepository"
    ),
    "notification.toolkit.fluxcd.io": Group(_FLUX, "v1 v1beta3 v1beta2", "Alert Provider Receiver"),
    "image.toolkit.fluxcd.io": Group(_FLUX, "v1 v1beta2", "ImagePolicy ImageRepository ImageUpdateAutomation"),
    "source.extensions.fluxcd.io": Group(_FLUX, "v1beta1", "ArtifactGenerator"),
    "kafka.strimzi.io": Group(
        ("strimzi-kafka-operator",),
        "v1",
        "Kafka KafkaBridge KafkaConnect KafkaConnector KafkaMirrorMaker2 KafkaNodePool KafkaRebalance KafkaTopic "
        "KafkaUser",
    ),
    "core.strimzi.io": Group(("strimzi-kafka-operator",), "v1", "StrimziPodSet"),
    "rabbitmq.com": Group(
        _RABBITMQ,
        "v1beta1 v1alpha1",
        "RabbitmqCluster Binding Exchange Federation OperatorPolicy Permission Policy Queue SchemaReplication Shovel "
        "SuperStream TopicPermission User Vhost",
    ),
    "redis.redis.opstreelabs.in": Group(
        ("redis-operator",), "v1beta2", "Redis RedisCluster RedisReplication RedisSentinel"
    ),
    "postgresql.cnpg.io": Group(
        ("cloudnative-pg",),
        "v1",
        "Backup Cluster Database DatabaseRole FailoverQuorum ImageCatalog Pooler Publication ScheduledBackup "
        "Subscription",
        "ClusterImageCatalog",
    ),
    "autoscaling.k8s.io": Group(
        ("vertical-pod-autoscaler", "vpa"), "v1", "VerticalPodAutoscaler VerticalPodAutoscalerCheckpoint"
    ),
    "elbv2.k8s.aws": Group(_LBC, "v1beta1 v1alpha1", "ALBTargetControlConfig TargetGroupBinding", "IngressClassParams"),
    "gateway.k8s.aws": Group(
        _LBC, "v1beta1", "ListenerRuleConfiguration LoadBalancerConfiguration TargetGroupConfiguration"
    ),
    "gateway.networking.k8s.io": Group(
        _GATEWAY,
        "v1 v1beta1 v1alpha3 v1alpha2",
        "BackendTLSPolicy GRPCRoute Gateway HTTPRoute ListenerSet ReferenceGrant TCPRoute TLSRoute UDPRoute",
        "GatewayClass",
    ),
    "snapshot.storage.k8s.io": Group(_SNAPSHOT, "v1", "VolumeSnapshot", "VolumeSnapshotClass VolumeSnapshotContent"),
    "groupsnapshot.storage.k8s.io": Group(
        _SNAPSHOT, "v1 v1beta2 v1beta1", "VolumeGroupSnapshot", "VolumeGroupSnapshotClass VolumeGroupSnapshotContent"
    ),
    "upgrade.cattle.io": Group(("system-upgrade-controller",), "v1", "Plan"),
    "kiali.io": Group(("kiali-operator",), "v1alpha1", "Kiali OSSMConsole"),
    "opentelemetry.io": Group(
        ("opentelemetry-operator",),
        "v1beta1 v1alpha1",
        "Instrumentation OpAMPBridge OpenTelemetryCollector TargetAllocator",
    ),
    "secrets.hashicorp.com": Group(
        ("vault-secrets-operator",),
        "v1beta1",
        "HCPAuth HCPVaultSecretsApp SecretTransformation VaultAuth VaultAuthGlobal VaultConnection VaultDynamicSecret "
        "VaultPKISecret VaultStaticSecret",
    ),
    "bitnami.com": Group(("sealed-secrets",), "v1alpha1", "SealedSecret"),
    "kyverno.io": Group(
        ("kyverno",), "v1 v2 v2beta1", "Policy CleanupPolicy PolicyException", "ClusterPolicy ClusterCleanupPolicy"
    ),
    "karpenter.sh": Group(("karpenter", "karpenter-crd"), "v1", "", "NodeClaim NodePool"),
    "karpenter.k8s.aws": Group(("karpenter", "karpenter-crd"), "v1", "", "EC2NodeClass"),
}

SWITCHES: Final[Mapping[str, tuple[Switch, ...]]] = {
    "cert-manager": (Switch("crds.enabled", False), Switch("installCRDs", False)),
    "external-secrets": (Switch("installCRDs", True),),
    "argo-cd": (Switch("crds.install", True),),
    "argo-rollouts": (Switch("installCRDs", True),),
    "keda": (Switch("crds.install", True),),
    "cloudnative-pg": (Switch("crds.create", True),),
    "kube-prometheus-stack": (Switch("crds.enabled", True),),
    "base": (Switch("base.enableCRDTemplates", True),),
}
"""Charts whose definitions depend on their values: they come when any of the switches is on."""

PARTS: Final[Mapping[str, str]] = {
    "argo-cd": "Application ApplicationSet AppProject",
    "argo-rollouts": "AnalysisRun AnalysisTemplate ClusterAnalysisTemplate Experiment Rollout",
    "argo-workflows": "Workflow WorkflowTemplate CronWorkflow WorkflowEventBinding ClusterWorkflowTemplate",
    "argo-events": "EventBus EventSource Sensor",
}
"""Charts that bring only some kinds of a group that several share."""


def recommended(group: str, kind: str) -> str:
    """The chart to install for a kind."""
    charts = GROUPS[group].charts
    return next((chart for chart in charts if kind in PARTS.get(chart, kind).split()), charts[0])


def provides(chart: str, group: str, kind: str) -> bool:
    """Whether a chart's definitions, when it installs them, include a kind."""
    known = GROUPS.get(group)
    return known is not None and chart in known.charts and kind in PARTS.get(chart, kind).split()
