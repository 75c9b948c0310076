"""The site: a private bucket behind CloudFront, and the API below the same name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from derive import naming
from derive.shapes import Deployment

ROOT: Final = "index.html"
"""The page that every address of the app answers with; the browser does the rest."""
ROUTER: Final = """function handler(event) {
  var request = event.request;
  if (request.uri.lastIndexOf('.') <= request.uri.lastIndexOf('/')) {
    request.uri = '/index.html';
  }
  return request;
}
"""
"""Addresses of the app are no files: whoever asks for one gets the page. A function does it, not an answer to errors,
which would turn the API's 403 and 404 into pages as well (CloudFront developer guide, "Custom error pages")."""
ASSET_SECONDS: Final = 365 * 24 * 60 * 60
"""How long assets are kept: their names change with their contents."""


@dataclass(frozen=True)
class SitePlan:
    """A single-page app and the paths that lead to the API instead."""

    name: str
    host: str
    zone: str
    """The public DNS zone, which is there already."""
    assets: str
    api_host: str | None
    api: tuple[str, ...]
    protect: bool


def site(deployment: Deployment) -> SitePlan | None:
    """None: the environment has none."""
    declared, environment = deployment.environment.site, deployment.environment
    if declared is None:
        return None
    api = environment.api
    return SitePlan(
        name=f"{deployment.prefix}-site",
        host=naming.host(declared.host, environment.domain),
        zone=deployment.system.domain,
        assets=declared.assets,
        api_host=naming.host(api.host, environment.domain) if api else None,
        api=declared.api if api else (),
        protect=environment.protect,
    )
