"""What is otherwise than on Prometheus, by server: the tests that fail, and what it means for who uses it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is otherwise."""

    server: str
    means: str
    """For people, as the compatibility page has it."""
    tests: Sequence[str]
    """Patterns of ids; all that match fail, and each matches one at least."""
    is_always: bool = True
    """False: it follows from how the server's own clock stands to the test's, so that they may pass as well."""


VICTORIAMETRICS = "victoriametrics"
_SOURCES, _HISTORY = "test_sources::", "TestHistory::"

DIFFERENCES: Sequence[Difference] = (
    Difference(
        VICTORIAMETRICS,
        "A number that is none (`NaN`, as of 0 / 0) comes back as nothing. So `onNoData: Healthy` covers it as well, "
        "and the reason in the status is `NoSeries`.",
        [
            f"{_SOURCES}test_every_source_tells_the_cases_apart*NaN is no data]",
            f"{_SOURCES}test_a_ratio_is_0_where_nothing_failed_and_no_number*[[]nothing was asked*",
            f"{_SOURCES}test_a_ratio_of_successes_is_never_0_for_want_of_a_series[[]nothing was asked]",
            f"{_SOURCES}test_a_ratio_of_all_targets_at_once[[]till-NotANumber]",
        ],
    ),
    Difference(
        VICTORIAMETRICS,
        "A quotient of one series with labels and one without has a value, where Prometheus has none.",
        [f"{_SOURCES}test_a_part_with_labels_of_its_own_is_not_taken_for_none"],
    ),
    Difference(
        VICTORIAMETRICS,
        "What is wrong with a query is said in other words.",
        [
            f"{_SOURCES}test_a_query_that_prometheus_refuses_says_why",
            f"{_HISTORY}test_a_query_that_is_refused_says_why",
        ],
    ),
    Difference(
        VICTORIAMETRICS,
        "The past is told at multiples of the step, so that the newest sample may be up to one interval older.",
        [f"{_HISTORY}test_more_points_than_a_server_gives_at_once_come_in_pieces"],
    ),
    Difference(
        VICTORIAMETRICS,
        "How long the last sample of a series stands follows from how often it is written, and is not five minutes: of "
        "a silence that `onNoData: Healthy` declares, less is known when Salus starts anew.",
        [f"{_HISTORY}test_when_a_query_was_empty_is_told_as_long_as_anything_was_taken*"],
    ),
    Difference(
        VICTORIAMETRICS,
        "A sample that is older than the policy allows may come back as nothing, `NoSeries` and not `StaleSample`; "
        "`onNoData: Healthy` then covers it.",
        [f"{_SOURCES}test_every_source_tells_the_cases_apart*an old sample is no data, and not an empty answer]"],
        is_always=False,
    ),
)
