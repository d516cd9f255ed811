"""Runs one experiment with other settings, after checking that conf/ composes with them.

python -m pipeline.experiments.run model=logistic model.C=0.1    as dvc exp run -S model=logistic -S model.C=0.1
"""

import subprocess
import sys

from pipeline.params import compose
from pipeline.support import console
from pipeline.support.errors import OntimeError, SourceMissing
from pipeline.versioning import dvc_lock


class OneExperimentOnly(OntimeError):
    """The overrides are a search."""


def main() -> None:
    """Runs it, and exits as `dvc exp run` does. Raises an OntimeError before anything runs."""
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("overrides", nargs="*", help="settings of conf/, such as model.C=0.1")
    parser.add_argument("--name", help="of the experiment; DVC makes one up by default")
    arguments = parser.parse_args()
    if len(points := compose.grid(arguments.overrides)) > 1:
        raise OneExperimentOnly(f"An experiment has one setting of everything; these are {len(points)}. Type `make sweep`.")
    (values,) = points.values()
    if problem := compose.missing_source(values["data.source.path"]):
        raise SourceMissing(f"{problem}.")
    dvc_lock.read()
    name = ["--name", arguments.name] if arguments.name else []
    words = [word for override in arguments.overrides for word in ("-S", override)]
    sys.exit(subprocess.run([sys.executable, "-m", "dvc", "exp", "run", *name, *words], check=False).returncode)


if __name__ == "__main__":
    console.run(main)
