"""What the checks of a policy said around an incident: which stretch of time, and of which policy."""

from salus.cli.metrics.courses import Asker, Seen, Stretch
from salus.cli.past.book import Known
from salus.cli.past.drawing import axis
from salus.cli.person import Person
from salus.cli.reports.incident import IncidentReport

COLUMNS = 500
"""Of a plot; each has the least and the greatest value of its time, so that no spike is lost."""


async def with_courses(report: IncidentReport, known: Known, person: Person, asker: Asker) -> IncidentReport:
    """The report, and what the checks said."""
    seen = await _seen(report, known, person, asker)
    return report.model_copy(update={"courses": seen.courses, "no_courses": seen.why_not})


async def _seen(report: IncidentReport, known: Known, person: Person, asker: Asker) -> Seen:
    body = next((one for one in known.policies if one["metadata"]["name"] == report.policy), None)
    if body is None:
        return Seen(why_not=f"policy {report.policy} is gone, or may not be read")
    start, end = axis(report)
    return await asker.of(person, body, known.key, Stretch(start, end, most=COLUMNS))
