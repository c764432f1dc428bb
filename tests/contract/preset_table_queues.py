"""The rows of presets that ask of queues, which know no workload: who writes the policy says which queue is meant."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.contract.preset_series import all_of
from tests.contract.preset_states import Case, Labels, Line, Place, Row, Rows

NOT_A_NUMBER = float("nan")
A_DAY = 86_400.0
QUEUE = {"queue": "$namespace-$target"}
GROUP = {"group": "$namespace-$target", "topic": "orders"}


def _named(place: Place) -> str:
    return f"{place.namespace}-{place.name}"


def series(name: str, labels: Mapping[str, str], value: float = 0.0, **fields: Any) -> Rows:  # noqa: ANN401 — handed on
    """One series; a label that is empty here is the name of the queue, or of the group."""
    return lambda place: [Line(name, {key: one or _named(place) for key, one in labels.items()}, value, **fields)]


def by_kafka_exporter(*lags: float, taken: float | None = None, **labels: str) -> Rows:
    """By partition; `taken`: of each in a second."""
    who = {"consumergroup": "", "topic": "orders", **labels}
    return all_of(
        *(
            _with_offsets("kafka_consumergroup_lag", "kafka_consumergroup_current_offset", one, lag, taken)
            for one, lag in (({**who, "partition": str(index)}, lag) for index, lag in enumerate(lags))
        )
    )


def by_kminion(lag: float, taken: float | None = None) -> Rows:
    """By group and topic."""
    who = {"group_id": "", "topic_name": "orders"}
    group = "kminion_kafka_consumer_group_topic"
    return _with_offsets(f"{group}_lag", f"{group}_offset_sum", who, lag, taken)


def _with_offsets(lag: str, offset: str, who: Labels, waiting: float, taken: float | None) -> Rows:
    offsets = [] if taken is None else [series(offset, who, 5_000_000.0, per_second=taken)]
    return all_of(series(lag, who, waiting), *offsets)


@dataclass(frozen=True, slots=True)
class Broker:
    """RabbitMQ, as one of its pages tells."""

    prefix: str = "rabbitmq"
    vhost: str = "/"

    def tells(self, ready: float, consumers: int | None = None, **taken: float) -> Rows:
        """`taken`: in a second, by what counts it."""
        who = {"queue": "", "vhost": self.vhost}
        rows = [series(f"{self.prefix}_queue_messages_ready", who, ready)]
        if consumers is not None:
            rows.append(series(f"{self.prefix}_queue_consumers", who, float(consumers)))
        channel = {**who, "channel": "<0.1>"}
        rows += [series(f"{self.prefix}_{name}", channel, per_second=number) for name, number in taken.items()]
        return all_of(*rows)


PER_OBJECT = Broker()


def of_all_queues(name: str, value: float) -> Rows:
    """The page that adds up all queues."""
    return series(name, {"instance": ""}, value)


def by_yace(name: str, value: float, **fields: float) -> Rows:
    """CloudWatch's."""
    return series(f"aws_sqs_{name}", {"dimension_QueueName": "", "region": "eu-central-1"}, value, **fields)


OLDEST, VISIBLE, DELETED = (
    "approximate_age_of_oldest_message_maximum",
    "approximate_number_of_messages_visible_average",
    "number_of_messages_deleted_sum",
)


def _lags() -> Iterator[Case]:
    kafka = Row("QueueLag", "kafka", GROUP)
    waiting = by_kafka_exporter(300, 200, 0)
    yield from kafka.in_all_states(well=(by_kafka_exporter(0, 0), 0.0), ill=(waiting, 500.0), zero=(waiting, 500.0))
    yield from kafka.also("nothing was ever taken of a partition", by_kafka_exporter(-1, 5), 5.0)
    yield from kafka.also("nothing was ever taken", by_kafka_exporter(-1, -1), None)
    twice = all_of(waiting, by_kafka_exporter(300, 200, 0, instance="other"))
    yield from kafka.also("two exporters tell of it", twice, 500.0)
    yield from kafka.also("another topic", by_kafka_exporter(300, topic="payments"), None)
    yield from kafka.also("it is not a number", by_kafka_exporter(NOT_A_NUMBER), None)
    kminion = Row("QueueLag", "kminion", GROUP)
    yield from kminion.in_all_states(
        well=(by_kminion(0), 0.0), ill=(by_kminion(500), 500.0), zero=(by_kminion(500), 500.0)
    )
    rabbit, tells = Row("QueueLag", "rabbitmq", QUEUE), PER_OBJECT.tells
    yield from rabbit.in_all_states(well=(tells(0), 0.0), ill=(tells(500), 500.0), zero=(tells(500), 500.0))
    yield from rabbit.also("all queues in one number", of_all_queues("rabbitmq_queue_messages_ready", 500), None)
    yield from rabbit.also("another virtual host", Broker(vhost="/other").tells(500), None)
    detailed = Row("QueueLag", "rabbitmq", {**QUEUE, "prefix": "rabbitmq_detailed", "vhost": "/shop"})
    yield from detailed.also("by the detailed page", Broker("rabbitmq_detailed", "/shop").tells(500), 500.0)
    sqs = Row("QueueLag", "sqs", QUEUE)
    old = by_yace(OLDEST, 600)
    yield from sqs.in_all_states(well=(by_yace(OLDEST, 0), 0.0), ill=(old, 600.0), zero=(old, 600.0))
    yield from sqs.also("minutes late", by_yace(OLDEST, 600, since=900, until=480), 600.0)
    yield from sqs.also("too late", by_yace(OLDEST, 600, since=1200, until=660), None)
    yield from sqs.also("nothing was measured", by_yace(OLDEST, NOT_A_NUMBER), None, reason="NotANumber")
    counted = Row("QueueLag", "sqs", {**QUEUE, "metric": f"aws_sqs_{VISIBLE}"})
    yield from counted.also("by how many they are", by_yace(VISIBLE, 70), 70.0)


