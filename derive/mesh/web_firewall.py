"""The firewall before a service: Coraza with the OWASP Core Rule Set, a module inside the service's own sidecar.

The module comes as an image that the node mounts into the pod, as it fetches every other image. If the proxy fetched
it, the pod would need a way to a registry outside, and these pods have none.
"""

from __future__ import annotations

import json
from typing import Final

from derive import naming
from derive.mesh.graph import Links
from derive.versions import CORAZA_IMAGE
from manifests import istio
from manifests.base import Manifest
from model import Service

VOLUME: Final = "web-firewall"
DIRECTORY: Final = "/var/lib/web-firewall"
MODULE: Final = "plugin.wasm"
HEALTH_RULE: Final = 10001
"""Below 100,000: numbers for local use (ModSecurity's reserved ranges)."""


def volume() -> Manifest:
    return {"name": VOLUME, "image": {"reference": CORAZA_IMAGE, "pullPolicy": "IfNotPresent"}}


def mounted() -> dict[str, str]:
    """Mounts the module into the sidecar."""
    mount = {VOLUME: {"mountPath": DIRECTORY, "readOnly": True}}
    return {"sidecar.istio.io/userVolumeMount": json.dumps(mount)}


def plugin(service: Service, links: Links) -> Manifest:
    """On the ports that callers use, hence not on that of metrics. A module that does not work lets nothing through."""
    return istio.wasm_plugin(
        f"{service.name}-firewall",
        links.workload.namespace,
        links.workload.selector,
        f"file://{DIRECTORY}/{MODULE}",
        naming.served_ports(service),
        {"directives_map": {"default": directives(service)}, "default_directives": "default"},
    )


def directives(service: Service) -> list[str]:
    """The recommended settings only record, so the engine is switched on after them."""
    checks = (service.liveness, service.readiness, service.startup)
    paths = sorted({check.path for check in checks if check})
    return [
        "Include @recommended-conf",
        "SecRuleEngine On",
        *(
            f'SecRule REQUEST_FILENAME "@streq {path}" "id:{HEALTH_RULE + index},phase:1,pass,nolog,ctl:ruleEngine=Off"'
            for index, path in enumerate(paths)
        ),
        "Include @crs-setup-conf",
        "Include @owasp_crs/*.conf",
    ]
