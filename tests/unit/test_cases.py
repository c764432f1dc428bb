"""The two indexes of all cases say what a walk through all of them would."""

import ast
import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from salus.model.meta import WorkloadKind
from salus.model.values.keys import PolicyKey, TargetKey
from salus.reconcile.cases import Case, Cases
from tests.builders import NOW, a_workload, ago

POLICIES = [PolicyKey("shop", name) for name in ("one", "other")]
TARGETS = [TargetKey("shop", WorkloadKind.DEPLOYMENT, name) for name in ("checkout", "cart", "search")]
KEYS_OF_ONE = (POLICIES[0], TARGETS[0])
KEYS = st.tuples(st.sampled_from(POLICIES), st.sampled_from(TARGETS))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(moves=st.lists(st.tuples(st.booleans(), KEYS), max_size=40))
def test_the_indexes_say_what_a_walk_would(moves: Sequence[tuple[bool, tuple[PolicyKey, TargetKey]]]) -> None:
    cases = Cases()
    for comes, key in moves:
        if comes:
            cases[key] = Case(*key)
        else:
            cases.pop(key, None)

        for policy in POLICIES:
            assert {id(case) for case in cases.of(policy)} == {
                id(one) for one in cases.values() if one.policy == policy
            }
        for target in TARGETS:
            assert {id(case) for case in cases.on(target)} == {
                id(one) for one in cases.values() if one.target == target
            }


def test_what_is_lost_after_a_rollout_does_not_begin_it_anew() -> None:
    """Case 04: a node dies, one comes up, somebody scales: it is the same release, and was there before."""
    case, whole = Case(*KEYS_OF_ONE), a_workload()
    lost, more = replace(whole, available=1, ready=1), replace(whole, replicas=4)

    assert case.rolled_out_since(lost, ago(900)) is None
    assert case.rolled_out_since(whole, ago(600)) == ago(600)
    assert [case.rolled_out_since(seen, NOW) for seen in (lost, more, whole)] == [ago(600)] * 3
    assert case.rolled_out_since(replace(lost, release="another"), NOW) is None


# --- nobody but the case itself writes what is remembered in it


def test_no_other_module_writes_what_a_case_remembers() -> None:
    fields = {field.name for field in dataclasses.fields(Case)}
    root = Path("operator/salus")
    written = [
        f"{path.relative_to(root)}:{target.lineno} {target.attr}"
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for target in _targets(node)
        if target.attr in fields and _is_case(target.value)
    ]
    assert written == []


def _targets(node: ast.AST) -> list[ast.Attribute]:
    """The attributes that a statement assigns to, or to a part of."""
    if isinstance(node, ast.Assign):
        found: list[ast.expr] = [part for target in node.targets for part in _parts(target)]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        found = [node.target]
    else:
        return []
    bare = [target.value if isinstance(target, ast.Subscript) else target for target in found]
    return [target for target in bare if isinstance(target, ast.Attribute)]


def _parts(target: ast.expr) -> list[ast.expr]:
    return list(target.elts) if isinstance(target, ast.Tuple | ast.List) else [target]


def _is_case(value: ast.expr) -> bool:
    """`case.x = …` or `step.case.x = …`; the case itself says `self`."""
    match value:
        case ast.Name(id="case") | ast.Attribute(attr="case"):
            return True
        case _:
            return False
