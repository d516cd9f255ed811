"""What all pages of the board have in common: errors as sentences, files that browsers keep, nothing of other machines."""

import hashlib
import re
from pathlib import Path

import pytest

from board.pages.frame import static_files
from board.pages.frame.rendering import percent, points
from service_kit.problems import ProblemError

FOLDER = Path("serving/board/pages")
TEMPLATES = sorted(FOLDER.rglob("*.html"))


def test_before_it_has_read_the_log_the_first_page_says_what_the_board_does_and_what_to_do(serve):
    answer = serve().get("/")

    assert answer.status_code == 200
    assert "The board waits for the prediction service." in answer.text
    assert "make demo SPEED=60" in answer.text


def test_the_first_page_lists_the_flights_of_the_next_hours(client_at_noon):
    client = client_at_noon
    answer = client.get("/")

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.count('<th scope="row"') == 200
    assert "Times are New York time." in answer.text


def test_a_refusal_of_a_page_is_a_sentence_on_it_with_its_status(client, monkeypatch):
    def refuse(*_):
        raise ProblemError(503, "The <log> is away.")

    monkeypatch.setattr("board.pages.departures.page.rows_of", refuse)
    answer = client.get("/")

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "The &lt;log&gt; is away." in answer.text


def test_a_page_that_fails_says_where_to_look(client, monkeypatch):
    monkeypatch.setattr("board.pages.departures.page.rows_of", None)
    answer = client.get("/", headers={"x-request-id": "abc"})

    assert answer.status_code == 500
    assert "its log says why under request abc" in answer.text


def test_browsers_keep_files_under_the_address_with_their_digest(client):
    address = static_files.address("style.css")
    answer = client.get(address)

    assert address in client.get("/").text
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    assert client.get("/static/style.css").headers["cache-control"] == "no-cache"
    assert client.get("/static/style.css", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert client.get("/static/../app.py").status_code == client.get("/static/nothing.js").status_code == 404


def test_pages_are_compressed(client):
    assert client.get("/", headers={"accept-encoding": "gzip"}).headers["content-encoding"] == "gzip"


def test_files_of_others_have_their_digest_and_licence_beside_them():
    page = (FOLDER / "static" / "LICENSES.md").read_text()
    listed = dict(re.findall(r"^\| `(\S+)` \|.*\| `([0-9a-f]{64})` \|", page, re.MULTILINE))

    assert {path.name for path in (FOLDER / "static").glob("*.min.*")} == listed.keys()
    for name, digest in listed.items():
        assert hashlib.sha256((FOLDER / "static" / name).read_bytes()).hexdigest() == digest


def test_links_keep_the_path_of_a_proxy(serve):
    page = serve(root_path="/ontime").get("/ontime/").text

    assert 'href="/ontime/quality"' in page
    assert 'href="/ontime/static/style.css' in page
    assert 'href="/ontime/" aria-current="page"' in page


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_style_or_script_of_their_own_and_name_no_other_machine(path):
    text = path.read_text()

    assert re.findall(r"<script(?! src)|\bstyle=|<style|\bon\w+=|\|\s*safe\b", text) == []
    assert re.findall(r"https?://", text.replace("http://www.w3.org/2000/svg", "")) == []


def test_shares_and_differences_are_written_with_care_at_their_ends():
    space, minus = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"

    written = [percent(share).replace(space, " ") for share in (0.274, 0.0049, 0, 0.9951, 1, None)]
    assert written == ["27 %", "<1 %", "0 %", ">99 %", "100 %", "\N{EN DASH}"]
    assert [points(share) for share in (0.123, -0.051, 0.001, -0.001)] == ["+12", f"{minus}5", "0", "0"]


def test_a_browser_that_asks_for_nothing_that_is_there_gets_a_page_and_a_program_a_problem(client):
    page = client.get("/nothing", headers={"accept": "text/html"})

    assert page.status_code == 404
    assert "There is no page at this address." in page.text
    assert client.get("/nothing").headers["content-type"] == "application/problem+json"
