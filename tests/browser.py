"""Chromium for tests of pages: what a page may not do, and the rules of accessibility that it should keep."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed: no page was opened in a browser")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
THIS_MACHINE = "127.0.0.1"
GRAVE = {"serious", "critical"}
PATIENCE_MS = 15_000
REQUEST_FAILED = ("Failed to load resource", "htmx:", "Response Status Error Code")  # as some tests want it


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@contextmanager
def tab(browser: Browser, **options: Any) -> Iterator[Page]:
    """A tab with a session of its own; fails in the end where it asked another machine, or logged an error.

    A request that fails is no such error: what a page shows then is for the test to say.
    """
    context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})  # colours change at once
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(f"{error} on {page.url}"))
    page.on("console", lambda message: errors.append(f"{message.text} on {page.url}") if message.type == "error" else None)
    yield page
    context.close()
    strangers = [url for url in requests if not url.startswith("data:") and urlsplit(url).hostname != THIS_MACHINE]
    assert not strangers, f"the page asked other machines: {strangers}"
    mistakes = [error for error in errors if not error.startswith(REQUEST_FAILED)]
    assert not mistakes, f"the browser's log holds errors: {mistakes}"


def violations(page: Page, *rules: str) -> list[str]:
    """The rules, of these or of all, that axe-core finds broken and calls serious or critical."""
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    return [
        f"{rule['id']}: {[node['html'][:160] for node in rule['nodes'][:3]]}"
        for rule in Axe().run(page, options=options).response["violations"]
        if rule["impact"] in GRAVE
    ]


def finished(page: Page) -> list[Request]:
    """A list that takes up each request of the page whose answer came."""
    requests: list[Request] = []

    def note(request: Request) -> None:
        requests.append(request)

    page.on("requestfinished", note)
    return requests


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
