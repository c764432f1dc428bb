"""Callers of a service: a load generator that keeps its rate whatever happens, and counts what the callers saw.

A caller that waits for an answer before asking again hides an outage: the slower the service, the fewer the
failures. So arrivals are open-loop, and each request opens a connection of its own, so that kube-proxy spreads them
over the pods that are ready at that moment. What the service itself counts is left to its /metrics.

    python -m examples.shop.load --url http://127.0.0.1:8080/ --rate 50 --duration 30
"""

import argparse
import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

import aiohttp

NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Tally:
    """What callers saw: requests sent, answered well (2xx), and failed by kind.

    Kinds are the status code as text ("500", "503"), "timeout", "refused", "reset" and "error" (any other).
    `skipped` are requests that were due, but not sent, because too many were under way already.
    While requests are under way, `sent` is more than `ok` and `failures` together.
    """

    sent: int = 0
    ok: int = 0
    failed: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    skipped: int = 0

    @property
    def failures(self) -> int:
        """Failed requests of all kinds."""
        return sum(self.failed.values())

    def since(self, earlier: "Tally") -> "Tally":
        """Return what was counted after `earlier`, a tally of the same callers."""
        return Tally(
            sent=self.sent - earlier.sent,
            ok=self.ok - earlier.ok,
            failed={k: n - earlier.failed.get(k, 0) for k, n in self.failed.items() if n != earlier.failed.get(k, 0)},
            skipped=self.skipped - earlier.skipped,
        )

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind}: {count}" for kind, count in sorted(self.failed.items()))
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.sent} sent, {self.ok} ok, {self.failures} failed" + (f" ({kinds})" if kinds else "") + skipped


class Load:
    """Sends GET requests to a URL at a steady rate: an asynchronous context manager, or `start` and `stop`."""

    def __init__(self, url: str, rate: float, timeout: float = 2.0, max_in_flight: int = 1000) -> None:
        """Prepare `rate` requests per second, each given up after `timeout` seconds; nothing is sent yet.

        At most `max_in_flight` requests are under way at a time; more are counted as skipped.
        """
        self._url = url
        self._timeout = timeout
        self._max_in_flight = max_in_flight
        self._rate = _checked(rate)
        self._rate_changed = asyncio.Event()
        self._counts: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._arrivals: asyncio.Task[None] | None = None

    @property
    def tally(self) -> Tally:
        """What the callers saw up to now."""
        counts = self._counts
        return Tally(counts["sent"], counts["ok"], dict(self._failed), counts["skipped"])

    def set_rate(self, rate: float) -> None:
        """Send `rate` requests per second from now on; 0 pauses. To be called in the event loop's thread."""
        self._rate = _checked(rate)
        self._rate_changed.set()

    async def start(self) -> None:
        """Begin to send."""
        if self._arrivals is not None:
            raise RuntimeError("this load has been started already")
        self._arrivals = asyncio.create_task(self._send_all(), name=f"load on {self._url}")

    async def stop(self) -> Tally:
        """Send no more, wait for the answers under way (at most the timeout), and return the whole tally."""
        if self._arrivals is not None:
            self._arrivals.cancel()
            await asyncio.wait({self._arrivals})
            if not self._arrivals.cancelled():
                self._arrivals.result()  # raises what ended it early
        return self.tally

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _send_all(self) -> None:
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            try:
                await self._send_on_time(session)
            finally:
                await asyncio.gather(*self._in_flight)

    async def _send_on_time(self, session: aiohttp.ClientSession) -> None:
        due = asyncio.get_running_loop().time()
        while True:
            if await self._rate_changes_before(due):
                due = asyncio.get_running_loop().time()
                continue
            self._send(session)
            due += 1 / self._rate

    async def _rate_changes_before(self, due: float) -> bool:
        """Wait until the time `due`, or for as long as the rate is 0; True when the rate was set meanwhile."""
        wait = due - asyncio.get_running_loop().time() if self._rate else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._rate_changed.wait()
        changed = self._rate_changed.is_set()
        self._rate_changed.clear()
        return changed

    def _send(self, session: aiohttp.ClientSession) -> None:
        if len(self._in_flight) >= self._max_in_flight:
            self._counts["skipped"] += 1
            return
        self._counts["sent"] += 1
        request = asyncio.create_task(self._count(session))
        self._in_flight.add(request)
        request.add_done_callback(self._in_flight.discard)

    async def _count(self, session: aiohttp.ClientSession) -> None:
        failure = await self._failure(session)
        if failure is None:
            self._counts["ok"] += 1
        else:
            self._failed[failure] += 1

    async def _failure(self, session: aiohttp.ClientSession) -> str | None:
        """Send one request; return its kind of failure, None if it was answered well."""
        try:
            async with session.get(self._url) as response:
                await response.read()
                return None if 200 <= response.status < 300 else str(response.status)
        except TimeoutError:
            return "timeout"
        except aiohttp.ClientConnectorError as error:
            return "refused" if isinstance(error.os_error, ConnectionRefusedError) else "error"
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError):
            return "reset"
        except aiohttp.ClientError:
            return "error"


def _checked(rate: float) -> float:
    if not 0 <= rate <= 100_000:
        raise ValueError(f"rate must be from 0 to 100000 requests per second, got {rate}")
    return rate


async def _run(load: Load, duration: float) -> Tally:
    """Send for `duration` seconds, print what each second brought, and at the end, however it comes, the whole."""
    loop = asyncio.get_running_loop()
    began, before = loop.time(), load.tally
    try:
        await load.start()
        while (left := began + duration - loop.time()) > 0:
            await asyncio.sleep(min(1.0, left))
            print(f"{loop.time() - began:6.1f} s  {load.tally.since(before)}", flush=True)
            before = load.tally
    finally:
        print(f"  in all  {await load.stop()}", flush=True)
    return load.tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; exit status 1 when not one request was answered well."""
    parser = argparse.ArgumentParser(prog="python -m examples.shop.load", description="Steady traffic for a URL.")
    parser.add_argument("--url", required=True, help="what to GET")
    parser.add_argument("--rate", type=float, default=50, help="requests per second (default: %(default)s)")
    parser.add_argument("--duration", type=float, default=30, help="seconds (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=2, help="patience of a caller, seconds (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        load = Load(options.url, options.rate, options.timeout)
        tally = asyncio.run(_run(load, options.duration))
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        return 130
    return 0 if tally.ok else 1


if __name__ == "__main__":
    sys.exit(main())
