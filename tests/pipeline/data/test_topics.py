"""Each column has a topic: the declared one, its own name, or that of all columns of little importance."""

from pipeline.config.settings import Column
from pipeline.data.topics import OTHERS, assign_topics

NAMES = [f"x{number}" for number in range(9)]


def topics(columns, ranking=None):
    assigned = assign_topics(columns, lambda: ranking)
    return {name: column.topic for name, column in assigned.items()}


def test_declared_topics_stay():
    assert topics({name: Column("number", topic="weather") for name in NAMES}) == dict.fromkeys(NAMES, "weather")


def test_up_to_eight_columns_stand_alone_and_nobody_ranks_them():
    columns = {name: Column("number") for name in NAMES[:8]}

    assert topics(columns) == {name: name for name in NAMES[:8]}


def test_of_more_columns_the_seven_most_important_stand_alone_and_the_others_together():
    columns = {name: Column("number") for name in NAMES}
    ranking = [NAMES[8], *NAMES[:8]]

    assert topics(columns, ranking) == {name: name for name in [*NAMES[:6], NAMES[8]]} | dict.fromkeys(NAMES[6:8], OTHERS)
    assert list(topics(columns, ranking)) == NAMES
