"""What is known of a query before it is asked: soundness, placeholders, reach, and how to ask its samples' age."""

from datetime import timedelta

import promql_parser
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salus.core.policy import promql


@pytest.mark.parametrize(
    "query",
    [
        pytest.param('sum(rate(x{a="$target"}[1m]))', id="a placeholder in double quotes"),
        pytest.param("x{a='$namespace'}", id="a placeholder in single quotes"),
        pytest.param("x{pod=~\"$pods\"} unless x{pod !~ 'a|$pods'}", id="pods behind =~ and !~"),
        pytest.param('x{a=~"b$"}', id="a dollar that ends a regular expression"),
        pytest.param('label_replace(x, "a", "$1-${name}", "b", "(.+)")', id="groups of label_replace"),
        pytest.param("x # don't touch $this", id="anything in a comment"),
        pytest.param("x{a=`b`}", id="a raw string without placeholders"),
        pytest.param("1 + 2", id="a number"),
        pytest.param("scalar(x) * time()", id="a scalar made of functions"),
        pytest.param('{__name__="x"}', id="a metric named by a matcher"),
        pytest.param("(" * 32 + "x" + ")" * 32, id="parentheses, thirty-two deep"),
        pytest.param("+".join("x" * 100), id="a sum of a hundred terms"),
    ],
)
def test_sound_queries_have_no_problems(query: str) -> None:
    assert promql.problems_in(query) is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("sum(x", "unclosed left parenthesis", id="syntax"),
        pytest.param("rate(x)", "expected type matrix", id="an instant vector where a range is due"),
        pytest.param("shake(x[1m])", "unknown function", id="an unknown function"),
        pytest.param("", "cannot be read as PromQL", id="nothing"),
        pytest.param("x[5m]", "answers with a range vector", id="a range vector"),
        pytest.param("(x[5m:1m])", "answers with a range vector", id="a subquery in parentheses"),
        pytest.param('"up"', "answers with a string", id="a string"),
        pytest.param("x > $target", "$target stands outside quotes", id="a placeholder as an expression"),
        pytest.param("x > ${limit}", "${limit} stands outside quotes", id="a shell variable as an expression"),
        pytest.param(
            'x{a="$pod"}', "unknown placeholder $pod; known: $namespace, $target and $pods", id="an unknown one"
        ),
        pytest.param('x{pod="$pods"}', "$pods is a regular expression, and stands behind =~", id="pods behind ="),
        pytest.param('x{pod!="$pods"}', 'write pod=~"$pods"', id="pods behind !="),
        pytest.param(
            'label_replace(x, "a", "b", "pod", "$pods")', "stands behind =~ or !~ only", id="pods in a function"
        ),
        pytest.param("x{pod=~`$pods`}", "$pods stands in a raw string", id="pods in a raw string"),
        pytest.param('x{pod=~"${pods}"}', "write $pods", id="pods in braces"),
        pytest.param("x{pod=~$pods}", "$pods stands outside quotes", id="pods without quotes"),
        pytest.param('x{pod=~"' + "$pods|" * 14 + '"}', "regular expressions of size", id="pods again and again"),
        pytest.param('x{a="$targets"}', "unknown placeholder $targets", id="a known one with a letter too many"),
        pytest.param('x{a="${target}"}', "write $target", id="a known one in braces"),
        pytest.param("x{a=`$target`}", "raw string", id="a known one in a raw string"),
        pytest.param('{__name__=~"x|y"}', "names no metric", id="many metrics in one selector"),
        pytest.param('rate({job="a"}[1m])', "names no metric", id="no metric in a range"),
        pytest.param("x @ -1", "@ - is no moment", id="a moment before 1970"),
        pytest.param("x @ 253402300800", "@ 253402300800 is no moment", id="a moment that no datetime holds"),
        pytest.param("rate(x[1000000000d])", "at most 366d", id="a range that no timedelta holds"),
        pytest.param("x # \r > $target", "$target stands outside quotes", id="a comment that a carriage return ends"),
        pytest.param(
            "clamp(" * 21 + "x" + ",scalar(y),scalar(z))" * 21 + "+x" * 60,
            "reads series in 103 places, at most 100",
            id="more places than there may be",
        ),
        pytest.param(
            'x{a="' + "$target" * 80 + '"}', "characters long with the longest names", id="names that would fill it"
        ),
        pytest.param(
            'x{a=~"(?:$target){40}"}', "with the longest names that may stand for", id="names that are repeated"
        ),
    ],
)
def test_unsound_queries_say_what_is_wrong(query: str, said: str) -> None:
    problem = promql.problems_in(query)

    assert problem is not None
    assert said in problem


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        pytest.param('x{a="$namespace",b="$target"}', 'x{a="shop",b="api.v2"}', id="both, in double quotes"),
        pytest.param("x{b='$target-canary'}", "x{b='api.v2-canary'}", id="a part of a string"),
        pytest.param('x{b=~"$target-.+"}', r'x{b=~"api\\.v2-.+"}', id="in a regex a dot stays a dot"),
        pytest.param('x{b!~ "$target"}', r'x{b!~ "api\\.v2"}', id="in a negated regex too"),
        pytest.param("x # $target", "x # $target", id="comments are left alone"),
        pytest.param('x{b="# $target"}', 'x{b="# api.v2"}', id="a hash in a string starts no comment"),
        pytest.param('x{a="\\"$target"}', 'x{a="\\"api.v2"}', id="an escaped quote does not end the string"),
        pytest.param('f(x,"$1","${g}")', 'f(x,"$1","${g}")', id="groups are left alone"),
    ],
)
def test_placeholders_are_filled_in_where_they_may_stand(template: str, rendered: str) -> None:
    assert promql.render(template, namespace="shop", target="api.v2") == rendered


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        pytest.param('x{pod=~"$pods"}', r'x{pod=~"a\\.b-[0-9]+|c"}', id="alone, it is all that is matched"),
        pytest.param("x{pod !~ '$pods'}", r"x{pod !~ 'a\\.b-[0-9]+|c'}", id="what is not matched"),
        pytest.param('x{pod=~"$pods|$target-x"}', r'x{pod=~"(?:a\\.b-[0-9]+|c)|api-x"}', id="beside something else"),
        pytest.param('x{pod=~"old-$pods"}', r'x{pod=~"old-(?:a\\.b-[0-9]+|c)"}', id="as a part"),
        pytest.param('x{pod=~"$pods"} # $pods', r'x{pod=~"a\\.b-[0-9]+|c"} # $pods', id="but not in a comment"),
    ],
)
def test_pods_are_filled_in_as_a_regular_expression(template: str, rendered: str) -> None:
    assert promql.render(template, "shop", "api", r"a\.b-[0-9]+|c") == rendered


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        pytest.param('${m}_total{$l=~"$pods"}', 'orders_total{code=~"$pods"}', id="outside quotes, as they are"),
        pytest.param('x{a="$m"} # $m', 'x{a="orders"} # $m', id="inside quotes, and not in a comment"),
        pytest.param("x{a='$q'}", "x{a='it\\'s $target'}", id="escaped for the quotes"),
        pytest.param('x{a=~"$q"}', 'x{a=~"it\'s $target"}', id="a placeholder stays one in a regex"),
        pytest.param('x{le=~"$e"}', 'x{le=~"1(?:\\\\.0+)?"}', id="a regular expression"),
        pytest.param('label_replace(x, "a", "${m}", "b", "(?P<m>.+)")', None, id="a group of a regex stays"),
        pytest.param("x > $other", None, id="what is no parameter stays"),
    ],
)
def test_parameters_of_a_preset_are_filled_in(template: str, filled: str | None) -> None:
    values = {
        "m": promql.Insert("orders"),
        "l": promql.Insert("code"),
        "q": promql.Insert("it's $target"),
        "e": promql.Insert(r"1(?:\.0+)?", is_regex=True),
    }

    assert promql.with_parameters(template, values) == (filled or template)


