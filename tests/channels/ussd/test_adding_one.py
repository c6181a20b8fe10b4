"""`docs/ussd-dialects.md`, followed to the letter: a dialect that nobody has, by its file, its table, its line."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import httpx
import pytest

from channels.ussd.dialect import Dialect
from channels.ussd.dialects import DIALECTS
from core.clock import ManualClock
from payments.simulator.aggregators import AGGREGATORS
from payments.simulator.aggregators.wire import parse
from tests.channels.ussd.aggregator import Aggregator
from tests.channels.ussd.conftest import secret_of
from tests.channels.ussd.test_conformance import VECTORS, Vector, World, world

__all__ = ["world"]

pytestmark = pytest.mark.anyio

PAGE = Path("docs/ussd-dialects.md").read_text()
FILE, LINE = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
(TABLE,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def dialect(tmp_path: Path) -> Dialect:
    """The page's file, imported from a file, and its line, read where its file is known."""
    path = tmp_path / "pigeon.py"
    path.write_text(FILE)
    spec = spec_from_file_location("pigeon", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["pigeon"] = module
    spec.loader.exec_module(module)
    (added,) = eval(f"({LINE.strip()})", vars(module))
    return added  # type: ignore[no-any-return]


@pytest.fixture
def dialects(dialect: Dialect) -> tuple[Dialect, ...]:
    return (*DIALECTS, dialect)


@pytest.fixture
def aggregator(web: httpx.AsyncClient, clock: ManualClock, dialect: Dialect) -> Aggregator:
    return Aggregator(web, clock, dialect, parse(TABLE), secret_of(dialect.name))


APPLY = [vector for vector in VECTORS if vector.number in range(1, 16)]


@pytest.mark.parametrize("vector", APPLY, ids=lambda vector: f"{vector.number} {vector.play.__name__}")
async def test_the_vectors_hold_for_the_dialect_of_the_page(world: World, vector: Vector) -> None:
    await vector.play(world)


def test_the_page_lists_every_dialect() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (GET|POST)", PAGE, flags=re.MULTILINE)
    assert rows == [(dialect.name, dialect.can.method) for dialect in DIALECTS]


def test_every_dialect_has_its_table_and_the_table_writes_as_the_dialect_reads() -> None:
    declared = {dialect.name: (dialect.can.method, dialect.can.sends) for dialect in DIALECTS}
    assert {name: (wire.method, wire.sends) for name, wire in AGGREGATORS.items()} == declared
