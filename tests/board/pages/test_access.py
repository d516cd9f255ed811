"""Who may see the pages: open on a machine of one's own in development, elsewhere for readers who logged in."""

import re

import httpx
import pytest

from board import settings
from board.clients import readers
from board.pages.access.reader import EXPIRED
from board.pages.frame.headers import HEADERS
from board.pages.routes import PATHS
from service_kit.errors import SettingsInvalid

SECRET = "a secret of thirty-two characters or more"
PRODUCTION = {"environment": "production", "board_session_secret": SECRET}
LIBBY = {"name": "libby", "password": "a long password"}


class Users:
    """The routes of a data service that know people; ``calls`` are the requests that came."""

    def __init__(self):
        self.role, self.seconds, self.refuses, self.is_away, self.calls = "reader", 3600, None, False, []

    def __call__(self, request):
        self.calls.append(request)
        if self.is_away:
            raise httpx.ConnectError("refused")
        if self.refuses:
            return self.refuses
        if request.url.path == "/me":
            return httpx.Response(200, json={"name": "libby", "role": self.role})
        form = dict(httpx.QueryParams(request.content.decode()))
        if form == {"username": LIBBY["name"], "password": LIBBY["password"]}:
            return httpx.Response(200, json={"access_token": "t", "token_type": "bearer", "expires_in": self.seconds})
        return httpx.Response(401, json={})


@pytest.fixture
def users():
    return Users()


@pytest.fixture
def closed(serve, users):
    """A function that gives a client of a board in production, which follows no redirects; all ask the same users."""

    def serving(**changes):
        client = serve(**PRODUCTION | changes)
        client.follow_redirects = False
        asking = client.app.state.service.readers
        asking._client = httpx.AsyncClient(transport=httpx.MockTransport(users), base_url="http://data")
        return client

    return serving


def csrf_token(page):
    return re.search('name="csrf_token" value="([^"]+)"', page.text)[1]


def log_in(client, address="/login", root="", **changes):
    page = client.get(root + address)
    form = {"csrf_token": csrf_token(page), "next": "/", **LIBBY, **changes}
    return client.post(f"{root}/login", data=form)


def test_in_development_pages_are_open_under_the_names_of_this_machine_alone(serve):
    client = serve()

    for host in ("127.0.0.1:8002", "localhost:8002", "[::1]:8002", "localhost"):
        assert client.get("/", headers={"host": host}).status_code == 200
    for host in ("ontime.example", "127.0.0.1.example", "localhost.example:8002", "192.168.0.7:8002", "[::1"):
        answer = client.get("/", headers={"host": host}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/")


def test_a_secret_of_ones_own_closes_the_pages_in_development_too(serve):
    assert serve(board_session_secret=SECRET).get("/", follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "BOARD_SESSION_SECRET is not set"),
        (settings.DEVELOPMENT_SECRET, "is the default of development"),
        ("too short", "has 9 characters, and should have 32 or more"),
    ],
)
def test_production_refuses_to_start_on_a_weak_secret_and_does_not_show_it(secret, reason):
    with pytest.raises(SettingsInvalid, match=reason) as caught:
        settings.read(environment="production", board_session_secret=secret)
    assert secret is None or secret not in str(caught.value)


@pytest.mark.parametrize("path", ["/", "/?text=UA%20252&sort=time"])
def test_a_page_leads_to_the_log_in_and_from_there_back(closed, path):
    client = closed()

    location = client.get(path).headers["location"]
    page = client.get(location)
    answer = log_in(client, location, next=re.search('name="next" value="([^"]*)"', page.text)[1].replace("&amp;", "&"))

    assert page.status_code == 200
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert "libby" in client.get(path).text


def test_the_cookie_is_for_http_alone_for_this_site_alone_and_behind_https_for_https_alone(closed):
    client = closed()
    plain = log_in(client).headers["set-cookie"].lower()
    secure = closed().get("https://127.0.0.1/login").headers["set-cookie"].lower()

    assert plain.startswith("ontime_session=")
    assert {"httponly", "samesite=lax", "path=/"} <= set(plain.split("; "))
    assert "secure" not in plain
    assert "secure" in secure.split("; ")


def test_two_boards_share_sessions_and_one_with_another_secret_does_not(closed):
    first, second, stranger = closed(), closed(), closed(board_session_secret=SECRET[::-1])
    log_in(first)

    for other in (second, stranger):
        other.cookies = first.cookies
    assert second.get("/").status_code == 200
    assert stranger.get("/").status_code == 303


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example", "/\\evil.example", "/a\\b", "evil", "/\n/evil", ""]
)
def test_a_log_in_leads_to_no_other_site(closed, address):
    assert log_in(closed(), next=address).headers["location"] == "/"


