"""What happened, drawn on one axis of time, for pages of reports; from the documents alone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from salus.cli.plot import Band, Kind, Lane, Moment, lanes_svg
from salus.cli.reports.history import HistoryLine, What
from salus.cli.reports.incident import IncidentReport
from salus.cli.reports.period import PeriodReport

MOST_LANES = 20
"""Workloads that are drawn; those with the newest incidents."""
_BY_SALUS: Mapping[What, Kind] = {
    What.ACT: Kind.ACT,
    What.UNDO: Kind.ACT,
    What.REHEARSE: Kind.WOULD_ACT,
    What.ASKS: Kind.QUESTION,
    What.REFUSE: Kind.REFUSAL,
    What.ADVISE: Kind.REFUSAL,
}
_BY_OTHERS: Mapping[What, Kind] = dict.fromkeys(
    (What.RELEASE, What.CONFIG, What.RESTART, What.SCALE, What.EDIT, What.ANSWER), Kind.RELEASE
)


def of_incident(report: IncidentReport) -> str:
    """What others did, what Salus did, and how long it was unhealthy."""
    ends = report.healthy_at or report.resolved_at or report.at
    moments = [line.at for line in report.timeline]
    ill = Band(report.opened_at, ends, Kind.INCIDENT, "unhealthy")
    lanes = [
        Lane("others", _moments(report.timeline, _BY_OTHERS)),
        Lane("Salus", _moments(report.timeline, _BY_SALUS)),
        Lane("unhealthy", bands=[ill]),
    ]
    return lanes_svg(lanes, min([report.opened_at, *moments]), max([ends, *moments]), "what happened")


def _moments(lines: Iterable[HistoryLine], kinds: Mapping[What, Kind]) -> list[Moment]:
    return [Moment(line.at, kinds[line.what], f"{line.what} {line.detail}") for line in lines if line.what in kinds]


def of_period(report: PeriodReport) -> str:
    """When each workload was unhealthy; empty: none ever was."""
    workloads = list(dict.fromkeys((one.namespace, one.target) for one in report.items))[:MOST_LANES]
    lanes = [
        Lane(target.rpartition("/")[2][:9], bands=_bands(report, namespace, target)) for namespace, target in workloads
    ]
    return lanes_svg(lanes, report.begins, report.ends, "when each workload was unhealthy") if lanes else ""


def _bands(report: PeriodReport, namespace: str, target: str) -> Sequence[Band]:
    found = (one for one in report.items if (one.namespace, one.target) == (namespace, target))
    return [
        Band(
            one.opened_at,
            _until(one.opened_at + one.lasted, report),
            Kind.INCIDENT,
            f"{namespace}/{target}: {one.seen}",
        )
        for one in found
    ]


def _until(moment: datetime, report: PeriodReport) -> datetime:
    return min(moment, report.ends)