def _of_kafka(row: Row, tells: Callable[[float, float | None], Rows]) -> Iterator[Case]:
    stuck = (tells(500, 0), A_DAY)
    yield from row.in_all_states(well=(tells(100, 10), 10.0), ill=(tells(36_000, 10), 3600.0), zero=stuck)
    yield from row.also("nobody takes any of it", *stuck)
    yield from row.also("nobody takes any, and there is none", tells(0, 0), 0.0)
    yield from row.also("hardly any is taken", tells(1e9, 0.01), A_DAY)
    yield from row.also("offsets were set back", tells(500, -10), A_DAY)
    yield from row.also("nobody tells what is taken", tells(500, None), None)


def _times() -> Iterator[Case]:
    kafka = Row("QueueTimeToDrain", "kafka", GROUP)
    yield from _of_kafka(kafka, lambda lag, taken: by_kafka_exporter(lag, taken=taken))
    yield from kafka.also("all partitions together", by_kafka_exporter(300, 0, 300, taken=2), 100.0)
    yield from _of_kafka(Row("QueueTimeToDrain", "kminion", GROUP), by_kminion)
    yield from _of_rabbitmq()
    yield from _of_sqs()


def _of_rabbitmq() -> Iterator[Case]:
    row, tells = Row("QueueTimeToDrain", "rabbitmq", QUEUE), PER_OBJECT.tells

    def acknowledging(ready: float, taken: float) -> Rows:
        return tells(ready, 2, channel_messages_acked_total=taken)

    left = tells(500, 0)
    yield from row.in_all_states(
        well=(acknowledging(100, 10), 10.0), ill=(acknowledging(36_000, 10), 3600.0), zero=(left, A_DAY)
    )
    yield from row.also("consumers that take nothing", acknowledging(500, 0), A_DAY)
    yield from row.also("no consumer, and no message", tells(0, 0), 0.0)
    yield from row.also("consumers, and nobody tells what they take", tells(500, 2), None)
    yield from row.also("nobody tells of consumers", tells(500), None)
    everywhere = [of_all_queues(f"rabbitmq_{name}", 500) for name in ("queue_messages_ready", "queue_consumers")]
    yield from row.also("all queues in one number", all_of(*everywhere), None)
    detailed = {**QUEUE, "prefix": "rabbitmq_detailed", "taken": "channel_messages_delivered_total"}
    page = Broker("rabbitmq_detailed").tells(100, 1, channel_messages_delivered_total=5)
    yield from Row("QueueTimeToDrain", "rabbitmq", detailed).also(
        "nobody acknowledges, by the detailed page", page, 20.0
    )


def _of_sqs() -> Iterator[Case]:
    row = Row("QueueTimeToDrain", "sqs", QUEUE)

    def tells(visible: float, deleted: float, **fields: float) -> Rows:
        return all_of(by_yace(VISIBLE, visible, **fields), by_yace(DELETED, deleted, **fields))

    stuck = (tells(500, 0), A_DAY)
    yield from row.in_all_states(well=(tells(100, 3000), 10.0), ill=(tells(36_000, 3000), 3600.0), zero=stuck)
    yield from row.also("nobody takes any, and there is none", tells(0, 0), 0.0)
    yield from row.also("minutes late", tells(36_000, 3000, since=900, until=480), 3600.0)
    yield from row.also("nobody tells what was deleted", by_yace(VISIBLE, 500), None)
    yield from row.also("nothing was measured", tells(NOT_A_NUMBER, NOT_A_NUMBER), None)
    minutely = Row("QueueTimeToDrain", "sqs", {**QUEUE, "period": "60"})
    yield from minutely.also("by the minute", tells(36_000, 600), 3600.0)


QUEUES: Sequence[Case] = (*_lags(), *_times())
