"""Scalars that the resources are written in: durations, decimals and names, each with its schema.

Kubernetes resources carry no floats, so a fraction is a decimal in a string; a duration is a string such as `1h30m`.
Everything else in Salus works with `timedelta` and `float`, parsed here, once.
"""

import decimal
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

GROUP = "salus.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "salus"
"""What Salus calls itself to the API server, which notes it beside every field that Salus writes. Never a name that
starts with kubectl: Flux takes the fields of such managers away."""

_LONGEST_QUOTE = 60
_DURATION = re.compile(r"^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$")
_DECIMAL = re.compile(r"^-?[0-9]{1,15}(\.[0-9]{1,9})?$")
_LARGEST_DECIMAL = 10**15 - 1
"""A float has all whole numbers up to this, and the pattern no more digits."""
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(r"^[0-9-]{10}T[0-9:]{8}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$")


def first_few(texts: Sequence[str], most: int) -> str:
    """So many of these in a row, and how many more there are."""
    shown = ", ".join(texts[:most])
    return f"{shown} and {len(texts) - most} more" if len(texts) > most else shown


def quote(value: object) -> str:
    """A value as a message shows it: text in quotes and cut short, objects and lists only by their kind."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def parse_duration(text: object) -> timedelta:
    """`1h30m`, `45s` → timedelta. Raises ValueError with the expected form."""
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if not match or not any(match.groups()):
        raise ValueError(f"expected a duration such as 30s, 5m or 1h30m, got {quote(text)}")
    hours, minutes, seconds = (int(part[:-1]) if part else 0 for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def format_duration(value: timedelta) -> str:
    """Timedelta → `1h30m`, to the nearest second; zero is `0s`."""
    seconds = round(value.total_seconds())
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def parse_decimal(written: object) -> float:
    """`"0.05"` → 0.05, `5` → 5.0. Raises ValueError with what was expected.

    Kubernetes' resources carry no floats: not every reader writes a fraction back as it was. Whole numbers are safe.
    """
    match written:
        case bool():
            pass
        case str() if _DECIMAL.fullmatch(written):
            return float(written)
        case int():
            return _whole(written)
        case float() if written.is_integer():
            return _whole(int(written))  # as the API server sees it: in JSON 5.0 is 5
    raise ValueError(
        f'expected a whole number, or a decimal in a string such as "0.05", got {quote(written)}{_in_quotes(written)}'
    )


def _whole(number: int) -> float:
    if abs(number) > _LARGEST_DECIMAL:
        raise ValueError(f"expected a number of {len(str(_LARGEST_DECIMAL))} digits at most")
    return float(number)


def _in_quotes(written: object) -> str:
    """How a fraction is to be written; empty for what is none."""
    text = write_decimal(written) if isinstance(written, float) else ""
    return f"; quote it: {quote(text)}" if _DECIMAL.fullmatch(text) else ""


def parse_parameter(written: object) -> str:
    """`"0.5"` → `0.5`, `5` → `5`. Raises ValueError with what was expected."""
    match written:
        case str():
            return written
        case int() if not isinstance(written, bool):
            return str(written)
        case float() if written.is_integer():
            return str(int(written))  # as the API server sees it
    raise ValueError(f"expected text or a whole number, got {quote(written)}{_in_quotes(written)}")


def write_decimal(value: float) -> str:
    """What `parse_decimal` reads back to the same number: 0.05 → `0.05`, never an exponent."""
    return format(decimal.Decimal(repr(value)), "f").removesuffix(".0")


def format_decimal(value: float) -> str:
    """A measured value as a person writes it: six significant digits, no exponent for everyday sizes."""
    return f"{value:.6g}"


def parse_time(text: object) -> datetime:
    """RFC 3339 → aware UTC datetime. Raises ValueError."""
    moment = text if isinstance(text, datetime) else _moment(text)
    try:
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except OverflowError:  # the last hours of the year 9999, west of Greenwich
        pass
    raise ValueError(f"expected a time such as 2026-11-22T03:04:05Z, got {quote(text)}")


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def whole_number(text: object) -> int | None:
    """`42` → 42; None for all else: Python reads digits of every script, and calls some so that it cannot read."""
    return int(text) if isinstance(text, str) and _WHOLE_NUMBER.fullmatch(text) else None


def format_time(value: datetime) -> str:
    """Aware datetime → `2026-11-22T03:04:05Z`, whole seconds, as metav1.Time."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 2, "maxLength": 18, "pattern": _DURATION.pattern}),
]
Decimal = Annotated[
    float,
    BeforeValidator(parse_decimal),
    PlainSerializer(write_decimal, return_type=str),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "minimum": -_LARGEST_DECIMAL,
            "maximum": _LARGEST_DECIMAL,
            "maxLength": 26,
            "pattern": _DECIMAL.pattern,
        }
    ),
]
Parameter = Annotated[
    str,
    Field(max_length=256),
    BeforeValidator(parse_parameter),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 256}),
]
Time = Annotated[
    datetime,
    BeforeValidator(parse_time),
    PlainSerializer(format_time, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 35}),
]

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE = r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
METRIC_LABEL = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
CAMEL_CASE = r"^[A-Z][A-Za-z0-9]*$"

DnsLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)]
DnsName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_NAME)]
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE)]
MetricLabel = Annotated[str, Field(min_length=1, max_length=128, pattern=METRIC_LABEL)]
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=1024)]
Reason = Annotated[str, Field(min_length=1, max_length=64, pattern=CAMEL_CASE)]

# Strict, since the API server takes neither "3" for 3 nor "yes" for true.
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0)]
MOST_REPLICAS = 10_000
Replicas = Annotated[int, Field(strict=True, ge=1, le=MOST_REPLICAS)]
Generation = Annotated[int, Field(strict=True, ge=-1)]


@dataclass(frozen=True, slots=True)
class MapList:
    """Marks a list of objects that the field `key` tells apart: a `map` list for the API server, no key twice."""

    key: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._refuse_repeated, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}

    def _refuse_repeated(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        keys = [getattr(item, self.key) for item in items]
        repeated = [index for index, key in enumerate(keys) if key in keys[:index]]
        if repeated:
            raise _refusal(
                *(_problem(f'{self.key} "{keys[index]}" is taken', (index,), items[index]) for index in repeated)
            )
        return items


@dataclass(frozen=True, slots=True)
class SetList:
    """Marks a list of plain values: a `set` list for the API server, no value twice."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._refuse_repeated, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-kubernetes-list-type": "set"}

    def _refuse_repeated(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        repeated = [index for index, item in enumerate(items) if item in items[:index]]
        if repeated:
            raise _refusal(
                *(_problem(f'"{items[index]}" stands here twice', (index,), items[index]) for index in repeated)
            )
        return items


@dataclass(frozen=True, slots=True)
class Rule:
    """What a schema cannot say, once for the API server (CEL) and once for `salus validate` (Python), one message.

    `field` places the error under a field of the object, relative, as `.healthy`. A rule about `oldSelf` speaks of an
    update, which only the API server sees: its `holds` is always true.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]
    field: str = ""

    def schema(self) -> dict[str, str]:
        """An item of `x-kubernetes-validations`."""
        place = {"fieldPath": self.field} if self.field else {}
        return {"rule": self.cel, "message": self.message, **place}

    def problem(self, item: object) -> InitErrorDetails:
        """What to raise where `item` breaks the rule."""
        return _problem(self.message, tuple(self.field.split(".")[1:]), item)


def _problem(message: str, path: tuple[str | int, ...], found: object) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("rule", "{message}", {"message": message}), loc=path, input=found)


def _refusal(*problems: InitErrorDetails) -> ValidationError:
    return ValidationError.from_exception_data("Resource", list(problems))


class Resource(BaseModel):
    """Base of everything that is written in YAML: lowerCamelCase, unknown fields refused, immutable once parsed.

    Code may give fields by their Python names; what people wrote goes through `parse`.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        use_enum_values=False,
    )
    RULES: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def parse(cls, body: object) -> Self:
        """What the API server would take, and nothing else. Raises ValidationError: see `errors.problems`."""
        return cls.model_validate(body, by_alias=True, by_name=False)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, body: object) -> object:
        """The API server does the same: `restart:` without a value is no restart."""
        if not isinstance(body, Mapping):
            return body
        return {name: value for name, value in body.items() if value is not None}

    @model_validator(mode="after")
    def _hold_the_rules(self) -> Self:
        broken = [rule.problem(self) for rule in self.RULES if not rule.holds(self)]
        if broken:
            raise _refusal(*broken)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.RULES:
            resolved = handler.resolve_ref_schema(schema)
            resolved["x-kubernetes-validations"] = [rule.schema() for rule in cls.RULES]
        return schema

    def to_dict(self) -> dict[str, Any]:
        """As the API server takes it: aliases, nothing unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def exactly_one(*names: str) -> Callable[[Any], bool]:
    """A rule's predicate: one and only one of these (pythonic) fields is set."""
    return lambda item: sum(getattr(item, name) is not None for name in names) == 1


def cel_exactly_one(*names: str) -> str:
    """The same in CEL, over lowerCamelCase names."""
    return "[" + ", ".join(f"has(self.{name})" for name in names) + "].exists_one(x, x)"


Body = Mapping[str, Any]
"""A Kubernetes object as it came over the wire."""

MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading an object raises that is not as its schema says."""
