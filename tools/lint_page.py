"""The page on lint codes, written from the registry: `python -m tools.lint_page > docs/reference/lint.md`.

A test holds the page to what this says.
"""

import sys

from salus.cli.lint.exceptions import FORM
from salus.cli.lint.registry import OF_FILES, RULES

_HEAD = f"""# What `salus lint` finds

<!-- Written from the registry by `python -m tools.lint_page`; a test fails when it is not current. -->

`salus lint -f FILE` checks policies of files, `salus lint` those of the cluster: everything of `salus validate`, and
what is odd about policies that can be used. Errors make the exit status 1 (`--fail-on warning`: warnings too); 2 means
that something could not be read or asked. `--level warning` shows less, `--ignore SL301` leaves a code out. Forms:
`-o text|wide|json|yaml`, `sarif` for code scanning, `github` for annotations of a workflow, `junit`.

An exception stands in the file, with an end and a reason. Beside a field it is for that field and all below it, on a
line of its own for what follows, and not indented for the whole policy. Past its end it is a finding itself.

```yaml
{FORM}
```

| code | offline | what is found | level |
| --- | --- | --- | --- |
"""


def lint_page() -> str:
    """The whole page."""
    of_files = [(code, True, says, level) for code, (level, says) in OF_FILES.items()]
    of_rules = [(rule.code, rule.is_offline, rule.says, rule.level) for rule in RULES]
    rows = [
        f"| {code} | {'yes' if is_offline else ''} | {says.replace('|', chr(92) + '|')} | {level} |\n"
        for code, is_offline, says, level in [*of_files, *of_rules]
    ]
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(lint_page())
