"""The topics of the columns, by which the reasons of a prediction are counted."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.config.settings import MOST_TOPICS, Columns

OTHERS = "other columns"


def assign_topics(columns: Columns, rank: Callable[[], Sequence[str]]) -> Columns:
    """The columns, each with a topic: the declared ones, or else its own name.

    Of more than MOST_TOPICS columns without a topic the most important stand alone, and the others together; ``rank`` gives
    their names, the most important first.
    """
    if all(column.topic for column in columns.values()):
        return columns
    alone = columns if len(columns) <= MOST_TOPICS else rank()[: MOST_TOPICS - 1]
    return {name: replace(column, topic=name if name in alone else OTHERS) for name, column in columns.items()}
