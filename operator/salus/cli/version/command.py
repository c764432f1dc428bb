"""The command `salus version`."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from salus.adapters.clock import SystemClock
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.marks import State
from salus.cli.metrics.find import OF_THE_OPERATOR
from salus.cli.person import Where, person_at
from salus.cli.reports.version import CrdsLine, OperatorLine, ProgramLine, VersionReport
from salus.cli.show import Look, show
from salus.cli.version.fields import compared
from salus.cli.version.fit import fits, of_crds, of_operator
from salus.cli.version.text import text
from salus.model.scalars import MALFORMED, Body
from salus.ports import DEPLOYMENTS
from salus.version import __version__, commit, described

_VERSION_LABEL = "app.kubernetes.io/version"
_ENDS = {State.GOOD: ("Yes", Exit.YES), State.BAD: ("No", Exit.NO), State.UNKNOWN: ("Unknown", Exit.UNKNOWN)}


def run(where: Where, look: Look, *, client: bool) -> int:
    """The command; `client`: no cluster is asked. Returns the exit status. Raises CannotBeAsked."""
    alone = VersionReport(at=SystemClock().now(), program=ProgramLine(version=__version__, commit=commit()))
    if client:
        show(alone, look, text)
        return Exit.YES
    try:
        report, answer = asyncio.run(_beside_the_cluster(alone, where))
    except CannotBeAsked as error:
        facts = [("program", described()), *error.facts]
        raise CannotBeAsked(error.what, facts, [*error.tries, "salus version --client"]) from error
    show(report, look, text)
    return answer


async def _beside_the_cluster(alone: VersionReport, where: Where) -> tuple[VersionReport, int]:
    async with person_at(replace(where, all_namespaces=where.namespace is None)) as person:
        schemas = await person.schemas()
        bodies = await person.around(DEPLOYMENTS, labels=OF_THE_OPERATOR)
        operators = [of_operator(alone.program.version, one) for one in _operators(bodies)]
        crds = _crds(alone.program.version, operators, schemas)
        word, status = _ENDS[fits(operators, crds)]
        found = {"operators": tuple(operators), "crds": crds, "fits": word, "cluster": person.context}
        return alone.model_copy(update={**found, "not_looked_at": tuple(person.not_looked_at)}), status


def _crds(program: str, operators: list[OperatorLine], schemas: Body | None) -> CrdsLine:
    if schemas is None:
        return CrdsLine(state=State.UNKNOWN, message="which fields they have is not yours to see")
    try:
        return of_crds(program, operators, compared(schemas))
    except MALFORMED:
        return CrdsLine(state=State.UNKNOWN, message="what the API server says of their fields cannot be read")


def _operators(bodies: Iterable[Body]) -> Iterable[OperatorLine]:
    for body in bodies:
        metadata = body["metadata"]
        containers = ((body.get("spec") or {}).get("template") or {}).get("spec", {}).get("containers") or ()
        yield OperatorLine(
            namespace=metadata["namespace"],
            name=metadata["name"],
            version=str((metadata.get("labels") or {}).get(_VERSION_LABEL, "")),
            image=str(next((one.get("image", "") for one in containers), "")),
            state=State.UNKNOWN,
        )
