"""A past for `salus replay`: a bad release that a person takes back, pods that crash for a while, a flap, a gap."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from salus.cli.replay.lives import Change, Life
from salus.cli.replay.play import Ask, Given, Played, Wish, play
from salus.cli.replay.report import Title, report
from salus.cli.reports.replay import ReplayReport
from salus.core.policy.compile import Catalog
from salus.model.meta import WorkloadKind
from salus.model.scalars import Body
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Error, Query, Sample
from tests.builders import NAMESPACE, PAGE, RESTART, ROLLBACK, a_deployment_body, a_template
from tests.unit.rehearsal.scenes import a_check, a_health_policy

BEGINS = datetime(2026, 11, 20, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=1)
STEP = timedelta(seconds=15)
TARGET = TargetKey(NAMESPACE, WorkloadKind.DEPLOYMENT, "checkout")
CATALOG = Catalog({}, ["default"])
BAD_AT, BACK_AT = BEGINS + timedelta(hours=5), BEGINS + timedelta(hours=5, minutes=31)
SICK_AT, FLAP_AT, GAP_AT = (BEGINS + timedelta(hours=hours) for hours in (9, 12, 15))
SICK = timedelta(minutes=4)


def a_wish(**more: Any) -> Wish:  # noqa: ANN401 — fields of it
    return Wish(**{"begins": BEGINS, "ends": ENDS, "catalog": CATALOG, **more})


def a_policy(*remedies: Mapping[str, Any], **spec: Any) -> Body:  # noqa: ANN401 — fields of the spec
    """Errors, and pods that crash."""
    checks = [a_check(), a_check("crashes", above="0", hold="30s")]
    return a_health_policy(checks=checks, remedies=list(remedies or (ROLLBACK, RESTART, PAGE)), **spec)


def a_life() -> Life:
    body = a_deployment_body(name=TARGET.name)
    for of_now in ("uid", "generation"):
        body["metadata"].pop(of_now, None)
    bad, back = a_template("shop:v2"), body["spec"]["template"]
    return Life(TARGET, body, (Change(BAD_AT, bad), Change(BACK_AT, back)))


def errors(at: datetime) -> float | None:
    """What error-ratio said then."""
    if GAP_AT <= at < GAP_AT + timedelta(hours=2):
        return None
    if FLAP_AT <= at < FLAP_AT + 2 * STEP:
        return 0.2
    return 0.31 if BAD_AT + timedelta(minutes=1) <= at < BACK_AT + timedelta(minutes=1) else 0.001


def crashes(at: datetime) -> float | None:
    return 2.0 if SICK_AT <= at < SICK_AT + SICK else 0.0


COURSES = {"error_ratio": errors, "crashes": crashes}


def samples(query: str, begins: datetime, ends: datetime) -> list[Sample]:
    """What a query was answered."""
    course = next(course for name, course in COURSES.items() if name in query)
    moments = (begins + number * STEP for number in range(int((ends - begins) / STEP) + 1))
    return [Sample(at, value) for at in moments if (value := course(at)) is not None]


def asked(wish: Wish) -> Ask:
    """Answers as Prometheus would."""

    async def ask(queries: Mapping[Query, timedelta]) -> Given:
        found: dict[Query, Sequence[Sample] | Error] = {}
        for query in queries:
            found[query] = samples(query.query, wish.begins - timedelta(hours=2), wish.ends)
        return found

    return ask


async def played(*policies: Body, wish: Wish | None = None, life: Life | None = None) -> Played:
    wish = wish or a_wish()
    return await play(policies or (a_policy(),), [life or a_life()], asked(wish), wish)


async def replayed(*policies: Body, wish: Wish | None = None, life: Life | None = None) -> ReplayReport:
    return report([await played(*policies, wish=wish, life=life)], Title(at=ENDS))
