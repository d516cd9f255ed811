"""The outbox keeps each line until it was delivered: across segments, deaths, damage and disks that refuse."""

import asyncio
import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from prediction_api.errors import OutboxUnavailable, OutboxUnusable
from prediction_api.outbox.outbox import Outbox, open_exclusively

LINES = 12
# The bytes of a segment: one line in each, a few in each, all in one.
SEGMENTS = [1, 200, 2**20]
HOLD = """
import sys, time
from pathlib import Path
from prediction_api.outbox.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]))
print("open", flush=True)
time.sleep(60)
"""


@pytest.fixture
def open_outbox(tmp_path: Path) -> Iterator[Callable[..., Outbox]]:
    """Opens the outbox of a folder. The one before lets go of its own first, and writes nothing then, like a death."""
    opened: list[Outbox] = []

    def open_(folder: Path = tmp_path / "outbox", **options: Any) -> Outbox:
        while opened:
            asyncio.run(opened.pop().close())
        opened.append(Outbox(folder, **options))
        return opened[-1]

    yield open_
    for outbox in opened:
        asyncio.run(outbox.close())


def time_of(number: int) -> str:
    return f"2013-05-19T14:{number // 60 % 60:02d}:{number % 60:02d}+00:00"


def line(number: int, **more: Any) -> bytes:
    """A line as the service writes it, as far as the outbox looks at it."""
    return json.dumps({"number": number, "time": time_of(number), **more}).encode()


def append(outbox: Outbox, *numbers: int) -> None:
    asyncio.run(outbox.append([line(number) for number in numbers]))


def append_each(outbox: Outbox, numbers: range) -> None:
    for number in numbers:
        append(outbox, number)


def deliver(outbox: Outbox, most_lines: int = 1) -> list[int]:
    """Delivers one batch, and gives its lines."""
    batch = outbox.peek(most_lines)
    assert batch is not None, "nothing waits"
    outbox.ack(batch.after)
    return [json.loads(found)["number"] for found in batch.lines]


def rest(outbox: Outbox, most_lines: int = 3) -> tuple[list[int], int]:
    """Delivers everything that waits; gives its lines, and how many were unreadable."""
    numbers, damaged = [], 0
    for _ in range(1000):
        batch = outbox.peek(most_lines)
        if batch is None:
            return numbers, damaged
        numbers += [json.loads(found)["number"] for found in batch.lines]
        damaged += batch.damaged
        outbox.ack(batch.after)
    pytest.fail(f"after 1,000 parcels {outbox.depth} lines still wait; {numbers[:50]} came")


def drained(outbox: Outbox, most_lines: int = 3) -> list[int]:
    """Delivers everything that waits, none of it damaged, and gives its lines."""
    numbers, damaged = rest(outbox, most_lines)
    assert damaged == 0
    return numbers


def taken(outbox: Outbox) -> list[int]:
    """The lines of the next batch, none of them damaged, without delivering it."""
    batch = outbox.peek(1000)
    assert batch is not None
    assert batch.damaged == 0
    return [json.loads(found)["number"] for found in batch.lines]


def damage(folder: Path, number: int, place: int, byte: bytes) -> None:
    """Replaces one byte of a line on disk: place 0 is the first of its checksum, -1 is the line break."""
    for path in folder.glob("*.log"):
        found = path.read_bytes()
        if line(number) in found:
            start, end = found.rfind(b"\n", 0, found.index(line(number))) + 1, found.index(line(number)) + len(line(number))
            at = end if place == -1 else start + place
            path.write_bytes(found[:at] + byte + found[at + 1 :])


def segments(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "outbox").glob("*.log"))


