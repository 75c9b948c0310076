"""The sandbox's Kubernetes cluster: an object store that admits only what an API server would."""

from sandbox.kubernetes.provider import KubernetesProvider

__all__ = ["KubernetesProvider"]
