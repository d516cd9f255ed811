"""Arrow IPC streams as pyarrow writes them."""

import io

import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
SCHEMA = pa.schema(
    [
        ("departs", pa.timestamp("us")),
        ("carrier", pa.string()),
        ("season", pa.string()),
        ("distance", pa.float64()),
        ("delay", pa.float64()),
    ]
)


def stream(table, **options):
    """A table as a stream, one batch a chunk."""
    target = io.BytesIO()
    with pa.ipc.new_stream(target, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return target.getvalue()


def table_of(content):
    """The table in a stream, checked by pyarrow."""
    table = pa.ipc.open_stream(content).read_all()
    table.validate(full=True)
    return table
