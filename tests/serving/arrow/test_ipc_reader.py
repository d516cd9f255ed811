"""Streams of another writer are read to the value; streams that were damaged are refused, whatever was changed in them."""

import random
import struct
import time
import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from prediction_api.arrow.arrow_types import read_schema
from prediction_api.arrow.ipc_messages import CONTINUATION, InvalidArrow, UnsupportedArrow
from prediction_api.arrow.ipc_reader import TooManyRows, read_columns
from serving.arrow.streams import stream

MOMENT = datetime(2013, 5, 19, 14, 15)
NUMBERS = [*(pa.int8(), pa.int16(), pa.int32(), pa.int64()), *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())]
FLOATS = [pa.float32(), pa.float64()]


def read(body, most_rows=1000):
    """The columns of a stream by name, with None for what is missing."""
    fields = read_schema(body, 100)
    columns = read_columns(body, fields, most_rows)
    return {
        field.name: [column.value(row) for row in range(len(column.missing))]
        for field, column in zip(fields, columns, strict=True)
    }


@pytest.mark.parametrize("kind", [*NUMBERS, *FLOATS], ids=str)
def test_numbers_of_any_type_are_read_as_they_are(kind):
    values = [1, None, 100] if kind in NUMBERS else [1.5, None, -0.25]

    assert read(stream(pa.table({"a": pa.array(values, kind)}))) == {"a": values}


def test_float16_is_read():
    values = np.array([1.5, -0.25], np.float16)

    assert read(stream(pa.table({"a": pa.array(values)}))) == {"a": [1.5, -0.25]}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("index", [None, pa.int8(), pa.uint16(), pa.int64()], ids=str)
def test_texts_are_read_as_they_are_or_in_a_dictionary(kind, index):
    values = pa.array(["a", None, "", "Zürich", "a"], kind)
    column = values if index is None else values.dictionary_encode().cast(pa.dictionary(index, kind))

    assert read(stream(pa.table({"a": column}))) == {"a": ["a", None, "", "Zürich", "a"]}


def test_a_dictionary_may_hold_a_missing_value_and_values_that_no_row_has():
    column = pa.DictionaryArray.from_arrays(pa.array([2, 0, None]), pa.array(["x", "never", None]))

    assert read(stream(pa.table({"a": column}))) == {"a": [None, "x", None]}


def test_rows_may_have_the_later_values_of_a_dictionary_alone():
    column = pa.DictionaryArray.from_arrays(pa.array([3, 1, None]), pa.array(["never", "x", "nor this", "y"]))

    assert read(stream(pa.table({"a": column}))) == {"a": ["y", "x", None]}


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_timestamps_are_whole_numbers_of_their_unit(unit, per_second, zone):
    body = stream(pa.table({"a": pa.array([MOMENT, None], pa.timestamp(unit)).cast(pa.timestamp(unit, zone))}))

    (field,) = read_schema(body, 100)

    assert read(body) == {"a": [MOMENT.replace(tzinfo=UTC).timestamp() * per_second, None]}
    assert (field.type.unit, field.type.zone) == (unit, zone)


def test_booleans_and_columns_of_nothing_are_read():
    table = pa.table({"a": pa.array([True, None, False]), "b": pa.nulls(3)})

    assert read(stream(table)) == {"a": [True, None, False], "b": [None] * 3}


def test_batches_are_joined_each_with_the_dictionary_of_its_time():
    parts = [
        pa.table({"a": pa.array(texts).dictionary_encode(), "n": list(range(len(texts)))}) for texts in (["x"], ["y", "x"])
    ]

    assert read(stream(pa.concat_tables(parts))) == {"a": ["x", "y", "x"], "n": [0, 0, 1]}


def test_a_slice_of_a_table_is_read_without_the_rest():
    table = pa.table({"a": [1.0, None, 3.0], "s": ["x", None, "zz"], "d": pa.array(["p", "q", "p"]).dictionary_encode()})

    assert read(stream(table.slice(1))) == {"a": [None, 3.0], "s": [None, "zz"], "d": ["q", "p"]}


def test_a_table_without_rows_is_read():
    assert read(stream(pa.table({"a": pa.array([], pa.string())}))) == {"a": []}


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_buffers_are_refused_before_they_are_unpacked(codec):
    bomb = stream(pa.table({"a": np.zeros(1000)}), compression=codec)

    with pytest.raises(UnsupportedArrow, match="its buffers are compressed"):
        read(bomb)


def test_a_delta_of_a_dictionary_is_refused():
    parts = [pa.table({"a": pa.array(texts).dictionary_encode()}) for texts in (["x"], ["x", "y"])]

    with pytest.raises(UnsupportedArrow, match="it adds to a dictionary"):
        read(stream(pa.concat_tables(parts), emit_dictionary_deltas=True))


def test_more_rows_than_are_read_are_refused_also_over_several_batches():
    table = pa.table({"a": [1.0] * 6})

    assert len(read(stream(table), most_rows=6)["a"]) == 6
    for body in (stream(table), stream(pa.concat_tables([table.slice(0, 3), table.slice(3)]))):
        with pytest.raises(TooManyRows, match="6 rows"):
            read(body, most_rows=5)


