r"""How large a query may be, counted before anything reads it.

The parser is native code. It keeps a copy of every subtree on each level above it, and compiles every regular
expression: within the 4,096 characters that a check may have, 4,000 signs in a row take 1.1 GB and sixty times
`\w{200}` 730 MB (measured); and a span that no clock knows makes it panic. So the tokens of the text are counted here
first, in one pass without recursion, against bounds within which the parser has no chance to do harm:
`tests/unit/test_bounds.py` has a child parse the worst of them under limits of memory and of processor time.

Whatever is counted wrongly is counted too high. A query within the bounds may still be no PromQL; that is for the
parser to say.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

LONGEST = 65_536
"""Characters of any text that is parsed: a query whose names are filled in, and which is bound to a namespace."""
LONGEST_FILLED = 16_384
"""Characters of a query with its placeholders filled in."""
DEEPEST = 32
"""Brackets within brackets. Braces never nest, and a query that is bound to a namespace has more of them."""
MOST_OPERATORS = 100
"""Operators, signs and ranges: each may be one level of the tree."""
MOST_REGEXES = 32
LARGEST_REGEXES = 8_192
"""Size of all regular expressions of a query together; one unit is about half a KB once it is compiled."""
MOST_PLACES = 100
"""Places where a query reads series."""
LONGEST_SPAN = 366 * 86_400
"""Seconds of a range, a step or an offset."""
LATEST = 9_999_999_999
"""Seconds since 1970, of `@`: in the year 2286."""

QUOTED = r"""(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<raw>`[^`]*`)|(?P<comment>\#[^\n\r]*)"""
"""What no word or sign of PromQL stands in. A carriage return ends a comment too, as it does for Prometheus."""
_TOKEN = re.compile(
    QUOTED
    + r"""
    | (?P<number> 0[xX][0-9a-fA-F]+ | (?: \d+\.?\d* | \.\d+ ) (?: [eE][+-]?\d+ )? \w* )
    | (?P<word> [A-Za-z_]\w* )
    | (?P<open> [(\[] ) | (?P<close> [)\]] )
    | (?P<match> =~ | !~ )
    | (?P<operator> == | != | <= | >= | [-+*/%^<>] )
    | (?P<other> \S )
    """,
    re.DOTALL | re.VERBOSE,
)
_WORDS_THAT_JOIN = frozenset({"and", "or", "unless", "atan2"})
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}

Token = tuple[str, str]
"""Its kind and its text."""


def exceeded(query: str) -> str | None:
    """The first bound that this text is beyond, as a sentence for its author; None if it is within all of them."""
    if len(query) > LONGEST:
        return f"{len(query)} characters long, at most {LONGEST}; ask for less with one query"
    tokens = [(token.lastgroup or "", token[0]) for token in _TOKEN.finditer(query) if token["comment"] is None]
    return next(chain(_too_deep(tokens), _too_many_operators(tokens), _too_much_regex(tokens), _too_far(tokens)), None)


def _too_deep(tokens: Iterable[Token]) -> Iterator[str]:
    depth = deepest = 0
    for kind, _ in tokens:
        depth += (kind == "open") - (kind == "close")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        yield f"brackets nested {deepest} deep, at most {DEEPEST}; leave out those that change nothing"


def _too_many_operators(tokens: Iterable[Token]) -> Iterator[str]:
    count = sum(
        kind in {"operator", "match"} or text == "[" or text.lower() in _WORDS_THAT_JOIN for kind, text in tokens
    )
    if count > MOST_OPERATORS:
        yield f"{count} operators, signs and ranges, at most {MOST_OPERATORS}; use a recording rule, or several checks"


def _too_much_regex(tokens: Iterable[Token]) -> Iterator[str]:
    regexes = [value for (kind, _), (_, value) in pairwise(tokens) if kind == "match"]
    if len(regexes) > MOST_REGEXES:
        yield f"{len(regexes)} regular expressions, at most {MOST_REGEXES}; match by = where a value is known"
    written = [_unquoted(value) for value in regexes]
    if any(_VERBOSE.search(regex) for regex in written):
        yield "a regular expression with the flag x, which Prometheus does not know; leave it out"
    size = sum(map(regex_size, written))
    if size > LARGEST_REGEXES:
        yield (
            f"regular expressions of size {size}, at most {LARGEST_REGEXES} (a character counts 1, "
            rf"\w or \p{{…}} {_WIDE}, and {{n}} multiplies); write fewer repetitions, or [a-z0-9_] for \w"
        )


def _too_far(tokens: Iterable[Token]) -> Iterator[str]:
    """Spans and moments that no clock has."""
    after = ""
    for kind, text in tokens:
        number = kind == "number" or text.lower() in {"inf", "nan"}
        if after in {"[", "offset"} and number and not _seconds(text) <= LONGEST_SPAN:
            yield f"a range or offset of {_short(text)}, at most {LONGEST_SPAN // 86_400}d"
        elif after == "@" and (text == "-" or (number and not _seconds(text) <= LATEST)):
            yield f"@ {_short(text)} is no moment; @ takes seconds since 1970, from 0 to {LATEST}"
        after = _context(after, text)


def _context(after: str, text: str) -> str:
    """What the next number belongs to: a sign belongs to it as well, and a range goes on to its end."""
    if text.lower() in {"[", "offset", "@"}:
        return text.lower()
    return after if text in {"+", "-"} or (after == "[" and text != "]") else ""


def _seconds(text: str) -> float:
    """Of a duration or a number; 0 for what is neither, which the parser will say."""
    if _DURATION.fullmatch(text):
        return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    try:
        return float(int(text, 16)) if text[:2] in {"0x", "0X"} else float(text)
    except ValueError:
        return 0.0
    except OverflowError:
        return float("inf")


def _short(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:20]}…"


# --- regular expressions

_WIDE = 128
"""Of a class of Unicode, which compiles to tables of some 60 KB."""
_ESCAPE = re.compile(r"\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_VERBOSE = re.compile(r"(?<!\\)(?:\\\\)*\(\?[A-Za-z-]*x")
_PIECE = re.compile(
    r"""
    (?P<wide> \\[pP] (?: \{[^}]*\} | . )? | \\[wW] )
    | (?P<digit> \\[dD] )
    | (?P<escape> \\[xuU]\{[^}]*\} | \\. )
    | (?P<count> \{ [\s\d,]* \} )
    | (?P<again> [*+?] )
    | (?P<group> \) )
    | (?P<named> \[:\^?\w+:\] )
    | (?P<begin> \[ ) | (?P<end> \] )
    | (?P<any> \. )
    | (?P<letter> [\x00-\x7f] )
    | (?P<other> . )
    """,
    re.DOTALL | re.VERBOSE,
)
_WEIGHTS = {"wide": _WIDE, "digit": 16, "escape": 4, "any": 4, "named": 8, "begin": 8, "other": 4}
_NUMBER = re.compile(r"\d+")


def regex_size(regex: str) -> int:
    """About how large this is once it is compiled: its pieces by weight, times the repetitions that they stand in.

    A repetition of a group counts for everything before it, since where the group begins is not looked for; so does one
    after a bracket that ends no class that is seen here.
    """
    total = last = 0
    begun: int | None = None
    for piece in _PIECE.finditer(regex):
        match piece.lastgroup:
            case "again":
                pass
            case "count":
                times = _times(piece[0])
                total, last = total + last * (times - 1), last * times
            case "group":
                last = total
            case "end":
                last, begun = total - (begun or 0), None
            case kind:
                begun = total if kind == "begin" and begun is None else begun
                last = _WEIGHTS.get(kind or "", 1)
                total += last
    return total


def _times(count: str) -> int:
    """`{3}` 3, `{2,5}` 5, `{3,}` 4: three of them and one that goes on."""
    numbers = [int(digits.lstrip("0")[:6] or "0") for digits in _NUMBER.findall(count)]
    return max([1, *numbers]) + count.rstrip("} \t").endswith(",")


def _unquoted(text: str) -> str:
    """What a string of PromQL stands for."""
    return text[1:-1] if text[:1] == "`" else _ESCAPE.sub(_meant, text[1:-1])


def _meant(escape: re.Match[str]) -> str:
    octal, *codes, char = escape.groups()
    if char is not None:
        return _CONTROL.get(char, char)
    code = int(octal, 8) if octal else int(next(filter(None, codes)), 16)
    return chr(code) if code <= 0x10FFFF else ""
