"""PromQL on series that a test has written: asked of a real promtool, since a second engine would be a second truth.

A file for `promtool test rules` is made in which every query expects nothing at every tick, so that promtool says what
it gives instead. What that means for a check is read as a reply of Prometheus is (`sources.reply`). Time begins at 0,
as in all of promtool's tests.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from salus.core.policy.promql import Probe, with_sample_times
from salus.model.values.metrics import Answer, Error, Query, Value
from salus.sources.reply import answer, reply_in

PROGRAM = "promtool"
NOT_THERE = "no promtool on PATH; it comes with Prometheus"
MOST = 50_000
"""Questions of one test: queries times ticks."""
_SECONDS = 120
_EPOCH = datetime.fromtimestamp(0, UTC)
_ASKED = re.compile(r'^\s*expr: "# (?P<number>\d+)\\n(?:[^"\\]|\\.)*", time: [^,]+,(?: err: (?P<error>.*))?$')
_GOT = re.compile(r"^\s*got:\s?(?P<series>.*)$")
_SERIES = re.compile(r'(?P<labels>(?:[A-Za-z_:][\w:]*)?\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}) (?P<value>[^\s,]+)(?:, |$)')
_LABEL = re.compile(r'(?P<name>[A-Za-z_]\w*|"(?:[^"\\]|\\.)*")="(?P<value>(?:[^"\\]|\\.)*)"')


class PromtoolFailed(Exception):
    """Promtool did not say what the queries give."""


def found(environ: Mapping[str, str] | None = None) -> Path | None:
    """Where the program is: in $SALUS_TOOLS, on PATH, or among what `make cluster` keeps; None: nowhere."""
    variables = os.environ if environ is None else environ
    if (folder := variables.get("SALUS_TOOLS")) and os.access(path := Path(folder, PROGRAM), os.X_OK):
        return path
    if on_path := shutil.which(PROGRAM, path=variables.get("PATH")):
        return Path(on_path)
    kept = Path(variables.get("SALUS_TESTBIN") or Path.home() / ".cache" / "salus-testbin")
    made = [*kept.glob(f"{PROGRAM}-*/{PROGRAM}"), *kept.glob(f"debian-{os.uname().machine}/usr/bin/{PROGRAM}")]
    return next((path for path in made if os.access(path, os.X_OK)), None)


@dataclass(frozen=True, slots=True)
class Written:
    """What Prometheus has."""

    series: Sequence[tuple[str, str]]
    """A series, and its values in promtool's notation."""
    step: timedelta
    """From one value to the next."""
    rules: Sequence[str] = ()
    """Files of recording and alerting rules."""


def asked(program: Path, there: Written, queries: Sequence[Query], ticks: Sequence[timedelta]) -> list[list[Answer]]:
    """For each query, what it answers at each tick, its times counted from 1970 on. Raises PromtoolFailed."""
    if len(queries) * len(ticks) > MOST:
        raise PromtoolFailed(f"{len(queries)} queries at {len(ticks)} ticks are more than {MOST} questions")
    probes = [with_sample_times(query.query, query.select[0] if query.select else "") for query in queries]
    told = _run(program, _document(there, probes, ticks))
    return [
        [_answer(told.get(row * len(ticks) + column, ""), probe, query, tick) for column, tick in enumerate(ticks)]
        for row, (probe, query) in enumerate(zip(probes, queries, strict=True))
    ]


def _document(there: Written, probes: Sequence[Probe], ticks: Sequence[timedelta]) -> dict[str, Any]:
    each = [(probe, tick) for probe in probes for tick in ticks]
    step = _seconds(there.step)
    test = {
        "interval": step,
        "input_series": [{"series": series, "values": values} for series, values in there.series],
        "promql_expr_test": [
            {"expr": f"# {number}\n{probe.text}", "eval_time": _seconds(tick)}
            for number, (probe, tick) in enumerate(each)
        ],
    }
    return {"rule_files": list(there.rules), "evaluation_interval": step, "tests": [test]}


def _seconds(time: timedelta) -> str:
    return f"{round(time.total_seconds())}s"


def _run(program: Path, document: Mapping[str, Any]) -> dict[int, str | Error]:
    """By the number of a question, the series that it gives, or why there is no answer."""
    with tempfile.TemporaryDirectory(prefix="salus-test-") as folder:
        file = Path(folder, "asked.yaml")
        file.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
        try:
            done = subprocess.run(  # noqa: S603 — the person's own program
                [program, "test", "rules", file], capture_output=True, text=True, check=False, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PromtoolFailed(f"{program} cannot be run: {error}") from error
    told = dict(_told(f"{done.stdout}\n{done.stderr}".splitlines()))
    if done.returncode not in {0, 1} or (done.returncode == 1 and not told):
        raise PromtoolFailed(f"{program}: {_last_words(done.stderr or done.stdout, file)}")
    return told


def _last_words(text: str, file: Path) -> str:
    words = " ".join(text.replace(str(file), "the series").split())
    return words[:300] or "it said nothing"


def _told(lines: Sequence[str]) -> Iterator[tuple[int, str | Error]]:
    number: int | None = None
    for line in lines:
        if question := _ASKED.match(line):
            number = int(question["number"])
            if question["error"]:
                yield number, Error("QueryFailed", f"promtool refused the query: {question['error'][:300]}")
        elif number is not None and (got := _GOT.match(line)):
            yield number, got["series"]


def _answer(told: str | Error, probe: Probe, query: Query, tick: timedelta) -> Answer:
    if isinstance(told, Error):
        return told
    rows = [{"metric": labels, "value": [tick.total_seconds(), value]} for labels, value in _vector(told)]
    reply = reply_in(PROGRAM, {"resultType": "vector", "result": rows}, probe)
    if isinstance(reply, Error):
        return reply
    if not rows:
        reply = type(reply)(_EPOCH + tick, (), ())
    return answer(reply, query)


def _vector(text: str) -> Iterator[tuple[dict[str, str], str]]:
    """The series that promtool lists on one line. Raises PromtoolFailed."""
    at = 0
    while at < len(text):
        series = _SERIES.match(text, at)
        if series is None:
            raise PromtoolFailed(f"promtool's answer cannot be read: {text[at : at + 100]}")
        labels = {_unquoted(one["name"]): _unescaped(one["value"]) for one in _LABEL.finditer(series["labels"])}
        name = series["labels"].partition("{")[0]
        yield {**labels, **({"__name__": name} if name else {})}, _number(series["value"])
        at = series.end()


def _unquoted(name: str) -> str:
    return _unescaped(name[1:-1]) if name.startswith('"') else name


def _unescaped(text: str) -> str:
    """Go quotes as JSON does, as far as labels go."""
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _number(text: str) -> str:
    """`4.4E+01` as the API writes it."""
    return text.replace("E", "e") if text[-1:].isdigit() else text


def moved(told: Answer, by: datetime) -> Answer:
    """The same answer of a Prometheus whose 0 is this time."""
    return Value(told.value, by + (told.sampled_at - _EPOCH)) if isinstance(told, Value) else told
