"""Services that fail and recover by themselves, and the person who looks after what Salus hands over.

Each target is well for a while and then unhealthy until somebody does to it what cures it: a restart cures all, more
replicas cure every second one only, so that scaling is undone at the others. What Salus has not cured in a minute gets
a new release from a person.
"""

import random
import threading
import time
from dataclasses import dataclass, field

from tests.cluster.scene import Object, Pump
from tools.devcluster.api import Api

_LOOK_EVERY = 0.5
_WELL = (5.0, 20.0)
_PATIENCE = 60.0
_STRATEGIC = "application/strategic-merge-patch+json"


@dataclass
class Patient:
    """One target."""

    name: str
    cured_by_size: bool
    unhealthy: bool = False
    until: float = 0.0
    """When it falls ill, or when the person steps in."""
    helped: bool = False
    """By the person."""
    template: Object = field(default_factory=dict)
    replicas: int = 0


@dataclass
class Director:
    """Plays all targets of a namespace until it is told to `calm` them."""

    api: Api
    pump: Pump
    namespace: str
    names: list[str]
    dice: random.Random
    well: tuple[float, float] = _WELL
    """Seconds between two illnesses of a target, at least and at most."""
    illnesses: int = 0
    releases: int = 0
    healed: list[float] = field(default_factory=list)
    """Seconds from each illness to its cure, where Salus found it and no person."""
    _calm: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        now = time.monotonic()
        self._patients = {
            name: Patient(name, cured_by_size=index % 2 == 0, until=now + self.dice.uniform(0, self.well[1]))
            for index, name in enumerate(self.names)
        }
        for name in self.names:
            self._say(name, unhealthy=False)

    @property
    def path(self) -> str:
        """Where the Deployments are."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments"

    def run(self) -> None:
        """Play until `calm`; then all are well."""
        while not self._calm.wait(_LOOK_EVERY):
            for body in self.api.items(self.path):
                self._look(self._patients[body["metadata"]["name"]], body["spec"], time.monotonic())
        for name in self.names:
            self._say(name, unhealthy=False)

    def calm(self) -> None:
        """Cure everybody, for good."""
        self._calm.set()

    def _look(self, patient: Patient, spec: Object, now: float) -> None:
        if not patient.unhealthy and now >= patient.until:
            patient.unhealthy, patient.until, patient.helped = True, now + _PATIENCE, False
            patient.template, patient.replicas = spec["template"], spec["replicas"]
            self.illnesses += 1
            self._say(patient.name, unhealthy=True)
        elif patient.unhealthy and self._is_cured(patient, spec):
            self.healed += [] if patient.helped else [now + _PATIENCE - patient.until]
            patient.unhealthy, patient.until = False, now + self.dice.uniform(*self.well)
            self._say(patient.name, unhealthy=False)
        elif patient.unhealthy and now >= patient.until:
            patient.helped = True
            self._release(patient)

    @staticmethod
    def _is_cured(patient: Patient, spec: Object) -> bool:
        grown = patient.cured_by_size and spec["replicas"] > patient.replicas
        return bool(grown or spec["template"] != patient.template)

    def _release(self, patient: Patient) -> None:
        self.releases += 1
        containers = [{"name": "app", "image": f"app:r{self.releases}"}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        self.api.patch(f"{self.path}/{patient.name}", patch, kind=_STRATEGIC)

    def _say(self, name: str, *, unhealthy: bool) -> None:
        self.pump.set("error_ratio", 0.5 if unhealthy else 0.0, namespace=self.namespace, deployment=name)
