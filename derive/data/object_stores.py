"""Where a declared bucket is, and how pods reach it: S3 by their role, another provider's S3 API by keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from derive import cloud
from derive.mesh.graph import Exit
from derive.shapes import Deployment, SecretPlan
from manifests import pods
from manifests.base import Manifest
from model import R2, Bucket, DeclarationError, System

KEY_ID: Final = "access-key-id"
SECRET_KEY: Final = "secret-access-key"
"""Keys of the Secret that opens a bucket elsewhere."""
R2_HOSTS: Final = "*.r2.cloudflarestorage.com"


@dataclass(frozen=True)
class ObjectStore:
    """One bucket as its users are told of it."""

    bucket: str
    """Its name, or the reference that the stack fills in."""
    region: str
    endpoint: str | None = None
    """URL of the S3 API. Absent: AWS's own, of the region."""
    credentials: str | None = None
    """Name of the Secret with the keys. Absent: pods use their role."""

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    @property
    def arguments(self) -> list[str]:
        """Of the AWS command line."""
        return ["--endpoint-url", self.endpoint] if self.endpoint else []

    @property
    def environment(self) -> list[Manifest]:
        """What the AWS command line and the SDKs read. Checksums: only those that every S3 API knows."""
        found = [pods.value("AWS_REGION", self.region)]
        if self.credentials:
            found += [
                pods.secret_value("AWS_ACCESS_KEY_ID", self.credentials, KEY_ID),
                pods.secret_value("AWS_SECRET_ACCESS_KEY", self.credentials, SECRET_KEY),
                pods.value("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required"),
                pods.value("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required"),
            ]
        return found


def declared(system: System, name: str) -> Bucket | None:
    """The declaration of a bucket. Absent: it is made because something refers to it."""
    return next((store for store in system.stores if isinstance(store, Bucket) and store.name == name), None)


def object_store(deployment: Deployment, name: str) -> ObjectStore:
    """A bucket of the stack. Raises DeclarationError for one whose account the stack does not name."""
    found = declared(deployment.system, name)
    if found is None or found.at is None:
        return ObjectStore(cloud.bucket(name), deployment.facts.region)
    account = deployment.facts.cloudflare_account
    if not account:
        raise DeclarationError(
            f"bucket '{name}' is kept at Cloudflare R2, but the stack names no account; "
            "set it with 'pulumi config set cloudflareAccount ID'"
        )
    endpoint = f"https://{account}.r2.cloudflarestorage.com"
    # R2 has one region, which its S3 API calls "auto" (Cloudflare's documentation, "S3 API compatibility").
    return ObjectStore(deployment.prefix, "auto", endpoint, found.at.credentials)


def leaving(bucket: Bucket | None, region: str) -> Exit:
    """The way to a bucket: which of them a pod may use is said by its rights, or by its keys."""
    endpoint = f"s3.{region}.amazonaws.com"
    hosts = (R2_HOSTS,) if bucket and bucket.at else (endpoint, f"*.{endpoint}")
    return Exit(bucket.name if bucket else "s3", "external", hosts, 443, "TLS")


def copying(bucket: Bucket | None, region: str) -> Exit:
    """The way of who sends copies: one name, for a bucket is part of the path and not of the name (``api``)."""
    if bucket and bucket.at:
        return leaving(bucket, region)
    return Exit("s3-copies", "external", (f"s3.{region}.amazonaws.com",), 443, "TLS")


def api(region: str) -> str:
    """URL of the region's S3. The AWS command line asks a named one for buckets by path."""
    return f"https://s3.{region}.amazonaws.com"


def credentials(at: R2, namespace: str) -> SecretPlan:
    """The keys of a bucket elsewhere, which whoever runs it issued."""
    given = {key: f"{at.credentials}-{key}" for key in (KEY_ID, SECRET_KEY)}
    return SecretPlan(name=at.credentials, namespace=namespace, given=given)
