"""A report of tests as JUnit has it: a suite a file, a case a test."""

from xml.etree import ElementTree as ET  # what is written here is not read

from salus.cli.reports.trial import Result, TestReport, TestResult


def junit(report: TestReport) -> str:
    """The document."""
    root = ET.Element("testsuites", name="salus test", tests=str(report.passed + report.failed + report.skipped))
    root.set("failures", str(report.failed))
    for file in report.files:
        failed = sum(one.result is Result.FAILED for one in file.tests)
        skipped = sum(one.result is Result.SKIPPED for one in file.tests)
        counts: dict[str, str] = {"tests": str(len(file.tests)), "failures": str(failed), "skipped": str(skipped)}
        suite = ET.SubElement(root, "testsuite", {"name": file.name, **counts})
        for one in file.tests:
            _case(suite, file.name, one)
    if report.problems:
        suite = ET.SubElement(root, "testsuite", name="salus test", tests="1", errors=str(len(report.problems)))
        case = ET.SubElement(suite, "testcase", name="files can be read")
        for problem in report.problems:
            ET.SubElement(case, "error", message=_legible(problem))
    return ET.tostring(root, encoding="unicode")


def _case(suite: ET.Element, file: str, one: TestResult) -> None:
    case = ET.SubElement(suite, "testcase", classname=file, name=_legible(one.name), time=f"{one.seconds:.3f}")
    if one.result is Result.SKIPPED:
        ET.SubElement(case, "skipped", message=_legible(one.why))
    for failure in one.failures:
        said = f"{failure.when or 'ever'}: expected {failure.expected}, got {failure.got}"
        told = ET.SubElement(case, "failure", message=_legible(said))
        run = " · ".join(f"{moment.at} {moment.text}" for moment in one.run)
        told.text = _legible(f"the run: {run}{f'; hint: {one.hint}' if one.hint else ''}")


def _legible(text: str) -> str:
    """What XML can hold."""
    return "".join(char if char.isprintable() else " " for char in text)