def test_pods_that_nobody_names_are_not_taken_for_none() -> None:
    with pytest.raises(ValueError, match=r"nobody says which pods \$pods are"):
        promql.render('x{pod=~"$pods"}', "shop", "api")


def test_a_misplaced_placeholder_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="outside quotes"):
        promql.render("x > $target", namespace="shop", target="api")


@given(value=st.text(), mark=st.sampled_from("\"'"))
def test_no_name_breaks_out_of_its_string(value: str, mark: str) -> None:
    query = promql.render(f"x{{a={mark}$target{mark}}}", namespace="shop", target=value)
    tree = promql_parser.parse(query)

    assert isinstance(tree, promql_parser.VectorSelector)
    assert [matcher.value for matcher in tree.matchers.matchers] == [value]


@pytest.mark.parametrize(
    ("query", "reach"),
    [
        pytest.param("x", timedelta(0), id="an instant selector reaches nowhere"),
        pytest.param("rate(x[5m]) / rate(y[1m])", timedelta(minutes=5), id="the widest range counts"),
        pytest.param("x - x offset 1h", timedelta(hours=1), id="an offset counts"),
        pytest.param("x offset -1h", timedelta(0), id="an offset into the future does not"),
        pytest.param("rate(x[5m] offset 1h)", timedelta(minutes=65), id="range and offset add up"),
        pytest.param(
            "max_over_time(rate(x[5m])[30m:1m] offset 1h)", timedelta(minutes=95), id="subqueries add to what is inside"
        ),
        pytest.param("topk(scalar(count_over_time(k[9m])), x)", timedelta(minutes=9), id="a parameter counts"),
        pytest.param('sum(rate(x{a="$target"}[2m]))', timedelta(minutes=2), id="a template can be read"),
    ],
)
def test_window_is_the_reach_into_the_past(query: str, reach: timedelta) -> None:
    assert promql.window(query) == reach


