"""Records as the model takes them."""

import numpy as np

from board.tracking.tables import Tables


def test_the_records_of_rows_that_are_known_are_those_that_are_worked_out_from_the_rows(source, log):
    tables = Tables(source)
    tables.apply(log[: len(log) // 2], stop_at_revision=False)
    snapshot = tables.snapshot()

    places = np.arange(0, len(snapshot.rows), 97).tolist()
    moments = [snapshot.moments[place] for place in places]
    records = source.records(snapshot.history, snapshot.rows.iloc[places], moments)

    assert source.records_at(snapshot.history, places, moments) == records
    assert len({record["carrier"] for record in records}) > 1


def test_moments_of_a_snapshot_are_those_of_its_rows(source, log):
    tables = Tables(source)
    tables.apply(log[: len(log) // 2], stop_at_revision=False)
    snapshot = tables.snapshot()

    assert snapshot.moments[-3:] == source.moments(snapshot.rows.iloc[-3:])
