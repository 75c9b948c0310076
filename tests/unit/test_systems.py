"""A system's file that cannot be read is refused with its line, and no traceback: its author is a newcomer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import systems
from model import DeclarationError

IMPORTS = "from model import Nodes, Redis, Service, System\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder beside the declared systems, whose `shop` is forgotten afterwards."""
    (tmp_path / "systems").mkdir()
    monkeypatch.setattr(systems, "__path__", [*systems.__path__, str(tmp_path / "systems")])
    yield tmp_path / "systems"
    sys.modules.pop("systems.shop", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SYSTEM = System((\n", "systems/shop.py, line 2: '(' was never closed"),
        ("STORES = (Kafka(name='bus'),)\n", "systems/shop.py, line 2: name 'Kafka' is not defined"),
        (
            "\nfrom model import Kafkaa\n",
            "systems/shop.py, line 3: cannot import name 'Kafkaa' from 'model' "
            f"({Path(systems.__file__).parents[1] / 'model' / '__init__.py'})",
        ),
        ("SYSTM = None\n", "systems/shop.py declares no system; it must say SYSTEM = System(...)"),
        ("SYSTEM = (Redis(name='cache'),)\n", "systems/shop.py declares no system"),
        ("S = Service(name='Web', port=1)\n", "systems/shop.py, line 2: Service.name: must be 2 to 40 lower-case"),
        ("S = Service(nam='web')\n", "systems/shop.py, line 2: Service has no field 'nam'; did you mean 'name'?"),
        (
            "S = Service(name='web', uses=('redis'))\n",
            "systems/shop.py, line 2: Service.uses: must be a tuple, with a comma: ('redis',), not 'redis'",
        ),
        (
            "N = Nodes(instance='t3.large', cuont=2)\n",
            "systems/shop.py, line 2: Nodes has no field 'cuont'; did you mean 'count'?",
        ),
    ],
    ids=["syntax", "name", "import", "nothing", "else", "shape", "field", "tuple", "inner"],
)
def test_a_file_that_cannot_be_read_is_refused_by_its_line(folder: Path, text: str, message: str) -> None:
    (folder / "shop.py").write_text(IMPORTS + text)
    with pytest.raises(DeclarationError) as refused:
        systems.load("shop")
    assert str(refused.value).startswith(message)


def test_a_fault_of_the_program_keeps_its_traceback(folder: Path) -> None:
    """Blamed on the declaration, it would be searched for where it is not."""
    (folder / "shop.py").write_text("import systems\nSYSTEM = systems.load(None)\n")
    with pytest.raises(TypeError):
        systems.load("shop")
