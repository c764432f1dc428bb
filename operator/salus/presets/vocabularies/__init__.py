"""What exporters call the same things, as data beside this: a preset that asks in all of their words names a file.

In the text of such a preset `rate($failed[$range])` stands for the rate of what an exporter calls failed,
`$buckets{le="1"}` asks for more than that, and ` / $perSecond` is left out where an exporter counts in seconds.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated

import yaml
from pydantic import Field, TypeAdapter

from salus.core.policy.signals import ParameterType
from salus.model.scalars import Parameter as Written
from salus.model.scalars import Resource, ShortText

_IN_SECONDS = " / $perSecond"
_ASKED = re.compile(
    r"(?P<function>\w+)\(\$(?P<word>\w+)(?:\{(?P<more>[^}]*)\})?(?P<range>\[\$?\w+\](?: offset \w+)?)\)"
)
"""A function of a word over a range."""
_LINE_BREAK = re.compile(r"\s*\n\s*")


class Declared(Resource):
    """A parameter: what may be said of a preset."""

    type: ParameterType
    means: ShortText
    default: Written | None = None


class Words(Resource):
    """One exporter's."""

    told_by: ShortText
    needs: Annotated[tuple[str, ...], Field(min_length=1)]
    with_: Annotated[Mapping[str, Declared], Field(alias="with")] = {}
    per_second: Annotated[int, Field(gt=0)] = 1
    """What it counts of time: 1000, if that is milliseconds."""
    series: Mapping[str, str | tuple[str, ...]]
    """By word, a selector, or several where no single one has all of it."""

    def say(self, text: str) -> str:
        """The text of a preset in these words. Raises KeyError for a word that is not there."""
        in_seconds = _IN_SECONDS.replace("$perSecond", str(self.per_second)) if self.per_second > 1 else ""
        return _ASKED.sub(self._asked, text).replace(_IN_SECONDS, in_seconds)

    def _asked(self, found: re.Match[str]) -> str:
        selectors = self.series[found["word"]]
        return " or ".join(
            f"{found['function']}({_narrowed(one, found['more'])}{found['range']})"
            for one in ((selectors,) if isinstance(selectors, str) else selectors)
        )


def _narrowed(selector: str, more: str | None) -> str:
    whole = _LINE_BREAK.sub("", selector)
    return f"{whole.removesuffix('}')},{more}}}" if more else whole


@cache
def vocabulary(name: str) -> Mapping[str, Words]:
    """By exporter, the words of one file. Raises ValidationError, or what YAML raises."""
    text = files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, Words]).validate_python(yaml.safe_load(text))
