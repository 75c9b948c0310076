"""The monitor notices each mistake that it is there to notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random
import pytest

from tests.components.strict_monitor import Holder, Secret, StrictError, open_texts, register

CHILD = pulumi.ResourceOptions


def twice() -> None:
    holder = Holder()
    for _ in range(2):
        aws.ec2.Vpc("twin", cidr_block="10.0.0.0/16", opts=CHILD(parent=holder))


def orphan() -> None:
    aws.ec2.Vpc("lost", cidr_block="10.0.0.0/16")


def below_a_resource() -> None:
    vpc = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16", opts=CHILD(parent=Holder()))
    aws.ec2.Subnet("subnet", vpc_id=vpc.id, opts=CHILD(parent=vpc))


def misspelt() -> None:
    options: Any = {"http_token": "required"}
    aws.ec2.Instance("machine", metadata_options=options, opts=CHILD(parent=Holder()))


def unfinished() -> None:
    pulumi.ComponentResource("test:index:Open", "open")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (twice, "'twin' of type aws:ec2/vpc:Vpc is registered twice"),
        (orphan, "'lost' of type aws:ec2/vpc:Vpc has no component for a parent"),
        (below_a_resource, "'subnet' of type aws:ec2/subnet:Subnet has no component for a parent"),
        (unfinished, "component 'open' never registers its outputs"),
    ],
)
def test_a_registration_that_may_not_be_is_refused(program: Callable[[], None], message: str) -> None:
    with pytest.raises(StrictError) as caught:
        register(program)
    assert str(caught.value) == message


def test_an_undeclared_input_is_refused() -> None:
    """A misspelt key in a dict is dropped in silence by a lenient mock."""
    with pytest.raises(Exception, match=r"metadataOptions.*http_token"):
        register(misspelt)


def test_an_output_made_into_text_is_refused() -> None:
    """``f"{output}"`` would put the text ``Output(...)`` into a resource."""

    def program() -> None:
        holder = Holder()
        vpc = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16", opts=CHILD(parent=holder))
        aws.ec2.Subnet("subnet", vpc_id=f"{vpc.id}", opts=CHILD(parent=holder))

    with pytest.raises(Exception, match="__str__"):
        register(program)


def test_options_and_secrets_are_recorded() -> None:
    """What the monitor does not see, no test of a component can hold to."""

    def program() -> None:
        holder = Holder()
        password = random.RandomPassword("password", length=20, opts=CHILD(parent=holder))
        first = aws.ec2.Vpc("first", cidr_block="10.0.0.0/16", opts=CHILD(parent=holder, protect=True))
        aws.ec2.Vpc(
            "second",
            cidr_block="10.1.0.0/16",
            tags={"password": password.result},
            opts=CHILD(
                parent=holder,
                depends_on=[first],
                ignore_changes=["tags"],
                deleted_with=first,
                delete_before_replace=True,
                aliases=[pulumi.Alias(name="old")],
            ),
        )
        pulumi.export("password", password.result)

    monitor = register(program)
    vpcs = monitor.of("aws:ec2/vpc:Vpc")
    first, second = vpcs["first"], vpcs["second"]
    assert (first.parent, first.protect, second.protect) == ("holder", True, False)
    assert second.dependencies == {"first", "password"}
    assert (second.ignore_changes, second.deleted_with, second.delete_before_replace) == (("tags",), "first", True)
    assert len(second.aliases) == 1
    assert 'name: "old"' in second.aliases[0]
    secret = monitor.exports["password"]
    assert isinstance(secret, Secret)
    assert monitor.secrets >= {secret.value}
    assert second.inputs["tags"] == secret or second.inputs["tags"] == {"password": secret}
    assert secret.value not in open_texts(second.inputs)


def test_a_preview_knows_no_ids() -> None:
    """With ids at hand, a component that makes resources inside ``apply`` would pass as one that previews."""

    def program() -> None:
        vpc = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16", opts=CHILD(parent=Holder()))
        vpc.id.apply(lambda _: Holder("hidden"))

    assert set(register(program).of("test:index:Holder")) == {"holder", "hidden"}
    assert set(register(program, preview=True).of("test:index:Holder")) == {"holder"}
