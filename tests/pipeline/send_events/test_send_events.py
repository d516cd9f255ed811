"""Rows of a file become events: in the order of known_at, in batches, each fault named by its row and column."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import in_process
from pipeline.clients.services import ServiceRejected, ServiceUnavailable
from pipeline.config.params_file import read_params
from pipeline.params import compose
from pipeline.send_events import follow as following
from pipeline.send_events import sending
from pipeline.send_events.follow import GrowingFile, follow
from pipeline.send_events.sending import RowsRefused, Sent, send
from pipeline.send_events.table_events import TableUnknown, declared_table
from pipeline.support.errors import TableInvalid

HEADER = "known_at,origin,time_hour,humid,visib"
LATER = "2026-11-27T15:00:00Z,EWR,2026-11-27T14:00:00Z,61,"
EARLIER = "2026-11-27T09:02:00-05:00,EWR,2026-11-27T13:00:00Z,60,10"


class Store:
    """A data service that takes events, but for those whose humidity is above 100."""

    def __init__(self):
        self.bodies, self.log, self.failures = [], [], []

    def append_events(self, events):
        if self.failures:
            raise self.failures.pop(0)
        faults = [
            {"field": f"events.{place}.values.humid", "wanted": "at most 100", "got": str(event["values"]["humid"])}
            for place, event in enumerate(events)
            if event["values"].get("humid", 0) > 100
        ]
        if faults:
            raise ServiceRejected("422", faults)
        self.bodies.append(events)
        new = [event for event in events if event not in self.log]
        self.log += new
        return len(new), len(events) - len(new)


@pytest.fixture
def store():
    return Store()


@pytest.fixture(scope="module")
def data():
    return read_params(compose.compose()).data


@pytest.fixture(scope="module")
def weather(data):
    return declared_table(data, "weather")


@pytest.fixture
def write(tmp_path):
    def write(*lines, name="weather.csv"):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write


def test_rows_become_events_in_the_order_of_known_at_and_an_empty_cell_says_nothing(weather, write):
    events = weather.read(write(HEADER, LATER, EARLIER))

    assert [numbered.row for numbered in events] == [2, 1]
    first, second = (numbered.event.as_json() for numbered in events)
    assert datetime.fromisoformat(first["known_at"]) == datetime(2026, 11, 27, 14, 2, tzinfo=UTC)
    assert first["key"] == {"origin": "EWR", "time_hour": "2026-11-27T13:00:00Z"}
    assert first["values"] == {"humid": 60, "visib": 10}
    assert second["values"] == {"humid": 61}
    assert {first["table"], second["table"]} == {"weather"}


def test_a_parquet_file_gives_the_events_of_the_same_rows_in_a_csv_file(weather, write, tmp_path):
    path = write(HEADER, LATER, EARLIER)
    frame = pd.read_csv(path).assign(known_at=lambda table: pd.to_datetime(table["known_at"], utc=True))
    frame.to_parquet(tmp_path / "weather.parquet")

    assert weather.read(tmp_path / "weather.parquet") == weather.read(path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("origin,time_hour,humid", "EWR,2026-11-27T13:00:00Z,60"), "it lacks known_at"),
        (("known_at,origin,humid", "2026-11-27T15:00:00Z,EWR,60"), "it lacks time_hour"),
        ((HEADER, EARLIER, ",EWR,2026-11-27T14:00:00Z,61,"), "row 2: known_at should say when"),
        ((HEADER, "2026-11-27 15:00:00,EWR,2026-11-27T14:00:00Z,61,"), "known_at should have an offset from UTC"),
        ((HEADER, EARLIER, "2026-11-27T15:00:00Z,EWR,2026-11-27T14:00:00Z,wet,"), "row 2: humid should be a number"),
    ],
)
def test_a_file_that_holds_no_events_is_refused_with_what_it_lacks(weather, write, lines, message):
    with pytest.raises(TableInvalid, match=message):
        weather.read(write(*lines))


def test_columns_that_the_table_does_not_have_are_left_out_and_named(weather, write, capsys):
    events = weather.read(write(f"{HEADER},humidity,mood", f"{LATER},7,8"))

    assert events[0].event.values == {"humid": 61}
    assert "left out: humidity (is it humid?), mood." in capsys.readouterr().err


def test_all_rows_of_a_file_may_have_become_known_at_one_moment(data, write):
    moment = datetime(2026, 10, 25, tzinfo=UTC)
    table = declared_table(data, "planes", moment)

    events = table.read(write("tailnum,seats", "N1,150", "N2,55"))

    assert [numbered.event.known_at for numbered in events] == [moment] * 2
    assert [numbered.event.values for numbered in events] == [{"seats": 150}, {"seats": 55}]
    with pytest.raises(TableInvalid, match="Leave out --known-at"):
        table.read(write("known_at,tailnum,seats", "2026-11-27T15:00:00Z,N1,150"))


def test_another_table_is_refused_with_those_that_there_are(data):
    with pytest.raises(TableUnknown, match=r"one of flights, weather, planes, airports, .* it is 'trains'"):
        declared_table(data, "trains")


def test_batches_hold_no_more_events_than_a_request_may_and_counts_add_up(weather, write, store, monkeypatch):
    monkeypatch.setattr(sending, "MOST_EVENTS", 2)
    rows = [f"2026-11-27T15:{minute:02}:00Z,EWR,2026-11-27T14:00:00Z,{minute}," for minute in range(5)]
    events, advanced = weather.read(write(HEADER, *rows)), []

    assert send(events, Path("weather.csv"), store, lambda: advanced.append(1)) == Sent(5, 0)
    assert [len(body) for body in store.bodies] == [2, 2, 1]
    assert len(advanced) == 3
    assert send(events, Path("weather.csv"), store) == Sent(0, 5)


def test_a_fault_is_named_by_row_and_column_of_the_file(weather, write, store):
    path = write(HEADER, LATER.replace("61", "161"), EARLIER)

    with pytest.raises(RowsRefused, match=r"weather\.csv: .* row 1, humid: at most 100; got 161\."):
        send(weather.read(path), path, store)


def test_a_refusal_that_is_not_about_rows_stays_as_it_is(weather, write, store):
    store.failures = [ServiceRejected("POST /events answered 401: No key. Set DATA_API_KEY.")]
    path = write(HEADER, EARLIER)

    with pytest.raises(ServiceRejected, match="Set DATA_API_KEY"):
        send(weather.read(path), path, store)


def test_a_line_is_read_once_it_is_complete(write):
    path = write(HEADER, EARLIER)
    file = GrowingFile(path, 1)
    with path.open("a") as growing:
        growing.write(LATER[:10])

    lines = file.read()
    assert lines == [f"{EARLIER}\n".encode()]
    file.done(lines)
    assert file.read() == []
    with path.open("a") as growing:
        growing.write(f"{LATER[10:]}\n")
    assert file.read() == [f"{LATER}\n".encode()]


def test_a_file_that_became_shorter_is_read_from_its_beginning(write, capsys):
    path = write(HEADER, EARLIER, LATER)
    file = GrowingFile(path, 1)
    file.done(file.read())
    write(HEADER, LATER)

    assert file.read() == [f"{LATER}\n".encode()]
    assert "became shorter" in capsys.readouterr().err


@pytest.fixture
def followed(weather, store, monkeypatch):
    """Follows a file until ``interrupted`` is set by a test."""
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)

    def run(path, until):
        stop = threading.Thread(target=_interrupt, args=(until,))
        stop.start()
        sent = follow(path, weather, store)
        stop.join()
        return sent

    return run


def _interrupt(until):
    end = time.monotonic() + 10
    while not until() and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_following_sends_what_is_there_and_what_is_added(followed, write, store):
    path, to_come = write(HEADER, EARLIER), [LATER]

    def added():
        if store.log and to_come:
            with path.open("a") as growing:
                growing.write(f"{to_come.pop()}\n")
        return len(store.log) >= 2

    assert followed(path, added) == Sent(2, 0)


def test_a_row_that_is_refused_is_named_and_left_out_while_others_are_sent(followed, write, store, capsys):
    unreadable = EARLIER.replace("60", "wet")
    path = write(HEADER, EARLIER, LATER.replace("61", "161"), unreadable, LATER)

    assert followed(path, lambda: len(store.log) >= 2) == Sent(2, 0)
    printed = capsys.readouterr().err
    assert "row 2, humid: at most 100; got 161. This row is left out" in printed
    assert "row 3: humid should be a number" in printed


@pytest.mark.parametrize(
    "failure",
    [
        ServiceUnavailable("nobody answers at http://127.0.0.1:1 (DATA_API_URL)."),
        ServiceRejected("POST /events answered 409: no model has been reported yet.", status=409),
        ServiceRejected("POST /events answered 503: the database does not answer.", status=503),
    ],
)
def test_rows_wait_while_the_data_service_cannot_take_them(followed, write, store, capsys, failure):
    store.failures = [failure] * 3

    assert followed(write(HEADER, EARLIER), lambda: store.log) == Sent(1, 0)
    assert capsys.readouterr().err.count("The rows wait.") == 1


def test_a_header_of_another_table_ends_following_before_the_first_row(weather, write, store):
    with pytest.raises(TableInvalid, match="lacks time_hour"):
        follow(write("known_at,origin,humid"), weather, store)


def test_handlers_of_signals_are_put_back(followed, write, store):
    before = signal.getsignal(signal.SIGINT)

    followed(write(HEADER, EARLIER), lambda: store.log)

    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gone.csv"], "there is no such file"),
        (["packed.parquet", "--follow"], "--follow takes a file of lines"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused(words, message, tmp_path):
    (tmp_path / "packed.parquet").touch()

    done = in_process.run(
        "send_events.__main__", str(tmp_path / words[0]), *words[1:], "--table", "weather", folder=Path.cwd()
    )

    assert done.returncode == 1
    assert message in done.stderr


def test_a_moment_that_is_none_is_refused():
    words = ["a.csv", "--table", "weather", "--known-at", "soon"]

    done = in_process.run("send_events.__main__", *words, folder=Path.cwd())

    assert done.returncode == 2
    assert "it should be a moment, such as 2026-11-24T12:00:00Z; it is 'soon'" in done.stderr


def test_a_file_has_to_be_named():
    command = [sys.executable, "-m", "pipeline.send_events", "", "--table", "weather"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "No file is named" in done.stderr
