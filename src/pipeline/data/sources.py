"""Finds the files that the raw tables come from: in an installed package, or at a path."""

from importlib import metadata
from pathlib import Path

from pipeline.config.settings import Data
from pipeline.files.digests import sha256
from pipeline.support.errors import SourceMissing, TableInvalid


def locate(data: Data) -> dict[str, Path]:
    """The file of each raw table, or its folder of files, by table name; a digest is checked where one is declared.

    A package's files are found through its installed metadata; the package is never imported.
    Raises SourceMissing where there is no file, TableInvalid where its digest is not the declared one.
    """
    paths = {}
    for name, table in data.tables.items():
        path = _find_in_package(data.source.package, table.file) if data.source.package else Path(table.file)
        if not path.exists():
            raise SourceMissing(
                f"Table {name} is read from {path}, which is not there. Put the file there or "
                f"correct data.source.path in conf/data/."
            )
        if table.sha256 and path.is_dir():
            raise TableInvalid(f"{path} is a folder, which has no sha256. Declare none in conf/data/.")
        if table.sha256 and (digest := sha256(path)) != table.sha256:
            raise TableInvalid(
                f"{path.name} should have the sha256 {table.sha256[:12]}… that conf/data/ declares for "
                f"table {name}; it has {digest[:12]}…: the file is damaged or another one. "
                "Restore the declared file, or declare the new digest if you meant to change the file."
            )
        paths[name] = path
    return paths


def _find_in_package(package: str, file: str) -> Path:
    try:
        path = Path(str(metadata.distribution(package).locate_file(file)))
    except metadata.PackageNotFoundError as error:
        raise SourceMissing(
            f"The raw tables come from the Python package {package}, which is not installed here. Type `make setup`."
        ) from error
    if not path.is_file():
        raise SourceMissing(f"The installed package {package} has no file {file}. Type `rm -r .venv && make setup`.")
    return path
