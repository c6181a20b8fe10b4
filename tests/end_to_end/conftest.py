"""One running demo for the tests that share it; those that break it start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.meal import DRIVER
from tests.end_to_end.running import Demo, running_demo
from tests.end_to_end.town import Town


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(Path(tmp_path_factory.mktemp("demo"))) as running:
        running.town.text(DRIVER, "ON DEIDO")
        running.town.await_text(DRIVER, "ON ")
        yield running


@pytest.fixture
def town(demo: Demo) -> Town:
    return demo.town
