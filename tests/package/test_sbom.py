"""The list of the image's Python packages that `make sbom` has written, held to the pins and to what is declared."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.package.pinned import NAME, ROOT, dependencies, normal, not_as_pinned, tools


@pytest.fixture(scope="module")
def sbom() -> Any:  # noqa: ANN401 - JSON
    return json.loads((ROOT / "dist" / "salus.cdx.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def listed(sbom: Any) -> Mapping[str, str]:  # noqa: ANN401 - JSON
    return {normal(component["name"]): component["version"] for component in sbom["components"]}


def test_it_is_about_salus_and_of_a_format_that_others_read(sbom: Any) -> None:  # noqa: ANN401 - JSON
    about = sbom["metadata"]["component"]

    assert (sbom["bomFormat"], about["name"]) == ("CycloneDX", NAME)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", about["version"])


def test_every_declared_dependency_is_listed(listed: Mapping[str, str]) -> None:
    assert dependencies() - set(listed) == set()


def test_every_version_is_the_pinned_one(listed: Mapping[str, str]) -> None:
    assert not_as_pinned(listed) == {}


def test_no_tool_of_ours_is_listed(listed: Mapping[str, str]) -> None:
    assert tools() & set(listed) == set()


def test_it_names_no_folder_of_the_machine_that_made_it(sbom: Any) -> None:  # noqa: ANN401 - JSON
    assert str(ROOT) not in json.dumps(sbom)
