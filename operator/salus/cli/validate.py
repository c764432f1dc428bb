"""`salus validate`: files in, a report out. What is wrong with a policy is told by `findings`."""

import json
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import typer

from salus.bounded_yaml import LARGEST, UnreadableError, line_of, read_bytes
from salus.cli.documents import Document, read_documents
from salus.cli.findings import AnyName, Finding, findings_in, is_ours, notes_in
from salus.cli.progress import Progress
from salus.contained import contained
from salus.core.policy.compile import Catalog
from salus.presets import load_presets
from salus.settings import Settings, SettingsError, read_settings

STDIN = "-"
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be read, or not to its end."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        """`checkout.yaml:3: not YAML: …`."""
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass(slots=True)
class Report:
    """What was read, and what is wrong with it."""

    sources: tuple[str, ...] | None
    """Names of sources that policies may use; None if nobody told, so that they were not checked."""
    files: int = 0
    policies: int = 0
    others: int = 0
    """Objects of other kinds, passed over."""
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    """What is no problem, and yet not carried out as it stands there."""
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: all good; 1: problems found; 2: something could not be read."""
        if self.unreadable:
            return 2
        return 1 if self.findings else 0

    def to_json(self) -> str:
        """For machines; stable names."""
        return json.dumps({"ok": self.exit_code == 0, **asdict(self)}, indent=2)

    def to_text(self) -> str:
        """For people: a line for each problem and note, then the summary."""
        return "\n".join([*map(str, self.findings), *(f"note: {note}" for note in self.notes), self.summary()])

    def summary(self) -> str:
        """What was checked, and how it went."""
        read = f"{_count(self.policies, 'policy', 'policies')} in {_count(self.files, 'file', 'files')}"
        others = f"; {_count(self.others, 'other object', 'other objects')} passed over" if self.others else ""
        sources = "" if self.sources is not None else "; sources not checked (give --config or --source)"
        return f"{read}: {self._result()}{others}{sources}"

    def _result(self) -> str:
        parts = []
        if self.findings:
            parts.append(_count(len(self.findings), "problem", "problems"))
        if self.unreadable:
            parts.append(f"{_count(len(self.unreadable), 'input', 'inputs')} unreadable")
        return ", ".join(parts) or ("all good" if self.policies else "nothing to check")


def run(inputs: Sequence[str], config: Path | None, sources: Sequence[str] | None, *, as_json: bool) -> int:
    """The command: check and print. Returns the exit status."""
    try:
        settings = read_settings(config) if config is not None else None
    except SettingsError as error:
        typer.echo(f"salus: {error}", err=True)
        return 2
    report = validate(inputs, catalog_of(settings, sources or ()), Progress(sys.stderr))
    for unreadable in report.unreadable:
        typer.echo(f"salus: {unreadable}", err=True)
    typer.echo(report.to_json() if as_json else report.to_text())
    return report.exit_code


def catalog_of(settings: Settings | None, named: Collection[str] = ()) -> Catalog:
    """What policies may refer to: by the operator's configuration, where there is one, and these sources besides.

    Where neither tells, any source and any sink will do.
    """
    signals = load_presets()
    if settings is None:
        return Catalog(signals, tuple(sorted(named)) if named else AnyName())
    names = tuple(sorted({*settings.sources, *named}))
    least = settings.minimums.value()
    return Catalog(signals, names, settings.bindings(), settings.sink_values(), settings.exporters(), least)


def validate(inputs: Sequence[str], catalog: Catalog, progress: Progress) -> Report:
    """Check every policy in `inputs`: files, folders and `-` for standard input."""
    report = Report(None if isinstance(catalog.sources, AnyName) else tuple(catalog.sources))
    for file in files(inputs, report.unreadable):
        try:
            _check(file, catalog, report, progress)
        except UnreadableError as error:
            report.unreadable.append(Unreadable(shown(file), error.line, str(error)))
    progress.end()
    return report


def _check(file: str, catalog: Catalog, report: Report, progress: Progress) -> None:
    text = read(file)
    report.files += 1
    for document in read_documents(text):
        progress.say(lambda: f"checking: {report.policies} policies so far, now in {shown(file)}")
        escaped: list[BaseException] = []
        with contained(escaped.append):
            _look_at(document, shown(file), catalog, report)
        report.findings.extend(_defect(document, shown(file), error) for error in escaped)


def _look_at(document: Document, file: str, catalog: Catalog, report: Report) -> None:
    if is_ours(document):
        report.policies += 1
        report.findings.extend(findings_in(document, file, catalog))
        report.notes.extend(notes_in(document, file, catalog))
    elif document.body is not None:
        report.others += 1


def _defect(document: Document, file: str, error: BaseException) -> Finding:
    message = f"salus met an error of its own at this ({type(error).__name__}): please report it, with this document"
    return Finding(file, line_of(document.node), document.number, "", "", "", message)


def files(inputs: Sequence[str], unreadable: list[Unreadable]) -> Iterator[str]:
    """Every file once. An input that is none is noted, and the others are still read."""
    seen: set[str] = set()
    for one in inputs:
        try:
            found = _expanded(one)
        except UnreadableError as error:
            unreadable.append(Unreadable(one, None, str(error)))
            continue
        yield from (file for file in found if file not in seen)
        seen.update(found)


def _expanded(one: str) -> list[str]:
    folder = Path(one)
    if one == STDIN or not folder.is_dir():
        return [one]
    files = sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and _is_visible(path, folder))
    if not files:
        raise UnreadableError(f"holds no file named {', '.join(f'*{suffix}' for suffix in _SUFFIXES)}")
    return [str(file) for file in files]


def _is_visible(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def read(file: str) -> bytes:
    """What it holds, or standard input. Raises UnreadableError."""
    try:
        return sys.stdin.buffer.read(LARGEST + 1) if file == STDIN else read_bytes(Path(file))
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error


def shown(file: str) -> str:
    """How people are told of it."""
    return "<stdin>" if file == STDIN else file


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
