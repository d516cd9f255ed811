"""Times the board's page of departures with 1,000 flights on it: on the server, in Chromium, and what it costs a replay.

Flights of one day are copied under other numbers, so that more than 1,000 leave in the hours that the page shows.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from statistics import median

import httpx
from board_service import FIRST_MOMENT, Log, board, metric, read_log, replayed, running, send, url, wait
from playwright.sync_api import Page
from servers import Server, console, judge

from browser import CHROMIUM, DESKTOP, chromium, finished
from pipeline.data.event_log import Event

PAGE, NOON, FLIGHTS, COPIES = "/", timedelta(hours=12), 1000, 2
MOST_NUMBER, APART = 9999, 3301  # of flights
MOST_MS, MOST_PAINT_SECONDS, MOST_KB, LEAST_SPEED = 50.0, 1.0, 200.0, 0.9
REQUESTS, NEWS, OPENINGS = 300, 20, 5
REFRESH_SECONDS = 5.0  # of the page by itself
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=24, help="that each replay replays: some refreshes long")
    parser.add_argument("--rounds", type=int, default=2, help="of a replay with and one without somebody who looks")
    arguments = parser.parse_args()
    log = read_log(arguments.days)
    with tempfile.TemporaryDirectory(prefix="ontime-bench-") as name:
        look_back = Path(name) / "look-back"
        look_back.mkdir()
        with running(look_back) as services:
            send(services.data, log.before)
        full_page(stored(look_back, Path(name) / "page"), log)
        replays(look_back, Path(name), log, arguments.rounds)


def stored(look_back: Path, folder: Path) -> Path:
    """A folder whose database holds the look back."""
    folder.mkdir()
    for path in look_back.glob("ontime.db*"):
        shutil.copy(path, folder)
    return folder


def full_page(folder: Path, log: Log) -> None:
    """Rows on the page at noon of a day on which three times as many flights leave as did."""
    noon = FIRST_MOMENT + NOON
    happened = [event for event in log.after if event.known_at <= noon]
    copies = [copy for event in (*log.before, *happened) if is_of_the_day(event) for copy in copied(event)]
    with running(folder) as services:
        send(services.data, sorted([*happened, *copies], key=lambda event: event.known_at))
        with board(folder, services) as ours:
            wait(lambda: metric(ours, "board_official_predictions_due") == 0)
            upcoming = httpx.get(f"{url(ours)}/upcoming?hours=6", timeout=60).json()["flights"]
            console.print(f"\nThe page of departures; {len(upcoming):,} flights leave in the next six hours")
            if len(upcoming) < FLIGHTS:
                sys.exit(f"The page should be about {FLIGHTS:,} flights.")
            on_the_server(ours, services.data, log, len(happened))
            in_the_browser(ours)


def is_of_the_day(event: Event) -> bool:
    """Whether an event is about a flight of the first day."""
    return event.table == "flights" and (event.key["month"], event.key["day"]) == (FIRST_MOMENT.month, FIRST_MOMENT.day)


def copied(event: Event) -> Iterator[Event]:
    """The same of flights with other numbers."""
    for number in range(1, COPIES + 1):
        yield event._replace(key={**event.key, "flight": (event.key["flight"] + number * APART) % MOST_NUMBER + 1})


def on_the_server(ours: Server, data: Server, log: Log, happened: int) -> None:
    """Rows on requests one after the other, and on the first one after an event."""
    with httpx.Client(base_url=url(ours), timeout=60) as client:
        for _ in range(3):  # forecasts and reasons come meanwhile
            client.get(PAGE).raise_for_status()
            time.sleep(1)
        seconds = sorted(opened(client) for _ in range(REQUESTS))
        judge("one request after the other, p50, ms", 1000 * seconds[REQUESTS // 2], most=MOST_MS)
        judge("one request after the other, p99, ms", 1000 * seconds[REQUESTS * 99 // 100], most=MOST_MS)
        position, after = metric(ours, "board_position"), []
        for number, event in enumerate(log.after[happened : happened + NEWS], 1):
            send(data, [event])
            wait(lambda number=number: metric(ours, "board_position") >= position + number)
            after.append(opened(client))
        console.print(f"{'the first one after an event, median':48}{1000 * median(after):8.2f} ms")


def opened(client: httpx.Client) -> float:
    """How many seconds the page takes, whole."""
    start = time.perf_counter()
    client.get(PAGE).raise_for_status()
    return time.perf_counter() - start


def in_the_browser(ours: Server) -> None:
    """Rows on the page as somebody opens it who never did before."""
    if CHROMIUM is None:
        console.print("no Chromium is installed: the page was opened in no browser")
        return
    with chromium() as browser:
        paints, sizes = [], []
        for _ in range(OPENINGS):
            context = browser.new_context(base_url=url(ours), viewport=DESKTOP)
            paint, size = first_opening(context.new_page())
            paints.append(paint)
            sizes.append(size)
            context.close()
    judge(f"first paint, slowest of {OPENINGS}, s", max(paints), most=MOST_PAINT_SECONDS)
    judge("bytes of the page and its files, kB", max(sizes), most=MOST_KB)


def first_opening(page: Page) -> tuple[float, float]:
    """The seconds to the first paint, and the kB that came until nothing came any more."""
    requests = finished(page)
    page.goto(PAGE, wait_until="load")
    while page.evaluate(FIRST_PAINT) is None:
        page.wait_for_timeout(10)
    sizes = [request.sizes() for request in requests]
    size = sum(one["responseBodySize"] + one["responseHeadersSize"] for one in sizes)
    return page.evaluate(FIRST_PAINT) / 1000, size / 1000


def replays(look_back: Path, parent: Path, log: Log, rounds: int) -> None:
    """Rows on the same replay while nobody and while somebody looks at the page."""
    speeds: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds):
        for is_seen in (False, True):
            folder = stored(look_back, parent / f"replay-{number}-{is_seen}")
            with running(folder) as services, board(folder, services) as ours, looking(ours, is_seen):
                count, seconds = replayed(ours, services.data, log, 0)
            speeds[is_seen].append(count / seconds)
    quiet, seen = (median(speeds[is_seen]) for is_seen in (False, True))
    console.print(f"\nA replay of {count:,.0f} flights, {rounds} rounds in turn")
    console.print(f"{'A  nobody looks':48}{quiet:10,.0f} flights/s")
    console.print(f"{f'B  somebody looks, a refresh each {REFRESH_SECONDS:g} s':48}{seen:10,.0f} flights/s")
    judge("B / A", seen / quiet, least=LEAST_SPEED)


@contextmanager
def looking(ours: Server, is_seen: bool) -> Iterator[None]:
    """Somebody who opens the page of departures, which refreshes by itself, until the block ends."""
    over = threading.Event()

    def look() -> None:
        with httpx.Client(base_url=url(ours), timeout=60) as client:
            client.get(PAGE).raise_for_status()
            while not over.wait(REFRESH_SECONDS):
                client.get(PAGE).raise_for_status()

    reader = threading.Thread(target=look)
    if is_seen:
        reader.start()
    try:
        yield
    finally:
        over.set()
        if is_seen:
            reader.join()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
