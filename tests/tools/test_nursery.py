"""What a nursery forks is Salus, in a process of its own, as if it had been started by itself."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.devcluster.kubeconfigs import write_kubeconfig
from tools.devcluster.nursery import Nursery
from tools.devcluster.processes import PATIENCE, Process, wait_until
from tools.devcluster.salus import PYTHONPATH


@dataclass
class Cradle:
    """A nursery, and an API server that never answers, so that a Salus can be there for as long as it is wanted."""

    folder: Path
    nursery: Nursery
    silent: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def start(self, *arguments: str, **env: str) -> Process:
        log = self.folder / "salus.log"
        log.unlink(missing_ok=True)
        return self.nursery.start("salus", arguments, log=log, cwd=self.folder, env=env)

    def start_waiting(self) -> Process:
        url = f"http://127.0.0.1:{self.silent.getsockname()[1]}"
        kubeconfig = write_kubeconfig(self.folder / "kubeconfig", url)
        config = self.folder / "config.yaml"
        config.write_text("cluster: none\n")
        process = self.start("run", f"--kubeconfig={kubeconfig}", f"--config={config}", "--metrics-address=127.0.0.1:0")
        process.wait_ready(lambda: "salus starts" in process.log.read_text(), timeout=PATIENCE)
        return process


@pytest.fixture(scope="module")
def cradle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cradle]:
    folder = tmp_path_factory.mktemp("nursery")
    cradle = Cradle(folder, Nursery(folder, PYTHONPATH))
    yield cradle
    cradle.nursery.stop()
    cradle.silent.close()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param(["--version"], 0, "salus ", id="an answer: 0"),
        pytest.param(["validate", "-f", "nowhere.yaml"], 2, "nowhere.yaml", id="the status of the command"),
        pytest.param(["no-such-command"], 2, "No such command", id="an error of the command line, on stderr"),
    ],
)
def test_a_child_is_salus_with_these_arguments(cradle: Cradle, arguments: list[str], status: int, said: str) -> None:
    child = cradle.start(*arguments)

    assert child.popen.wait() == status
    assert said in child.log.read_text()
    assert not child.alive


def test_a_child_has_its_own_folder_and_process_group(cradle: Cradle) -> None:
    child = cradle.start_waiting()

    assert Path(f"/proc/{child.pid}/cwd").readlink() == cradle.folder
    assert os.getpgid(child.pid) == child.pid
    child.kill()


def test_a_child_has_the_environment_that_was_asked_for_and_the_next_one_has_not(cradle: Cradle) -> None:
    widest = []
    for environment in ({"COLUMNS": "50"}, {}):
        child = cradle.start("run", "--help", **environment)
        child.popen.wait()
        widest.append(max(len(line) for line in child.log.read_text().splitlines() if "salus run" not in line))

    assert widest[0] <= 50 < widest[1]


def test_how_a_child_was_killed_is_known(cradle: Cradle) -> None:
    child = cradle.start_waiting()
    assert child.alive

    child.kill()

    assert (child.alive, child.popen.returncode) == (False, -9)


def test_children_end_with_the_nursery(tmp_path: Path) -> None:
    cradle = Cradle(tmp_path, Nursery(tmp_path, PYTHONPATH))
    child = cradle.start_waiting()

    cradle.nursery.stop()

    wait_until(lambda: not Path(f"/proc/{child.pid}").exists(), timeout=PATIENCE, what="the end of the child")
    cradle.silent.close()
