"""`$pods` is every name that Kubernetes gives to a pod of the workload, and none of a pod of its neighbours."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from salus.core.policy import promql
from salus.core.policy.pod_names import PodsUnclear, literal, neighbour_kinds, pods, rivals
from salus.model.meta import WorkloadKind
from salus.model.values.keys import TargetKey
from tests.kubernetes_names import LETTERS, pod_name

DEPLOYMENT, STATEFUL_SET, DAEMON_SET = WorkloadKind.DEPLOYMENT, WorkloadKind.STATEFUL_SET, WorkloadKind.DAEMON_SET

LETTERS_OF_ONE = "[24-9b-df-hj-np-tv-xz]{5}"
LONG = "a" * 40


def workload(name: str, kind: WorkloadKind = DEPLOYMENT) -> TargetKey:
    return TargetKey("shop", kind, name)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(workload("checkout"), f"checkout-[4-9bcdf]{{1,10}}-{LETTERS_OF_ONE}", id="of a Deployment"),
        pytest.param(workload("db", STATEFUL_SET), "db-[0-9]+", id="of a StatefulSet"),
        pytest.param(workload("agent", DAEMON_SET), f"agent-{LETTERS_OF_ONE}", id="of a DaemonSet"),
        pytest.param(workload("api.v2", DAEMON_SET), rf"api\.v2-{LETTERS_OF_ONE}", id="a dot is a dot"),
        pytest.param(
            workload(LONG + "1234567"),
            f"{LONG}1234567-[4-9bcdf]{{1,9}}-{LETTERS_OF_ONE}|{LONG}1234567-[4-9bcdf]{{10}}{LETTERS_OF_ONE}",
            id="so long that the dash after a long hash is cut",
        ),
        pytest.param(
            workload(LONG + "1234567890123456"),
            f"{LONG}1234567890123456-[4-9bcdf]{LETTERS_OF_ONE}",
            id="so long that one letter of the hash is left",
        ),
        pytest.param(
            workload(LONG + "12345678901234567"), f"{LONG}12345678901234567-{LETTERS_OF_ONE}", id="no hash is left"
        ),
        pytest.param(
            workload(LONG + "1234567890123456789"),
            f"{LONG}123456789012345678{LETTERS_OF_ONE}",
            id="its own name is cut",
        ),
    ],
)
def test_what_stands_for_the_pods(target: TargetKey, expected: str) -> None:
    assert pods(target.kind, target.name) == expected


@pytest.mark.parametrize(
    ("target", "neighbour", "expected"),
    [
        pytest.param(workload("checkout"), workload("checkout-cart"), False, id="a Deployment of a longer name"),
        pytest.param(workload("checkout"), workload("checkout-cart", DAEMON_SET), False, id="no hash has the letter a"),
        pytest.param(workload("checkout"), workload("checkout-db", DAEMON_SET), True, id="a hash could be db"),
        pytest.param(
            workload("checkout-db", DAEMON_SET), workload("checkout"), False, id="the longer name has the pods"
        ),
        pytest.param(workload("checkout"), workload("checkout-db", STATEFUL_SET), False, id="numbers are short"),
        pytest.param(workload("checkout"), workload("shop-db", DAEMON_SET), False, id="another name"),
        pytest.param(workload("checkout"), workload("checkout", DAEMON_SET), False, id="one without a hash"),
        pytest.param(workload("db", STATEFUL_SET), workload("db", DAEMON_SET), True, id="letters could be 24689"),
    ],
)
def test_whose_pods_may_bear_a_name_of_the_target_s(target: TargetKey, neighbour: TargetKey, *, expected: bool) -> None:
    assert rivals(target, [target, neighbour]) == ((neighbour,) if expected else ())


def test_the_word_of_a_rival_is_no_hash() -> None:
    target, rival = workload("checkout"), workload("checkout-db", DAEMON_SET)

    matches = re.compile(pods(target.kind, target.name, [rival]))

    told = (
        "checkout-d-x2k9q",
        "checkout-b-x2k9q",
        "checkout-bd-x2k9q",
        "checkout-dbd-x2k9q",
        "checkout-dbdbdbdbdb-x2k9q",
    )
    assert all(matches.fullmatch(name) for name in told)
    assert not matches.fullmatch("checkout-db-x2k9q")


@pytest.mark.parametrize(
    ("target", "others", "said"),
    [
        pytest.param(
            workload("a" * 60),
            [workload("a" * 61)],
            f"pods of Deployment/{'a' * 60} from those of Deployment/{'a' * 61} by their names",
            id="nothing is left of what tells two names apart",
        ),
        pytest.param(
            workload("api"),
            [workload(f"api-{word}", DAEMON_SET) for word in ("b", "c", "d", "f", "db")],
            "5 workloads have pods that may bear names of those of Deployment/api",
            id="too many words that are no hash",
        ),
    ],
)
def test_what_nobody_can_tell_apart_is_said(target: TargetKey, others: Sequence[TargetKey], said: str) -> None:
    with pytest.raises(PodsUnclear, match=said):
        pods(target.kind, target.name, rivals(target, others))


_WORDS = st.sampled_from(["api", "db", "b", "4", "44", "cart", "a" * 20, "b" * 26, "c" * 9, "7d9f8b6c5", "v2.b"])
NAMES = st.lists(_WORDS, min_size=1, max_size=5).map("-".join)
NUMBERS = st.integers(0, 2**32 - 1)
RANDOM = st.text(LETTERS, min_size=5, max_size=5)


@st.composite
def _workloads(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES) -> TargetKey:
    kind = draw(st.sampled_from(list(WorkloadKind)))
    name = draw(names)
    return workload(name[:63].strip("-") if kind is STATEFUL_SET else name[:253], kind)


@st.composite
def _pods_of(draw: st.DrawFn, key: TargetKey) -> str:
    numbers = st.integers(0, 9_999) if key.kind is STATEFUL_SET else NUMBERS
    return pod_name(key, draw(numbers), draw(RANDOM))


@given(data=st.data(), target=_workloads())
def test_every_pod_of_the_workload_is_one(data: st.DataObject, target: TargetKey) -> None:
    assert re.fullmatch(pods(target.kind, target.name), data.draw(_pods_of(target)))


@given(data=st.data(), target=_workloads())
def test_no_pod_of_a_known_neighbour_is_one(data: st.DataObject, target: TargetKey) -> None:
    """And of the target's own only those are none that a rival's may be as well."""
    longer = st.builds(lambda more: f"{target.name}-{more}", NAMES)
    neighbours = data.draw(st.lists(_workloads(NAMES | longer | st.just(target.name)), max_size=4, unique=True))
    assume(target not in neighbours)
    shown = [one for one in neighbours if one.kind in neighbour_kinds(target)]
    found = rivals(target, shown)
    try:
        matches = re.compile(pods(target.kind, target.name, found))
    except PodsUnclear:
        assume(False)
    for neighbour in neighbours:
        name = data.draw(_pods_of(neighbour))  # a shorter name has it only with a hash that is a word
        assert not matches.fullmatch(name) or len(neighbour.name) < len(target.name), (neighbour, name)
    own = data.draw(_pods_of(target))
    assert matches.fullmatch(own) or any(re.fullmatch(pods(one.kind, one.name), own) for one in found)


@given(target=_workloads(), mark=st.sampled_from("\"'"))
def test_it_is_promql_wherever_it_stands(target: TargetKey, mark: str) -> None:
    expression = pods(target.kind, target.name)

    alone = promql.render(f"x{{pod=~{mark}$pods{mark}}}", "shop", target.name, expression)
    among = promql.render(f"x{{pod=~{mark}$pods|$target-test{mark}}}", "shop", target.name, expression)

    assert [promql.places(query)[0].matchers.matchers[0].value for query in (alone, among)] == [
        expression,
        f"(?:{expression})|{literal(target.name)}-test",
    ]
    assert promql.problems_in(alone) is None