def test_the_way_to_the_log_in_keeps_the_path_of_a_proxy(closed):
    client = closed(root_path="/ontime")

    assert client.get("/ontime/?text=UA").headers["location"] == "/ontime/login?next=/%3Ftext%3DUA"
    answer = log_in(client, root="/ontime", next="/?text=UA")
    assert answer.headers["location"] == "/ontime/?text=UA"
    assert "path=/ontime" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_a_form_without_the_token_of_its_session_is_refused(closed, path):
    client = closed()
    log_in(client)

    for form in (LIBBY, {**LIBBY, "csrf_token": "wrong"}, {**LIBBY, "csrf_token": "é"}):
        answer = client.post(path, data=form)
        assert answer.status_code == 403
        assert "Reload the page" in answer.text
    assert client.get("/").status_code == 200


def test_another_token_begins_with_the_log_in(closed):
    client = closed()
    before = csrf_token(client.get("/login"))
    log_in(client)

    assert csrf_token(client.get("/")) != before


def test_a_wrong_password_is_a_sentence_and_is_not_shown(closed):
    answer = log_in(closed(), password="<wrong>")

    assert answer.status_code == 401
    assert "Nobody has this name and this password." in answer.text
    assert 'value="libby"' in answer.text
    assert "wrong" not in answer.text


def test_too_many_attempts_are_a_sentence_with_the_seconds(closed, users):
    users.refuses = httpx.Response(429, headers={"retry-after": "42"}, json={})
    answer = log_in(closed())

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "42")
    assert "There were too many attempts to log in. Try again in 42 seconds." in answer.text


@pytest.mark.parametrize(
    "refusal", [None, httpx.Response(500), httpx.Response(200, text="<html>"), httpx.Response(200, json=[])]
)
def test_a_data_service_that_does_not_answer_as_one_is_a_sentence(closed, users, refusal):
    users.is_away, users.refuses = refusal is None, refusal
    client = closed()
    answer = log_in(client)

    assert answer.status_code == 503
    assert "The data service, which knows the readers and their passwords, does not answer." in answer.text
    assert client.get("/readyz").json()["checks"]["log"]["state"] == "waits for the prediction service"


def test_a_service_is_no_reader(closed, users):
    users.role = "service"
    answer = log_in(closed())

    assert answer.status_code == 403
    assert "The pages are for readers and admins; libby has the role service." in answer.text


def test_the_data_service_learns_the_address_and_sees_no_key_of_the_board(closed, users):
    log_in(closed(data_api_key="key"))

    assert users.calls[0].headers["x-forwarded-for"] == "testclient"
    assert [call for call in users.calls if "x-api-key" in call.headers] == []
    assert users.calls[1].headers["authorization"] == "Bearer t"


def test_a_session_ends_with_its_token_and_the_log_in_says_so(closed, users):
    users.seconds = 0
    client = closed()
    log_in(client)

    assert client.get("/").headers["location"] == "/login?next=/"
    assert EXPIRED in client.get("/login").text
    assert EXPIRED not in client.get("/login").text


def test_a_session_ends_when_the_data_service_takes_its_token_no_more(closed, users, monkeypatch):
    monkeypatch.setattr(readers, "CHECK_SECONDS", 0)
    client = closed()
    log_in(client)
    users.is_away = True
    assert client.get("/").status_code == 200

    users.is_away, users.refuses = False, httpx.Response(401)

    assert client.get("/").status_code == 303
    assert EXPIRED in client.get("/login").text


def test_the_data_service_is_asked_once_a_minute_whether_a_token_is_valid(closed, users):
    client = closed()
    log_in(client)
    count = len(users.calls)

    for _ in range(3):
        client.get("/")

    assert len(users.calls) == count


def test_a_part_of_a_page_leads_the_whole_page_to_the_log_in(closed):
    answer = closed().get("/", headers={"hx-request": "true", "hx-current-url": "http://127.0.0.1/?text=UA"})

    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=/%3Ftext%3DUA")


def test_whoever_logs_out_has_to_log_in_again(closed):
    client = closed()
    log_in(client)

    answer = client.post("/logout", data={"csrf_token": csrf_token(client.get("/"))})

    assert answer.headers["location"] == "/login"
    assert "You are logged out." in client.get("/login").text
    assert client.get("/").status_code == 303


def test_whoever_needs_no_log_in_gets_the_page(serve, closed):
    client = closed()
    log_in(client)

    assert client.get("/login?next=/about").headers["location"] == "/about"
    assert serve().get("/login?next=/about", follow_redirects=False).headers["location"] == "/about"


def test_programs_need_no_log_in(closed):
    client = closed()

    assert client.get("/readyz").status_code == 503
    assert client.get("/upcoming").status_code == 503
    assert client.get("/openapi.json").status_code == 200
    assert "set-cookie" not in client.get("/docs").headers


@pytest.mark.parametrize("path", sorted({*PATHS, "/nothing"} - {"/logout"}))
def test_pages_allow_no_script_or_style_but_the_boards_own_and_no_copy(closed, path):
    client = closed()
    log_in(client)
    answer = client.get(path)

    assert "/logout" in PATHS
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert HEADERS.items() <= dict(answer.headers).items()
        assert "unsafe" not in answer.headers["content-security-policy"]
    else:
        assert answer.status_code in {303, 404}
