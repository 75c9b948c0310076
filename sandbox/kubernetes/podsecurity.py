"""Pod Security admission: the baseline and restricted standards, field by field.

Source: kubernetes.io/docs/concepts/security/pod-security-standards (v1.36) and k8s.io/pod-security-admission
``policy``; messages are worded as its own. A namespace's ``enforce`` label chooses the level; pods for Windows
are exempt from the checks of Linux features in ``restricted``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from sandbox.kubernetes.access import Body, dig, enumerated, items, mapping, number, strings, text
from sandbox.provider import UNKNOWN

LEVELS: Final = ("privileged", "baseline", "restricted")
PREFIX: Final = "pod-security.kubernetes.io/"
ENFORCE: Final = f"{PREFIX}enforce"

_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)
_SELINUX_TYPES: Final = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_HANDLERS: Final = (
    *(("livenessProbe",), ("readinessProbe",), ("startupProbe",)),
    *(("lifecycle", "preStop"), ("lifecycle", "postStart")),
)
_DROP_ALL: Final = 'set securityContext.capabilities.drop=["ALL"]'
_OWN_HOSTS: Final = ("", "127.0.0.1", "::1")


def _all(spec: Body) -> list[Body]:
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for _, container in enumerated(spec, "", kind)]


def _quoted(containers: list[Body]) -> str:
    found = [f'"{text(one, "name") or "?"}"' for one in containers]
    return f"container{'s' if len(found) > 1 else ''} {', '.join(found)}"


def _must(containers: list[Body], rule: str) -> str:
    return f"{_quoted(containers)} must {rule}"


def _contexts(spec: Body, *path: str) -> list[tuple[str, Any]]:
    """The value at a path of every security context, the pod's own first, with whose it is."""
    own = [("pod", dig(spec, "securityContext", *path))]
    return own + [(_quoted([one]), dig(one, "securityContext", *path)) for one in _all(spec)]


def _host_process(_: Body, spec: Body) -> Iterator[str]:
    if any(value is True for _, value in _contexts(spec, "windowsOptions", "hostProcess")):
        yield "hostProcess (pod and containers must not set securityContext.windowsOptions.hostProcess=true)"


def _host_namespaces(_: Body, spec: Body) -> Iterator[str]:
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name) is True]
    if found:
        yield f"host namespaces ({', '.join(f'{name}=true' for name in found)})"


def _privileged(_: Body, spec: Body) -> Iterator[str]:
    bad = [one for one in _all(spec) if dig(one, "securityContext", "privileged") is True]
    if bad:
        yield f"privileged ({_must(bad, 'not set securityContext.privileged=true')})"


def _baseline_capabilities(_: Body, spec: Body) -> Iterator[str]:
    for one in _all(spec):
        added = sorted(set(map(str, items(one, "securityContext", "capabilities", "add"))) - _CAPABILITIES)
        if added:
            yield f"non-default capabilities ({_quoted([one])} must not add {', '.join(added)})"


def _host_path(_: Body, spec: Body) -> Iterator[str]:
    bad = [f'"{text(one, "name")}"' for _, one in enumerated(spec, "", "volumes") if "hostPath" in one]
    if bad:
        yield f"hostPath volumes (volume{'s' if len(bad) > 1 else ''} {', '.join(bad)})"


def _host_ports(_: Body, spec: Body) -> Iterator[str]:
    for one in _all(spec):
        ports = [str(value) for _, port in enumerated(one, "", "ports") if (value := number(port, "hostPort"))]
        if ports:
            yield f"hostPort ({_quoted([one])} uses hostPort {', '.join(ports)})"


def _probe_hosts(_: Body, spec: Body) -> Iterator[str]:
    for one in _all(spec):
        for handler in _HANDLERS:
            for kind in ("httpGet", "tcpSocket"):
                host = text(one, *handler, kind, "host")
                if host is not None and host not in _OWN_HOSTS:
                    yield f"probe or lifecycle host ({_quoted([one])} uses host {host!r} in {'.'.join(handler)})"


def _app_armor(metadata: Body, spec: Body) -> Iterator[str]:
    for whose, value in _contexts(spec, "appArmorProfile", "type"):
        if value not in (None, UNKNOWN, "RuntimeDefault", "Localhost"):
            yield f'forbidden AppArmor profile ({whose} must not set appArmorProfile.type to "{value}")'
    for key, profile in strings(metadata, "annotations").items():
        if key.startswith(_APPARMOR) and profile != "runtime/default" and not profile.startswith("localhost/"):
            yield f'forbidden AppArmor profile (annotation {key}="{profile}")'


def _se_linux(_: Body, spec: Body) -> Iterator[str]:
    for whose, value in _contexts(spec, "seLinuxOptions"):
        options = strings(value)
        if options.get("type", "") not in _SELINUX_TYPES:
            yield f'seLinuxOptions ({whose} set forbidden securityContext.seLinuxOptions type "{options["type"]}")'
        if options.get("user") or options.get("role"):
            yield f"seLinuxOptions ({whose} set forbidden securityContext.seLinuxOptions user or role)"


