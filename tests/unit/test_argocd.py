"""What Argo CD makes of a HealthPolicy: its Lua, run by Lua 5.1 without libraries, against stored objects."""

from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from lupa.lua51 import LuaRuntime, lua_type

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/argocd/salus.dev/HealthPolicy"
HEALTH = yaml.safe_load((FOLDER / "health_test.yaml").read_text())["tests"]
ACTIONS = yaml.safe_load((FOLDER / "actions/action_test.yaml").read_text())
REACHING_OUT = ("os", "io", "package", "require", "dofile", "loadfile", "debug", "python")


def run(script: Path, body: Any) -> Any:  # noqa: ANN401 — whatever JSON holds
    """What the script returns for this object; as in Argo CD, it sees `obj` and no library that reaches outside."""
    lua = LuaRuntime(unpack_returned_tuples=False)
    for name in REACHING_OUT:
        lua.globals()[name] = None
    lua.globals()["obj"] = lua.table_from(body, recursive=True)
    return _plain(lua.execute(script.read_text()))


def _plain(value: Any) -> Any:  # noqa: ANN401
    if lua_type(value) != "table":
        return value
    pairs = {key: _plain(item) for key, item in value.items()}
    is_list = bool(pairs) and list(pairs) == list(range(1, len(pairs) + 1))
    return list(pairs.values()) if is_list else pairs


def stored(folder: Path, path: str) -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load((folder / path).read_text()))


@pytest.mark.parametrize("row", HEALTH, ids=[row["inputPath"] for row in HEALTH])
def test_argo_cd_shows_whether_the_spec_is_in_use_and_not_how_the_service_is(row: dict[str, Any]) -> None:
    assert row["healthStatus"] == run(FOLDER / "health.lua", stored(FOLDER, row["inputPath"]))


def test_every_stored_object_is_in_the_table() -> None:
    assert {f"testdata/{path.name}" for path in (FOLDER / "testdata").iterdir()} == {row["inputPath"] for row in HEALTH}


@pytest.mark.parametrize("row", ACTIONS["discoveryTests"], ids=[row["inputPath"] for row in ACTIONS["discoveryTests"]])
def test_the_action_that_makes_sense_is_offered(row: dict[str, Any]) -> None:
    offered = run(FOLDER / "actions/discovery.lua", stored(FOLDER / "actions", row["inputPath"]))

    assert {one["name"]: one["disabled"] for one in row["result"]} == {
        name: action["disabled"] for name, action in offered.items()
    }


@pytest.mark.parametrize("row", ACTIONS["actionTests"], ids=[row["action"] for row in ACTIONS["actionTests"]])
def test_an_action_changes_what_it_says_and_nothing_else(row: dict[str, Any]) -> None:
    folder = FOLDER / "actions"

    changed = run(folder / row["action"] / "action.lua", stored(folder, row["inputPath"]))

    assert changed == _empty_as_lua_has_it(stored(folder, row["expectedOutputPath"]))


def _empty_as_lua_has_it(value: Any) -> Any:  # noqa: ANN401
    """Lua knows one empty table; `{}` and `[]` are the same to it."""
    if isinstance(value, dict):
        return {key: _empty_as_lua_has_it(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_empty_as_lua_has_it(item) for item in value] or {}
    return value


def test_the_example_config_map_holds_the_same_scripts() -> None:
    data = yaml.safe_load((ROOT / "examples/gitops/argocd/argocd-cm.yaml").read_text())["data"]
    prefix = "resource.customizations"

    assert data[f"{prefix}.health.salus.dev_HealthPolicy"] == (FOLDER / "health.lua").read_text()
    actions = yaml.safe_load(data[f"{prefix}.actions.salus.dev_HealthPolicy"])
    assert actions["discovery.lua"] == (FOLDER / "actions/discovery.lua").read_text()
    assert {one["name"]: one["action.lua"] for one in actions["definitions"]} == {
        name: (FOLDER / "actions" / name / "action.lua").read_text() for name in ("suspend", "resume")
    }
