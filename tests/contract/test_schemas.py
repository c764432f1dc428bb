"""The schemas that a real API server publishes, read by an account without a right, and compared with the models.

Beside the CRDs of this commit stand older ones, under a group of their own.
"""

import asyncio
import copy
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from typer.testing import CliRunner

from salus.adapters.api import Connection, Login
from salus.adapters.open_api import schemas
from salus.cli import commands
from salus.cli.app import app
from salus.cli.contract import Exit
from salus.cli.version.fields import Difference, compared
from salus.model.scalars import GROUP, VERSION
from salus.ports import NotFound
from tools.crds import KINDS, manifest
from tools.devcluster.cluster import DevCluster

NOBODY = "nobody-in-particular"
OLD_GROUP = "older.salus.dev"
CUT = {"HealthPolicy": ("spec", "checks", "volume"), "ChangeEvent": ("spec", "approval", "reason")}
"""A field that the older CRDs of a kind lack."""
_PATIENCE_SECONDS = 60.0

pytestmark = pytest.mark.usefixtures("our_kinds")


@pytest.fixture
async def nobody(devcluster: DevCluster) -> AsyncIterator[Connection]:
    """A way to the API server for somebody who may log in, and nothing else."""
    async with await Connection.open(Login(devcluster.kubeconfig_for(NOBODY, ()))) as connection:
        yield connection


async def published(connection: Connection, group: str) -> Mapping[str, Any]:
    """All kinds of the group, as soon as they are published: that is a little later than they are served."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            found = await schemas(connection, group, VERSION)
        except NotFound:
            found = {}
        if len(found) == len(KINDS) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.1)


async def test_everybody_may_see_that_the_crds_of_this_commit_have_the_fields_of_its_models(nobody: Connection) -> None:
    found = await published(nobody, GROUP)

    assert set(found) == {kind.name for kind in KINDS}
    assert compared(found) == Difference()


async def test_a_group_that_is_not_there_is_not_found(nobody: Connection) -> None:
    with pytest.raises(NotFound):
        await schemas(nobody, "nowhere.salus.dev", VERSION)


@pytest.fixture
def older(devcluster: DevCluster) -> Iterator[None]:
    """CRDs without the fields of CUT."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    names = []
    for kind in KINDS:
        body = copy.deepcopy(manifest(kind))
        names.append(f"{kind.plural}.{OLD_GROUP}")
        body["metadata"]["name"], body["spec"]["group"] = names[-1], OLD_GROUP
        body["spec"]["names"] = {"kind": kind.name, "plural": kind.plural, "singular": kind.name.lower()}
        cut(kind.name, body["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        devcluster.api().create(path, body)
    yield
    for name in names:
        devcluster.api().delete(f"{path}/{name}")


def cut(kind: str, schema: dict[str, Any]) -> None:
    """Take a field away, and the rules that speak of it."""
    if kind not in CUT:
        return
    *above, last = CUT[kind]
    for name in above:
        schema.pop("x-kubernetes-validations", None)
        schema = schema["properties"][name]
        schema = schema.get("items", schema)
    schema.pop("x-kubernetes-validations", None)
    del schema["properties"][last]


@pytest.mark.usefixtures("older")
async def test_fields_that_older_crds_lack_are_named(nobody: Connection) -> None:
    found = await published(nobody, OLD_GROUP)

    assert set(compared(found).lacking) == {".".join([kind.lower(), *path]) for kind, path in CUT.items()}
    assert compared(found).not_known == ()


def test_the_command_needs_no_right(devcluster: DevCluster) -> None:
    assert commands.__all__
    kubeconfig = devcluster.kubeconfig_for(NOBODY, ())
    ended = CliRunner().invoke(app, ["version", "--kubeconfig", str(kubeconfig), "-o", "json"])

    report = json.loads(ended.stdout)
    assert (ended.exit_code, report["crds"]["state"]) == (Exit.YES, "good")
    assert [one["what"] for one in report["notLookedAt"]] == ["deployments"]
