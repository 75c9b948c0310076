"""The drawing shows what is declared, each thing once, nothing on top of another, and answers clicks."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import systems
from derive.shapes import Deployment, Facts
from graph.changes import Arrow, what_if
from graph.layout import Box, layout, spaced
from graph.page import page
from graph.picture import ADMITTING, Edge, Node, Picture, picture, priced
from graph.svg import drawn, ranks, svg, tree
from model import Call, External, Redis, Route, Service, System
from tests.unit.declared import deployed, shop


class Read(HTMLParser):
    """The groups and texts of a finished drawing."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[dict[str, str | None]] = []
        self.texts: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "g":
            self.groups.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.texts.add(data)


def fitsync(environment: str = "prod") -> Deployment:
    system = systems.load("fitsync")
    return Deployment(system, environment, system.environments[environment], Facts(region="eu-west-1"))


def wide() -> System:
    """Two namespaces, an external, and a name that must be escaped nowhere but is long."""
    long = "a-service-with-quite-a-long-name-indeed"
    return shop(
        services=(
            Service(name="web", port=3000, uses=("cache",)),
            Service(name=long, port=3001, namespace="other", uses=("cache",)),
            Service(name="lonely"),
        ),
        stores=(Redis(name="cache"),),
        calls=(Call(caller="web", callee=long, methods=("GET",), paths=("/a",)),),
        routes=(Route(host="app", to="web"), Route(host="api", prefix="/v1", to=long)),
        externals=(External(name="bank", hosts=("bank.example",), used_by=(long, "web")),),
    )


def declared(system: System) -> Counter[tuple[str, str, str]]:
    """Kind, source and target of every line there must be, doors aside."""
    calls = [("call", f"service:{call.caller}", f"service:{call.callee}") for call in system.calls]
    uses = [("use", f"service:{service.name}", f"store:{name}") for service in system.services for name in service.uses]
    exits = [
        ("exit", f"service:{name}", f"external:{external.name}")
        for external in system.externals
        for name in external.used_by
    ]
    events = {
        ("events", f"service:{publisher}", f"service:{subscriber}")
        for topic in system.topics
        for publisher in topic.publishers
        for subscriber in topic.subscribers
        if publisher != subscriber
    }
    return Counter([*calls, *uses, *exits, *events])


@pytest.mark.parametrize("deployment", [fitsync(), fitsync("dev"), deployed(wide())], ids=["prod", "dev", "wide"])
def test_everything_declared_is_drawn_once(deployment: Deployment) -> None:
    """Parsed from the finished SVG: what is missing there, or there twice, is missing for whoever looks."""
    read = Read()
    read.feed(svg(picture(deployment)))
    groups = [((group.get("class") or "").split(), group) for group in read.groups]
    nodes = Counter(group.get("data-id") for css, group in groups if "node" in css)
    system = deployment.system
    names = [f"service:{service.name}" for service in system.services]
    names += [f"store:{store.name}" for store in system.stores]
    names += [f"external:{external.name}" for external in system.externals]
    doors = [name for name in nodes if name and name.startswith("door:")]
    assert len(doors) == len(system.routes)
    assert nodes == Counter([*names, *doors])
    edges = [(css[1], group.get("data-source"), group.get("data-target")) for css, group in groups if "edge" in css]
    assert Counter(edge for edge in edges if edge[0] != "route") == declared(system)
    assert Counter(target for kind, _, target in edges if kind == "route") == Counter(
        f"service:{route.to}" for route in system.routes
    )
    assert {part.name for part in (*system.services, *system.stores, *system.externals)} <= read.texts


@pytest.mark.parametrize("deployment", [fitsync(), deployed(wide())], ids=["fitsync", "wide"])
def test_no_box_touches_another_and_each_is_in_its_frame(deployment: Deployment) -> None:
    """Overlapping boxes hide each other's names; a box outside its frame says a wrong namespace."""
    root = tree(picture(deployment))
    lanes = {node.id: node.lane for node in picture(deployment).nodes}
    boxes = {group.get("data-id", ""): extent(group) for group in drawn(root, "node")}
    frames = {group.get("data-lane", ""): extent(group) for group in drawn(root, "frame")}
    assert {lane for lane in lanes.values() if lane} <= frames.keys()
    for name, (left, top, right, bottom) in boxes.items():
        for other, (left2, top2, right2, bottom2) in boxes.items():
            apart = right < left2 or right2 < left or bottom < top2 or bottom2 < top
            assert name == other or apart, (name, other)
        for lane, (start, upper, end, lower) in frames.items():
            inside = start < left and right < end and upper < top and bottom < lower
            assert not lanes[name] or inside == (lane == lanes[name]), (name, lane)


