"""The pages of the board in a real Chromium, with real services and the real model, at noon of a day of the log."""

import pytest
from playwright.sync_api import expect

from browser import DESKTOP, PHONE, chromium, needs_chromium, overflow, tab, violations
from contract.live_services import Services, needs_model

pytestmark = [needs_model, needs_chromium]
SECRET = "a secret of the tests of thirty-two characters"
BATCH, SECONDS = 10_000, 120
PAGES = {"departures": "/"}
VIEWS = (("light", PHONE, ()), ("dark", DESKTOP, ()), ("light", DESKTOP, ("color-contrast",)))  # and the rules, if not all


@pytest.fixture(scope="module")
def services(tmp_path_factory, log_until_noon, since):
    """Services whose log ends at noon; the pages want a log-in."""
    days = (since - log_until_noon[0].known_at).total_seconds() / 86_400
    folder = tmp_path_factory.mktemp("services")
    with Services(folder, WARM_UP_DAYS=str(days), BOARD_SESSION_SECRET=SECRET) as services:
        for start in range(0, len(log_until_noon), BATCH):
            services.send(log_until_noon[start : start + BATCH])
        services.wait_until_done(SECONDS)
        yield services


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def session(services, browser):
    """The cookies of a reader who logged in."""
    with tab(browser, base_url=services.board.url) as page:
        log_in(page)
        return page.context.storage_state()


@pytest.fixture
def visit(services, browser, session, request):
    """A tab of a reader who logged in; a test may give options."""
    with tab(browser, base_url=services.board.url, storage_state=session, **getattr(request, "param", {})) as page:
        yield page


def log_in(page, password="development"):
    page.goto("/login")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def check_views(page):
    """Holds a page to the rules of accessibility in both colour schemes, and to the widths of a desk and a phone."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for scheme, size, rules in VIEWS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        assert violations(page, *rules) == [], (scheme, size)
        assert overflow(page) <= 0, (scheme, size)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_the_rules_of_accessibility_and_fits_its_window(visit, name):
    visit.goto(PAGES[name])

    check_views(visit)


def test_a_reader_logs_in_reads_and_logs_out(services, browser):
    with tab(browser, base_url=services.board.url) as page:
        page.goto("/?text=UA")
        check_views(page)
        expect(page).to_have_url(f"{services.board.url}/login?next=/%3Ftext%3DUA")
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill("wrong")
        page.keyboard.press("Enter")
        check_views(page)
        expect(page.get_by_role("alert")).to_have_text("Nobody has this name and this password.")

        page.get_by_label("Password").fill("development")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{services.board.url}/?text=UA")
        page.get_by_role("button", name="Log out").click()

        expect(page.get_by_role("status")).to_have_text("You are logged out.")
        page.goto("/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_the_page_of_the_api_shows_without_a_log_in(services, browser):
    with tab(browser, base_url=services.board.url) as page:
        page.goto("/docs")

        expect(page.get_by_text("Predict one subject by its name")).to_be_visible()


BAD_PAGE = '<input><div style="width: 2000px">wide</div><script src="http://127.0.0.2:9/script.js"></script>'


def test_the_checks_of_this_file_find_what_is_wrong_with_a_page(browser):
    def check():
        with tab(browser) as page:
            page.set_content(BAD_PAGE)
            assert [rule.partition(":")[0] for rule in violations(page, "label")] == ["label"]
            assert overflow(page) > 0

    with pytest.raises(AssertionError, match=r"127\.0\.0\.2"):
        check()