@pytest.mark.parametrize(
    ("query", "texts", "ranged"),
    [
        pytest.param("1 + 2", [], [], id="a number reads nothing"),
        pytest.param("sum(x) / sum(x)", ["x{}"], [False], id="a place is named once"),
        pytest.param("rate(x[1m]) + y", ["x{}", "y{}"], [True, False], id="ranges are told from instants"),
        pytest.param("max_over_time(x[1h:1m])", ["x{}"], [True], id="a subquery is a range"),
        pytest.param("x offset 1m", ["x{} offset 60000ms"], [False], id="an offset stays"),
        pytest.param("x @ end()", ["x{}"], [False], id="the end of an instant query is now"),
        pytest.param("x @ 1700000000", [], [], id="a pinned moment tells nothing of today"),
        pytest.param("max_over_time(x[1h:] offset 1w)", [], [], id="nor does what a shifted subquery reads"),
        pytest.param(
            r'x{a="\"q\" \\ \n",b!="c",d=~"e",f!~"g"}',
            [r'x{a="\"q\" \\ \n",b!="c",d=~"e",f!~"g"}'],
            [False],
            id="label values are escaped again",
        ),
    ],
)
def test_selectors_are_printed_as_promql(query: str, texts: list[str], ranged: list[bool]) -> None:
    found = promql.selectors(query)

    assert [selector.text for selector in found] == texts
    assert [selector.ranged for selector in found] == ranged


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("x", id="a selector"),
        pytest.param("sum(rate(x[1m])) # the end", id="a comment at the end"),
        pytest.param("1 + 2", id="a scalar"),
        pytest.param('x{a="b\\"c"} offset 1w / y', id="quotes and an offset"),
    ],
)
def test_a_query_with_its_sample_times_is_promql(query: str) -> None:
    probe = promql.with_sample_times(query, "deployment")

    assert promql.problems_in(probe.text) is None
    assert query in probe.text


