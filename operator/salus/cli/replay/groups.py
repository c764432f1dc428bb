"""Which policies have to be replayed together, and what their workloads were."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from salus.cli.person import Person
from salus.cli.replay.asking import Archive
from salus.cli.replay.lives import Life, made_at
from salus.cli.replay.play import Wish, as_if, targets_of
from salus.cli.replay.present import Around, Seen, seen
from salus.cli.replay.told import Present, life, made_up
from salus.cli.replay.written import Line, rewritten
from salus.core.policy.compile import compile_policy
from salus.model.scalars import Body, format_time
from salus.model.values.keys import TargetKey
from salus.model.values.metrics import Error
from salus.model.values.policies import Policy
from salus.ports import WORKLOADS

MOST_SELECTED = 50
"""Workloads of one policy that chooses them by labels."""


@dataclass(frozen=True, slots=True)
class Lives:
    """All workloads of all policies."""

    there: tuple[Life, ...]
    unknown: tuple[str, ...] = ()
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Policies that share workloads, and these."""

    bodies: tuple[Body, ...]
    lives: tuple[Life, ...]
    policies: tuple[Policy, ...]


async def lives_of(
    bodies: Sequence[Body], wish: Wish, archive: Archive, person: Person | None, written: Sequence[Line]
) -> Lives:
    """What the workloads of these policies were. Raises CannotBeAsked."""
    policies = tuple(compile_policy(as_if(body, wish), wish.catalog) for body in bodies)
    unknown: list[str] = []
    keys: dict[TargetKey, None] = {}
    for policy in policies:
        found = await _targets(policy, person)
        if policy.spec.target.name is None and len(found) > MOST_SELECTED:
            unknown.append(f"{policy.key}: {len(found) - MOST_SELECTED} of its {len(found)} workloads are left out.")
        if not found:
            unknown.append(f"{policy.key}: it chooses workloads by labels, and no cluster says which those are.")
        keys |= dict.fromkeys(found[:MOST_SELECTED])
    around = Around(person) if person is not None else None
    lives = await asyncio.gather(*(_life(key, wish, archive, around) for key in keys))
    since = archive.since
    there = tuple(rewritten(one, written, since, alone=len(lives) == 1) for one in lives)
    return Lives(there, tuple(unknown), policies)


async def _targets(policy: Policy, person: Person | None) -> Sequence[TargetKey]:
    target, namespace = policy.spec.target, policy.key.namespace
    if target.name is not None:
        return [TargetKey(namespace, target.kind, target.name)]
    if person is None or target.selector is None:
        return []
    bodies = await person.around(WORKLOADS[target.kind], namespace, dict(target.selector.match_labels))
    return [TargetKey(namespace, target.kind, body["metadata"]["name"]) for body in bodies]


async def _life(key: TargetKey, wish: Wish, archive: Archive, around: Around | None) -> Life:
    """By kube-state-metrics, else by what the cluster still has, else as one of which nothing is known."""
    there = await seen(around, key) if around is not None else None
    told = await archive.workload(key)
    found = None if isinstance(told, Error) else life(key, told, there.present() if there is not None else Present())
    if found is None:
        found = there.alone(archive.since) if there is not None else _not_known(key)
    if there is None:
        return found
    return there.with_releases(_since_it_was_made(found, there, archive), wish.begins)


def _since_it_was_made(life_: Life, there: Seen, archive: Archive) -> Life:
    made = made_at(there.traces.body)
    if made <= archive.begins:
        return life_
    said = f"what came before {format_time(made)}: {there.key} was made then."
    return replace(life_, appears=made, unknown=(*life_.unknown, said))


def _not_known(key: TargetKey) -> Life:
    said = f"the releases and sizes of {key}: no kube-state-metrics tells them; --releases FILE may."
    return Life(key, made_up(key), is_made_up=True, unknown=(said,))


def grouped(bodies: Sequence[Body], lives: Lives, *, together: bool) -> Sequence[Group]:
    """Those that share a workload, or all of them."""
    if together:
        return [Group(tuple(bodies), lives.there, lives.policies)]
    return [_group(bodies, lives, keys) for keys in _linked(lives)]


def _group(bodies: Sequence[Body], lives: Lives, numbers: Iterable[int]) -> Group:
    mine = sorted(numbers)
    policies = tuple(lives.policies[number] for number in mine)
    keys = {key for policy in policies for key in targets_of(policy, lives.there)}
    return Group(
        tuple(bodies[number] for number in mine), tuple(one for one in lives.there if one.key in keys), policies
    )


def _linked(lives: Lives) -> list[set[int]]:
    """Numbers of policies that share workloads."""
    found: list[tuple[set[int], set[TargetKey]]] = []
    for number, policy in enumerate(lives.policies):
        mine = {number}, set(targets_of(policy, lives.there))
        apart = []
        for numbers, keys in found:
            if keys & mine[1]:
                mine = mine[0] | numbers, mine[1] | keys
            else:
                apart.append((numbers, keys))
        found = [*apart, mine]
    return sorted((numbers for numbers, _ in found), key=min)
