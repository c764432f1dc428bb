"""The command `salus replay`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from salus.adapters.clock import SystemClock
from salus.cli import logs
from salus.cli.contract import CannotBeAsked, Exit
from salus.cli.lint.command import policies_of
from salus.cli.lint.subjects import Read, from_cluster, from_files
from salus.cli.metrics.opening import Found, prometheus_of
from salus.cli.metrics.wanted import Prometheus
from salus.cli.pages import TooLargeError
from salus.cli.person import Person, Where, person_at
from salus.cli.progress import Progress
from salus.cli.replay import forms
from salus.cli.replay.against import compared
from salus.cli.replay.asking import Archive
from salus.cli.replay.drawing import replay_page
from salus.cli.replay.many import Replayed, cached
from salus.cli.replay.play import Wish
from salus.cli.replay.report import Title, merged
from salus.cli.replay.sweep import sweeps
from salus.cli.replay.text import text
from salus.cli.replay.written import lines
from salus.cli.reports.replay import ReplayReport
from salus.cli.show import Form, Look, screen, show
from salus.cli.spans import moment
from salus.cli.validate import catalog_of
from salus.model.policy import Mode
from salus.model.scalars import Body, format_time
from salus.ports import HEALTH_POLICIES, Ref
from salus.settings import Settings, SettingsError, read_settings

CSV, MARKDOWN = "csv", "md"
KNOWN_FORMS = (Form.TEXT, Form.WIDE, Form.JSON, Form.YAML, CSV, MARKDOWN)
USUAL = timedelta(days=14)
LIVE = "live"
GATES = ("acts", "false-alarms")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person typed."""

    inputs: Sequence[str] = ()
    """Files; none: what is in the cluster."""
    names: Sequence[str] = ()
    since: timedelta | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    mode: str = Mode.ENFORCE.value
    step: timedelta | None = None
    releases: Path | None = None
    fail_on: str = ""
    sweep: str = ""
    """One check, or `*`: all."""
    against: str = ""
    """`live`, or a file."""
    html: str | None = None
    """A file; empty: one that is named after what is replayed."""


def run(ask: Ask, where: Where, look: Look, wanted: Prometheus) -> int:
    """The command. Returns the exit status. Raises CannotBeAsked."""
    _refuse_what_is_odd(ask, look)
    logs.nothing()
    return asyncio.run(_run(ask, where, look, wanted))


def _refuse_what_is_odd(ask: Ask, look: Look) -> None:
    if look.form not in KNOWN_FORMS:
        raise CannotBeAsked(f'-o knows no "{look.form}"', [("knows", ", ".join(KNOWN_FORMS))])
    if ask.inputs and ask.names:
        raise CannotBeAsked("-f and NAME: one of them says what is replayed")
    if ask.mode not in set(Mode):
        raise CannotBeAsked(f'--mode knows no "{ask.mode}"', [("knows", ", ".join(Mode))])
    if ask.fail_on not in {"", *GATES}:
        raise CannotBeAsked(f'--fail-on knows no "{ask.fail_on}"', [("knows", ", ".join(GATES))])


async def _run(ask: Ask, where: Where, look: Look, wanted: Prometheus) -> int:
    settings, now = _settings(wanted), SystemClock().now().replace(microsecond=0)
    progress = Progress(sys.stderr)
    async with AsyncExitStack() as stack:
        person = await _person(stack, ask, where, wanted)
        subjects = await _subjects(ask, where, settings, person)
        others = await _others(ask, subjects, settings, person)
        found = await stack.enter_async_context(prometheus_of(wanted, where, person))
        wish = _wish(ask, found, settings, now)
        archive = Archive(found.metrics, wish.begins, wish.ends, progress.say)
        written = lines(ask.releases, lambda said: moment(said, utc=look.utc)) if ask.releases else ()
        asks = cached(archive) if others else archive.checks
        title, keeps = _title(ask, person, now), bool(ask.sweep)
        replayed = Replayed(archive, asks, wish, person, written, progress, where.all_namespaces, title, keeps)
        async with _to_its_end(replayed):
            await replayed.all(subjects)
        said = _finished(replayed, found, person)
        async with _to_its_end(replayed):
            if replayed.cut is None:
                said = said.model_copy(update=await _more(replayed, said, others, ask))
    _print(said, look)
    replayed.raise_what_cut_it_short()
    if ask.html is not None:
        _write(Path(ask.html or _file_of(said)), said, look)
    return _ends(said, ask.fail_on)


async def _others(
    ask: Ask, subjects: Sequence[Body], settings: Settings | None, person: Person | None
) -> Sequence[Body]:
    """The policies that these are compared with, of the same names. Raises CannotBeAsked."""
    if not ask.against:
        return ()
    named = [(body["metadata"]["namespace"], body["metadata"]["name"]) for body in subjects]
    if ask.against != LIVE:
        there = usable(from_files([ask.against], catalog_of(settings), named[0][0]), named[0][0])
        found = [body for body in there if (body["metadata"]["namespace"], body["metadata"]["name"]) in named]
    elif person is None:
        raise CannotBeAsked("--against live asks a cluster, and there is none", tries=["--against FILE"])
    else:
        bodies = await asyncio.gather(*(person.find(Ref(HEALTH_POLICIES, *one)) for one in named))
        found = usable(from_cluster([body for body in bodies if body is not None], catalog_of(settings)), "")
    if not found:
        names = ", ".join("/".join(one) for one in named[:3])
        raise CannotBeAsked(f"there is nothing to compare with: {ask.against} has no {names}")
    return found