@pytest.mark.parametrize(
    ("query", "label", "asked"),
    [
        pytest.param(
            "errors > 0.05 # a comment",
            "",
            'count(max by () (timestamp(errors{})) or up{namespace="$namespace"}) '
            "unless on () (errors > 0.05 # a comment)",
            id="a comparison that filters",
        ),
        pytest.param(
            "errors",
            "deployment",
            'count(max by () (timestamp(errors{})) or up{namespace="$namespace"}) unless on () '
            '((errors) and on (deployment) label_replace(vector(1), "deployment", "$target", "", ""))',
            id="of an answer for all targets",
        ),
        pytest.param("1", "", 'count(up{namespace="$namespace"}) unless on () (vector(1))', id="a number, never empty"),
    ],
)
def test_where_a_query_is_empty_is_asked_for_in_promql(query: str, label: str, asked: str) -> None:
    found = promql.where_empty(query, label)

    assert found.replace("\n", "") == asked
    assert promql.problems_in(found) is None


def test_sample_times_are_asked_per_label_value_and_without_the_offset() -> None:
    probe = promql.with_sample_times("sum by (pod) (x) - sum by (pod) (x offset 1m)", "pod")

    assert "max by (pod) (timestamp(x{}))" in probe.text
    assert "max by (pod) (timestamp(x{} offset 60000ms)) + 60.000" in probe.text


@pytest.mark.parametrize("query", ["x[1m]", '"up"', "sum("])
def test_what_is_no_number_is_not_asked(query: str) -> None:
    with pytest.raises(ValueError, match=r"number|parenthesis"):
        promql.with_sample_times(query)


def test_quote_leaves_placeholders_to_be_filled_in() -> None:
    assert promql.render(promql.quote('say "$target"'), namespace="n", target="t") == '"say \\"t\\""'


@pytest.mark.parametrize(
    ("query", "bound"),
    [
        pytest.param("x", 'x{namespace="shop"}', id="a bare metric"),
        pytest.param("x{}", 'x{namespace="shop"}', id="empty braces"),
        pytest.param("{__name__='x'}", '{namespace="shop",__name__="x"}', id="a metric without a name of its own"),
        pytest.param('x{a="1"} / y', 'x{namespace="shop",a="1"} / y{namespace="shop"}', id="both sides"),
        pytest.param('x{namespace="shop"}', 'x{namespace="shop",namespace="shop"}', id="one that is bound already"),
        pytest.param('x{namespace=~".+"}', 'x{namespace="shop",namespace=~".+"}', id="a regex is narrowed"),
        pytest.param("sum by (x) (x)", 'sum by (x) (x{namespace="shop"})', id="a label of the same name"),
        pytest.param(
            "x * on (x) group_left (y) y",
            'x{namespace="shop"} * on (x) group_left (y) y{namespace="shop"}',
            id="labels of a match",
        ),
        pytest.param('sum(x) by ("a(b")', 'sum by ("a(b") (x{namespace="shop"})', id="a label of any letters"),
        pytest.param("sum(sum)", 'sum(sum{namespace="shop"})', id="a metric named as an aggregation"),
        pytest.param("rate(rate[5m])", 'rate(rate{namespace="shop"}[5m])', id="a metric named as a function"),
        pytest.param("a:b offset 1h", 'a:b{namespace="shop"} offset 1h', id="a recorded one, shifted"),
        pytest.param(
            "sum_over_time(x[1h:5m] @ end())", 'sum_over_time(x{namespace="shop"}[1h:5m] @ end())', id="pinned"
        ),
        pytest.param('x{a="}, y{"}', 'x{namespace="shop",a="}, y{"}', id="a string that looks like the end"),
        pytest.param("x{a='\"} or y{b=\"'}", 'x{namespace="shop",a="\\"} or y{b=\\""}', id="the other quotes inside"),
        pytest.param('label_replace(x, "a", "y{b=1}", "c", "y")', None, id="strings of a function"),
        pytest.param("x # } or y", 'x{namespace="shop"}', id="a comment does not travel"),
        pytest.param("2 ^ 0x10 + 1e3", "2 ^ 16 + 1000", id="nothing to bind"),
    ],
)
def test_every_selector_is_bound(query: str, bound: str | None) -> None:
    expected = bound or 'label_replace(x{namespace="shop"}, "a", "y{b=1}", "c", "y")'

    assert " ".join(promql.bound_to(query, {"namespace": "shop"}).split()) == expected


