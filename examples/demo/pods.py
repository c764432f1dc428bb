"""Who runs the pods of the demo: real containers where the machine can, else kwok; and why."""

from dataclasses import dataclass
from typing import Literal

from examples.demo.stage import SHOP
from tools.devcluster import sandbox
from tools.devcluster.images import Image, go_image
from tools.devcluster.programs import CONTROL_PLANE, find, find_e2e
from tools.devcluster.progress import Say

Wanted = Literal["auto", "containers", "kwok"]

_PROGRAMS = (*CONTROL_PLANE, "prometheus")
_OF_THE_NODE = ("kubelet", "kube-proxy")
_IMAGE = "salus.dev/shop:dev"


@dataclass(frozen=True)
class Pods:
    """Who runs the pods."""

    real: bool
    why: str

    def __str__(self) -> str:
        who = "real containers under real traffic" if self.real else "played by kwok, and their traffic simulated"
        return f"Pods: {who} ({self.why})"


def choose(wanted: Wanted, unavailable: str | None) -> Pods:
    """Choose; `unavailable` is what keeps this machine from real containers, None for nothing.

    Raises:
        SandboxUnavailableError: Real containers are asked for, and cannot be had.

    """
    if wanted == "kwok":
        return Pods(real=False, why="as asked for")
    if unavailable is None:
        return Pods(real=True, why="as asked for" if wanted == "containers" else "root and namespaces are here")
    if wanted == "containers":
        raise sandbox.SandboxUnavailableError(unavailable)
    return Pods(real=False, why=unavailable)


def fetch(pods: Pods, say: Say) -> None:
    """Find or build all that the demo needs, since the sandbox has no network.

    Raises:
        ProgramMissingError: Something is nowhere to be had.

    """
    if pods.real:
        find([*_PROGRAMS, *_OF_THE_NODE], say)
        find_e2e(say)
        shop_image(say)
    else:
        find([*_PROGRAMS, "kwok"], say)


def shop_image(say: Say) -> Image:
    """The image of the shop, built when its source has changed."""
    return go_image(SHOP / "service", _IMAGE, ports=(8080,), say=say)
