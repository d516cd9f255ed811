"""Deployments: told again and again, moved forward only, found by when they answered."""

from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils import uuid7

NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)


def deployment(started=NOW - 60 * MINUTE, seen=NOW - 30 * MINUTE, ended=None, **changes):
    return {
        "replica": "host:8000", "model_name": "ontime", "model_version": "one", "git_commit": "abc", "model_uri": "model",
        "sha256": {"model.onnx": "0" * 64}, "data": {"train.parquet": "1" * 64},
        "started_at": started.isoformat(), "last_seen_at": seen.isoformat(), "ended_at": ended and ended.isoformat(),
    } | changes  # fmt: skip


@pytest.fixture
def put(client, as_service):
    return lambda name, content: client.put(f"/deployments/{name}", json=content, headers=as_service)


@pytest.fixture
def get(client, as_reader):
    def ask(**query):
        answer = client.get("/deployments", params=query, headers=as_reader)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def same(found, content):
    moments = ("started_at", "last_seen_at", "ended_at")
    read = {name: found[name] and datetime.fromisoformat(found[name]) for name in moments}
    wanted = {name: content[name] and datetime.fromisoformat(content[name]) for name in moments}
    return read == wanted and all(found[name] == value for name, value in content.items() if name not in moments)


def test_a_deployment_is_stored_and_told_again_without_effect(put, get):
    name, content = str(uuid7()), deployment()

    answers = [put(name, content) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    (found,) = get()["deployments"]
    assert found["deployment_id"] == name
    assert same(found, content)
    assert answers[1].json() == found


def test_the_names_of_older_services_are_accepted(put, get):
    content = deployment(ended=NOW - 30 * MINUTE)
    older = dict(content)
    for new, old in (("started_at", "started"), ("last_seen_at", "seen"), ("ended_at", "ended")):
        older[old] = older.pop(new)

    assert put(str(uuid7()), older).status_code == 200
    assert same(get()["deployments"][0], content)
    assert put(str(uuid7()), {**older, "started_at": older["started"]}).status_code == 422


def test_the_last_sight_and_the_end_move_forward_only(put, get):
    name = str(uuid7())
    put(name, deployment())
    put(name, deployment(seen=NOW - 10 * MINUTE))
    put(name, deployment(seen=NOW - 20 * MINUTE))
    assert datetime.fromisoformat(get()["deployments"][0]["last_seen_at"]) == NOW - 10 * MINUTE

    put(name, deployment(seen=NOW - MINUTE, ended=NOW - MINUTE))
    put(name, deployment(seen=NOW - 5 * MINUTE))

    assert same(get()["deployments"][0], deployment(seen=NOW - MINUTE, ended=NOW - MINUTE))


def test_what_comes_late_moves_seen_not_beyond_the_end(put, get):
    name = str(uuid7())
    put(name, deployment(seen=NOW - 5 * MINUTE, ended=NOW - 5 * MINUTE))
    put(name, deployment(seen=NOW - MINUTE))

    assert same(get()["deployments"][0], deployment(seen=NOW - 5 * MINUTE, ended=NOW - 5 * MINUTE))


@pytest.mark.parametrize(
    "field", ["replica", "model_name", "model_version", "git_commit", "model_uri", "sha256", "data", "started_at"]
)
def test_the_rest_stays_the_same_or_is_refused_by_name(put, get, field):
    name, content = str(uuid7()), deployment()
    put(name, content)
    other = {"sha256": {}, "data": {}, "git_commit": None, "started_at": (NOW - 61 * MINUTE).isoformat()}.get(field, "other")

    answer = put(name, {**content, field: other})

    assert answer.status_code == 409
    assert f"Deployment {name} is recorded with another {field}." in answer.json()["detail"]
    assert same(get()["deployments"][0], content)


def test_what_served_at_a_moment_is_found(put, get):
    names = [str(uuid7()) for _ in range(3)]
    put(names[0], deployment(NOW - 60 * MINUTE, NOW - 40 * MINUTE, NOW - 40 * MINUTE))
    put(names[1], deployment(NOW - 40 * MINUTE, NOW - 10 * MINUTE, model_version="two"))  # killed, and never came back
    put(names[2], deployment(NOW - 10 * MINUTE, NOW, model_version="three"))

    def at(ago):
        return [names.index(one["deployment_id"]) for one in get(at=(NOW - ago).isoformat())["deployments"]]

    assert at(90 * MINUTE) == []
    assert at(50 * MINUTE) == [0]
    assert at(30 * MINUTE) == [1]
    assert at(5 * MINUTE) == [2]
    assert at(-MINUTE / 2) == [2]  # a heartbeat is at most a minute old
    assert at(-2 * MINUTE) == []


def test_deployments_are_found_by_window_and_version_and_by_pages(put, get):
    names = [str(uuid7()) for _ in range(5)]
    for number, name in enumerate(names):
        start = NOW - (50 - 10 * number) * MINUTE
        put(name, deployment(start, start + 5 * MINUTE, start + 5 * MINUTE, model_version=str(number % 2)))

    def found(**query):
        return [names.index(one["deployment_id"]) for one in get(**query)["deployments"]]

    assert found() == [4, 3, 2, 1, 0]
    assert found(model_version="1") == [3, 1]
    assert found(since=(NOW - 27 * MINUTE).isoformat()) == [4, 3, 2]
    assert found(since=(NOW - 38 * MINUTE).isoformat(), until=(NOW - 30 * MINUTE).isoformat()) == [1]
    first = get(limit=2)
    second = get(limit=2, cursor=first["next"])
    third = get(limit=2, cursor=second["next"])
    assert [names.index(one["deployment_id"]) for page in (first, second, third) for one in page["deployments"]] == [
        4,
        3,
        2,
        1,
        0,
    ]
    assert third["next"] is None


def test_times_that_contradict_each_other_are_refused(put):
    for wrong in (
        deployment(started=NOW, seen=NOW - MINUTE),
        deployment(seen=NOW - MINUTE, ended=NOW - 2 * MINUTE),
        deployment(seen=NOW + 120 * MINUTE),
    ):
        assert put(str(uuid7()), wrong).status_code == 422
