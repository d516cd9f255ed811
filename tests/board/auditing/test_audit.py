"""The audit tells features that are wrong from features that lack facts which came late."""

import asyncio
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from board.__main__ import main
from board.auditing.audit import Audit
from board.auditing.auditor import Auditor
from board.metrics import Metrics
from board.tracking.subject_tracker import SubjectTracker
from pipeline.features.point_in_time import Timeline


class Log:
    """A data service that has this log and these official predictions."""

    failure = None

    def __init__(self, log, stored):
        self.log, self.stored = log, stored

    async def until_answered(self, ask):
        return await ask()

    async def official_predictions(self, since, until=None):
        return [stored for stored in self.stored if since.isoformat() <= stored["as_of"] < until.isoformat()]

    async def log_state(self):
        return {"position": self.log[-1][0]}

    async def events_until(self, position, table=None, **query):
        since = query.get("from", "")
        events = [entry for entry in self.log if entry[0] <= position and table in {None, entry[1].table}]
        events = [entry for entry in events if entry[1].known_at.isoformat() >= since]
        for start in range(0, len(events), 4000):
            yield events[start : start + 4000]


@pytest.fixture
def made_from(source, data_service, predictor, since):
    """A function that gives the official predictions of a board that took up a log, as the data service has them."""

    async def take(log):
        tracker = SubjectTracker(source, (data_service, predictor), Metrics(), since, log[0][1].known_at)
        for start in range(0, len(log), 2000):
            await tracker.take(log[start : start + 2000])

    def made(log):
        predictor.asked.clear()
        asyncio.run(take(log))
        return [
            {**subject, "features": record, "model_version": "1", "probability": record["distance"] % 97 / 97}
            for subject, record in predictor.asked
        ]

    return made


@pytest.fixture
def stored(made_from, log):
    return made_from(log)


@pytest.fixture
def audit(source, predictor, since):
    """A function that audits stored predictions against a log."""

    def run(log, stored):
        service = Log(log, stored)
        return asyncio.run(Audit(source, service, predictor).run(since, since + timedelta(days=10)))

    return run


def test_predictions_that_the_board_made_have_the_features_of_the_log(audit, log, stored):
    result = audit(log, stored)

    assert (result.compared, result.mismatches, result.late) == (len(stored), [], [])
    assert result.sentence().startswith(f"The features of 0 of {len(stored):,} official predictions differ")


def test_a_feature_that_the_log_never_said_is_a_mismatch_and_named(audit, log, stored):
    """Online and offline code may read windows of different lengths."""
    wrong = {**stored[40], "features": {**stored[40]["features"], "waiting_everywhere": 999.0}}

    result = audit(log, [*stored[:40], wrong, *stored[41:]])

    (mismatch,) = result.mismatches
    assert mismatch["subject"] == wrong["subject"]
    assert mismatch["columns"]["waiting_everywhere"][0] == 999.0
    assert not result.late


def test_a_window_that_reads_a_minute_too_far_in_the_board_alone_is_found(audit, log, made_from, monkeypatch):
    with monkeypatch.context() as broken:
        window = Timeline.window
        broken.setattr(
            Timeline, "window", lambda self, key, moment, length, lag=0: window(self, key, moment + 1, length + 1, lag)
        )
        stored = made_from(log)

    result = audit(log, stored)

    assert len(result.mismatches) > len(stored) / 2
    assert not result.late


def test_a_fact_that_came_late_is_no_mismatch_and_the_probability_is_worked_out_again(audit, log, made_from, predictor):
    """The weather of three hours arrives after all predictions were made."""
    late = [entry for entry in log if entry[1].table == "weather" and entry[1].known_at.day == 1][:9]
    in_time = [entry for entry in log if entry not in late]
    stored = made_from(in_time)
    position = log[-1][0]

    result = audit([*in_time, *((position + place, event) for place, (_, event) in enumerate(late, start=1))], stored)

    assert not result.mismatches
    assert result.late
    assert any("humidity" in difference["columns"] for difference in result.late)
    assert len(result.moves) == len(result.late)
    assert not any(subject["official"] for subject, _ in predictor.asked[-len(result.late) :])


def test_predictions_of_another_model_are_left_out(audit, log, stored):
    result = audit(log, [{**prediction, "model_version": "0"} for prediction in stored])

    assert (result.compared, result.other_models) == (0, len(stored))
    assert "predictions of other models were left out" in result.sentence()


def test_a_subject_that_the_log_does_not_know_is_a_mismatch(audit, log, stored):
    stranger = {**stored[0], "subject": stored[0]["subject"].replace('"origin":"', '"origin":"X')}

    result = audit(log, [stranger])

    assert [mismatch["subject"] for mismatch in result.mismatches] == [stranger["subject"]]


def test_a_subject_with_two_official_predictions_is_compared_at_both_moments(audit, log, stored):
    """The schedule changed by days, and the board that had made the first prediction was started again."""
    moment = (datetime.fromisoformat(stored[0]["as_of"]) + timedelta(hours=1)).isoformat()
    again = {**stored[0], "as_of": moment, "prediction_id": stored[1]["prediction_id"]}

    result = audit(log, [stored[0], again])

    assert result.compared == 2
    assert [mismatch["prediction_id"] for mismatch in result.mismatches] == [again["prediction_id"]]


def test_a_fault_of_an_audit_is_not_the_last_audit(source, log, stored, predictor, since, caplog):
    class Failing(Log):
        async def log_state(self):
            if self.failures:
                self.failures -= 1
                raise KeyError("position")
            return await super().log_state()

    service, metrics = Failing(log, stored), Metrics()
    service.failures = 1
    tables = SimpleNamespace(watermark=log[-1][1].known_at)
    follower = SimpleNamespace(tracker=SimpleNamespace(source=source, tables=tables))
    auditor = Auditor(follower, (service, predictor), metrics, hours=0.0001)
    auditor._until = since

    async def audit_until_compared():
        running = asyncio.create_task(auditor.run())
        async with asyncio.timeout(60):
            while not metrics.audited._value.get() and not running.done():
                await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(audit_until_compared())

    assert "the audit failed, and is tried again" in caplog.text
    assert metrics.audited._value.get()


def test_a_moment_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["audit", "--since", "soon"])

    assert "it should be a moment, such as 2013-10-01T12:00:00Z; it is 'soon'" in capsys.readouterr().err
