"""Records reach their sinks, whatever becomes of the receiver and of Salus meanwhile."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest

from tests.cluster.scene import Object, Scene

RESTART = {"name": "restart", "restart": {}}


@dataclass
class Receiver:
    """A server on loopback that takes events once it is told to, and keeps them."""

    status: int = 503
    taken: list[Object] = field(default_factory=list)
    refused: int = 0
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = receiver.status
                if status == 200:
                    receiver.taken.append(event)
                else:
                    receiver.refused += 1
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, name="receiver", daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/events"

    @property
    def ids(self) -> list[str]:
        """Ids of what it took, in order."""
        return [str(event["id"]) for event in self.taken]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that is not well yet."""
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def delivered(change: Object) -> Any:  # noqa: ANN401 — text, or none
    """Status of the condition."""
    conditions = change.get("status", {}).get("conditions", [])
    return next((one["status"] for one in conditions if one["type"] == "Delivered"), None)


def but_delivered(change: Object) -> list[Object]:
    """The conditions that are not the relay's: it says so, too, when a sink does not take the record."""
    return [one for one in change["status"]["conditions"] if one["type"] != "Delivered"]


def expected_ids(changes: Sequence[Object]) -> list[str]:
    """What a sink must have been told of these records."""
    ids = []
    for change in changes:
        spec, uid = change["spec"], change["metadata"]["uid"]
        two = spec["decision"] in {"Act", "AwaitApproval"} and spec["action"] != "Notify"
        ids += [f"{uid}.started", f"{uid}.finished"] if two else [f"{uid}.finished"]
    return sorted(ids)


def test_a_receiver_that_is_away_and_an_operator_that_is_killed_lose_nothing(scene: Scene, receiver: Receiver) -> None:
    """A restart, recovered, while the receiver answers 503; Salus is killed; both come back. Every id comes once."""
    scene.salus.configure({"sinks": {"audit": {"url": receiver.url}}})
    scene.gauge(0.0)
    scene.deploy()
    scene.apply(remedies=[RESTART])
    scene.salus.start()
    scene.wait_condition("Healthy", "True")
    scene.gauge(0.5)
    scene.wait_change(decision="Act")
    scene.wait(lambda: bool(scene.writes(verb="patch")), "the restart")
    scene.gauge(0.0)
    scene.wait_outcome("Recovered", decision="Act")
    scene.wait(lambda: receiver.refused > 0, "the receiver was asked")
    (change,) = scene.changes(decision="Act")
    assert change["spec"]["sinks"] == ["audit"]
    assert not change["status"].get("deliveries")
    tried = 'salus_sink_deliveries_total{outcome="HttpError",sink="audit"}'
    scene.wait(lambda: scene.own_metric(tried) > 0, "what it was asked is counted")
    scene.wait(lambda: scene.own_metric('salus_sink_waiting_events{sink="audit"}') > 0, "so is what waits for it")
    scene.salus.kill()

    receiver.status = 200
    scene.salus.start()

    scene.wait(lambda: all(delivered(one) == "True" for one in scene.changes()), "everything is delivered")
    assert sorted(receiver.ids) == expected_ids(scene.changes())
    uid = change["metadata"]["uid"]
    assert [one for one in receiver.ids if one.startswith(uid)] == [f"{uid}.started", f"{uid}.finished"]
    (ended,) = (event for event in receiver.taken if event["id"] == f"{uid}.finished")
    assert (ended["source"], ended["outcome"], ended["subject"]) == (
        "/clusters/devcluster/salus",
        "Recovered",
        f"{scene.namespace}/Deployment/web",
    )
    assert ended["data"]["spec"] == change["spec"]
    (after,) = scene.changes(decision="Act")
    assert but_delivered(after) == but_delivered(change), "what the loop has written stays as it was"
    assert [(one["sink"], one["told"]) for one in after["status"]["deliveries"]] == [("audit", "Finished")]


def test_an_operator_that_is_killed_again_and_again_tells_everything_that_is_on_record(
    scene: Scene, receiver: Receiver
) -> None:
    """Killed at any moment between answer and note: an event may come twice, and none is missing."""
    receiver.status = 200
    scene.salus.configure({"sinks": {"audit": {"url": receiver.url}}})
    scene.gauge(0.5)
    scene.deploy()
    scene.apply(mode="Observe", remedies=[RESTART])
    for count in range(1, 4):
        scene.salus.start()
        scene.wait(lambda count=count: len(receiver.taken) >= count, f"event {count}")  # type: ignore[misc]  # a default
        scene.salus.kill()
        scene.release(f"v{count + 1}")
        scene.wait_rolled_out()
    scene.salus.start()

    on_record: list[Object] = []

    def all_is_delivered() -> bool:
        on_record[:] = scene.changes()  # there may be one more at any moment: its service stays unhealthy
        return bool(on_record) and all(delivered(one) == "True" for one in on_record)

    scene.wait(all_is_delivered, "all is delivered")
    assert set(expected_ids(on_record)) <= set(receiver.ids) <= set(expected_ids(scene.changes()))