def test_a_billion_rows_of_nothing_are_refused_at_once():
    body = stream(pa.table({"a": pa.nulls(7)}))
    assert body.count(struct.pack("<q", 7)) >= 2  # of the batch, of its column
    body = body.replace(struct.pack("<q", 7), struct.pack("<q", 10**9))

    tracemalloc.start()
    with pytest.raises(TooManyRows, match="1,000,000,000 rows"):
        read(body)

    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("length", range(8))
def test_a_body_that_is_shorter_than_a_message_is_refused(length):
    with pytest.raises(InvalidArrow):
        read((b"\xff\xff\xff\xff" + b"\x08\0\0\0")[:length])


def test_a_stream_that_was_cut_anywhere_is_refused_or_has_whole_batches_only():
    table = pa.table({"a": [1.0, None], "s": ["x", "yy"], "d": pa.array(["p", "q"]).dictionary_encode()})
    body, whole = stream(table), table.to_pydict()
    for length in range(len(body)):
        try:
            assert read(body[:length]) in ({name: [] for name in whole}, whole)
        except InvalidArrow:
            continue


def test_what_follows_the_end_is_refused():
    with pytest.raises(InvalidArrow, match="1 bytes follow its end"):
        read(stream(pa.table({"a": [1.0]})) + b"x")


def test_wrong_lengths_are_refused_with_no_more_memory_than_the_body():
    body = stream(pa.table({"a": [1.0]}))
    for wrong in (2**31 - 1, 2**30, -8, 12, 1):
        with pytest.raises(InvalidArrow):
            read(body[:4] + struct.pack("<i", wrong) + body[8:])


def test_offsets_that_point_everywhere_read_no_more_than_there_is():
    body = stream(pa.table({"s": ["abc", "defg"]}))
    place = body.index(struct.pack("<iii", 0, 3, 7))
    for offsets in ((0, 7, 3), (0, 3, 2**31 - 1), (-5, 3, 7), (0, -1, 7)):
        with pytest.raises(InvalidArrow, match="offsets"):
            read(body[:place] + struct.pack("<iii", *offsets) + body[place + 12 :])


def test_an_index_outside_of_its_dictionary_is_refused():
    body = stream(pa.table({"d": pa.array(["p", "q", "q"]).dictionary_encode()}))
    place = body.rindex(struct.pack("<iii", 0, 1, 1))
    for index in (2, -1, 2**31 - 1):
        with pytest.raises(InvalidArrow, match="outside of its dictionary"):
            read(body[:place] + struct.pack("<iii", 0, index, 1) + body[place + 12 :])


def test_a_dictionary_of_large_texts_that_each_row_names_costs_no_more_than_its_size():
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["x" * 4_000_000]))
    body = stream(pa.concat_tables([pa.table({"a": column.slice(row, 1)}) for row in range(1000)]))

    tracemalloc.start()
    texts = read(body)["a"]

    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()
    assert len(texts) == 1000


def test_a_text_that_is_not_utf8_is_refused():
    column = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(struct.pack("<ii", 0, 2)), pa.py_buffer(b"\xff\xfe")])

    with pytest.raises(InvalidArrow, match="not in UTF-8"):
        read(stream(pa.table({"a": column})))


def test_too_many_columns_and_messages_are_refused_in_little_time():
    wide = stream(pa.table({f"c{number}": [1.0] for number in range(10_000)}))
    schema, batch, end = (CONTINUATION + part for part in stream(pa.table({"a": [1.0]})).split(CONTINUATION)[1:])
    start = time.process_time()

    with pytest.raises(InvalidArrow, match="10,000 columns"):
        read(wide)
    with pytest.raises(TooManyRows):
        read(schema + batch * 20_000 + end)
    with pytest.raises(InvalidArrow, match="more than 5,000 messages"):
        read(schema + batch * 20_000 + end, most_rows=10**9)

    assert time.process_time() - start < 2


@pytest.mark.parametrize("seed", range(8))
def test_streams_with_changed_bytes_are_refused_or_read_and_fail_in_no_other_way(seed):
    chance = random.Random(seed)
    columns = {
        "a": pa.array([1.5, None, 3.0]),
        "i": pa.array([1, 2, 3], pa.int16()),
        "s": pa.array(["x", None, "yy"]),
        "d": pa.array(["p", "q", "p"]).dictionary_encode(),
        "l": pa.array(["x", "zz", "yy"], pa.large_string()),
        "t": pa.array([1, 2, None], pa.timestamp("ms", "UTC")),
        "b": pa.array([True, False, None]),
    }
    whole = stream(pa.table(columns))
    start = time.process_time()
    for _ in range(1_000):
        body = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            place = chance.randrange(len(body)) & ~3
            body[place : place + 4] = chance.choice(
                (
                    b"\xff\xff\xff\xff",
                    b"\xff\xff\xff\x7f",
                    b"\0\0\0\x80",
                    b"\0\0\0\0",
                    b"\x01\0\0\0",
                    b"\0\0\x10\0",
                    chance.randbytes(4),
                )
            )
        try:
            read(bytes(body))
        except (InvalidArrow, TooManyRows):
            continue
        except KeyError:
            pytest.fail("a layout that nobody reads")
    assert time.process_time() - start < 30
