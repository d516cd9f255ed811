"""What the engine does to the file of a SQLite database."""

import pytest

from data_api.database.engine import create_engine_for


@pytest.mark.parametrize("is_there", [False, True])
def test_nobody_else_may_read_the_file_of_a_database_or_what_sqlite_puts_beside_it(tmp_path, is_there):
    path = tmp_path / "ontime.db"
    if is_there:
        path.touch(mode=0o644)
    engine = create_engine_for(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE a (b)")
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    engine.dispose()

    assert modes["ontime.db"] == 0o600
    assert set(modes.values()) == {0o600}