async def _more(replayed: Replayed, said: ReplayReport, others: Sequence[Body], ask: Ask) -> Mapping[str, object]:
    """Other bounds, and other versions of the same policies. Raises CannotBeAsked."""
    more: dict[str, object] = {}
    if ask.sweep:
        more["sweeps"] = await sweeps(replayed.played, ask.sweep, replayed.progress.say)
    if others:
        second = replace(replayed, played=[], reports=[], unknown=[], keeps=False)
        await second.all(others)
        more["comparison"] = compared(said, merged(second.reports), ask.against)
    replayed.progress.end()
    return more


def _file_of(said: ReplayReport) -> str:
    names = [one.name for one in said.policies]
    return f"salus-replay-{names[0] if len(names) == 1 else len(names)}.html"


def _write(file: Path, said: ReplayReport, look: Look) -> None:
    try:
        raw = replay_page(said, look).encode()
        file.write_bytes(raw)
    except (OSError, TooLargeError) as error:
        raise CannotBeAsked(f"{file} cannot be written", [("why", str(error))]) from error
    sys.stderr.write(f"written: {file} ({-(-len(raw) // 1000)} kB)\n")


@asynccontextmanager
async def _to_its_end(replayed: Replayed) -> AsyncIterator[None]:
    """Who presses Ctrl-C gets what is done, and then ends as one who was interrupted."""
    try:
        yield
    except asyncio.CancelledError as cut:
        if not replayed.reports:
            raise
        replayed.cut = cut
    finally:
        replayed.progress.end()


# --- what is replayed, and over which time


def _settings(wanted: Prometheus) -> Settings | None:
    try:
        return read_settings(wanted.config) if wanted.config is not None else None
    except SettingsError as error:
        raise CannotBeAsked("the operator's configuration cannot be read", [("said", str(error))]) from error


async def _person(stack: AsyncExitStack, ask: Ask, where: Where, wanted: Prometheus) -> Person | None:
    """Somebody in front of a cluster; None where none is needed: for files, by a Prometheus that is named."""
    try:
        return await stack.enter_async_context(person_at(where))
    except CannotBeAsked:
        if ask.inputs and (wanted.at or wanted.config is not None):
            return None
        raise


async def _subjects(ask: Ask, where: Where, settings: Settings | None, person: Person | None) -> Sequence[Body]:
    catalog = catalog_of(settings)
    if ask.inputs:
        mine = person.namespace if person is not None else None
        namespace = where.namespace or mine or "default"
        return usable(from_files(ask.inputs, catalog, namespace), namespace)
    assert person is not None  # noqa: S101 — what is in the cluster is not read without one
    found = usable(from_cluster(await policies_of(person, ask.names), catalog), "")
    if not found:
        where_ = f"in namespace {person.namespace}" if person.namespace else "in any namespace"
        raise CannotBeAsked(f"there is no policy {where_}", tries=["-f FILE for policies that are not there yet"])
    return found


def usable(read: Read, namespace: str) -> list[Body]:
    """The policies that were read. Raises CannotBeAsked for one that cannot be used."""
    for unreadable in read.unreadable:
        raise CannotBeAsked("a file cannot be read", [("said", str(unreadable))])
    for subject in read.subjects:
        if subject.policy is None:
            facts = [("says", str(problem)) for problem in subject.problems[:5]]
            raise CannotBeAsked(f"{subject.title or subject.source} cannot be used", facts, ["salus validate -f FILE"])
    return [_named(subject.body, namespace) for subject in read.subjects]


def _named(body: Body, namespace: str) -> Body:
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}


def _wish(ask: Ask, found: Found, settings: Settings | None, now: datetime) -> Wish:
    ends = min(ask.ends or now, now)
    begins = ask.begins or ends - (ask.since or USUAL)
    kept = found.about.retention
    if kept is not None:
        begins = max(begins, now - kept)
    if begins >= ends:
        raise CannotBeAsked("the replay ends before it begins", [("from", str(begins)), ("to", str(ends))])
    wish = Wish(_whole(begins), _whole(ends), catalog_of(settings), Mode(ask.mode), ask.step)
    if settings is None:
        return wish
    return replace(wish, switches=settings.switches(), bounds=settings.bounds(), stamps=settings.releases.value())


def _whole(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


# --- what is said of it


def _title(ask: Ask, person: Person | None, now: datetime) -> Title:
    ends = ask.ends or now
    meant = ends - (ask.begins or ends - (ask.since or USUAL))
    return Title(now, person.context if person is not None else "", meant)


def _finished(replayed: Replayed, found: Found, person: Person | None) -> ReplayReport:
    said = merged(replayed.reports)
    partial = f"interrupted at {format_time(said.ends)} of the past" if replayed.cut is not None else ""
    return said.model_copy(
        update={
            "prometheus": found.report(),
            "unknown": (*replayed.unknown, *said.unknown),
            "partial": partial,
            "not_looked_at": tuple(person.not_looked_at) if person is not None else (),
        }
    )


def _print(said: ReplayReport, look: Look) -> None:
    if look.form == CSV:
        forms.write_csv(said, sys.stdout)
    elif look.form == MARKDOWN:
        sys.stdout.writelines(f"{line}\n" for line in forms.markdown(said, screen(look)))
    else:
        show(said, look, text)


def _ends(said: ReplayReport, fail_on: str) -> int:
    failed = {"acts": said.acts, "false-alarms": said.alarms}
    return Exit.NO if failed.get(fail_on) else Exit.YES
