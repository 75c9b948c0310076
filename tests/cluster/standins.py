"""What a cluster has beside its control plane, as far as workloads and quotas notice it: machines, and the mesh.

:class:`Machines` stands in for scheduler and kubelets: every pod gets a node, runs and is ready, or has done its work;
a pod that was deleted stays until the next step, as a real one stays while it stops. :func:`inject_sidecars` stands in
for istiod's webhook: a pod of a labelled namespace gets a second container of the size that its annotations give, and
of the security settings that Istio gives it beside its CNI plug-in. :func:`released` stands in for the controller of
releases.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from tests.cluster.api import NOT_FOUND, STRATEGIC, Api, Object, Refused

NODE: Final = "node"
SIDECAR: Final = "istio-proxy"
_ANNOTATION: Final = "sidecar.istio.io"


class Machines:
    """One node that runs every pod at once. It has no limits: quotas are what is looked at."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._started = 0
        api.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})

    def run_until(self, left: Callable[[], list[str]], seconds: float) -> list[str]:
        """Step until nothing is left, or the time is over; answers what is left."""
        deadline = time.monotonic() + seconds
        while (found := left()) and time.monotonic() < deadline:
            self.step()
            time.sleep(0.2)
        return found

    def step(self) -> None:
        """Let pods that were told to stop end; start those that wait. In this order, as a rollout counts both."""
        pods = self._api.list("v1", "Pod")
        for pod in pods:
            if "deletionTimestamp" in pod["metadata"]:
                self._send("DELETE", pod, body={"gracePeriodSeconds": 0})
        for pod in pods:
            if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") == "Pending":
                self._start(pod)

    def _start(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        if not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            self._send("POST", pod, "/binding", binding)
        once = any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", ()))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"type": "Ready", "status": "False" if once else "True", "lastTransitionTime": now}
        address = f"10.42.{self._started // 250}.{self._started % 250 + 1}"
        self._started += 1
        status = {
            "phase": "Succeeded" if once else "Running",
            "conditions": [ready],
            "podIP": address,
            "podIPs": [{"ip": address}],
        }
        self._send("PATCH", pod, "/status", {"status": status}, STRATEGIC)

    def _send(self, method: str, pod: Object, part: str = "", body: Any = None, patch: str = "") -> None:
        """A request on a pod that its controller may have taken away meanwhile."""
        try:
            self._api.send(method, self._api.path_of(pod) + part, body, patch)
        except Refused as refused:
            if refused.status != NOT_FOUND:
                raise


def inject_sidecars(api: Api) -> None:
    """Give pods the mesh's second container from now on, by a policy of the API server's own."""
    name = "sidecars"
    injected = {"key": f"{_ANNOTATION}/inject", "operator": "NotIn", "values": ["false"]}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    group = "admissionregistration.k8s.io/v1"
    policy = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}},
            "objectSelector": {"matchExpressions": [injected]},
            "resourceRules": [pods],
        },
        "matchConditions": [
            {
                "name": "wanted",
                "expression": f"object.metadata.?annotations[?'{_ANNOTATION}/inject'].orValue('') != 'false'",
            }
        ],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _sidecar()}}],
    }
    api.apply({"apiVersion": group, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": policy})
    binding = {"policyName": name}
    api.apply(
        {"apiVersion": group, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": binding}
    )


def _sidecar() -> str:
    """The container as an expression on the pod: native, that is, an init container which goes on."""
    sizes = {
        side: ", ".join(
            f"'{resource}': object.metadata.annotations['{_ANNOTATION}/proxy{word}{end}']"
            for resource, word in (("cpu", "CPU"), ("memory", "Memory"))
        )
        for side, end in (("requests", ""), ("limits", "Limit"))
    }
    container = "Object.spec.initContainers"
    return f"""(has(object.spec.initContainers) ? [] : [
        JSONPatch{{op: 'add', path: '/spec/initContainers', value: []}}
    ]) + [JSONPatch{{op: 'add', path: '/spec/initContainers/0', value: {container}{{
        name: '{SIDECAR}', image: 'istio/proxyv2', restartPolicy: 'Always',
        resources: {container}.resources{{
            requests: {{{sizes["requests"]}}}, limits: {{{sizes["limits"]}}}
        }},
        securityContext: {container}.securityContext{{
            runAsUser: 1337, runAsGroup: 1337, runAsNonRoot: true, readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false, privileged: false,
            capabilities: {container}.securityContext.capabilities{{drop: ['ALL']}}
        }}
    }}}}]"""


def released(rollout: Object) -> Object:
    """A Deployment in a Rollout's place: its pods, and while they change the old ones beside as many new ones."""
    spec = rollout["spec"]
    beside = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}
    kept = {key: spec[key] for key in ("replicas", "selector", "template")}
    metadata = {key: rollout["metadata"][key] for key in ("name", "namespace")}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {**kept, "strategy": beside}}
