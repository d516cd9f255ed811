"""The provisioner with a real Uptime Kuma; tests that need it are skipped by name where no container can run."""

import signal
import socket
import sqlite3
import threading

import pytest
import requests

ALL = ["made the admin admin", "added web", "added base", "added work", "added the status page things"]


@pytest.fixture
def provisioned(server, provision):
    status, *_ = provision(server.url)
    assert status == 0
    return server


@pytest.fixture
def listener():
    """An address that notes each connection and answers nothing."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=lambda: connections.append(door.accept()), daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}", connections


def test_a_fresh_server_gets_everything_and_the_second_run_changes_nothing(server, provision, tmp_path_factory):
    status, out, errors = provision(server.url)
    assert (status, out) == (0, [*ALL, "4 added, 0 edited, 0 removed, 0 unchanged"])
    assert "these variables have development defaults" in errors
    before, rows = server.monitors(), server.rows(tmp_path_factory.mktemp("before"))
    assert {name: (monitor["type"], monitor["interval"]) for name, monitor in before.items()} == {
        "web": ("http", 20),
        "base": ("port", 60),
        "work": ("push", 60),
    }
    assert len(rows["monitor"]) == 3
    assert len(rows["status_page"]) == 1

    status, out, _ = provision(server.url)

    assert (status, out) == (0, ["0 added, 0 edited, 0 removed, 4 unchanged"])
    assert server.monitors() == before
    assert server.rows(tmp_path_factory.mktemp("after")) == rows


def test_a_dry_run_reports_what_would_change_and_changes_nothing(server, provision, files, tmp_path_factory):
    status, out, _ = provision(server.url, "--check")
    assert (status, out[0]) == (1, "would make the admin admin")
    assert out[-1] == "would be: 4 added, 0 edited, 0 removed, 0 unchanged"
    assert server.rows(tmp_path_factory.mktemp("empty"))["user"] == []

    assert provision(server.url)[0] == 0
    assert provision(server.url, "--check")[:2] == (0, ["would be: 0 added, 0 edited, 0 removed, 4 unchanged"])
    rows = server.rows(tmp_path_factory.mktemp("before"))
    del files.monitors["base"]
    files.monitors["web"]["interval_seconds"] = 25
    files.page["groups"]["Asked"] = ["web"]

    status, out, _ = provision(server.url, "--dry-run", "--prune")

    assert (status, out) == (
        1,
        [
            "would edit web: interval 20 -> 25, retryInterval 20 -> 25",
            "would remove base",
            "would edit the status page things: groups",
            "would be: 0 added, 2 edited, 1 removed, 1 unchanged",
        ],
    )
    assert server.rows(tmp_path_factory.mktemp("after")) == rows


def test_an_edit_keeps_id_and_history_and_fields_that_the_files_do_not_have(
    provisioned, provision, files, eventually, tmp_path
):
    def beats():
        with sqlite3.connect(tmp_path / "kuma.db") as database:
            return database.execute(
                "SELECT id, time FROM heartbeat WHERE monitor_id = ? ORDER BY id", [web["id"]]
            ).fetchall()

    eventually(provisioned.metrics, lambda states: states.get("web") == 1)
    web = provisioned.monitors()["web"]
    added = provisioned.ask(
        "addNotification", ({"name": "us", "type": "webhook", "webhookURL": "http://127.0.0.1:1/"}, None)
    )
    by_hand = {"resendInterval": 9, "notificationIDList": {str(added["id"]): True}}
    assert provisioned.ask("editMonitor", {**web, **by_hand})["ok"]
    provisioned.rows(tmp_path)
    history = beats()
    assert history

    files.monitors["web"] |= {"interval_seconds": 30, "description": "The page"}
    status, out, _ = provision(provisioned.url)

    changes = "description '' -> 'The page', interval 20 -> 30, retryInterval 20 -> 30"
    assert (status, out) == (0, [f"edited web: {changes}", "0 added, 1 edited, 0 removed, 3 unchanged"])
    after = provisioned.monitors()["web"]
    assert (after["id"], after["interval"], after["description"]) == (web["id"], 30, "The page")
    assert {key: after[key] for key in by_hand} == by_hand
    provisioned.rows(tmp_path)
    assert beats()[: len(history)] == history


def test_undeclared_monitors_stay_until_pruned(provisioned, provision, files):
    files.monitors["mine"] = files.monitors["web"]
    assert provision(provisioned.url)[0] == 0
    del files.monitors["mine"]

    status, out, _ = provision(provisioned.url)
    assert (status, out) == (
        0,
        [
            "left alone, as no file declares them: mine (--prune removes them)",
            "0 added, 0 edited, 0 removed, 4 unchanged",
        ],
    )

    status, out, _ = provision(provisioned.url, KUMA_PRUNE="true")
    assert (status, out) == (0, ["removed mine", "0 added, 0 edited, 1 removed, 4 unchanged"])
    assert set(provisioned.monitors()) == {"web", "base", "work"}


def test_an_invalid_file_is_refused_before_any_connection(listener, provision, files):
    url, connections = listener
    files.monitors["web"]["intervall_seconds"] = 30

    status, out, errors = provision(url)

    assert (status, out) == (1, [])
    assert errors == "error: kuma_config.yml: monitors.web.intervall_seconds: unknown; did you mean interval_seconds?\n"
    assert connections == []


def test_an_invalid_setting_is_refused_before_any_connection(listener, provision):
    url, connections = listener

    status, out, errors = provision(url, ENVIRONMENT="production")

    assert (status, out) == (2, [])
    assert "KUMA_ADMIN_PASSWORD is not set" in errors
    assert "OUTBOX_HEARTBEAT_TOKEN is not set" in errors
    assert connections == []


def test_a_server_that_never_answers_is_named_after_the_wait(provision):
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
    status, out, errors = provision(url, KUMA_WAIT_SECONDS="0.5")

    assert (status, out) == (1, [])
    assert f"Uptime Kuma should answer at {url}; it did not within 0.5 seconds" in errors
    assert "Traceback" not in errors


def test_a_wrong_password_is_one_clear_sentence(provisioned, provision):
    status, out, errors = provision(provisioned.url, KUMA_ADMIN_PASSWORD="not-the-password-1")

    assert (status, out) == (1, [])
    assert "error: Uptime Kuma has no admin 'admin' with this password." in errors
    assert "not-the-password-1" not in errors
    assert "Traceback" not in errors


def test_a_password_that_uptime_kuma_finds_weak_makes_no_admin(server, provision, tmp_path):
    status, out, errors = provision(server.url, KUMA_ADMIN_PASSWORD="onlyletters")

    assert (status, out) == (1, [])
    assert "refused to make the admin 'admin': Password is too weak" in errors
    assert server.rows(tmp_path)["user"] == []


def test_a_heartbeat_with_the_token_turns_its_monitor_up(provisioned, provision, eventually):
    def push(token):
        return requests.get(f"{provisioned.url}/api/push/{token}?status=up&msg=OK&ping=", timeout=10).status_code

    assert "work" not in provisioned.metrics()

    assert push("ontime-development-outbox") == 200

    assert eventually(provisioned.metrics, lambda states: set(states) == {"web", "base", "work"})["work"] == 1
    status, out, errors = provision(provisioned.url, OUTBOX_HEARTBEAT_TOKEN="another-token-of-its-own")
    assert (status, out[0]) == (0, "edited work: pushToken")
    assert "another-token" not in errors
    assert (push("another-token-of-its-own"), push("ontime-development-outbox")) == (200, 404)


def test_metrics_name_all_monitors_and_need_the_password(provisioned, eventually):
    assert requests.get(f"{provisioned.url}/metrics", timeout=10).status_code == 401
    assert eventually(provisioned.metrics, lambda states: set(states) == {"web", "base"}) == {"web": 1, "base": 1}


def test_the_status_page_is_public_and_an_edit_keeps_its_groups(provisioned, provision, files):
    def read_page():
        assert requests.get(f"{provisioned.url}/status/things", timeout=10).status_code == 200
        page = requests.get(f"{provisioned.url}/api/status-page/things", timeout=10).json()
        groups = page["publicGroupList"]
        names = {group["name"]: [monitor["name"] for monitor in group["monitorList"]] for group in groups}
        return page["config"]["title"], names, {group["name"]: group["id"] for group in groups}

    title, names, ids = read_page()
    assert (title, names) == ("Things", {"Asked": ["web", "base"], "Told": ["work"]})

    files.page |= {"title": "All things", "groups": {"Told": ["work"], "Asked": ["base"], "Also": ["web"]}}
    status, out, _ = provision(provisioned.url)

    edited = "edited the status page things: title, groups"
    assert (status, out) == (0, [edited, "0 added, 1 edited, 0 removed, 3 unchanged"])
    title, names, after = read_page()
    assert title == "All things"
    assert list(names.items()) == [("Told", ["work"]), ("Asked", ["base"]), ("Also", ["web"])]
    assert {name: after[name] for name in ids} == ids
    assert provision(provisioned.url)[1] == ["0 added, 0 edited, 0 removed, 4 unchanged"]


@pytest.mark.parametrize("at", ["made the admin admin", "added number 7", "added work"])
def test_a_run_that_was_killed_is_finished_by_the_next_one(server, start, provision, files, at):
    files.monitors |= {f"number {i}": dict(files.monitors["base"]) for i in range(20)}
    killed = start(server.url)
    for line in killed.stdout:
        if line.strip() == at:
            break
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    status, out, errors = provision(server.url)

    assert status == 0, errors
    assert "added the status page things" in out or "edited the status page things" in out[-2]
    assert set(server.monitors()) == {*files.monitors, "work"}
    assert provision(server.url)[1] == ["0 added, 0 edited, 0 removed, 24 unchanged"]


def test_a_page_that_was_made_and_not_saved_is_finished_in_spite_of_the_cache(provisioned, provision):
    assert provision(provisioned.url)[1] == ["0 added, 0 edited, 0 removed, 4 unchanged"]
    assert provisioned.ask("deleteStatusPage", "things")["ok"]
    assert provisioned.ask("addStatusPage", ("Things", "things"))["ok"]

    assert provision(provisioned.url)[1] == [
        "edited the status page things: groups",
        "0 added, 1 edited, 0 removed, 3 unchanged",
    ]


def test_a_duplicate_name_is_refused_and_nothing_changes(provisioned, provision, files, tmp_path_factory):
    web = provisioned.monitors()["web"]
    copy = {key: web[key] for key in ("name", "type", "url", "interval", "retryInterval", "accepted_statuscodes")}
    assert provisioned.ask("add", copy)["ok"]
    files.monitors["base"]["description"] = "changed"
    rows = provisioned.rows(tmp_path_factory.mktemp("before"))

    status, out, errors = provision(provisioned.url)

    assert (status, out) == (1, [])
    assert "it holds several of 'web'" in errors
    assert provisioned.rows(tmp_path_factory.mktemp("after")) == rows
