"""The page needs nothing from elsewhere, and a click says what the declaration and the stack say."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from derive.fitting import fitted
from derive.shapes import Deployment
from graph.page import page
from graph.picture import Picture, picture
from graph.svg import svg
from sandbox.state import Resource, urn_name
from tests.conftest import ROOT
from tests.e2e.bench import PASSPHRASE
from tests.graph.samples import DRAWN, IDS, deployment, wide
from tests.platforms import Platforms, platforms
from tests.unit.declared import deployed
from wheelhouse.cli import main
from wheelhouse.errors import Exit

__all__ = ["platforms"]

STACKS = ("prod", "gym-prod", "myhealth-prod", "neotool-prod", "orion-prod")
SYSTEMS = {"prod": "fitsync"}
SAID = """
const parts = role => [...document.querySelectorAll(`aside details[data-role=${role}]`)].map(part => ({
  id: part.dataset.id, name: part.querySelector("b").textContent,
  objects: [...part.querySelectorAll("li")].map(item => item.textContent) }));
const terms = [...document.querySelectorAll("aside dt")].filter(term => term.textContent === "costs");
return { from: parts("from"), to: parts("to"), hears: parts("hears"), tells: parts("tells"),
  costs: terms.length ? terms[0].nextSibling.textContent : "" };
"""
"""What the panel says once a part is chosen."""


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """A script or font from another host would be missing offline, and would tell that host who looks."""
    text = page(picture(deployment("fitsync")))
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
@pytest.mark.parametrize("stack", STACKS)
def test_a_click_says_who_may_reach_a_service_by_what_and_at_which_cost(
    browser: webdriver.Chrome, platforms: Platforms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: str
) -> None:
    """Against the declaration, and the objects that the stack has once it is up: a name too many, or an object that
    nobody made, misleads whoever asks why a connection works. Somebody's typing error in the script shows only here."""
    bench, file = platforms.bench(stack), tmp_path / "page.html"
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
    assert main(["diagram", stack, "--backend", str(bench.backend), "--out", str(file)]) == Exit.OK
    system = fitted(deployment(SYSTEMS.get(stack, stack.partition("-")[0]), "prod")).system
    made = registered(bench.resources(stack))
    browser.get(file.as_uri())
    for service in system.services:
        browser.find_element(By.CSS_SELECTOR, f'[data-id="service:{service.name}"]').click()
        assert texts(browser, "aside h1") == [service.name]
        said: dict[str, Any] = browser.execute_script(SAID)
        routed = {part["name"] for part in said["from"] if part["id"].startswith("door:")}
        assert len(routed) >= sum(route.to == service.name for route in system.routes)
        assert bool(routed) == any(route.to == service.name for route in system.routes)
        assert named(said["from"]) - routed == set(system.callers(service.name))
        exits = {external.name for external in system.externals if service.name in external.used_by}
        assert named(said["to"]) == {*system.callees(service.name), *service.uses, *exits}
        heard = [topic for topic in system.topics if service.name in topic.subscribers]
        assert named(said["hears"]) == {name for topic in heard for name in topic.publishers} - {service.name}
        for part in (*said["from"], *said["to"]):
            assert part["objects"], (service.name, part["name"])
            assert set(part["objects"]) <= made
        assert re.fullmatch(r"[\d,]+\.\d\d USD a month, .+", said["costs"]), service.name
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg.chosen .node.self")) == 1
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    assert not browser.find_elements(By.CSS_SELECTOR, "svg.chosen")


def named(parts: list[dict[str, Any]]) -> set[str]:
    return {part["name"] for part in parts}


def registered(resources: list[Resource]) -> set[str]:
    """``Kind namespace/name`` of every Kubernetes object; of anything else its type and every end of its name."""
    found = set()
    for item in resources:
        metadata = item.inputs.get("metadata") or {}
        if item.type.startswith("kubernetes:") and "name" in metadata:
            space = metadata.get("namespace")
            found.add(f"{item.inputs['kind']} {f'{space}/' if space else ''}{metadata['name']}")
        else:
            words = urn_name(item.urn).split("-")
            kind = item.type.rpartition(":")[2]
            found |= {f"{kind} {'-'.join(words[index:])}" for index in range(len(words))}
            found |= {f"{kind} {item.inputs[key]}" for key in ("name",) if isinstance(item.inputs.get(key), str)}
    return found


@pytest.mark.tool("chromium", "chromedriver")
def test_a_link_to_a_part_opens_it(browser: webdriver.Chrome, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(picture(deployed(wide()))), encoding="utf-8")
    browser.get(f"{file.as_uri()}#external%3Abank")
    assert texts(browser, "aside h1") == ["bank"]
    assert len(texts(browser, "aside details[data-role=from] b")) == 2
    browser.find_element(By.CSS_SELECTOR, "aside details button").click()
    assert texts(browser, "aside h1") != ["bank"]


WIDE = """
return [...document.querySelectorAll("g.node")].flatMap(node => [...node.querySelectorAll("text")].map(text =>
  ({ text: text.textContent, left: node.querySelector("rect, path").getBBox().width - text.getBBox().width })));
"""
"""How much wider each box is than each of its texts."""


@pytest.mark.tool("chromium", "chromedriver")
@pytest.mark.parametrize("drawn", DRAWN, ids=IDS)
def test_every_text_is_inside_its_box(browser: webdriver.Chrome, tmp_path: Path, drawn: Deployment) -> None:
    """Debian's fonts are among the widest: what fits here fits elsewhere."""
    file = tmp_path / "page.svg"
    file.write_text(svg(picture(drawn)), encoding="utf-8")
    browser.get(file.as_uri())
    found: list[dict[str, Any]] = browser.execute_script(WIDE)
    assert found
    assert [item for item in found if item["left"] < 12] == []


@pytest.mark.tool("chromium", "chromedriver")
def test_a_part_is_found_without_a_mouse(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """By its name in the list, and by the keyboard in the drawing: Tab goes from box to box, Space and Enter choose."""
    file = tmp_path / "page.html"
    file.write_text(page(picture(deployed(wide()))), encoding="utf-8")
    browser.get(file.as_uri())
    listed = texts(browser, "aside .all button")
    assert {"web", "lonely", "cache", "bank"} <= set(listed)
    for key in (Keys.ENTER, Keys.SPACE):
        browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
        browser.find_element(By.CSS_SELECTOR, '[data-id="store:cache"]').send_keys(key)
        assert texts(browser, "aside h1") == ["cache"]
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    browser.find_element(By.XPATH, "//aside//button[.='bank']").click()
    assert texts(browser, "aside h1") == ["bank"]
