"""Takes the pictures of README.md and the part pages: of the board over a replay, the report, and the monitoring that runs.

    make pictures

The services of the board start by themselves, on free ports. Grafana and Uptime Kuma are those of `make up`; what does not
answer is named, and its pictures stay as they are. Each picture is a PNG of at most 256 colours.
"""

import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Error, Page, ViewportSize

from browser import CHROMIUM, chromium
from contract.live_services import Services
from pipeline.clients.environment import secret, setting
from pipeline.data.event_log import Event
from pipeline.operations.secret_files import DEVELOPMENT
from pipeline.recipes import flights
from pipeline.recipes.flights import events
from pipeline.recipes.loader import event_tables
from source_tables import default_data, read_tables

BOARD, MONITORING, REPORT = Path("serving/pictures"), Path("monitoring/pictures"), Path("src/pictures")
FIRST_MOMENT = datetime(2013, 10, 1, 4, tzinfo=UTC)  # midnight in New York, where official predictions begin
AFTERNOON = datetime(2013, 10, 3, 19, 40, tzinfo=UTC)  # of a day on which one flight in five came late
FIRST_SHOWN = "2013-10-03T18:30Z"  # so that some flights have left and some wait
NEXT_MORNING = datetime(2013, 10, 8, 9, tzinfo=UTC)
STORMY_DAY = "2013-10-07"  # on which almost half of the flights came late
BATCH, PATIENCE_SECONDS = 10_000, 900
MOST_BYTES, COLOURS = 150_000, 256
WINDOW: ViewportSize = {"width": 1200, "height": 860}
TALL: ViewportSize = {"width": 1200, "height": 1100}
SETTLED_MS = 3000  # until charts are drawn, and predictions of the next hours have come
DASHBOARDS = ("model", "board", "services", "system")


class NotHere(Exception):
    """What a picture should show does not answer."""


def main() -> None:
    if CHROMIUM is None:
        sys.exit("error: pictures need Chromium; there is none. Install Debian's: apt-get install chromium")
    absent = []
    with chromium() as browser:
        for take_all in (of_board, of_report, of_grafana, of_uptime_kuma):
            try:
                take_all(browser)
            except NotHere as error:
                absent.append(f"pictures {take_all.__name__.replace('_', ' ')} stay as they are: {error}")
    print("\n".join(absent))


def of_board(browser: Browser) -> None:
    """The departures of an afternoon, the flight that is likeliest to be late, and how right the board was."""
    with tempfile.TemporaryDirectory(prefix="ontime-pictures-") as folder, Services(Path(folder)) as services:
        log = read_log(NEXT_MORNING)
        before = sum(event.known_at <= AFTERNOON for event in log)
        send(services, log[:before])
        with window(browser, services.board.url) as page:
            show(page, f"/?from={quote(FIRST_SHOWN)}")
            take(page, BOARD / "departures.png")
            show(page, "/?sort=probability")
            page.locator("main tbody th a").first.click()
            page.set_viewport_size(TALL)
            page.wait_for_timeout(SETTLED_MS)
            take(page, BOARD / "flight.png")
        send(services, log[before:])
        with window(browser, services.board.url, TALL) as page:
            show(page, f"/quality?day={STORMY_DAY}")
            take(page, BOARD / "quality.png")
            show(page, "/about")
            take(page, BOARD / "about.png")


def read_log(end: datetime) -> list[Event]:
    """The events of the flights, from as far back as the features look before the first prediction, to ``end``."""
    data = default_data()
    start = FIRST_MOMENT - timedelta(days=flights.HISTORY_DAYS)
    return list(events.events(read_tables(data), event_tables(data), start, end))


def send(services: Services, log: Sequence[Event]) -> None:
    """Sends events, and returns once the board has predicted all that they make due."""
    print(f"{len(log):,} events, up to {log[-1].known_at:%d %B %Y %H:%M} UTC", flush=True)
    for start in range(0, len(log), BATCH):
        services.send(log[start : start + BATCH])
    services.wait_until_done(PATIENCE_SECONDS)


def of_report(browser: Browser) -> None:
    """The beginning of the report."""
    report = Path("data/report/report.html").resolve()
    if not report.is_file():
        raise NotHere(f"{report.name} is not there; type make repro")
    with window(browser, report.as_uri(), TALL) as page:
        page.goto("")
        take(page, REPORT / "report.png")


def of_grafana(browser: Browser) -> None:
    """Each dashboard, as the admin sees it."""
    address = setting("GRAFANA_URL", "http://127.0.0.1:3000", os.environ)
    password = secret(Path(os.environ.get("SECRETS") or DEVELOPMENT), "grafana_admin_password")
    with window(browser, address, TALL) as page:
        answer = page.request.post("/login", data={"user": "admin", "password": password})
        if not answer.ok:
            raise NotHere(f"{address}/login answers {answer.status}")
        for name in DASHBOARDS:
            page.goto(f"/d/ontime-{name}/{quote(name)}?kiosk&theme=light")
            page.locator("[data-testid^='data-testid Panel header']").first.wait_for()
            page.wait_for_timeout(SETTLED_MS)
            take(page, MONITORING / f"grafana-{name}.png")


def of_uptime_kuma(browser: Browser) -> None:
    """The status page, which needs no log-in."""
    address = setting("UPTIME_KUMA_URL", "http://127.0.0.1:3001", os.environ)
    with window(browser, address, TALL) as page:
        page.goto("/status/ontime")
        page.get_by_text("Ontime").first.wait_for()
        page.wait_for_timeout(SETTLED_MS)
        take(page, MONITORING / "status.png")


@contextmanager
def window(browser: Browser, address: str, size: ViewportSize = WINDOW) -> Iterator[Page]:
    """A window on what answers at an address, in light colours; raises NotHere where nothing does, or not as it should."""
    context = browser.new_context(base_url=address, viewport=size, color_scheme="light")
    try:
        yield context.new_page()
    except Error as error:
        raise NotHere(f"{address}: {error.message.splitlines()[0]}") from error
    finally:
        context.close()


def show(page: Page, address: str) -> None:
    """Opens a page, and once more when what it asks for has come."""
    for _ in range(2):
        answer = page.goto(address)
        if answer is None or not answer.ok:
            sys.exit(f"error: {address} should be a page; the board answers {page.inner_text('body')[:300]}")
        page.wait_for_timeout(SETTLED_MS)


def take(page: Page, path: Path) -> None:
    """Writes what the window shows; ends the program where the file would be too large."""
    path.parent.mkdir(exist_ok=True)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {size / 1000:.0f} kB")
    if size > MOST_BYTES:
        sys.exit(f"error: {path} should have at most {MOST_BYTES / 1000:.0f} kB; it has {size / 1000:.0f}.")


if __name__ == "__main__":
    main()
