"""A real Chromium, and the pages that it looks at. Where none can be had, these tests are skipped."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.pages import samples
from tools.chromium import axe, chromium
from tools.devcluster.programs import ProgramMissingError


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        found = chromium()
    except ProgramMissingError as error:
        pytest.skip(str(error))
    environment: dict[str, str | float | bool] = {**os.environ, **found.environment}
    with sync_playwright() as playwright:
        # Its own sandbox wants rights that root in a container may not have; what it shows is ours.
        started = playwright.chromium.launch(executable_path=found.path, env=environment, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def axe_core() -> str:
    try:
        return axe()
    except ProgramMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Each page as a file."""
    folder = tmp_path_factory.mktemp("pages")
    found = {name: folder / f"{name}.html" for name in samples.NAMES}
    for name, page in samples.pages(folder).items():
        found[name].write_text(page, encoding="utf-8")
    return found
