"""Log lines, ours and the libraries', as a machine and as a person reads them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from salus.adapters.logging import LogFormat, configure


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_ours_is_json_with_its_context() -> None:
    """Policy, target, incident and change stand in every line while they are bound."""
    stream = io.StringIO()
    configure(LogFormat.JSON, stream=stream)

    with structlog.contextvars.bound_contextvars(policy="shop/web", target="Deployment/web", incident="i", change="c"):
        structlog.get_logger("salus.reconcile").info("Restarting", replicas=3)
    structlog.get_logger("salus.reconcile").info("Done")

    first, second = lines(stream)
    assert first.pop("time").endswith("Z")
    assert first == {
        "event": "Restarting",
        "level": "info",
        "logger": "salus.reconcile",
        "replicas": 3,
        "policy": "shop/web",
        "target": "Deployment/web",
        "incident": "i",
        "change": "c",
    }
    assert "policy" not in second


def test_a_line_of_a_library_has_the_same_shape() -> None:
    """With the context, with kopf's reference to the object, without other attributes of the record."""
    stream = io.StringIO()
    configure(LogFormat.JSON, stream=stream)

    with structlog.contextvars.bound_contextvars(policy="shop/web"):
        logging.getLogger("kopf.objects").warning(
            "Handler %s failed", "seen", extra={"k8s_ref": {"name": "web"}, "k8s_skip": True}
        )

    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "Handler seen failed",
        "level": "warning",
        "logger": "kopf.objects",
        "policy": "shop/web",
        "k8s_ref": {"name": "web"},
    }


@pytest.mark.parametrize("ours", [pytest.param(True, id="ours"), pytest.param(False, id="a library's")])
def test_an_exception_is_one_line(ours: bool) -> None:
    """A traceback over many lines would be many events to a log collector."""
    stream = io.StringIO()
    configure(LogFormat.JSON, stream=stream)
    logger = structlog.get_logger("salus") if ours else logging.getLogger("kopf")

    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logger.exception("It broke")

    (line,) = lines(stream)
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["exception"]


@pytest.mark.parametrize("form", LogFormat)
def test_a_traceback_tells_no_local_variable(form: LogFormat) -> None:
    """A token that a function held when it failed is not for whoever reads logs."""
    stream = io.StringIO()
    configure(form, stream=stream)

    held = "hunter2"  # on no line that a traceback quotes

    def failing(token: str) -> float:
        return len(token) / 0

    try:
        failing(held)
    except ZeroDivisionError:
        structlog.get_logger("salus").exception("It broke")

    assert "ZeroDivisionError" in stream.getvalue()
    assert held not in stream.getvalue()


def test_text_is_for_people() -> None:
    stream = io.StringIO()
    configure(LogFormat.TEXT, stream=stream)

    structlog.get_logger("salus").info("Restarting", replicas=3)

    assert "Restarting" in stream.getvalue()
    assert "replicas=3" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_the_level_holds_for_all_and_chatty_libraries_are_quiet() -> None:
    stream = io.StringIO()
    configure(LogFormat.JSON, level="info", stream=stream)

    structlog.get_logger("salus").debug("too fine")
    logging.getLogger("kopf").debug("too fine")
    logging.getLogger("aiohttp.access").info("GET /metrics")
    logging.getLogger("kopf").info("seen")

    assert [line["event"] for line in lines(stream)] == ["seen"]


@pytest.mark.parametrize(
    ("level", "said"),
    [
        pytest.param("info", [("warning", "Handler 'seen' failed")], id="at info, nothing of one that is well"),
        pytest.param(
            "debug",
            [("debug", "Handler 'seen' succeeded."), ("warning", "Handler 'seen' failed")],
            id="at debug, all that kopf does",
        ),
    ],
)
def test_what_kopf_does_with_each_object(level: str, said: list[tuple[str, str]]) -> None:
    stream = io.StringIO()
    configure(LogFormat.JSON, level=level, stream=stream)

    kopf = logging.LoggerAdapter(logging.getLogger("kopf.objects"), {"k8s_ref": {"name": "web"}})
    kopf.info("Handler 'seen' succeeded.")
    kopf.warning("Handler 'seen' failed")

    assert [(line["level"], line["event"]) for line in lines(stream)] == said


def test_configuring_twice_does_not_write_twice() -> None:
    stream = io.StringIO()
    configure(LogFormat.JSON, stream=stream)
    configure(LogFormat.JSON, stream=stream)

    structlog.get_logger("salus").info("once")

    assert len(lines(stream)) == 1


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        configure(LogFormat.JSON, level="loud", stream=io.StringIO())