def content(tmp_path: Path) -> bytes:
    return b"".join(path.read_bytes() for path in segments(tmp_path))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A disk on which a file cannot grow beyond this size: the write that would do it is cut short, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def hold(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the outbox open."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(Path(__file__).parents[3] / folder) for folder in ("src", "serving")),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], env=environment, stdout=subprocess.PIPE, text=True, cwd=folder.parent
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


@pytest.mark.parametrize("segment_bytes", SEGMENTS)
@pytest.mark.parametrize("most_lines", [1, 5, 100])
def test_lines_are_taken_in_the_order_in_which_they_were_appended(open_outbox, segment_bytes, most_lines):
    outbox = open_outbox(segment_bytes=segment_bytes)
    append_each(outbox, range(LINES))

    assert drained(outbox, most_lines) == list(range(LINES))


def test_a_new_outbox_holds_nothing(open_outbox):
    outbox = open_outbox()

    assert (outbox.peek(10), outbox.depth, outbox.size, outbox.full, outbox.oldest()) == (None, 0, 0, False, None)


def test_lines_that_were_appended_together_stay_together(open_outbox, tmp_path):
    outbox = open_outbox(segment_bytes=1)
    append(outbox, 0, 1, 2)
    append(outbox, 3, 4)

    assert [path.read_bytes().count(b"\n") for path in segments(tmp_path)] == [3, 2]
    assert drained(outbox) == [0, 1, 2, 3, 4]


def test_the_same_lines_are_taken_until_they_are_delivered(open_outbox):
    outbox = open_outbox()
    append_each(outbox, range(LINES))

    first = outbox.peek(2)
    again = outbox.peek(2)
    outbox.ack(again.after)

    assert first == again
    assert first.lines == [line(0), line(1)]
    assert outbox.peek(2).lines == [line(2), line(3)]


def test_a_parcel_holds_at_most_so_many_bytes(open_outbox):
    outbox = open_outbox()
    append_each(outbox, range(LINES))
    a_line = outbox.size // LINES

    assert outbox.peek(LINES, most_bytes=3 * a_line + 1).lines == [line(0), line(1), line(2)]


def test_a_line_longer_than_a_parcel_is_a_parcel_of_its_own(open_outbox):
    outbox = open_outbox()
    long = line(0, text="x" * 5000)
    asyncio.run(outbox.append([long, line(1)]))

    outbox.ack(outbox.peek(1, most_bytes=1000).after)

    assert drained(outbox) == [1]


def test_the_time_of_the_oldest_is_found_without_reading_the_lines_behind_it(open_outbox, monkeypatch):
    outbox = open_outbox()
    asyncio.run(outbox.append([line(number, text="x" * 300_000) for number in range(20)]))
    sizes = []
    read = outbox._read
    monkeypatch.setattr(outbox, "_read", lambda size: sizes.append(len(content := read(size))) or content)

    outbox.oldest()

    assert max(sizes) < 2_000_000


def test_depth_and_size_are_those_of_what_waits(open_outbox):
    outbox = open_outbox(segment_bytes=200)
    append_each(outbox, range(10))
    whole = outbox.size
    for _ in range(4):
        deliver(outbox)

    assert (outbox.depth, outbox.size) == (6, whole // 10 * 6)
    drained(outbox)
    assert (outbox.depth, outbox.size) == (0, 0)


@pytest.mark.parametrize("segment_bytes", SEGMENTS)
@pytest.mark.parametrize("delivered", range(LINES + 1))
def test_reopening_finds_what_waits_and_nothing_else(open_outbox, segment_bytes, delivered):
    outbox = open_outbox(segment_bytes=segment_bytes)
    append_each(outbox, range(LINES))
    for _ in range(delivered):
        deliver(outbox)

    again = open_outbox(segment_bytes=segment_bytes)

    assert again.depth == LINES - delivered
    assert drained(again) == list(range(delivered, LINES))


@pytest.mark.parametrize("segment_bytes", SEGMENTS)
@pytest.mark.parametrize("reopens", [False, True])
@pytest.mark.parametrize("most_lines", [1, 2, 100])
def test_lines_that_come_after_everything_was_delivered_are_taken_whole(open_outbox, segment_bytes, reopens, most_lines):
    outbox = open_outbox(segment_bytes=segment_bytes)
    found = []
    for first in range(0, LINES, 3):
        append_each(outbox, range(first, first + 3))
        found += drained(outbox, most_lines)
        assert (outbox.depth, outbox.size) == (0, 0)
        outbox = open_outbox(segment_bytes=segment_bytes) if reopens else outbox

    assert found == list(range(LINES))


def test_a_segment_that_begins_when_nothing_waits_is_read_from_its_start(open_outbox, tmp_path):
    outbox = open_outbox(segment_bytes=200)
    append_each(outbox, range(3))
    drained(outbox)
    append_each(outbox, range(3, 6))

    assert segments(tmp_path)[-1].read_bytes().index(line(3)) == len("01234567 ")
    assert taken(outbox) == [3, 4, 5]
    assert (outbox.depth, outbox.size) == (3, segments(tmp_path)[-1].stat().st_size)
    assert drained(open_outbox(segment_bytes=200)) == [3, 4, 5]


def test_appending_goes_on_after_a_reopening(open_outbox):
    append_each(open_outbox(segment_bytes=200), range(5))
    append_each(open_outbox(segment_bytes=200), range(5, LINES))

    assert drained(open_outbox(segment_bytes=200)) == list(range(LINES))


def test_an_empty_segment_that_a_death_left_is_gone_on_with(open_outbox, tmp_path):
    append_each(open_outbox(), range(5))
    outbox = open_outbox()
    (tmp_path / "outbox" / f"{5:020d}.log").touch()
    outbox = open_outbox()
    append(outbox, 5)

    assert drained(outbox) == list(range(6))


def test_delivered_segments_are_removed_from_disk(open_outbox, tmp_path):
    outbox = open_outbox(segment_bytes=1)
    append_each(outbox, range(LINES))
    assert len(segments(tmp_path)) == LINES

    for left in reversed(range(1, LINES)):
        deliver(outbox)
        assert len(segments(tmp_path)) == left


def test_delivered_segments_that_a_death_left_are_removed_at_the_next_start(open_outbox, tmp_path):
    outbox = open_outbox(segment_bytes=1)
    append_each(outbox, range(LINES))
    left = {path: path.read_bytes() for path in segments(tmp_path)}
    for _ in range(5):
        deliver(outbox)
    for path, found in left.items():
        path.write_bytes(found)

    outbox = open_outbox(segment_bytes=1)

    assert len(segments(tmp_path)) == LINES - 5
    assert drained(outbox) == list(range(5, LINES))


@pytest.mark.parametrize("segment_bytes", SEGMENTS)
def test_a_torn_last_line_is_cut_wherever_it_was_torn(open_outbox, tmp_path, segment_bytes):
    append_each(open_outbox(segment_bytes=segment_bytes), range(4))
    last = segments(tmp_path)[-1]
    whole = last.read_bytes()

    for size in range(whole[:-1].rfind(b"\n") + 1, len(whole)):
        folder = tmp_path / f"torn-at-{size}"
        shutil.copytree(tmp_path / "outbox", folder)
        os.truncate(folder / last.name, size)
        outbox = open_outbox(folder, segment_bytes=segment_bytes)
        assert outbox.depth == 3, folder
        append(outbox, 9)
        assert drained(outbox) == [0, 1, 2, 9], folder


def test_a_whole_last_line_is_kept(open_outbox, tmp_path):
    append_each(open_outbox(), range(4))
    before = content(tmp_path)
    outbox = open_outbox()

    assert content(tmp_path) == before
    assert drained(outbox) == [0, 1, 2, 3]


@pytest.mark.parametrize("segment_bytes", SEGMENTS)
@pytest.mark.parametrize("reopens", [False, True])
@pytest.mark.parametrize(("byte", "pieces"), [(b"?", 1), (b"\0", 1), (b"\r", 1), (b"\n", 2)])
@pytest.mark.parametrize("place", [0, 7, 20])
def test_a_damaged_line_is_counted_and_passed_over(open_outbox, tmp_path, segment_bytes, reopens, byte, pieces, place):
    outbox = open_outbox(segment_bytes=segment_bytes)
    append_each(outbox, range(LINES))
    damage(tmp_path / "outbox", 5, place, byte)
    outbox = open_outbox(segment_bytes=segment_bytes) if reopens else outbox

    numbers, damaged = rest(outbox)
    append(outbox, LINES)

    assert (numbers, damaged) == ([*range(5), *range(6, LINES)], pieces)
    assert drained(outbox) == [LINES]


@pytest.mark.parametrize(("segment_bytes", "lost"), [(1, [5]), (200, [5]), (2**20, [5, 6])])
@pytest.mark.parametrize("reopens", [False, True])
def test_a_damaged_line_break_takes_no_other_segment_with_it(open_outbox, tmp_path, segment_bytes, lost, reopens):
    outbox = open_outbox(segment_bytes=segment_bytes)
    append_each(outbox, range(LINES))
    damage(tmp_path / "outbox", 5, -1, b"?")
    outbox = open_outbox(segment_bytes=segment_bytes) if reopens else outbox

    numbers, damaged = rest(outbox)
    append(outbox, LINES)

    assert (numbers, damaged) == ([number for number in range(LINES) if number not in lost], 1)
    assert drained(outbox) == [LINES]


def test_a_cursor_that_was_written_late_delivers_again(open_outbox, tmp_path):
    outbox = open_outbox(segment_bytes=200)
    append_each(outbox, range(LINES))
    deliver(outbox, 3)
    cursor = tmp_path / "outbox" / "cursor.json"
    before = cursor.read_bytes()
    after_three = {path: path.read_bytes() for path in segments(tmp_path)}
    again = outbox.peek(3).lines
    deliver(outbox, 3)
    cursor.write_bytes(before)
    for path, found in after_three.items():  # segments are removed only after the cursor was written
        path.write_bytes(found)

    outbox = open_outbox(segment_bytes=200)

    assert outbox.peek(2).lines == again[:2]
    assert drained(outbox) == list(range(3, LINES))


@pytest.mark.parametrize("segment_bytes", SEGMENTS)
def test_without_its_cursor_everything_on_disk_is_delivered_again(open_outbox, tmp_path, segment_bytes):
    outbox = open_outbox(segment_bytes=segment_bytes)
    append_each(outbox, range(LINES))
    for _ in range(5):
        deliver(outbox)
    on_disk = [number for number in range(LINES) if line(number) in content(tmp_path)]
    (tmp_path / "outbox" / "cursor.json").unlink()

    outbox = open_outbox(segment_bytes=segment_bytes)

    assert drained(outbox) == on_disk
    append(outbox, LINES)
    assert drained(outbox) == [LINES]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"line": 1}x', '{"rows": 1}', '{"line": "1", "offset": 0}'])
def test_what_was_delivered_is_delivered_again_where_the_cursor_says_nothing(open_outbox, tmp_path, text, caplog):
    append_each(open_outbox(), range(3))
    cursor = tmp_path / "outbox" / "cursor.json"
    cursor.write_text(text)

    assert drained(open_outbox()) == [0, 1, 2]
    assert "the cursor is unreadable" in caplog.text


@pytest.mark.parametrize("beyond", [1, 10])
def test_lines_are_delivered_though_the_disk_lost_lines_that_were_delivered(open_outbox, tmp_path, beyond):
    outbox = open_outbox()
    append_each(outbox, range(LINES))
    drained(outbox)
    (last,) = segments(tmp_path)
    lines = last.read_bytes().splitlines(keepends=True)
    last.write_bytes(b"".join(lines[:-beyond]))

    outbox = open_outbox()
    assert outbox.depth == 0
    append_each(outbox, range(20, 23))

    assert drained(outbox) == [20, 21, 22]


def test_lines_are_delivered_though_all_segments_were_lost(open_outbox, tmp_path):
    outbox = open_outbox()
    append_each(outbox, range(5))
    deliver(outbox, 3)
    for path in segments(tmp_path):
        path.unlink()

    outbox = open_outbox()
    assert outbox.depth == 0
    append_each(outbox, range(20, 23))

    assert drained(open_outbox()) == [20, 21, 22]


def test_a_full_outbox_refuses_until_something_was_delivered(open_outbox):
    a_line = len(b"%08x %b\n" % (0, line(10)))
    outbox = open_outbox(most_bytes=3 * a_line)
    append_each(outbox, range(10, 13))

    assert outbox.full
    with pytest.raises(
        OutboxUnavailable, match=r"holds 183 bytes and may hold 183 \(OUTBOX_MAX_BYTES\): 3 predictions wait"
    ):
        append(outbox, 13)
    assert outbox.depth == 3

    deliver(outbox)
    assert not outbox.full
    append(outbox, 14)
    assert drained(outbox) == [11, 12, 14]


def test_a_full_outbox_is_full_after_a_reopening(open_outbox):
    append_each(open_outbox(), range(10))

    outbox = open_outbox(most_bytes=100)

    assert outbox.full
    with pytest.raises(OutboxUnavailable, match="10 predictions wait"):
        append(outbox, 10)


@pytest.mark.parametrize("segment_bytes", SEGMENTS)
def test_a_disk_that_refuses_leaves_no_half_line(open_outbox, tmp_path, segment_bytes):
    outbox = open_outbox(segment_bytes=segment_bytes)
    append_each(outbox, range(4))
    before, room = content(tmp_path), segments(tmp_path)[-1].stat().st_size + 20

    with files_of_at_most(room if segment_bytes > 1 else 20), pytest.raises(OutboxUnavailable, match="File too large"):
        append(outbox, *range(4, 8))

    assert content(tmp_path) == before
    assert (outbox.depth, outbox.failure) == (4, f"{tmp_path / 'outbox'} cannot be written: File too large")
    append_each(outbox, range(8, 10))
    assert outbox.failure is None
    assert drained(open_outbox(segment_bytes=segment_bytes)) == [0, 1, 2, 3, 8, 9]


def test_half_a_line_that_could_not_be_cut_is_cut_before_the_next_is_written(open_outbox, tmp_path, monkeypatch):
    outbox = open_outbox()
    append(outbox, 0)

    def broken(file: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, files_of_at_most(len(content(tmp_path)) + 20):
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(OutboxUnavailable):
            append(outbox, 1)

    append(outbox, 2)
    assert drained(outbox) == [0, 2]


def test_a_full_disk_leaves_no_half_line(open_outbox, tmp_path, small_disk):
    with small_disk(tmp_path / "disk", "16k"):
        outbox = open_outbox(tmp_path / "disk" / "outbox")
        with pytest.raises(OutboxUnavailable, match="No space left on device"):
            append_each(outbox, range(1000))
        kept = outbox.depth
        assert kept > 100

        assert taken(open_outbox(tmp_path / "disk" / "outbox")) == list(range(kept))
        open_outbox()  # lets go of the disk


def test_a_second_process_is_refused_until_the_first_has_died(open_outbox, tmp_path):
    (tmp_path / "outbox").mkdir()
    holder = hold(tmp_path / "outbox")
    try:
        with pytest.raises(OutboxUnusable, match=r"belongs to another process that is running\. Give each its own folder"):
            open_outbox()
    finally:
        holder.kill()
        holder.wait()

    append(open_outbox(), 0)


def test_a_second_outbox_in_this_process_is_refused(open_outbox, tmp_path):
    open_outbox()

    with pytest.raises(OutboxUnusable, match="belongs to another process"):
        Outbox(tmp_path / "outbox")


def test_replicas_that_share_a_folder_get_an_outbox_each_and_the_next_one_takes_up_what_was_left(tmp_path):
    first, second = open_exclusively(tmp_path / "shared"), open_exclusively(tmp_path / "shared")
    append(first, 0)
    append(second, 1)
    asyncio.run(second.close())
    third, fourth = open_exclusively(tmp_path / "shared"), open_exclusively(tmp_path / "shared")

    assert [one.folder.name for one in (first, second, third, fourth)] == ["0", "1", "1", "2"]
    assert (third.depth, fourth.depth) == (1, 0)
    for one in (first, third, fourth):
        asyncio.run(one.close())


def test_a_shared_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "shared").write_text("in the way")

    with pytest.raises(OutboxUnusable, match="should be a folder that this process may write"):
        open_exclusively(tmp_path / "shared")


@pytest.mark.parametrize("inside", ["", "outbox"])
def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path, inside):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(
        OutboxUnusable, match=rf"OUTBOX_DIR=.*/file/?{inside} should be a folder that this process may write"
    ):
        Outbox(tmp_path / "file" / inside)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused_by_name(tmp_path):
    (tmp_path / "outbox").mkdir(mode=0o500)

    with pytest.raises(OutboxUnusable, match="Permission denied"):
        Outbox(tmp_path / "outbox")


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How large the file was when each sync began: the real sync, a little slower, as on a disk that turns."""
    sizes: list[int] = []
    real = os.fdatasync

    def sync(file: int) -> None:
        size = os.fstat(file).st_size
        time.sleep(0.02)
        real(file)
        sizes.append(size)

    monkeypatch.setattr(os, "fdatasync", sync)
    return sizes


def test_against_a_death_of_the_process_no_sync_is_needed(open_outbox, syncs):
    append_each(open_outbox(), range(5))

    assert syncs == []


def test_each_line_is_on_disk_when_its_append_returns(open_outbox, syncs):
    outbox = open_outbox(sync="full")

    for number in range(5):
        append(outbox, number)
        assert syncs[-1] == outbox.size
    assert len(syncs) == 5


def test_lines_that_are_appended_at_once_share_a_sync(open_outbox, syncs):
    outbox = open_outbox(sync="full")
    ends: list[tuple[int, int]] = []

    async def append_one(number: int, wait: float) -> None:
        await asyncio.sleep(wait)
        await outbox.append([line(number)])
        ends.append((number, syncs[-1]))

    async def append_all() -> None:
        await asyncio.gather(*(append_one(10 + number, 0) for number in range(40)))
        assert len(syncs) <= 2
        # one a millisecond, while a sync takes twenty
        await asyncio.gather(*(append_one(50 + number % 10, number / 1000) for number in range(40)))

    asyncio.run(append_all())

    a_line = outbox.size // 80
    assert len(syncs) < 10
    assert all(size >= a_line * place for place, (_, size) in enumerate(ends, start=1)), "answered before its sync"
    assert outbox.depth == 80


def test_a_segment_is_on_disk_before_a_line_of_the_next_is_acknowledged(open_outbox, tmp_path, monkeypatch):
    real, synced = os.fsync, set()
    monkeypatch.setattr(os, "fsync", lambda file: (synced.add((os.fstat(file).st_ino, os.fstat(file).st_size)), real(file)))
    outbox = open_outbox(sync="full", segment_bytes=200)

    for number in range(LINES):
        append(outbox, number)
        *finished, _ = segments(tmp_path)
        assert {(path.stat().st_ino, path.stat().st_size) for path in finished} <= synced

    assert len(segments(tmp_path)) > 2
    assert drained(outbox) == list(range(LINES))


def test_a_loss_that_the_disk_tells_to_one_is_told_to_all_who_wait(open_outbox, monkeypatch):
    outbox = open_outbox(sync="full", segment_bytes=200)
    append(outbox, 0, 1)

    def broken(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def the_second_begins_a_segment() -> list[Any]:
        return await asyncio.gather(outbox.append([line(2)]), outbox.append([line(3), line(4)]), return_exceptions=True)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        found = asyncio.run(the_second_begins_a_segment())

    assert [type(one) for one in found] == [OutboxUnavailable, OutboxUnavailable]
    append(outbox, 5)
    assert drained(outbox)[-1] == 5


def test_a_disk_that_cannot_sync_refuses_all_who_wait_for_it(open_outbox, tmp_path, monkeypatch):
    outbox = open_outbox(sync="full")

    def broken(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def append_all() -> list[Any]:
        return await asyncio.gather(*(outbox.append([line(number)]) for number in range(5)), return_exceptions=True)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        answers = asyncio.run(append_all())

    assert {type(answer) for answer in answers} == {OutboxUnavailable}
    assert {str(answer) for answer in answers} == {
        f"The outbox cannot keep the prediction. {tmp_path / 'outbox'} cannot be put on disk: Input/output error."
    }
    append(outbox, 9)
    assert outbox.failure is None
    assert drained(outbox)[-1] == 9


def test_the_oldest_line_is_the_first_that_waits(open_outbox):
    outbox = open_outbox(segment_bytes=200)
    append_each(outbox, range(5))

    found = []
    while outbox.depth:
        found.append(outbox.oldest())
        deliver(outbox)

    assert found == [time_of(number) for number in range(5)]
    assert outbox.oldest() is None


def test_lines_that_were_put_aside_are_kept_beside_those_that_wait(open_outbox, tmp_path):
    outbox = open_outbox()
    append(outbox, 0)
    outbox.dead_letter([line(7), line(8)])
    outbox = open_outbox()
    outbox.dead_letter([line(9)])

    assert (tmp_path / "outbox" / "refused.ndjson").read_bytes() == b"%b\n%b\n%b\n" % (line(7), line(8), line(9))
    assert (tmp_path / "outbox" / "refused.ndjson").stat().st_mode & 0o777 == 0o600
    assert outbox.depth == 1
    assert drained(open_outbox()) == [0]
