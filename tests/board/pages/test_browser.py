"""The pages of the board in a real Chromium, with real services and the real model, at noon of a day of the log."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from browser import DESKTOP, PHONE, chromium, finished, needs_chromium, overflow, tab, violations
from contract.live_services import Services, needs_model
from serving.conftest import write_model

pytestmark = [needs_model, needs_chromium]
SECRET = "a secret of the tests of thirty-two characters"
BATCH, SECONDS = 10_000, 120
MOST_BYTES = 200_000  # of a page and all that it needs
PATIENCE_MS = 30_000  # until the board notices, and until a service that was killed is there again
MINUTES = timedelta(minutes=20)  # of the log, in which some flights become due
PAGES = {
    "departures": "/?q=DL",  # fewer rows: axe-core looks at each
    "last hours": "/?show=last&q=DL",
    "nothing found": "/?q=nothing",
    "a flight": "/flight?year=2013&month=10&day=1&carrier=UA&flight=1734&origin=EWR",
    "no such flight": "/flight?flight=99999",
    "were we right": "/quality",
    "a day without predictions": "/quality?day=2013-12-24",
    "the model": "/about",
    "the form": "/form",
}
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


@pytest.fixture(scope="module")
def shared_tab(services, browser, session):
    """One tab of a reader who logged in, for pages that are only looked at: a tab of its own costs half a second."""
    with tab(browser, base_url=services.board.url, storage_state=session) as page:
        yield page


@pytest.fixture(scope="module")
def news(log, log_until_noon):
    """The events of the first minutes after noon, and those of the next ones."""
    noon, after = log_until_noon[-1].known_at, [event for _, event in log[len(log_until_noon) :]]
    return [[event for event in after if part <= (event.known_at - noon) / MINUTES < part + 1] for part in (0, 1)]


def rows(page):
    """The rows of the departures."""
    return page.locator("#rows tbody tr:not(.day)")


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
def test_a_page_keeps_the_rules_of_accessibility_and_fits_its_window(shared_tab, name):
    shared_tab.goto(PAGES[name])

    check_views(shared_tab)


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


def test_departures_are_filtered_and_sorted_and_the_address_keeps_it(visit):
    visit.goto("/")
    visit.get_by_label("Airport").select_option("JFK")
    expect(rows(visit).filter(has_text="EWR")).to_have_count(0)
    visit.get_by_role("searchbox").fill("DL")
    expect(rows(visit).filter(has_not_text="DL")).to_have_count(0)
    visit.get_by_role("link", name="Probability").click()
    expect(visit.get_by_role("columnheader", name="Probability")).to_have_attribute("aria-sort", "descending")
    shown = rows(visit).all_inner_texts()

    shares = [int(share) for share in re.findall(r"(\d+)\N{NO-BREAK SPACE}%", "\n".join(shown))]
    assert len(shares) == len(shown) > 3
    assert shares == sorted(shares, reverse=True)
    visit.reload()
    assert rows(visit).all_inner_texts() == shown
    assert visit.get_by_label("Airport").input_value() == "JFK"


def test_what_if_a_flights_column_changes_is_answered_where_it_is_changed(visit):
    visit.goto(PAGES["a flight"])
    verdict = visit.locator("#what-if-answer")
    expect(verdict).to_contain_text("Nothing is changed yet")
    group = visit.locator("#what-if-form details").filter(has=visit.get_by_text("Weather"))
    group.locator("summary").click()
    visit.get_by_label("Wind speed at the origin").fill("60")
    visit.keyboard.press("Tab")
    expect(verdict).to_contain_text("instead of")

    expect(verdict.get_by_role("listitem")).to_have_count(1)  # a datetime that the browser wrote anew is no change
    expect(visit.get_by_label("Wind speed at the origin")).to_have_value("60")
    check_views(visit)
    visit.get_by_label("Wind speed at the origin").fill("strong")
    visit.keyboard.press("Enter")
    expect(verdict.get_by_role("paragraph").first).to_have_text("The model does not take this:")


def test_without_script_what_if_is_answered_by_a_button(services, browser, session):
    with tab(browser, base_url=services.board.url, storage_state=session, java_script_enabled=False) as page:
        page.goto(PAGES["a flight"])
        page.locator("#what-if-form details").filter(has=page.get_by_text("Weather")).locator("summary").click()
        page.get_by_label("Wind speed at the origin").fill("60")
        page.get_by_role("button", name="See the probability").click()

        expect(page.locator("#what-if-answer")).to_contain_text("instead of")
        expect(page.locator("#what-if-answer").get_by_role("listitem")).to_have_count(1)


def test_without_script_departures_are_filtered_by_a_button(services, browser):
    with tab(browser, base_url=services.board.url, java_script_enabled=False) as page:
        log_in(page)
        page.get_by_label("Airport").select_option("JFK")
        page.get_by_role("button", name="Show").click()

        expect(rows(page).first).to_be_visible()
        expect(rows(page).filter(has_text="EWR")).to_have_count(0)
        expect(page.get_by_label("Refresh automatically")).to_be_hidden()


def test_without_script_the_form_says_what_is_wrong_and_answers(services, browser, session):
    with tab(browser, base_url=services.board.url, storage_state=session, java_script_enabled=False) as page:
        page.goto("/form")
        page.locator("details").filter(has=page.get_by_text("Weather")).locator("summary").click()
        page.get_by_label("Visibility at the origin").fill("far")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("alert")).to_contain_text("What it wants stands beside each field.")
        expect(page.get_by_label("Visibility at the origin")).to_have_value("far")  # in a topic that is unfolded by itself

        page.get_by_label("Visibility at the origin").fill("0.5")
        page.get_by_role("button", name="Ask").click()
        expect(page.get_by_role("heading", name="Answer")).to_contain_text("%")
        expect(page.get_by_role("region", name="Reasons").get_by_role("row")).to_have_count(8)


def test_the_answer_of_the_form_keeps_the_rules_of_accessibility(visit):
    visit.goto("/form")
    visit.get_by_label("Flights planned from the origin in the hour after").fill("90")
    visit.get_by_role("button", name="Ask").click()
    expect(visit.get_by_role("heading", name="Answer")).to_be_visible()

    check_views(visit)


def test_another_day_is_chosen_and_its_surprises_lead_to_their_flight(visit):
    visit.goto("/quality")
    visit.get_by_label("Day", exact=True).fill("2013-09-30")
    visit.get_by_role("button", name="Show").click()
    expect(visit.get_by_role("heading", name="Mon 30 Sep 2013", exact=True)).to_be_visible()
    check_views(visit)
    link = visit.get_by_role("region", name="The worst surprises").get_by_role("link").first
    name = link.inner_text()
    link.click()

    expect(visit.get_by_role("heading", level=1)).to_contain_text(name)


def test_the_keyboard_reaches_the_content_first(shared_tab):
    shared_tab.goto("/")
    shared_tab.keyboard.press("Tab")
    expect(shared_tab.get_by_role("link", name="Skip to the content")).to_be_focused()
    shared_tab.keyboard.press("Enter")

    expect(shared_tab.locator("main")).to_be_focused()


def test_the_page_weighs_little(visit):
    requests = finished(visit)
    visit.goto("/", wait_until="networkidle")

    assert 10_000 < sum(request.sizes()["responseBodySize"] for request in requests) < MOST_BYTES


def test_departures_refresh_by_themselves_and_keep_the_place(visit, services, news):
    visit.goto("/")
    visit.get_by_role("searchbox").fill("U")
    visit.wait_for_url("**/?q=U")
    link = rows(visit).nth(25).get_by_role("link")
    link.focus()
    visit.evaluate("document.body.dataset.isTheSame = 'yes'")
    place, now = visit.evaluate("window.scrollY"), visit.locator(".now strong").inner_text()
    name = link.inner_text()
    services.send(news[0])

    expect(visit.locator(".now strong")).not_to_have_text(now)

    assert place > 0
    assert visit.evaluate("window.scrollY") == place
    assert visit.evaluate("document.activeElement.textContent") == name
    assert visit.get_by_role("searchbox").input_value() == "U"
    assert visit.evaluate("document.body.dataset.isTheSame") == "yes"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("board", "The board does not answer."),
        ("data", "The data service does not answer."),
        ("prediction", "The prediction service does not answer."),
    ],
)
def test_a_service_that_is_away_is_a_sentence_on_the_page_until_it_is_back(visit, services, news, name, sentence):
    visit.goto("/")
    expect(visit.get_by_text(sentence)).to_be_hidden()
    getattr(services, name).kill()
    if name == "prediction":
        services.send(news[1])  # now the board needs it

    expect(visit.get_by_text(sentence)).to_be_visible(timeout=PATIENCE_MS)
    if name != "board":
        check_other_pages(visit, sentence)
    getattr(services, name).start()
    expect(visit.get_by_text(sentence)).to_be_hidden(timeout=PATIENCE_MS)


def check_other_pages(page, sentence):
    """Says of each page that it shows, perhaps with less on it, or says in a sentence what is away; goes back in the end."""
    for other in ("a flight", "were we right", "the model", "the form"):
        answer = page.goto(PAGES[other])
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert answer.status in {200, 503}, other
        if answer.status == 503:
            expect(page.get_by_role("alert")).to_be_visible()
        elif other == "a flight":
            expect(page.get_by_text(sentence)).to_be_visible()
    page.goto("/")


def test_a_data_set_without_events_has_a_form_which_is_open_in_development(tmp_path, browser):
    with Services(tmp_path / "services", write_model(tmp_path / "model")) as services:
        services.board.wait_until_ready()
        with tab(browser, base_url=services.board.url) as page:
            page.goto("/")
            page.get_by_role("button", name="Ask", exact=True).click()

            expect(page.get_by_role("heading", name="Answer")).to_be_visible()
            check_views(page)


BAD_PAGE = '<input><div style="width: 2000px">wide</div><script src="http://127.0.0.2:9/script.js"></script>'


def test_the_checks_of_this_file_find_what_is_wrong_with_a_page(browser):
    def check():
        with tab(browser) as page:
            page.set_content(BAD_PAGE)
            assert [rule.partition(":")[0] for rule in violations(page, "label")] == ["label"]
            assert overflow(page) > 0

    with pytest.raises(AssertionError, match=r"127\.0\.0\.2"):
        check()
