"""What people, servers and objects may say: soup made of the right tokens, so that it comes far before it is refused.

Pure noise dies at the first character. So each strategy mixes three sorts: sentences of the grammar with hostile words
in them, tokens in any order, and one piece repeated until the longest text that the API server takes is full.
"""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

LONGEST_QUERY = 4096
"""Characters of `spec.checks[].query` that the CRD lets pass."""

ODD = (
    "",
    " ",
    "\0",
    "\n",
    "²",
    "٣",
    "\uff0d1",
    "0x",
    "é",
    "😀",
    "\u202e",
    "\ud7ff",
    "-",
    "--",
    "..",
    "/",
    "$",
    "${",
    "%s",
)
"""Words that are neither empty nor what anybody expects: digits that are none, marks that turn the text around."""

odd_text = st.one_of(st.sampled_from(ODD), st.text(max_size=20))

huge_numbers = st.sampled_from(
    ["0", "1", "-1", "1e308", "1e309", "-1e999999999", "0x7fffffffffffffff", "9" * 40, "9" * 400, "NaN", "+Inf", ".5"]
)

# --- PromQL

durations_of_promql = st.one_of(
    st.sampled_from(
        ["5m", "1h30m", "0s", "1ms", "1000000000d", "999999999y", "9223372036854775807ms", "1d1d", "5", ""]
    ),
    st.builds("{}{}".format, st.integers(0, 10**12), st.sampled_from(["ms", "s", "m", "h", "d", "w", "y"])),
)

_REGEX_PIECES = st.one_of(
    st.sampled_from(
        [
            r"\w",
            r"\d",
            r"\s",
            r"\W",
            ".",
            ".*",
            ".+",
            "a",
            "|",
            "(",
            ")",
            "(?:",
            "(?i)",
            "[^a]",
            "[a-z]",
            "^",
            "$",
            "*",
            "+",
            "?",
            r"\p{L}",
            r"\pL",
            r"\p{Greek}",
            r"\b",
            r"\x{10ffff}",
            "[[:alpha:]]",
            "[",
            "]",
            "\\",
            "$target",
            "$namespace",
        ]
    ),
    st.builds(
        "{{{}}}".format, st.one_of(st.integers(0, 10**6), st.sampled_from(["2,", "1,1000", "1000,1000", "", ","]))
    ),
)
regexes = st.one_of(
    st.lists(_REGEX_PIECES, max_size=12).map("".join),
    st.builds(
        lambda piece, times: piece * times,
        st.lists(_REGEX_PIECES, min_size=1, max_size=3).map("".join),
        st.integers(1, 200),
    ),
)

_MATCH_OPERATORS = st.sampled_from(["=", "!=", "=~", "!~"])
_METRICS = st.sampled_from(
    [
        "x",
        "up",
        "a:b",
        "sum",
        "by",
        "bool",
        "inf",
        "NaN",
        "on",
        "start",
        "offset",
        "",
        "__name__",
        "and",
        "http_requests_total",
    ]
)
_LABELS = st.sampled_from(["a", "le", "namespace", "__name__", "by", '"odd label"', "é"])


@st.composite
def _quoted(draw: st.DrawFn) -> str:
    """A string in one of the three kinds of quotes, mostly closed."""
    inside: str = draw(st.one_of(regexes, odd_text, st.sampled_from(["$target", "$namespace", "a|b", "\\", "\\x"])))
    mark: str = draw(st.sampled_from(['"', '"', "'", "`"]))
    text = inside if mark == "`" else inside.replace("\\", "\\\\").replace(mark, "\\" + mark)
    body: str = draw(st.sampled_from([text, text, inside]))
    end: str = draw(st.sampled_from([mark, mark, mark, ""]))
    return mark + body + end


@st.composite
def _matchers(draw: st.DrawFn) -> str:
    one = st.builds("{}{}{}".format, _LABELS, _MATCH_OPERATORS, _quoted())
    joint = draw(st.sampled_from([",", ",", " or ", ", ,"]))
    return "{" + joint.join(draw(st.lists(one, max_size=4)) * draw(st.sampled_from([1, 1, 1, 2, 30]))) + "}"


@st.composite
def _selectors(draw: st.DrawFn) -> str:
    modifiers = st.one_of(
        st.builds(" offset {}{}".format, st.sampled_from(["", "-"]), durations_of_promql),
        st.builds(" @ {}".format, st.one_of(huge_numbers, st.sampled_from(["start()", "end()", "-1", "x"]))),
        st.builds("[{}]".format, durations_of_promql),
        st.builds("[{}:{}]".format, durations_of_promql, durations_of_promql),
    )
    return draw(_METRICS) + draw(st.one_of(st.just(""), _matchers())) + "".join(draw(st.lists(modifiers, max_size=3)))


