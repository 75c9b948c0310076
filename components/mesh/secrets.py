"""Kubernetes Secrets filled with generated values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_tls as tls

from components.identity.authority import Authority
from components.mesh.objects import KubernetesObject, Target
from derive.shapes import SecretPlan


@dataclass(frozen=True)
class SecretsArgs:
    """What is to be filled, and with what."""

    plans: Sequence[SecretPlan]
    passwords: Mapping[str, pulumi.Output[str]]
    authority: Authority
    target: Target
    given: Mapping[str, pulumi.Output[str]]
    """What operators gave in the stack's settings."""


class Secrets(pulumi.ComponentResource):
    """The Secrets of a namespace or add-on. Values are secret in the state; the stack's authority issues certificates.

    Costs nothing. Outputs: the registered objects, for those who must wait for them.
    """

    objects: list[KubernetesObject]
    public_keys: dict[str, pulumi.Output[str]]
    """Public half of each generated key pair, by its Secret's name."""

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:mesh:Secrets", name, None, opts)
        self._args = args
        self.public_keys = {}
        children = pulumi.ResourceOptions(parent=self)
        self.objects = [KubernetesObject(self._manifest(plan), args.target, children) for plan in args.plans]
        self.register_outputs({})

    def _manifest(self, plan: SecretPlan) -> dict[str, Any]:
        values: dict[str, pulumi.Input[str]] = dict(plan.literals)
        values |= {key: self._args.passwords[name] for key, name in plan.passwords.items()}
        values |= {key: self._args.given[name] for key, name in plan.given.items()}
        values |= {key: self._filled(text) for key, text in plan.templates.items()}
        if plan.certificate:
            issued = self._args.authority.issue(plan.name, plan.certificate, pulumi.ResourceOptions(parent=self))
            values |= {"tls.crt": issued.certificate, "tls.key": issued.key}
        if plan.key_pair:
            pair = tls.PrivateKey(f"{plan.name}-key", algorithm="ED25519", opts=pulumi.ResourceOptions(parent=self))
            values |= {"identity": pair.private_key_openssh, "identity.pub": pair.public_key_openssh}
            self.public_keys[plan.name] = pair.public_key_openssh.apply(str.strip)
        labels = {"labels": dict(plan.labels)} if plan.labels else {}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": plan.name, "namespace": plan.namespace, **labels},
            "type": "kubernetes.io/tls" if plan.certificate else "Opaque",
            "stringData": {key: pulumi.Output.secret(value) for key, value in values.items()},
        }

    def _filled(self, template: str) -> pulumi.Output[str]:
        named = {name: value for name, value in self._args.passwords.items() if f"{{{name}}}" in template}
        return pulumi.Output.all(**named).apply(lambda values: _fill(template, values))


def _fill(template: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template