def extent(group: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box's outline."""
    rect = group.find("rect")
    if rect is not None:
        left, top = float(rect.get("x", "")), float(rect.get("y", ""))
        return left, top, left + float(rect.get("width", "")), top + float(rect.get("height", ""))
    path = group.find("path")
    assert path is not None
    start, arc = path.get("d", "").removeprefix("M").split("a")[:2]
    left, top = (float(number) for number in start.split())
    width = float(arc.split()[5].split("v")[0])
    return left, top - 7, left + width, top + 45


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_neighbours_keep_their_distance_and_lanes_do_not_mix(data: st.DataObject) -> None:
    """For any graph, however many lines pass by."""
    count = data.draw(st.integers(1, 12))
    box = st.builds(Box, st.integers(0, 4), st.integers(0, 2), st.sampled_from([50.0, 120.0]))
    boxes = {f"box{index}": data.draw(box) for index in range(count)}
    pairs = [(a, b) for a in boxes for b in boxes if boxes[a].rank < boxes[b].rank]
    links = data.draw(st.lists(st.sampled_from(pairs), max_size=20)) if pairs else []
    found = layout(boxes, links, 10, 40)
    for rank in range(5):
        row = sorted((found.across[name], name) for name in boxes if boxes[name].rank == rank)
        for (x, a), (y, b) in pairwise(row):
            assert y - x >= (boxes[a].width + boxes[b].width) / 2 + 10 - 1e-6
    for name, item in boxes.items():
        start, end = found.lanes[item.lane]
        assert start - 1e-6 <= found.across[name] - item.width / 2 <= found.across[name] + item.width / 2 <= end + 1e-6
    assert [(route[0], route[-1]) for route in found.routes] == links
    assert all(
        len(route) == boxes[b].rank - boxes[a].rank + 1 for route, (a, b) in zip(found.routes, links, strict=True)
    )


def test_a_chain_is_drawn_however_long_and_however_declared() -> None:
    """Callees declared before their callers, deeper than Python's stack."""
    names = [f"service-{index}" for index in range(1200)]
    nodes = tuple(Node(name, "service", name, "all", "", {}) for name in reversed(names))
    edges = tuple(Edge("call", a, b) for a, b in pairwise(names))
    found = ranks(Picture("deep", nodes, edges, ("all",)))
    assert [found[name] for name in names] == list(range(1, 1201))


def test_wishes_that_can_be_met_are_met() -> None:
    assert spaced([0, 100, 300], [1, 1, 1], [50, 50]) == pytest.approx([0, 100, 300])
    assert spaced([0, 0], [1, 1], [10]) == pytest.approx([-5, 5])
    assert spaced([0, 0], [3, 1], [8]) == pytest.approx([-2, 6])


@pytest.mark.parametrize(
    "arrow", [Arrow("schedule-service", "user-service"), Arrow("user-service", "userdb"), Arrow("api-gateway", "redis")]
)
def test_the_objects_of_a_line_are_those_that_change_without_it(arrow: Arrow) -> None:
    """A policy that the page leaves out, or names though it has nothing to say, misleads whoever asks why it works."""
    deployment = fitsync("dev")
    answer = what_if(deployment, remove=[arrow])
    changed = {item.key.name for item in answer.changed if item.key.name.split()[0] in ADMITTING}
    edge = next(
        edge
        for edge in picture(deployment).edges
        if (edge.source.partition(":")[2], edge.target.partition(":")[2]) == (arrow.source, arrow.target)
    )
    assert {name for name in edge.objects if name.split()[0] in ADMITTING} == changed


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """A script or font from another host would be missing offline, and would tell that host who looks."""
    text = page(picture(fitsync()))
    for outside in ("src=", "<link", "@import", "url(http", "fetch("):
        assert outside not in text
    assert text.count("http://") == text.count('xmlns="http://www.w3.org/2000/svg"')


def test_text_of_a_declaration_stays_text() -> None:
    """A title that closes the script would run what follows."""
    hostile = Picture("</script><b>", (), (), ())
    text = page(hostile)
    assert "</script><b>" not in text
    assert "<b>" not in text


# -- in a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """Debian's Chromium without a window; the tests that use it are marked with what they need."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1500,1100"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def texts(browser: webdriver.Chrome, css: str) -> list[str]:
    return [element.text for element in browser.find_elements(By.CSS_SELECTOR, css)]


@pytest.mark.tool("chromium", "chromedriver")
def test_a_click_says_who_may_reach_a_service_and_whom_it_reaches(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """The page is what people use; a typing error in its script shows only here."""
    deployment = fitsync()
    file = tmp_path / "page.html"
    costs = {service.name: f"9.{len(service.name)} USD" for service in deployment.system.services}
    file.write_text(page(priced(picture(deployment), costs)), encoding="utf-8")
    browser.get(file.as_uri())
    for service in deployment.system.services:
        browser.find_element(By.CSS_SELECTOR, f'[data-id="service:{service.name}"]').click()
        assert texts(browser, "aside h1") == [service.name]
        doors = sum(route.to == service.name for route in deployment.system.routes)
        shown = texts(browser, "aside details[data-role=from] b")
        assert shown[doors:] == list(deployment.system.callers(service.name))
        assert texts(browser, "aside details[data-role=to] b") == [
            *deployment.system.callees(service.name),
            *service.uses,
        ]
        assert f"CiliumNetworkPolicy fitsync/{service.network_policy or service.name + '-policy'}" in texts(
            browser, "aside li"
        )
        assert f"9.{len(service.name)} USD" in texts(browser, "aside dd")
    assert "3 to 6 pods" in texts(browser, "aside dd")
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg.chosen .node.self")) == 1
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    assert not browser.find_elements(By.CSS_SELECTOR, "svg.chosen")


@pytest.mark.tool("chromium", "chromedriver")
def test_a_link_to_a_part_opens_it(browser: webdriver.Chrome, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(picture(deployed(wide()))), encoding="utf-8")
    browser.get(f"{file.as_uri()}#external%3Abank")
    assert texts(browser, "aside h1") == ["bank"]
    assert len(texts(browser, "aside details[data-role=from] b")) == 2
    browser.find_element(By.CSS_SELECTOR, "aside details button").click()
    assert texts(browser, "aside h1") != ["bank"]
