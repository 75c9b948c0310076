"""myHealth's environments: what they may cost, what marks them, and what a further one needs."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from stacks.settings import validated
from tests.conftest import ROOT
from tests.requirements.myhealth import environment
from tests.requirements.registered import Registered


def configuration(stack: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return found


@pytest.mark.rows("MH-ENV-01")
def test_a_budget_warns_people(myhealth: Registered) -> None:
    name = environment(myhealth)
    budget = myhealth.one("budgets.Budget").inputs
    assert (budget["limitAmount"], budget["limitUnit"], budget["timeUnit"], budget["budgetType"]) == (
        {"dev": "149", "prod": "857"}[name],
        "USD",
        "MONTHLY",
        "COST",
    )
    marks = {value for item in budget["costFilters"] if item["name"] == "TagKeyValue" for value in item["values"]}
    assert f"user:Environment${name}" in marks
    told = {item["threshold"]: item["subscriberEmailAddresses"] for item in budget["notifications"]}
    assert set(told) == {80, 100}
    asked = configuration(myhealth.stack)["wheelhouse:environments"][name]["budget"]["notify"]
    assert all(addresses == asked for addresses in told.values())


@pytest.mark.rows("MH-ENV-02")
def test_everything_says_which_environment_it_is_of(myhealth: Registered) -> None:
    """Costs are split by it, and so is what may be deleted."""
    name = environment(myhealth)
    tagged = [item for item in myhealth.resources if item.outputs.get("tagsAll")]
    assert len(tagged) > 40
    assert {item.outputs["tagsAll"].get("Environment") for item in tagged} == {name}


@pytest.mark.rows("MH-ENV-02")
def test_every_bucket_of_production_forgets(myhealth_prod: Registered) -> None:
    rules = {item.inputs["bucket"] for item in myhealth_prod.all("s3.BucketLifecycleConfiguration")}
    assert {item.id for item in myhealth_prod.all("s3.Bucket")} <= rules


@pytest.mark.rows("MH-ENV-03")
@pytest.mark.parametrize("name", ["dev", "prod"])
def test_facts_of_an_account_are_the_stacks_configuration(name: str) -> None:
    given = configuration(f"myhealth-{name}")
    assert given["aws:region"] == "us-east-1"
    assert given["wheelhouse:domain"] == "eric-n.com"
    assert given["wheelhouse:environment"] == name
    assert given["wheelhouse:imageTags"]["default"] != "latest"
    own = given["wheelhouse:environments"][name]
    assert own["domain"].endswith("myhealth.eric-n.com")
    assert own["budget"]["notify"]


@pytest.mark.rows("MH-ENV-03")
def test_staging_needs_a_configuration_file_only() -> None:
    settings = validated(
        {
            "system": "myhealth",
            "environment": "staging",
            "region": "eu-west-1",
            "domain": "example.org",
            "image_tags": {"default": "4e1d2aa"},
            "admin_ranges": ["198.51.100.0/24"],
            "environments": {
                "staging": {"like": "dev", "cidr": "10.2.0.0/16", "domain": "staging.example.org"},
            },
        },
        "myhealth-staging",
    )
    deployment = settings.deployment()
    assert deployment.prefix == "myhealth-staging"
    assert deployment.system.domain == "example.org"
    assert (deployment.environment.cidr, deployment.facts.region) == ("10.2.0.0/16", "eu-west-1")
    assert deployment.environment.managed_databases == settings.declaration.environments["dev"].managed_databases