@pytest.mark.parametrize(
    ("query", "says"),
    [
        pytest.param('x{namespace="bank"}', 'reads namespace "bank"; this policy may read shop only', id="another"),
        pytest.param('x or y{namespace=""}', 'reads namespace ""', id="those of no namespace"),
        pytest.param('x{a="1" or b="2"}', "cannot be bound", id="alternatives inside the braces"),
        pytest.param('x{namespace=~"bank|core"}', 'reads namespace=~"bank|core"', id="a choice of others"),
        pytest.param('x{namespace!="shop"}', 'reads namespace!="shop"', id="all but one's own"),
    ],
)
def test_what_cannot_be_bound_is_refused(query: str, says: str) -> None:
    with pytest.raises(promql.ForeignNamespace, match=says):
        promql.bound_to(query, {"namespace": "shop"})


EU = {"cluster": "eu-1"}


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        pytest.param("x", 'x{cluster="eu-1"}', id="a selector that says nothing of it"),
        pytest.param('x{cluster="eu-1"}', 'x{cluster="eu-1",cluster="eu-1"}', id="one that says the same"),
        pytest.param('x{cluster=~"eu-.*"}', 'x{cluster="eu-1",cluster=~"eu-.*"}', id="a pattern only narrows"),
        pytest.param('x{cluster=~"us-.*"}', 'x{cluster="eu-1",cluster=~"us-.*"}', id="also where nothing is left"),
        pytest.param('x{cluster=~"eu-1|us-1"}', 'x{cluster="eu-1",cluster=~"eu-1|us-1"}', id="a choice with it"),
        pytest.param('x{cluster!~"us-1|us-2"}', 'x{cluster="eu-1",cluster!~"us-1|us-2"}', id="a choice of others, not"),
        pytest.param('x{cluster!="us-1"}', 'x{cluster="eu-1",cluster!="us-1"}', id="all but another"),
    ],
)
def test_every_selector_asks_for_the_cluster_of_the_source(query: str, sent: str) -> None:
    assert promql.bound_to(query, EU) == sent


@pytest.mark.parametrize(
    ("query", "value", "sent"),
    [
        pytest.param(
            'x{cluster=~"eu-1|"} or y',
            "eu-1",
            'x{cluster=~"eu-1|"} or y{cluster="eu-1"}',
            id="where a selector says so",
        ),
        pytest.param('x{cluster=~"eu.1|"}', "eu.1", 'x{cluster="eu.1",cluster=~"eu.1|"}', id="not where it says more"),
        pytest.param('x{cluster=~"eu\\\\.1|"}', "eu.1", 'x{cluster=~"eu\\\\.1|"}', id="of a value with a dot"),
        pytest.param('x{zone=~"eu-1|"}', "eu-1", 'x{cluster="eu-1",zone=~"eu-1|"}', id="not where it is another label"),
        pytest.param('x{cluster=~"|eu-1"}', "eu-1", 'x{cluster="eu-1",cluster=~"|eu-1"}', id="in no other words"),
    ],
)
def test_the_label_of_the_source_may_be_missing(query: str, value: str, sent: str) -> None:
    """Only where Salus itself has made the selectors; whoever else writes so gets the series with the label."""
    assert promql.bound_to(query, {"cluster": value}, or_missing=("cluster",)) == sent
    assert promql.bound_to(query, {"cluster": value}).count(f'cluster="{value}"') == query.count("x{") + query.count(
        "y"
    )


def test_a_string_that_looks_like_such_a_matcher_lets_nothing_through() -> None:
    query = 'x{a="cluster=~\\"eu-1|\\""} or y{b=\'cluster=~"eu-1|"\'}'

    bound = promql.bound_to(query, EU, or_missing=("cluster",))

    assert all('cluster="eu-1"' in selector.text for selector in promql.selectors(bound))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        pytest.param('x{cluster="us-1"}', '"us-1", and every query is sent with cluster="eu-1"', id="="),
        pytest.param('x or y{cluster!="eu-1"}', 'y{cluster!="eu-1"} asks for cluster!="eu-1"', id="!="),
        pytest.param('x{cluster=~"us-1|us-2"}', 'cluster=~"us-1|us-2"', id="=~"),
        pytest.param('x{cluster!~"eu-1"}', 'cluster!~"eu-1"', id="!~"),
        pytest.param('x{cluster=""}', 'cluster=""', id="those of no cluster"),
        pytest.param('x{a="1" or b="2"}', 'cannot be bound to cluster="eu-1"', id="alternatives inside the braces"),
    ],
)
def test_a_query_for_another_cluster_is_refused_and_says_what_to_leave_out(query: str, says: str) -> None:
    with pytest.raises(promql.Foreign) as refused:
        promql.bound_to(query, EU)

    assert says in str(refused.value)
    assert refused.value.reason == "ForeignLabel"