def _proc_mount(_: Body, spec: Body) -> Iterator[str]:
    bad = [one for one in _all(spec) if dig(one, "securityContext", "procMount") not in (None, UNKNOWN, "Default")]
    if bad:
        yield f"procMount ({_must(bad, 'not set securityContext.procMount')})"


def _baseline_seccomp(_: Body, spec: Body) -> Iterator[str]:
    for whose, value in _contexts(spec, "seccompProfile", "type"):
        if value == "Unconfined":
            yield f'seccompProfile ({whose} must not set securityContext.seccompProfile.type to "Unconfined")'


def _sysctls(_: Body, spec: Body) -> Iterator[str]:
    used = {str(one.get("name")) for _, one in enumerated(spec, "", "securityContext", "sysctls")}
    if used - _SYSCTLS:
        yield f"forbidden sysctls ({', '.join(sorted(used - _SYSCTLS))})"


def _volume_types(_metadata: Body, spec: Body) -> Iterator[str]:
    for _, volume in enumerated(spec, "", "volumes"):
        name, bad = text(volume, "name"), sorted(volume.keys() - {"name"} - _VOLUMES)
        if bad:
            yield f'restricted volume types (volume "{name}" uses restricted volume type "{bad[0]}")'


def _escalation(_: Body, spec: Body) -> Iterator[str]:
    bad = [one for one in _all(spec) if dig(one, "securityContext", "allowPrivilegeEscalation") not in (False, UNKNOWN)]
    if bad:
        yield f"allowPrivilegeEscalation != false ({_must(bad, 'set securityContext.allowPrivilegeEscalation=false')})"


def _non_root(_: Body, spec: Body) -> Iterator[str]:
    pod = dig(spec, "securityContext", "runAsNonRoot")
    own = {id(one): dig(one, "securityContext", "runAsNonRoot") for one in _all(spec)}
    bad = [one for one in _all(spec) if own[id(one)] is False or (own[id(one)] is None and pod not in (True, UNKNOWN))]
    if bad:
        yield f"runAsNonRoot != true (pod or {_must(bad, 'set securityContext.runAsNonRoot=true')})"


def _run_as_user(_: Body, spec: Body) -> Iterator[str]:
    for whose, value in _contexts(spec, "runAsUser"):
        if value == 0 and value is not False:
            yield f"runAsUser=0 ({whose} must not set runAsUser=0)"


def _restricted_seccomp(_: Body, spec: Body) -> Iterator[str]:
    allowed = ("RuntimeDefault", "Localhost", UNKNOWN)
    pod = dig(spec, "securityContext", "seccompProfile", "type")
    bad = []
    for one in _all(spec):
        own = dig(one, "securityContext", "seccompProfile", "type")
        if own not in allowed and (own is not None or pod not in allowed):
            bad.append(one)
    if bad:
        rule = 'set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        yield f"seccompProfile (pod or {_must(bad, rule)})"


def _restricted_capabilities(_: Body, spec: Body) -> Iterator[str]:
    for one in _all(spec):
        capabilities = mapping(one, "securityContext", "capabilities")
        unknown = dig(one, "securityContext", "capabilities") is UNKNOWN or capabilities.get("drop") is UNKNOWN
        if not unknown and "ALL" not in items(capabilities, "drop"):
            yield f"unrestricted capabilities ({_must([one], _DROP_ALL)})"
        added = sorted(set(map(str, items(capabilities, "add"))) - {"NET_BIND_SERVICE"})
        if added:
            yield f"unrestricted capabilities ({_quoted([one])} must not add {', '.join(added)})"


Check = Callable[[Body, Body], Iterator[str]]
_BASELINE: Final[tuple[Check, ...]] = (
    _host_process,
    _host_namespaces,
    _privileged,
    _baseline_capabilities,
    _host_path,
    _host_ports,
    _probe_hosts,
    _app_armor,
    _se_linux,
    _proc_mount,
    _baseline_seccomp,
    _sysctls,
)
_RESTRICTED: Final[tuple[Check, ...]] = (_volume_types, _non_root, _run_as_user)
_RESTRICTED_LINUX: Final[tuple[Check, ...]] = (_escalation, _restricted_seccomp, _restricted_capabilities)


def violations(level: str, pod: Body) -> list[str]:
    """What a pod (metadata and spec) does that a level forbids."""
    if level not in LEVELS[1:]:
        return []
    checks = _BASELINE
    if level == "restricted":
        checks += _RESTRICTED
        if text(pod, "spec", "os", "name") != "windows":
            checks += _RESTRICTED_LINUX
    metadata, spec = mapping(pod, "metadata"), mapping(pod, "spec")
    return [found for check in checks for found in check(metadata, spec)]


def enforced(namespace: Mapping[str, Any]) -> tuple[str, str]:
    """The level and version that a namespace enforces."""
    labels = strings(namespace, "metadata", "labels")
    return labels.get(ENFORCE, "privileged"), labels.get(f"{ENFORCE}-version", "latest")
