"""What a declaration may not say, and the exact words in which it is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

import systems
from model import (
    Call,
    DatabaseHosts,
    DeclarationError,
    External,
    Gp3,
    HubAndSpoke,
    K3s,
    Nodes,
    Platform,
    PostgreSQL,
    Redis,
    Retry,
    Route,
    Service,
    ServicePolicy,
    System,
    Tier,
    Topic,
    seconds,
)
from model.base import did_you_mean
from tests.unit.declared import HUB, environment, shop

A, B, C = (Service(name=f"{letter}-service", port=3000) for letter in "abc")
CACHE = Redis(name="cache")


def refusal(make: Callable[[], object]) -> str:
    """The one message of a refused value."""
    with pytest.raises(ValidationError) as caught:
        make()
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")


def calls(*pairs: tuple[str, str]) -> System:
    services = (A, B, C, Service(name="job"))
    return shop(services=services, calls=tuple(Call(caller=caller, callee=callee) for caller, callee in pairs))


def test_an_undeclared_callee_is_refused_with_the_nearest() -> None:
    assert refusal(lambda: calls(("a-service", "b-service"), ("a-service", "c-servise"))) == (
        "service 'c-servise' in calls[1].callee is not declared; did you mean 'c-service'?"
    )


def test_an_undeclared_caller_is_refused_with_what_there_is() -> None:
    assert refusal(lambda: calls(("zzzz", "b-service"))) == (
        "service 'zzzz' in calls[0].caller is not declared; declared are: a-service, b-service, c-service, job"
    )


def test_a_cycle_of_calls_is_refused_with_its_path() -> None:
    """No timeout budget holds where a service waits for itself."""
    assert refusal(
        lambda: calls(("a-service", "b-service"), ("b-service", "c-service"), ("c-service", "b-service"))
    ) == ("calls form a cycle: b-service -> c-service -> b-service; use a topic for one of them")


def test_a_call_declared_twice_is_refused() -> None:
    """Two declarations of one call may differ in paths; which one holds?"""
    assert refusal(lambda: calls(("a-service", "b-service"), ("a-service", "b-service"))) == (
        "calls[1]: 'a-service' -> 'b-service' is declared twice; keep one"
    )


def test_a_call_to_oneself_is_refused() -> None:
    assert refusal(lambda: calls(("a-service", "a-service"))) == (
        "calls[0]: 'a-service' calls itself; a call joins two services"
    )


def test_a_callee_without_a_port_is_refused() -> None:
    assert refusal(lambda: calls(("a-service", "job"))) == "calls[0].callee: 'job' serves no port; give it one"


def test_calls_in_a_diamond_are_no_cycle() -> None:
    system = calls(("a-service", "b-service"), ("a-service", "c-service"), ("b-service", "c-service"))
    assert system.callees("a-service") == ("b-service", "c-service")
    assert system.callers("c-service") == ("a-service", "b-service")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"services": (A, A)},
            "'a-service' is declared more than once; names are unique in a system",
        ),
        (
            {"services": (A,), "stores": (Redis(name="a-service"),)},
            "'a-service' is declared more than once; names are unique in a system",
        ),
        (
            {"services": (Service(name="web", uses=("cash",)),), "stores": (CACHE,)},
            "store 'cash' in services['web'].uses is not declared; did you mean 'cache'?",
        ),
        (
            {"routes": (Route(host="@", to="webb"),)},
            "service 'webb' in routes[0].to is not declared; did you mean 'web'?",
        ),
        (
            {"policies": (ServicePolicy(to="order"),)},
            "target 'order' in policies[0].to is not declared; did you mean 'orders'?",
        ),
        (
            {"externals": (External(name="pay", hosts=("pay.example",), used_by=("webs",)),)},
            "service 'webs' in externals[0].used_by is not declared; did you mean 'web'?",
        ),
        (
            {"stores": (PostgreSQL(name="db", owner="order"),)},
            "service 'order' in stores['db'].owner is not declared; did you mean 'orders'?",
        ),
        (
            {"topics": (Topic(name="paid", broker="cache", publishers=("web",), subscribers=()),)},
            "store 'cache' in topics[0].broker is not declared; declared are: none",
        ),
        (
            {
                "stores": (CACHE,),
                "topics": (Topic(name="paid", broker="cache", publishers=("web",), subscribers=()),),
            },
            "topics[0]: 'web' takes part in 'paid' but does not use 'cache'; add it to services['web'].uses",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(changes: dict[str, object], message: str) -> None:
    """It would be a policy for nobody, or a pod that waits for ever."""
    assert refusal(lambda: shop(**changes)) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: environment(cidr="10.1.0.0"), "cidr '10.1.0.0' must be a private range between /16 and /20"),
        (lambda: environment(cidr="10.1.0.0/24"), "cidr '10.1.0.0/24' must be a private range between /16 and /20"),
        (lambda: environment(cidr="10.0.0.0/8"), "cidr '10.0.0.0/8' must be a private range between /16 and /20"),
        (lambda: environment(cidr="8.8.0.0/16"), "cidr '8.8.0.0/16' must be a private range between /16 and /20"),
        (
            lambda: environment(cidr="10.1.0.1/16"),
            "cidr '10.1.0.1/16' is not an IPv4 network: 10.1.0.1/16 has host bits set",
        ),
        (
            lambda: HubAndSpoke(hub="ten"),
            "network.hub 'ten' is not an IPv4 network: Expected 4 octets in 'ten'",
        ),
    ],
)
def test_a_range_that_aws_would_refuse_is_refused(make: Callable[[], object], message: str) -> None:
    assert refusal(make) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: shop(environments={"dev": environment(cidr="10.0.0.0/16")}),
            "environments['dev'].cidr 10.0.0.0/16 overlaps network.hub 10.0.0.0/16; choose a range of its own",
        ),
        (
            lambda: shop(environments={"dev": environment(), "test": environment(cidr="10.1.16.0/20")}),
            "environments['dev'].cidr 10.1.0.0/16 overlaps environments['test'].cidr 10.1.16.0/20; "
            "choose a range of its own",
        ),
        (
            lambda: shop(environments={"dev": environment(cidr="10.42.0.0/16")}),
            "environments['dev'].cidr 10.42.0.0/16 overlaps platform.cluster.pods 10.42.0.0/16; "
            "choose a range of its own",
        ),
        (
            lambda: shop(platform=Platform(cluster=K3s(services="10.42.128.0/17"))),
            "platform.cluster.pods 10.42.0.0/16 overlaps platform.cluster.services 10.42.128.0/17; "
            "choose a range of its own",
        ),
    ],
)
def test_ranges_that_overlap_are_refused(make: Callable[[], object], message: str) -> None:
    """One of the two networks could never be reached; AWS says nothing."""
    assert refusal(make) == message


def test_a_spoke_without_a_tier_that_it_needs_is_refused() -> None:
    tiers = (Tier(name="public", offset=1, egress="internet"), Tier(name="k8s", offset=2, egress="nat"))
    assert refusal(lambda: HubAndSpoke(hub="10.0.0.0/16", tiers=tiers)) == (
        "network.data names 'db', which is no tier; declared are: k8s, public"
    )


def test_a_standby_without_a_second_zone_is_refused() -> None:
    """It would stand beside its primary and fail with it."""
    sizes = DatabaseHosts(instance="t3.micro", volume=Gp3(size=20), standby=True)
    assert refusal(lambda: environment(databases=sizes)) == (
        "databases.standby needs a zone other than the primary's; set zones to 2 or 3"
    )


def test_a_group_that_would_shrink_to_grow_is_refused() -> None:
    assert refusal(lambda: Nodes(instance="t3.large", count=3, maximum=2)) == (
        "nodes: maximum 2 is below count 3; raise it, or leave it out"
    )


def test_a_try_longer_than_its_route_is_refused() -> None:
    route = {"host": "api", "to": "web", "timeout": seconds(5), "retry": Retry(attempts=2, per_try=seconds(10))}
    assert refusal(lambda: Route.model_validate(route)) == (
        "route to 'web': a try of 10 s cannot fit in the timeout of 5 s; shorten Retry.per_try"
    )


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"name": "web", "port": 0}, "port"),
        ({"name": "web", "port": 65536}, "port"),
        ({"name": "web", "metrics": 70000}, "metrics"),
        ({"name": "Web"}, "name"),
        ({"name": "web-"}, "name"),
        ({"name": "w" * 41}, "name"),
    ],
)
def test_a_bad_field_is_refused_by_name(fields: dict[str, object], place: str) -> None:
    """Kubernetes and AWS would each refuse it later, each in its own words."""
    with pytest.raises(ValidationError) as caught:
        Service.model_validate(fields)
    assert [error["loc"] for error in caught.value.errors()] == [(place,)]


def test_a_declaration_cannot_be_changed() -> None:
    """What was checked is what is deployed."""
    with pytest.raises(ValidationError, match="frozen"):
        HUB.hub = "10.9.0.0/16"  # type: ignore[misc]  # the mistake under test


def test_an_unknown_system_is_refused_with_the_nearest() -> None:
    with pytest.raises(DeclarationError) as caught:
        systems.load("fitsink")
    assert str(caught.value) == "system 'fitsink' is not declared in systems/; did you mean 'fitsync'?"


@pytest.mark.parametrize("name", systems.names())
def test_every_system_can_be_loaded_by_its_name(name: str) -> None:
    """A file whose system has another name makes resources under a name that nobody looks for."""
    assert systems.load(name).name == name


def test_far_off_names_get_the_whole_list() -> None:
    assert did_you_mean("x", ["b", "a"]) == "; declared are: a, b"
    assert did_you_mean("x", []) == "; declared are: none"


def test_a_changed_copy_forgets_what_was_looked_up() -> None:
    """A stack's settings replace parts of a system; a service of before would be deployed instead."""
    system = shop(calls=(Call(caller="web", callee="orders"),))
    assert (system.service("web").port, system.callers("orders")) == (3000, ("web",))
    changed = system.model_copy(
        update={"services": (Service(name="web", port=8080), system.service("orders")), "calls": ()}
    )
    assert (changed.service("web").port, changed.callers("orders")) == (8080, ())
