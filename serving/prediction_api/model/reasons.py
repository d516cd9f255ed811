"""The reasons of a prediction: how many points of probability each topic of columns adds, compared with a typical case.

They are Shapley values (Shapley 1953, "A value for n-person games") with the topics as players, as Lundberg and Lee (2017,
"A unified approach to interpreting model predictions") apply them to models. The value of a set of topics is the probability
of the record with the columns of all other topics at their typical values. With at most 8 topics every set is tried, 256 of
them in one run of the graph, so nothing is sampled or approximated: the values are the same every time, and add up to the
probability of the record less that of the typical case.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from prediction_api.model.artifact import Column

MOST_TOPICS = 8
MOST_COLUMNS = 3  # of a topic that an answer names
LEAST_DISTANCE = 1e-9
HALF_DAY = 720  # minutes
Record = dict[str, Any]
Inputs = dict[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float64]


class Explainer:
    """Explains records of a model whose columns all have a topic. Safe to use from several threads."""

    def __init__(
        self,
        columns: Mapping[str, Sequence[Column]],
        typical: Record,
        inputs: Callable[[Sequence[Record]], Inputs],
        probabilities: Callable[[Inputs], Floats],
    ) -> None:
        """``columns`` by input in their order, ``typical`` a record of typical values; two methods of the model."""
        self._inputs, self._probabilities = inputs, probabilities
        self._typical, self._typical_inputs = typical, inputs([typical])
        self._columns: dict[str, list[Column]] = {}
        for column in (column for group in columns.values() for column in group):
            self._columns.setdefault(str(column.topic), []).append(column)
        topics = list(self._columns)
        sets = np.arange(2 ** len(topics))[:, None] >> np.arange(len(topics)) & 1 == 1  # whether each holds a topic
        self._is_own = {name: sets[:, [topics.index(str(column.topic)) for column in of]] for name, of in columns.items()}

    def explain(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        """The reasons of each record: the topics by contribution, the largest first, with their most unusual columns."""
        values = self._set_values(self._inputs(records))
        contributions = shapley_values(values).tolist()
        return [
            {"typical_probability": typical, "topics": self._topics(record, row)}
            for record, row, typical in zip(records, contributions, values[:, 0].tolist(), strict=True)
        ]

    def _set_values(self, inputs: Inputs) -> Floats:
        """The probability [n, 2 ** topics] of each record with only the columns of a set of topics, the empty one first.

        A run of the graph for each record: one for all takes as long, and hundreds of times the memory of its inputs.
        """
        (records, *_) = (len(values) for values in inputs.values())
        typical = self._typical_inputs
        return np.array(
            [
                self._probabilities(
                    {name: np.where(is_own, inputs[name][record], typical[name]) for name, is_own in self._is_own.items()}
                )
                for record in range(records)
            ]
        )

    def _topics(self, record: Record, contributions: Sequence[float]) -> list[dict[str, Any]]:
        topics = zip(self._columns.items(), contributions, strict=True)
        return [
            {"topic": topic, "contribution": contribution, "columns": self._unusual(record, columns)}
            for (topic, columns), contribution in sorted(topics, key=lambda topic: -abs(topic[1]))
        ]

    def _unusual(self, record: Record, columns: Sequence[Column]) -> list[dict[str, Any]]:
        """At most MOST_COLUMNS columns whose value is not the typical one, the furthest from it first."""
        distances = [(distance(column, record.get(column.name), self._typical[column.name]), column) for column in columns]
        furthest = sorted((pair for pair in distances if pair[0] > 0), key=lambda pair: -pair[0])[:MOST_COLUMNS]
        return [
            {
                "name": column.name,
                "value": record.get(column.name),
                "typical": self._typical[column.name],
                "unit": column.unit,
                "description": column.description,
            }
            for _, column in furthest
        ]


def shapley_values(values: Floats) -> Floats:
    """The Shapley values [n, topics] of games whose ``values`` [n, 2 ** topics] are those of each set of topics.

    Set number 5, in binary 101, holds the first and the third topic. A topic gets the mean, over all orders in which topics
    may join, of what it adds: it joins the same ``size`` others in ``size! (topics - size - 1)! / topics!`` of the orders.
    """
    topics = values.shape[1].bit_length() - 1
    sets, place = np.arange(2**topics), np.arange(topics)[:, None]
    others = np.array([sets[sets >> topic & 1 == 0] for topic in range(topics)])
    orders = np.array([1 / (topics * comb(topics - 1, size)) for size in range(topics)])
    added = np.take(values, others | 1 << place, axis=1) - np.take(values, others, axis=1)
    # A sum over neighbours in memory: of a record alone it is the same to the last bit as in a batch, other than a product.
    contributions: Floats = (added * orders[np.bitwise_count(others)]).sum(axis=-1)
    return contributions


def distance(column: Column, value: Any, typical: Any) -> float:
    """How far a value is from the typical one, 0 where it is the same, to compare columns with each other.

    Of a number it is 1 from the first to the last tenth of the training rows. Of a datetime the model sees the time of day
    and the weekday: half a day is 1, a weekday a seventh. Another category is 1, and so is a value where none is typical. A
    missing value comes after all others.
    """
    if value in {None, ""}:
        return 0.0 if typical is None else LEAST_DISTANCE
    if typical is None or column.kind == "category":
        return float(value != typical)
    if column.kind == "datetime":
        return _distance_in_time(value, typical)
    return float(abs(np.float32(value) - np.float32(typical))) / _spread(column)


def _distance_in_time(value: datetime, typical: datetime) -> float:
    first, second = (moment.hour * 60 + moment.minute for moment in (value, typical))
    return abs(first - second) / HALF_DAY + abs(value.weekday() - typical.weekday()) / 7


def _spread(column: Column) -> float:
    """From the first to the last tenth of the training rows, or from the lowest to the highest where that is 0; else 1."""
    edges = (column.reference or {}).get("edges") or [0.0]
    lowest, highest = column.seen.minimum, column.seen.maximum
    whole = highest - lowest if isinstance(lowest, float) and isinstance(highest, float) else 0.0
    return float(edges[-1] - edges[0]) or whole or 1.0