_SHAPES = st.sampled_from(
    [
        "({0})",
        "-{0}",
        "+{0}",
        "sum({0})",
        "sum by (a) ({0})",
        "sum without () ({0})",
        "rate({0}[5m])",
        "topk(2, {0})",
        "count_values('a', {0})",
        "quantile(0.9, {0})",
        "label_replace({0}, 'a', '$1', 'b', '(.*)')",
        "absent({0})",
        "{0} / {1}",
        "{0} or {1}",
        "{0} and on (a) {1}",
        "{0} * ignoring (a) group_left (b) {1}",
        "{0} > bool {1}",
        "({0})[5m:1m]",
        "max_over_time(({0})[1h:])",
        "vector({0})",
        "{0} ^ {1} ^ {0}",
        "{0} # {1}\n",
        "clamp({0}, 1, {1})",
    ]
)
sentences = st.recursive(
    st.one_of(_selectors(), huge_numbers, _quoted()),
    lambda inner: st.builds(lambda shape, one, other: shape.format(one, other), _SHAPES, inner, inner),
    max_leaves=6,
)
_TOKENS = st.one_of(
    st.sampled_from(list("(){}[],=~!+-*/%^<>@:#$\"'`\\")),
    st.sampled_from(
        ["sum", "by", "without", "rate", "offset", "bool", "and", "or", "unless", "start()", "inf", "=~", "!~"]
    ),
    st.one_of(_METRICS, durations_of_promql, huge_numbers, _quoted(), odd_text),
)


@st.composite
def _repeated(draw: st.DrawFn) -> str:
    """One piece again and again, up to the longest query; closed again where it opened something."""
    piece = draw(
        st.one_of(st.sampled_from(["(", "-", "+", "x+", "x or ", "{", "sum(", "(-", "x[5m] ", "a{a=~'b'}+"]), _TOKENS)
    )
    times = draw(st.integers(1, LONGEST_QUERY // max(len(piece), 1)))
    middle = draw(st.one_of(_selectors(), huge_numbers))
    return piece * times + middle + ")" * min(piece.count("(") * times, draw(st.sampled_from([LONGEST_QUERY, 3])))


queries = st.one_of(
    sentences,
    st.builds(lambda joint, tokens: joint.join(tokens), st.sampled_from(["", " "]), st.lists(_TOKENS, max_size=20)),
    _repeated(),
).map(lambda text: text[:LONGEST_QUERY])

# --- everything else that is JSON

durations = st.one_of(
    st.sampled_from(["5s", "99999h", "0s", "1h30m", "99999h99999m99999s", "", "s", "1d", "-5s", "٣s", "²s", "5 s"]),
    st.builds("{}{}".format, st.integers(-1, 10**6), st.sampled_from(["h", "m", "s", "ms", ""])),
    odd_text,
)
times = st.one_of(
    st.sampled_from(
        [
            "2026-11-22T12:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59-14:00",
            "0001-01-01T00:00:00+14:00",
            "2026-02-30T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22",
            "",
            "now",
        ]
    ),
    odd_text,
)
quantities = st.one_of(
    st.sampled_from(["1", "100m", "1Gi", "1e3", "1e999999999", "-1", "1E", "0.1n", "9" * 400, ".", "1e", "Gi", "NaN"]),
    odd_text,
)
names = st.one_of(
    st.sampled_from(["checkout", "evil", "db-0", "db-²", "db-", "a.b", "x" * 253, "a-" + "9" * 60]), odd_text
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    odd_text,
    st.sampled_from(["NaN", "+Inf", "-Inf", "1", "1e999", "9" * 400, "0x1", "1_0", "²", "infinity"]),
    durations,
    times,
)
any_json = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(names, odd_text), inner, max_size=4)
    ),
    max_leaves=12,
)


def spoiled(sound: Any, hostile: st.SearchStrategy[Any] = any_json) -> st.SearchStrategy[Any]:  # noqa: ANN401
    """`sound` with one to three of its places taken by something hostile, left out, or said many times."""
    return st.builds(
        _spoil, st.just(json.dumps(sound)), st.lists(st.tuples(st.randoms(), hostile), min_size=1, max_size=3)
    )


def _spoil(sound: str, changes: Sequence[tuple[Any, Any]]) -> Any:  # noqa: ANN401
    found = json.loads(sound)
    for chance, hostile in changes:
        places = list(_places(found))
        if not places:
            return hostile
        parent, key = chance.choice(places)
        sort = chance.choice(("put", "put", "put", "drop", "wrap"))
        if sort == "drop":
            del parent[key]
        else:
            parent[key] = hostile if sort == "put" else [parent[key]] * chance.choice((0, 2, 50))
    return found


def _places(node: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401
    """Every (parent, key) below a node."""
    below = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [(node, key) for key, _ in below] + [place for _, child in below for place in _places(child)]


# --- YAML

_YAML_PIECES = st.one_of(
    st.sampled_from(
        [
            "a: ",
            "- ",
            "<<: ",
            "*a",
            "&a ",
            "*b",
            "&b ",
            "{",
            "}",
            "[",
            "]",
            ",",
            ": ",
            "\n",
            "\n  ",
            "\n    ",
            "---\n",
            "...\n",
            "|",
            ">",
            "!!binary ",
            "!!python/object/apply:os.system ",
            "!!set ",
            "!!float ",
            "!!timestamp ",
            "? ",
            "#",
            "%YAML 9.9\n",
            "kind: HealthPolicy\n",
            "metadata: {name: a}\n",
            "spec:\n",
            "1_000",
            "0o7",
            "1:60:60",
            ".inf",
            "~",
            "\t",
            "\ufeff",
            "sources:\n",
            "  default:\n",
            "    url: http://x\n",
            "cluster: c\n",
            "freezes: ",
            "limits: {",
            "2026-02-30",
            '"\\x"',
        ]
    ),
    odd_text,
)
yaml_texts = st.one_of(
    st.lists(_YAML_PIECES, max_size=25).map("".join),
    st.builds(
        lambda piece, times: piece * times,
        st.lists(_YAML_PIECES, min_size=1, max_size=3).map("".join),
        st.integers(1, 300),
    ),
    any_json.map(json.dumps),
)