def test_a_query_of_a_source_that_binds_nothing_is_sent_as_it_is() -> None:
    assert promql.bound_to("x # and a comment", {}) == "x # and a comment"


def test_without_a_namespace_nothing_is_bound_to_it() -> None:
    with pytest.raises(promql.ForeignNamespace, match="cannot be bound"):
        promql.bound_to("x", {"namespace": ""})


_NAMES = st.sampled_from(["x", "by", "sum", "rate", "on", "namespace", "job:x", "start", "without", "bool", "inf"])
_LABELS = st.dictionaries(st.sampled_from(["a", "by", "le", "namespace"]), st.text(max_size=6), max_size=2)


@st.composite
def _queries(draw: st.DrawFn) -> str:
    """A query of any shape; its strings hold anything."""

    def selector() -> str:
        matchers = ",".join(
            f"{name}{draw(st.sampled_from(['=', '!=']))}{promql.quote(value)}" for name, value in draw(_LABELS).items()
        )
        return f"{draw(_NAMES)}{{{matchers}}}" if matchers or draw(st.booleans()) else draw(_NAMES)

    shapes = [
        "{0}",
        "sum({0})",
        "sum by (by, x) ({0})",
        "rate({0}[5m])",
        "{0} or {1}",
        "{0} * on (x) {1}",
        "-{0}",
        "{0} offset 5m",
    ]
    return draw(st.sampled_from(shapes)).format(selector(), selector())


@given(_queries())
@example("inf")
def test_no_selector_escapes(query: str) -> None:
    """Whatever comes out, every selector of it holds the matcher; else nothing comes out."""
    try:
        bound = promql.bound_to(query, {"namespace": "shop"})
    except ValueError:
        return

    read = promql.selectors(bound)
    assert bool(read) is bool(promql.selectors(query)), "a number, such as inf, reads nothing"
    assert all('namespace="shop"' in selector.text for selector in read)
    assert not any(other in selector.text for selector in read for other in ('namespace="bank"', 'namespace=""'))


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(BaseException("called `Result::unwrap()` on an `Err` value"), id="a panic is no Exception"),
        pytest.param(OverflowError("days=1000000000"), id="numbers that Python cannot hold"),
        pytest.param(RecursionError("too deep"), id="a recursion"),
        pytest.param(MemoryError(), id="no memory"),
    ],
)
def test_whatever_the_parser_does_is_an_error_of_the_query(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks has `except ValueError`; nothing else comes out of any of these."""

    def panic(_: str) -> None:
        raise error

    monkeypatch.setattr(promql_parser, "parse", panic)
    said = f"gave it up ({type(error).__name__})"

    assert said in (promql.problems_in(f"panic_{said}") or "")
    for read in (
        promql.window,
        promql.selectors,
        promql.with_sample_times,
        promql.where_empty,
        lambda query: promql.bound_to(query, {"namespace": "n"}),
    ):
        with pytest.raises(ValueError, match="gave it up"):
            read(f"panics_{type(error).__name__}")


def test_what_ends_the_process_is_not_the_querys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(promql_parser, "parse", interrupted)

    with pytest.raises(KeyboardInterrupt):
        promql.problems_in("interrupted")


def test_a_bound_query_stands_on_one_line() -> None:
    """The parser's own print of thirty-two levels is mostly indentation; of two thousand, it was 8 MB."""
    query = "(" * 32 + "x" + ")" * 32

    assert len(promql.bound_to(query, {"namespace": "shop"})) < 200
