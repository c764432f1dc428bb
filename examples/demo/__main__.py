"""`python -m examples.demo`, behind `make demo`: see Salus heal a service, five times.

Exit status 0 if all five faults went as told, 1 if not, 130 after Ctrl-C. This module chooses who runs the pods and
enters the sandbox if need be; what is played is in `show`.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import requests

from examples.demo.pods import Pods, choose, fetch
from examples.demo.show import show
from examples.demo.view import console_for
from tools.devcluster import sandbox
from tools.devcluster.api import ApiError
from tools.devcluster.cluster import KubectlError
from tools.devcluster.images import ImageError
from tools.devcluster.processes import NotInTimeError, ProcessFailedError
from tools.devcluster.programs import ProgramMissingError

_INTERRUPTED = 130
_TROUBLE = (
    ApiError,
    ImageError,
    KubectlError,
    NotInTimeError,
    ProcessFailedError,
    ProgramMissingError,
    requests.RequestException,
    sandbox.SandboxUnavailableError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo and return the exit status."""
    options = _options(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_keyboard_interrupt)
    try:
        return _play(options, real=True) if sandbox.inside() else _prepare_and_play(options)
    except KeyboardInterrupt:
        _say("Interrupted; everything is stopped.")
        return _INTERRUPTED
    except _TROUBLE as error:
        print(f"The demo cannot go on: {error}", file=sys.stderr)
        return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo", description="See Salus heal a service, five times."
    )
    pods = ("auto", "containers", "kwok")
    parser.add_argument("--pods", choices=pods, default="auto", help="who runs the pods (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Ctrl-C")
    parser.add_argument("--plain", action="store_true", help="plain lines, no live view")
    parser.add_argument("--replay", action="store_true", help="hold `salus replay` to what was decided, at the end")
    return parser.parse_args(arguments)


def _as_keyboard_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _prepare_and_play(options: argparse.Namespace) -> int:
    """Choose who runs the pods, fetch what that needs, and play; for real containers, in the sandbox."""
    pods = choose(options.pods, None if options.pods == "kwok" else sandbox.available())
    _say(str(pods))
    try:
        fetch(pods, _say)
    except ProgramMissingError as error:
        if options.pods != "auto" or not pods.real:
            raise
        pods = Pods(real=False, why=f"real ones cannot be had: {error}")
        _say(str(pods))
        fetch(pods, _say)
    return _play_in_sandbox(options) if pods.real else _play(options, real=False)


def _play_in_sandbox(options: argparse.Namespace) -> int:
    chosen = {"--keep": options.keep, "--plain": options.plain, "--replay": options.replay}
    flags = [flag for flag, given in chosen.items() if given]
    return sandbox.reexec_in_sandbox([sys.executable, "-m", "examples.demo", *flags])


def _play(options: argparse.Namespace, *, real: bool) -> int:
    return (
        0 if show(real=real, keep=options.keep, replay=options.replay, console=console_for(plain=options.plain)) else 1
    )


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
