"""An environment more, by its settings alone: it is called by its own names everywhere."""

from __future__ import annotations

import json
from typing import Any

from derive.plan import system_plan
from stacks.settings import validated

OWN = {"like": "prod", "cidr": "10.2.0.0/16", "domain": "staging.myhealth.eric-n.com", "owns_account": False}


def test_it_says_nothing_of_the_one_that_it_is_like() -> None:
    """MH-ENV-03: tokens of production's issuer, or pages of its site, would be good in another environment, too."""
    values: dict[str, Any] = {
        "system": "myhealth",
        "environment": "staging",
        "region": "us-east-1",
        "domain": "eric-n.com",
        "image_tags": {"default": "3f9c2d1"},
        "environments": {"staging": OWN},
    }
    plan = system_plan(validated(values, "myhealth-staging").deployment())
    assert plan.api
    parts = (*plan.application.services, *plan.application.edge)
    said = json.dumps(
        [
            plan.api.document,
            dict(plan.api.authorizer.environment),
            [item for part in parts for item in part.objects],
            [item for addon in plan.addons for item in (*addon.objects, *addon.settings)],
        ]
    )
    assert "https://staging.myhealth.eric-n.com" in said, "the site's pages may call"
    assert "https://api.staging.myhealth.eric-n.com" in said, "the issuer of tokens"
    for name in ("api.myhealth.eric-n.com", '"https://myhealth.eric-n.com"', "myhealth/prod/", "myhealth-prod"):
        assert name not in said
