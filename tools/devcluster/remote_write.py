"""Prometheus' remote write, encoded by hand: a protobuf WriteRequest in a snappy block of one literal.

Tests push series with it instead of waiting for a scrape. Four messages of two fields each do not earn a protobuf
compiler, and an uncompressed snappy block is two headers.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES = 0, 1, 2  # protobuf wire types
_LITERAL_WITH_4_BYTE_LENGTH = 0xFC


@dataclass(frozen=True)
class Series:
    """One time series: its name, its other labels, and samples of (Unix time in seconds, value)."""

    name: str
    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


def encode(series: Iterable[Series]) -> bytes:
    """Return the body of a remote-write request; samples of a series must be in the order of time."""
    return _snappy(b"".join(_field(1, _time_series(one)) for one in series))


def _time_series(series: Series) -> bytes:
    labels = sorted({**series.labels, "__name__": series.name}.items())
    pairs = b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in labels)
    return pairs + b"".join(_field(2, _sample(time, value)) for time, value in series.samples)


def _sample(time: float, value: float) -> bytes:
    return _tag(1, _FIXED64) + struct.pack("<d", value) + _tag(2, _VARINT) + _varint(round(time * 1000))


def _field(number: int, content: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(content)) + content


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _snappy(content: bytes) -> bytes:
    if not content:
        return _varint(0)
    literal = bytes([_LITERAL_WITH_4_BYTE_LENGTH]) + struct.pack("<I", len(content) - 1)
    return _varint(len(content)) + literal + content
