"""Records as the model takes them."""

import numpy as np

from board.tables import Tables


def test_the_record_of_a_row_that_is_known_is_the_one_that_is_worked_out_from_the_row(source, log):
    tables = Tables(source)
    tables.apply(log[: len(log) // 2], stop_at_revision=False)
    snapshot = tables.snapshot()

    places = np.arange(0, len(snapshot.rows), 97).tolist()
    moments = [snapshot.moments[place] for place in places]
    records = source.records(snapshot.history, snapshot.rows.iloc[places], moments)

    assert [source.record(snapshot.history, *asked) for asked in zip(places, moments, strict=True)] == records
    assert len({record["carrier"] for record in records}) > 1


def test_moments_of_a_snapshot_are_those_of_its_rows(source, log):
    tables = Tables(source)
    tables.apply(log[: len(log) // 2], stop_at_revision=False)
    snapshot = tables.snapshot()

    assert snapshot.moments[-3:] == source.moments(snapshot.rows.iloc[-3:])
