"""Closed value sets and ranges that Kubernetes' OpenAPI document leaves out of its schemas.

Added to the schemas when they are loaded, so that one machinery reports them. Source: the API server's
validation (k8s.io/kubernetes ``pkg/apis/*/validation``) and the field documentation of Kubernetes 1.36.
Keys are ``<definition>.<field>``; a list field's constraint is on its items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_PROTOCOLS: Final = "TCP UDP SCTP"
_ACCESS_MODES: Final = "ReadWriteOnce ReadOnlyMany ReadWriteMany ReadWriteOncePod"
_EFFECTS: Final = "NoSchedule PreferNoSchedule NoExecute"
_HONOR: Final = "Honor Ignore"
_PROFILES: Final = "RuntimeDefault Unconfined Localhost"
_WEBHOOK_FAILURE: Final = "Ignore Fail"

ENUMS: Final[Mapping[str, str]] = {
    "api.core.v1.Container.imagePullPolicy": "Always IfNotPresent Never",
    "api.core.v1.Container.terminationMessagePolicy": "File FallbackToLogsOnError",
    "api.core.v1.Container.restartPolicy": "Always OnFailure Never",
    "api.core.v1.ContainerPort.protocol": _PROTOCOLS,
    "api.core.v1.VolumeMount.mountPropagation": "None HostToContainer Bidirectional",
    "api.core.v1.VolumeMount.recursiveReadOnly": "Disabled IfPossible Enabled",
    "api.core.v1.PodSpec.restartPolicy": "Always OnFailure Never",
    "api.core.v1.PodSpec.dnsPolicy": "ClusterFirst ClusterFirstWithHostNet Default None",
    "api.core.v1.PodSpec.preemptionPolicy": "Never PreemptLowerPriority",
    "api.core.v1.PodOS.name": "linux windows",
    "api.core.v1.PodSecurityContext.fsGroupChangePolicy": "OnRootMismatch Always",
    "api.core.v1.PodSecurityContext.supplementalGroupsPolicy": "Merge Strict",
    "api.core.v1.PodSecurityContext.seLinuxChangePolicy": "MountOption Recursive",
    "api.core.v1.SecurityContext.procMount": "Default Unmasked",
    "api.core.v1.SeccompProfile.type": _PROFILES,
    "api.core.v1.AppArmorProfile.type": _PROFILES,
    "api.core.v1.HTTPGetAction.scheme": "HTTP HTTPS",
    "api.core.v1.Toleration.operator": "Exists Equal Lt Gt",
    "api.core.v1.Toleration.effect": _EFFECTS,
    "api.core.v1.Taint.effect": _EFFECTS,
    "api.core.v1.NodeSelectorRequirement.operator": "In NotIn Exists DoesNotExist Gt Lt",
    "api.core.v1.TopologySpreadConstraint.whenUnsatisfiable": "DoNotSchedule ScheduleAnyway",
    "api.core.v1.TopologySpreadConstraint.nodeAffinityPolicy": _HONOR,
    "api.core.v1.TopologySpreadConstraint.nodeTaintsPolicy": _HONOR,
    "api.core.v1.ServiceSpec.type": "ClusterIP NodePort LoadBalancer ExternalName",
    "api.core.v1.ServiceSpec.sessionAffinity": "None ClientIP",
    "api.core.v1.ServiceSpec.externalTrafficPolicy": "Cluster Local",
    "api.core.v1.ServiceSpec.internalTrafficPolicy": "Cluster Local",
    "api.core.v1.ServiceSpec.ipFamilyPolicy": "SingleStack PreferDualStack RequireDualStack",
    "api.core.v1.ServiceSpec.ipFamilies": "IPv4 IPv6",
    "api.core.v1.ServiceSpec.trafficDistribution": "PreferClose PreferSameZone PreferSameNode",
    "api.core.v1.ServicePort.protocol": _PROTOCOLS,
    "api.core.v1.PersistentVolumeClaimSpec.accessModes": _ACCESS_MODES,
    "api.core.v1.PersistentVolumeClaimSpec.volumeMode": "Filesystem Block",
    "api.core.v1.PersistentVolumeSpec.accessModes": _ACCESS_MODES,
    "api.core.v1.PersistentVolumeSpec.volumeMode": "Filesystem Block",
    "api.core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy": "Retain Delete Recycle",
    "api.core.v1.HostPathVolumeSource.type": " DirectoryOrCreate Directory FileOrCreate File Socket "
    "CharDevice BlockDevice",
    "api.core.v1.LimitRangeItem.type": "Container Pod PersistentVolumeClaim",
    "api.core.v1.ResourceQuotaSpec.scopes": "Terminating NotTerminating BestEffort NotBestEffort PriorityClass "
    "CrossNamespacePodAffinity VolumeAttributesClass",
    "api.apps.v1.DeploymentStrategy.type": "RollingUpdate Recreate",
    "api.apps.v1.StatefulSetSpec.podManagementPolicy": "OrderedReady Parallel",
    "api.apps.v1.StatefulSetUpdateStrategy.type": "RollingUpdate OnDelete",
    "api.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted": "Retain Delete",
    "api.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled": "Retain Delete",
    "api.apps.v1.DaemonSetUpdateStrategy.type": "RollingUpdate OnDelete",
    "api.batch.v1.CronJobSpec.concurrencyPolicy": "Allow Forbid Replace",
    "api.batch.v1.JobSpec.completionMode": "NonIndexed Indexed",
    "api.batch.v1.JobSpec.podReplacementPolicy": "TerminatingOrFailed Failed",
    "api.autoscaling.v2.MetricSpec.type": "ContainerResource External Object Pods Resource",
    "api.autoscaling.v2.MetricTarget.type": "Utilization Value AverageValue",
    "api.autoscaling.v2.HPAScalingRules.selectPolicy": "Max Min Disabled",
    "api.autoscaling.v2.HPAScalingPolicy.type": "Pods Percent",
    "api.networking.v1.NetworkPolicySpec.policyTypes": "Ingress Egress",
    "api.networking.v1.NetworkPolicyPort.protocol": _PROTOCOLS,
    "api.networking.v1.HTTPIngressPath.pathType": "Exact Prefix ImplementationSpecific",
    "api.policy.v1.PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy": "IfHealthyBudget AlwaysAllow",
    "api.rbac.v1.Subject.kind": "ServiceAccount User Group",
    "api.rbac.v1.RoleRef.kind": "Role ClusterRole",
    "api.rbac.v1.RoleRef.apiGroup": "rbac.authorization.k8s.io",
    "api.storage.v1.StorageClass.reclaimPolicy": "Delete Retain",
    "api.storage.v1.StorageClass.volumeBindingMode": "Immediate WaitForFirstConsumer",
    "api.storage.v1.CSIDriverSpec.fsGroupPolicy": "ReadWriteOnceWithFSType File None",
    "api.scheduling.v1.PriorityClass.preemptionPolicy": "Never PreemptLowerPriority",
    "api.admissionregistration.v1.MutatingWebhook.failurePolicy": _WEBHOOK_FAILURE,
    "api.admissionregistration.v1.MutatingWebhook.sideEffects": "None NoneOnDryRun",
    "api.admissionregistration.v1.ValidatingWebhook.failurePolicy": _WEBHOOK_FAILURE,
    "api.admissionregistration.v1.ValidatingWebhook.sideEffects": "None NoneOnDryRun",
    "apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement.operator": "In NotIn Exists DoesNotExist",
    "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec.scope": "Namespaced Cluster",
}

_COUNT: Final = (0, 2**31 - 1)
_POSITIVE: Final = (1, 2**31 - 1)
_PORT: Final = (1, 65535)
_USER: Final = (0, 2**31 - 1)

RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "api.core.v1.ContainerPort.containerPort": _PORT,
    "api.core.v1.ContainerPort.hostPort": (0, 65535),
    "api.core.v1.ServicePort.port": _PORT,
    "api.core.v1.ServicePort.nodePort": (30000, 32767),
    "api.core.v1.GRPCAction.port": _PORT,
    "api.core.v1.Probe.failureThreshold": _POSITIVE,
    "api.core.v1.Probe.initialDelaySeconds": _COUNT,
    "api.core.v1.Probe.periodSeconds": _POSITIVE,
    "api.core.v1.Probe.successThreshold": _POSITIVE,
    "api.core.v1.Probe.timeoutSeconds": _POSITIVE,
    "api.core.v1.Probe.terminationGracePeriodSeconds": _POSITIVE,
    "api.core.v1.PodSpec.terminationGracePeriodSeconds": _COUNT,
    "api.core.v1.PodSpec.activeDeadlineSeconds": _POSITIVE,
    "api.core.v1.PodSecurityContext.fsGroup": _USER,
    "api.core.v1.PodSecurityContext.runAsUser": _USER,
    "api.core.v1.PodSecurityContext.runAsGroup": _USER,
    "api.core.v1.SecurityContext.runAsUser": _USER,
    "api.core.v1.SecurityContext.runAsGroup": _USER,
    "api.core.v1.TopologySpreadConstraint.maxSkew": _POSITIVE,
    "api.core.v1.TopologySpreadConstraint.minDomains": _POSITIVE,
    "api.core.v1.WeightedPodAffinityTerm.weight": (1, 100),
    "api.core.v1.PreferredSchedulingTerm.weight": (1, 100),
    "api.core.v1.ConfigMapVolumeSource.defaultMode": (0, 0o777),
    "api.core.v1.SecretVolumeSource.defaultMode": (0, 0o777),
    "api.core.v1.ProjectedVolumeSource.defaultMode": (0, 0o777),
    "api.apps.v1.DeploymentSpec.replicas": _COUNT,
    "api.apps.v1.DeploymentSpec.minReadySeconds": _COUNT,
    "api.apps.v1.DeploymentSpec.revisionHistoryLimit": _COUNT,
    "api.apps.v1.DeploymentSpec.progressDeadlineSeconds": _POSITIVE,
    "api.apps.v1.StatefulSetSpec.replicas": _COUNT,
    "api.apps.v1.StatefulSetSpec.minReadySeconds": _COUNT,
    "api.apps.v1.ReplicaSetSpec.replicas": _COUNT,
    "api.batch.v1.JobSpec.backoffLimit": _COUNT,
    "api.batch.v1.JobSpec.completions": _COUNT,
    "api.batch.v1.JobSpec.parallelism": _COUNT,
    "api.batch.v1.JobSpec.ttlSecondsAfterFinished": _COUNT,
    "api.batch.v1.JobSpec.activeDeadlineSeconds": _COUNT,
    "api.batch.v1.CronJobSpec.startingDeadlineSeconds": _COUNT,
    "api.batch.v1.CronJobSpec.successfulJobsHistoryLimit": _COUNT,
    "api.batch.v1.CronJobSpec.failedJobsHistoryLimit": _COUNT,
    "api.autoscaling.v1.HorizontalPodAutoscalerSpec.minReplicas": _POSITIVE,
    "api.autoscaling.v1.HorizontalPodAutoscalerSpec.maxReplicas": _POSITIVE,
    "api.autoscaling.v2.HorizontalPodAutoscalerSpec.minReplicas": _POSITIVE,
    "api.autoscaling.v2.HorizontalPodAutoscalerSpec.maxReplicas": _POSITIVE,
    "api.autoscaling.v2.MetricTarget.averageUtilization": _POSITIVE,
    "api.autoscaling.v2.HPAScalingRules.stabilizationWindowSeconds": (0, 3600),
    "api.autoscaling.v2.HPAScalingPolicy.periodSeconds": (1, 1800),
    "api.autoscaling.v2.HPAScalingPolicy.value": _POSITIVE,
    "api.networking.v1.NetworkPolicyPort.endPort": _PORT,
    "api.networking.v1.ServiceBackendPort.number": _PORT,
    "api.admissionregistration.v1.MutatingWebhook.timeoutSeconds": (1, 30),
    "api.admissionregistration.v1.ValidatingWebhook.timeoutSeconds": (1, 30),
}
