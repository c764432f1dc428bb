"""A lint report in the forms that pipelines read: SARIF for code scanning, GitHub's annotations, JUnit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from xml.etree import ElementTree as ET  # what is written here is not read

import orjson

from salus.cli.lint.registry import OF_FILES, RULES
from salus.cli.reports.lint import Level, LintedFile, LintFinding, LintReport
from salus.version import described

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_SARIF_LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
_GITHUB_LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "notice"}
_IN_PROPERTY = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}
_IN_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}


def sentences() -> Mapping[str, str]:
    """What each code finds."""
    return {code: says for code, (_, says) in OF_FILES.items()} | {rule.code: rule.says for rule in RULES}


def _each(report: LintReport) -> Iterator[tuple[LintedFile, LintFinding]]:
    return ((file, one) for file in report.files for one in file.findings)


def says(finding: LintFinding) -> str:
    """With the check that it is about."""
    return f"{finding.check}: {finding.message}" if finding.check else finding.message


def sarif(report: LintReport) -> str:
    """SARIF 2.1.0."""
    told = sentences()
    used = sorted({one.code for _, one in _each(report)})
    rules = [{"id": code, "shortDescription": {"text": told[code]}} for code in used]
    results = [
        {
            "ruleId": one.code,
            "ruleIndex": used.index(one.code),
            "level": _SARIF_LEVELS[one.level],
            "message": {"text": says(one)},
            "locations": [_location(file, one)],
        }
        for file, one in _each(report)
    ]
    driver = {"name": "salus lint", "version": described(), "rules": rules}
    run = {
        "tool": {"driver": driver},
        "results": results,
        "invocations": [{"executionSuccessful": not report.partial and not report.unreadable}],
    }
    return orjson.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, option=orjson.OPT_INDENT_2).decode()


def _location(file: LintedFile, finding: LintFinding) -> Mapping[str, object]:
    logical = {"logicalLocations": [{"fullyQualifiedName": f"{finding.policy or file.name}:{finding.path}"}]}
    if not finding.line:
        return logical
    region = {"startLine": finding.line, "startColumn": max(finding.column, 1)}
    return {"physicalLocation": {"artifactLocation": {"uri": file.name}, "region": region}, **logical}


def github(report: LintReport) -> str:
    """Workflow commands, one a line."""
    lines = [_annotation(file, one) for file, one in _each(report)]
    if report.partial:
        lines.append(f"::error title=partial::{_escaped(report.partial, _IN_MESSAGE)}")
    return "\n".join(lines)


def _annotation(file: LintedFile, finding: LintFinding) -> str:
    place = {"file": file.name, "line": str(finding.line), "col": str(finding.column)} if finding.line else {}
    said = {**place, "title": finding.code}
    properties = ",".join(f"{name}={_escaped(value, _IN_PROPERTY)}" for name, value in said.items())
    message = says(finding) if finding.line else f"{file.name} {finding.path}: {says(finding)}"
    return f"::{_GITHUB_LEVELS[finding.level]} {properties}::{_escaped(message, _IN_MESSAGE)}"


def _escaped(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in text)


def junit(report: LintReport) -> str:
    """A test suite a file, a failure for each error or warning; what is only noted passes."""
    root = ET.Element("testsuites", name="salus lint")
    for file in report.files:
        failed = [one for one in file.findings if one.level is not Level.INFO]
        cases: Sequence[LintFinding | None] = file.findings or [None]
        suite = ET.SubElement(root, "testsuite", name=file.name, tests=str(len(cases)), failures=str(len(failed)))
        for one in cases:
            _case(suite, file, one)
    if report.partial:
        suite = ET.SubElement(root, "testsuite", name="salus lint", tests="1", errors="1")
        ET.SubElement(ET.SubElement(suite, "testcase", name="partial"), "error", message=_legible(report.partial))
    return ET.tostring(root, encoding="unicode")


def _case(suite: ET.Element, file: LintedFile, finding: LintFinding | None) -> None:
    if finding is None:
        ET.SubElement(suite, "testcase", classname=file.name, name="no findings")
        return
    where = f"{finding.line}:{finding.column}" if finding.line else finding.path
    case = ET.SubElement(suite, "testcase", classname=file.name, name=f"{finding.code} {where}")
    if finding.level is not Level.INFO:
        failure = ET.SubElement(case, "failure", type=finding.level.value, message=_legible(says(finding)))
        failure.text = f"{file.name}:{where} {_legible(says(finding))}"


def _legible(text: str) -> str:
    """What XML may hold."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


FORMS: Mapping[str, Callable[[LintReport], str]] = {"sarif": sarif, "github": github, "junit": junit}
