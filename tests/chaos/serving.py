"""Threads beside a harness that is otherwise plain and blocking: proxies on an event loop of their own, and more."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.chaos.proxy import Proxy


@contextmanager
def serving(*proxies: Proxy) -> Iterator[None]:
    """Have these proxies listen while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxies", daemon=True)
    thread.start()
    try:
        for proxy in proxies:
            asyncio.run_coroutine_threadsafe(proxy.start(), loop).result()
        yield
    finally:
        for proxy in proxies:
            asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result()
        asyncio.run_coroutine_threadsafe(_end_the_rest(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def in_background(run: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Run something in a thread beside the block, and stop it after."""
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()


async def _end_the_rest() -> None:
    """Requests whose sender was killed in the middle are still being served."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
