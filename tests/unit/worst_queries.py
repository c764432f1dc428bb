"""The most expensive queries within `salus.core.policy.bounds`, and what compiling them takes in a process with limits.

Run as a program it does what Salus does with policies of queries that come on standard input: compile their checks for
a source that binds them to their namespace, and make the requests. It prints what became of each and, last, by how many
bytes its memory grew. The processor time has a limit of the kernel's, which no other process can use up.
"""

import json
import random
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from salus.core.policy import bounds, promql
from salus.core.policy.compile import Catalog, SpecError, compile_policy
from salus.model.values.configuration import Binding
from tests.memory import peak

LABEL, NAMESPACE, TARGET = "l" * 128, "n" * 63, "a." * 126 + "a"
LONGEST = 4_096
"""As the schema has it."""

_PIECES = (
    *(r"\w{64}", r"(\b\w){60}", r"\w{0,60}", r"[^\w]{56}", r"(?i)\pL{60}", r"(\W|\pN){30}", r"\d{500}"),  # Unicode
    *(r".{2000}", r"[^a]{500}", r"(.*,){600}", r"(?i)[a-z]{500}", r"(a?b?c?){600}", r"(a*){2000}", r"a{8000}"),
    *("é{2000}", "[" + "".join(chr(0x10000 + 1_007 * i) for i in range(200)) + "]{9}", "|".join(["route"] * 300)),
)


def regex(*pieces: str) -> str:
    """A selector with these regular expressions."""
    return "x{" + ",".join('a=~"' + piece.replace("\\", "\\\\") + '"' for piece in pieces) + "}"


def nested(query: str, *, operators: int = bounds.MOST_OPERATORS) -> str:
    """The query under as many levels as there may be."""
    return "(" * bounds.DEEPEST + query + ")" * bounds.DEEPEST + "+1" * operators


BY_HAND: Mapping[str, str] = {
    **{f"regex {piece[:12]}": regex(piece) for piece in _PIECES},
    "wide regexes, as many as there may be": regex(*[r"\w\w"] * bounds.MOST_REGEXES),
    "regexes under all levels": nested(regex(*[r"\w"] * bounds.MOST_REGEXES), operators=60),
    "matchers under all levels": nested("x{" + 'a="",' * 750 + "}"),
    "arguments under all operators": 'label_join(x,"a","b"' + ',"c"' * 900 + ")" + "+1" * bounds.MOST_OPERATORS,
    "places, as many as there may be": "+".join(["x"] * bounds.MOST_PLACES),
    "names, as long as they may be": nested("x{" + 'a="$target$target$target",' * 15 + "}"),
    "numbers that are printed at length": "clamp(x,1e300,1e300)" + "+1e300" * 95,
    "strings that are printed at length": "x{" + r'a="\x5c\x5c\x5c",' * 200 + "}",
    "calls": "clamp(x,scalar(x),scalar(" * 15 + "x" + "))" * 15,
    "ranges": "max_over_time(" * 15 + "x" + "[366d:1ms])" * 15,
}
"""Each dimension at its limit."""


def mixtures(count: int, seed: int = 0) -> Iterator[str]:
    """Queries that are near several limits at once; only those that are within all of them."""
    draw = random.Random(seed)  # noqa: S311 — no secret
    made = 0
    while made < count:
        query = _mixture(draw)
        if len(query) <= LONGEST and bounds.exceeded(query) is None:
            made += 1
            yield query


def _mixture(draw: random.Random) -> str:
    query = draw.choice(("x", regex(*draw.choices((r"\w", r"\pL", r"\d{9}", ".{40}", "ab{9}"), k=draw.randint(1, 32)))))
    wraps: tuple[Callable[[str], str], ...] = (
        lambda inner: f"({inner})",
        lambda inner: f"-{inner}",
        lambda inner: f"{inner} + y",
        lambda inner: f'label_join({inner},"a",{",".join([chr(34) * 2] * draw.randint(1, 200))})',
        lambda inner: f"max_over_time(({inner})[{draw.randint(1, 366)}d:])",
        lambda inner: f"sum by (a) ({inner})",
        lambda inner: f"{inner} or x{{{'a=$target,'.replace('$target', chr(34) + '$target' + chr(34)) * 5}}}",
    )
    for _ in range(draw.randint(5, 60)):
        query = draw.choice(wraps)(query)
    return query


def policy(query: str, count: int) -> dict[str, Any]:
    """All checks ask this, each in words of its own, so that none is remembered from another."""
    checks = [
        {"name": f"c{index}", "query": query[: LONGEST - 4] + f"\n#{index}", "unhealthy": {"above": "1"}}
        for index in range(count)
    ]
    metadata = {"name": "worst", "namespace": NAMESPACE}
    return {"metadata": metadata, "spec": {"target": {"kind": "Deployment", "name": "x"}, "checks": checks}}


def work(body: Mapping[str, Any]) -> str:
    """What Salus does with a policy. `used`, or why not."""
    try:
        found = compile_policy(body, Catalog({}, ("default",), {"default": Binding(namespace=True)}))
        for check in found.checks:
            query = promql.render(check.template, NAMESPACE, TARGET)
            promql.with_sample_times(promql.bound_to(query, {"namespace": NAMESPACE}), LABEL)
    except (SpecError, ValueError) as error:
        return str(error)
    return "used"


def main() -> None:
    """Limits first: memory, and seconds of the processor for each policy, as the arguments say."""
    growth, seconds = int(sys.argv[1]), int(sys.argv[2])
    policies = json.load(sys.stdin)
    before = peak()
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + 4 * growth, -1))
    for query, checks in policies:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + 1 + seconds, -1))
        _say(work(policy(query, checks))[:300])
    _say(peak() - before)


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main()
