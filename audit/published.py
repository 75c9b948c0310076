"""What the cloud publishes: an API before the ingress, path by path, and a site's bucket behind its distribution.

From the internet to the ingress there are four steps, and each is asked of the registered resources: the name leads to
the API, the API lets a request through with a token and a key, its integration takes the link, the link leads to the
load balancer. What is behind that, machines and doors, is judged like any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from audit import addons
from audit.findings import Difference, Kind
from audit.resources import Registry, Resource
from audit.scope import Scope
from audit.sites import EDGE, Sites
from model import Endpoint, PublicApi

API: Final = "public API"
LINK: Final = "link to the ingress"
NAME: Final = "public name"
SITE: Final = "site"
CLOSED: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


class Published:
    """The registered API and site of one environment against the declared ones."""

    def __init__(self, registry: Registry, scope: Scope, sites: Sites) -> None:
        self._registry, self._scope = registry, scope
        self._edges = {site.name for site in sites.machines if site.role == EDGE}

    def differences(self) -> Iterator[Difference]:
        api = self._scope.settings.api
        registered = list(self._registry.of("aws:apigateway/restApi:RestApi"))
        if api is None:
            for item in registered:
                yield _difference(API, "open", item.name, "it is registered, and none is declared")
        elif not registered:
            yield _difference(API, "closed", api.host, "it is declared, and none is registered")
        else:
            for item in registered:
                yield from self._api(api, item)
            yield from self._inside(api)
        yield from self._sites()

    def _api(self, api: PublicApi, registered: Resource) -> Iterator[Difference]:
        host = self._scope.public_host(api.host)
        document: dict[str, Any] = json.loads(str(registered.values.get("body") or "{}"))
        declared = {(endpoint.method, endpoint.path): (endpoint, host) for endpoint in api.endpoints}
        for behind, (_, _, path) in addons.doors(self._scope).items():
            if path != "/":
                signed = Endpoint(method="POST", path=path, summary="Signed calls", open=True)
                declared[signed.method, path] = (signed, behind)
        found = {
            (method.upper(), path): operation
            for path, operations in (document.get("paths") or {}).items()
            for method, operation in operations.items()
        }
        for method, path in found.keys() - declared.keys():
            yield _difference(API, "open", host, f"{method} {path} is published, and not declared")
        for method, path in declared.keys() - found.keys():
            yield _difference(API, "closed", host, f"{method} {path} is declared, and not published")
        for key in found.keys() & declared.keys():
            endpoint, behind = declared[key]
            yield from self._guards(document, host, endpoint, found[key])
            yield from self._way(behind, endpoint, found[key])
        yield from self._named(host, registered)
        yield from self._admitted(api, host, document, registered)

    def _guards(
        self, document: Mapping[str, Any], host: str, endpoint: Endpoint, operation: Mapping[str, Any]
    ) -> Iterator[Difference]:
        """A request needs every scheme of one entry; one entry without any lets everybody through."""
        schemes = (document.get("components") or {}).get("securitySchemes") or {}
        entries: list[Mapping[str, Any]] = list(operation.get("security") or [{}])
        guards = [{_guard(schemes.get(name) or {}) for name in entry} - {""} for entry in entries]
        asked = set.intersection(*guards)
        wanted = set() if endpoint.open else {"token", "key"}
        if asked != wanted:
            kind: Kind = "open" if wanted - asked else "closed"
            detail = f"{endpoint.method} {endpoint.path} asks for {_listed(asked)}, declared is {_listed(wanted)}"
            yield _difference(API, kind, host, detail)

    def _way(self, host: str, endpoint: Endpoint, operation: Mapping[str, Any]) -> Iterator[Difference]:
        taken = operation.get("x-amazon-apigateway-integration") or {}
        links = {
            item.id: str(item.values.get("targetArn")) for item in self._registry.of("aws:apigateway/vpcLink:VpcLink")
        }
        balancers = {
            str(item.values.get("arn") or item.id): item.name
            for item in self._registry.of("aws:lb/loadBalancer:LoadBalancer")
        }
        reached = balancers.get(links.get(str(taken.get("connectionId")), ""), "")
        through = (str(taken.get("type")).upper(), str(taken.get("connectionType")).upper())
        whole = through == ("HTTP_PROXY", "VPC_LINK") and reached in self._edges
        goes = str(taken.get("uri"))
        if not whole or goes != f"https://{host}{endpoint.path}":
            detail = (
                f"{endpoint.method} {endpoint.path} goes to {goes} by {reached or 'no load balancer of the ingress'}"
            )
            yield _difference(LINK, "changed", host, detail)

    def _stages(self, api: Resource) -> dict[str, str]:
        """ARN of each stage that serves a deployment of the API, by its name."""
        deployed = {
            item.id
            for item in self._registry.of("aws:apigateway/deployment:Deployment")
            if item.values.get("restApi") == api.id
        }
        return {
            str(item.values.get("stageName")): str(item.values.get("arn"))
            for item in self._registry.of("aws:apigateway/stage:Stage")
            if item.values.get("restApi") == api.id and item.values.get("deployment") in deployed
        }

    def _admitted(
        self, declared: PublicApi, host: str, document: Mapping[str, Any], api: Resource
    ) -> Iterator[Difference]:
        """What asks for a token or a key also knows one, and the declared firewall stands before every stage."""
        schemes = (document.get("components") or {}).get("securitySchemes") or {}
        asked = {
            str(scheme["x-amazon-apigateway-authorizer"].get("authorizerUri"))
            for scheme in schemes.values()
            if _guard(scheme) == "token"
        }
        invocable = {
            str(item.values.get("function"))
            for item in self._registry.of("aws:lambda/permission:Permission")
            if item.values.get("principal") == "apigateway.amazonaws.com"
            and str(item.values.get("sourceArn")).startswith(f"{api.values.get('executionArn')}/")
        }
        for uri in asked:
            if not any(uri.endswith((f":function:{name}/invocations", f"/{name}/invocations")) for name in invocable):
                yield _difference(API, "closed", host, "the API may not ask the function that verifies its tokens")
        stages = self._stages(api)
        plans = {
            item.id
            for item in self._registry.of("aws:apigateway/usagePlan:UsagePlan")
            if any(one.get("apiId") == api.id and one.get("stage") in stages for one in item.values["apiStages"])
        }
        keys = [
            item.values.get("usagePlanId") for item in self._registry.of("aws:apigateway/usagePlanKey:UsagePlanKey")
        ]
        if not plans.intersection(keys):
            yield _difference(API, "closed", host, "no API key is good for it")
        walled = {
            str(item.values.get("resourceArn"))
            for item in self._registry.of("aws:wafv2/webAclAssociation:WebAclAssociation")
        }
        if declared.firewall and not walled.issuperset(stages.values()):
            yield _difference(API, "open", host, "the declared firewall does not stand before it")

    def _named(self, host: str, api: Resource) -> Iterator[Difference]:
        domains = {
            str(item.values.get("regionalDomainName")): str(item.values.get("domainName"))
            for item in self._registry.of("aws:apigateway/domainName:DomainName")
        }
        mapped = {
            str(item.values.get("domainName"))
            for item in self._registry.of("aws:apigateway/basePathMapping:BasePathMapping")
            if item.values.get("restApi") == api.id and item.values.get("stageName") in self._stages(api)
        }
        if domains.get(self._leads(host)) != host or host not in mapped:
            yield _difference(NAME, "closed", host, "the name leads to no registered API")
        if not api.values.get("disableExecuteApiEndpoint"):
            yield _difference(NAME, "open", host, "the API answers under a generated name, too")

    def _inside(self, api: PublicApi) -> Iterator[Difference]:
        """What is routed beside the API, and the platform's pages: their names lead to the balancer of the ingress."""
        scope = self._scope
        hosts = {scope.public_host(route.host) for route in scope.system.routes}
        hosts |= {host for host, (_, _, path) in addons.doors(scope).items() if path == "/"}
        balancers = {
            str(item.values.get("dnsName"))
            for item in self._registry.of("aws:lb/loadBalancer:LoadBalancer")
            if item.name in self._edges
        }
        for host in sorted(hosts - {scope.public_host(api.host)}):
            if self._leads(host) not in balancers:
                yield _difference(NAME, "closed", host, "the name does not lead to the ingress")

    def _leads(self, host: str) -> str:
        """The generated name behind a public one."""
        records = [
            item for item in self._registry.of("aws:route53/record:Record") if item.values["name"].rstrip(".") == host
        ]
        return next((str(alias.get("name")) for item in records for alias in item.values.get("aliases") or ()), "")

    def _sites(self) -> Iterator[Difference]:
        """A bucket behind a distribution is read by that distribution, and by nobody else."""
        buckets = {
            str(item.values.get("bucketRegionalDomainName")): item for item in self._registry.of("aws:s3/bucket:Bucket")
        }
        policies = {
            str(item.values["bucket"]): json.loads(str(item.values["policy"]))["Statement"]
            for item in self._registry.of("aws:s3/bucketPolicy:BucketPolicy")
        }
        blocks = {
            str(item.values["bucket"]): all(item.values.get(key) for key in CLOSED)
            for item in self._registry.of("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
        }
        shown = list(self._registry.of("aws:cloudfront/distribution:Distribution"))
        if bool(shown) != bool(self._scope.settings.site):
            kind: Kind = "open" if shown else "closed"
            yield _difference(SITE, kind, "site", "registered and declared are not the same")
        for item in shown:
            for host in item.values.get("aliases") or ():
                if self._leads(host) != item.values.get("domainName"):
                    yield _difference(NAME, "closed", str(host), "the name does not lead to the site")
            for origin in item.values.get("origins") or ():
                bucket = buckets.get(str(origin.get("domainName")))
                if bucket is None:
                    continue
                readers = [one for one in policies.get(bucket.id, ()) if one["Effect"] == "Allow"]
                if not readers:
                    yield _difference(SITE, "closed", bucket.name, "the distribution may not read its files")
                for one in readers:
                    sources = (one.get("Condition") or {}).get("StringEquals") or {}
                    if sources.get("AWS:SourceArn") != item.values.get("arn"):
                        yield _difference(SITE, "open", bucket.name, f"{one['Principal']} reads it, too")
                if not blocks.get(bucket.id):
                    yield _difference(SITE, "open", bucket.name, "it can be made public")


def _guard(scheme: Mapping[str, Any]) -> str:
    """What a scheme asks for. A header that nobody verifies is no guard."""
    if scheme.get("x-amazon-apigateway-authtype") == "custom" and scheme.get("x-amazon-apigateway-authorizer"):
        return "token"
    return "key" if (scheme.get("type"), scheme.get("name")) == ("apiKey", "x-api-key") else ""


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names)) or "nothing"


def _difference(layer: str, kind: Kind, callee: str, detail: str) -> Difference:
    return Difference(layer, kind, ("the internet",), callee, "", detail=detail)