def test_a_policy_chooses_among_the_sinks_that_are_for_it(scene: Scene, receiver: Receiver) -> None:
    """One for those who name it, one for another namespace, and one that nobody knows."""
    receiver.status = 200
    sinks = {
        "oncall": {"url": receiver.url, "policies": "Naming", "actions": ["Notify"]},
        "bank": {"url": receiver.url, "policies": "Naming", "namespaces": ["bank"]},
    }
    scene.salus.configure({"sinks": sinks})
    scene.gauge(0.5)
    scene.deploy()
    page = {"name": "page", "notify": {"severity": "critical"}}
    scene.apply("web", remedies=[page], sinks=["oncall"])
    scene.apply("typo", target="web", sinks=["on-call"])
    scene.apply("theirs", target="web", sinks=["bank"])
    scene.salus.start()

    scene.wait(lambda: len(receiver.taken) == 1, "the page")
    (event,) = receiver.taken
    assert (event["type"], event["action"]) == ("dev.salus.change.finished", "Notify")
    assert "critical: " in event["data"]["spec"]["message"]
    for policy, message in (
        ("typo", 'spec.sinks[0]: unknown sink "on-call"; known: bank, oncall'),
        ("theirs", f'spec.sinks[0]: sink "bank" takes no records of namespace {scene.namespace}'),
    ):
        assert scene.wait_condition("Stalled", "True", policy)["message"] == message


def test_nothing_that_a_sink_says_and_no_path_of_its_url_stands_in_a_record(scene: Scene, tmp_path: Path) -> None:
    """It is an SSH server, as one that a typo in a port leads to; its URL is in a file, since the path is a secret."""

    class Banner(BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"SSH-2.0-OpenSSH_9.6 hunter2\r\n")
            self.request.recv(65536)

    with ThreadingTCPServer(("127.0.0.1", 0), Banner) as server:
        threading.Thread(target=server.serve_forever, name="banner", daemon=True).start()
        file = tmp_path / "url"
        file.write_text(f"http://127.0.0.1:{server.server_address[1]}/services/T000/B000/t0psecret\n", encoding="utf-8")
        scene.salus.configure({"sinks": {"audit": {"urlFile": str(file)}}})
        scene.gauge(0.5)
        scene.deploy()
        scene.apply(mode="Observe", remedies=[RESTART])
        scene.salus.start()
        scene.wait_change(decision="DryRun")
        scene.wait(lambda: delivered(scene.changes(decision="DryRun")[0]) == "False", "the condition says so")
        (change,) = scene.changes(decision="DryRun")
        server.shutdown()

    condition = next(one for one in change["status"]["conditions"] if one["type"] == "Delivered")
    assert (condition["reason"], condition["message"]) == (
        "Unreachable",
        "sink audit: cannot be reached: it answered with broken HTTP",
    )
    events = scene.cluster.api().items(f"/apis/events.k8s.io/v1/namespaces/{scene.namespace}/events")
    shown = json.dumps([scene.changes(), scene.incidents(), scene.policies(), events]) + scene.salus.log.read_text(
        "utf-8"
    )
    assert [word for word in ("hunter2", "SSH-2.0", "t0psecret", "/services/") if word in shown] == []


def test_a_sink_that_is_mended_in_the_configuration_gets_what_waits(scene: Scene, receiver: Receiver) -> None:
    """Its address is one that is refused, as a metadata service's is; then it is put right, without a restart."""
    receiver.status = 200
    scene.salus.configure({"sinks": {"audit": {"url": "http://169.254.169.254/events"}}})
    scene.gauge(0.5)
    scene.deploy()
    scene.apply(mode="Observe", remedies=[RESTART])
    scene.salus.start()
    change = scene.wait_change(decision="DryRun")
    scene.wait(lambda: delivered(scene.changes(decision="DryRun")[0]) == "False", "the condition says so")
    condition = next(one for one in scene.changes()[0]["status"]["conditions"] if one["type"] == "Delivered")
    assert condition["reason"] == "AddressRefused"
    assert "169.254.169.254 is a link-local or metadata address, which is not allowed" in condition["message"]

    scene.salus.configure({"sinks": {"audit": {"url": receiver.url}}})

    scene.wait(lambda: delivered(scene.changes(decision="DryRun")[0]) == "True", "it is delivered")
    assert f"{change['metadata']['uid']}.finished" in receiver.ids
