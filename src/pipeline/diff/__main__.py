"""Compares a change with its base in Markdown; exits with 1 where a metric becomes worse than conf/gate.yaml tolerates.

python -m pipeline.diff main                 the working tree against the commit where HEAD left main
python -m pipeline.diff main --output FILE   the same into a file
"""

import sys
from pathlib import Path

from pipeline.config.params_file import PARAMS, load_mapping
from pipeline.diff import compare, gate_settings, markdown, snapshot
from pipeline.files import atomic_write
from pipeline.params import compose
from pipeline.support import console
from pipeline.support.errors import ParamsStale
from pipeline.versioning import dvc_status, revision


def main() -> None:
    """Writes the comparison, and raises ChangeFails where the change fails, ChangeNotJudged where it is not reproduced."""
    parser = console.parser(__spec__, __doc__)
    parser.add_argument("base", nargs="?", default="main", help="branch, tag or commit to compare with (default: main)")
    parser.add_argument("--output", type=Path, help="file to write the comparison to, instead of printing it")
    arguments = parser.parse_args()
    between = revision.commit_range(arguments.base)
    with console.step(f"read {between.base} and the working tree"):
        base, head = snapshot.read(between.base), snapshot.read()
    with console.step("ask DVC what is reproduced"):
        stale = _stale()
    tolerated = gate_settings.read(head.gate).diff
    judged_by = gate_settings.stricter(gate_settings.read(base.gate).diff, tolerated) if base.gate else tolerated
    change = compare.compare(base, head, judged_by)
    comparison = markdown.render(change, between, base, head, stale)
    if arguments.output:
        atomic_write.write_text(comparison, arguments.output)
    else:
        sys.stdout.write(comparison)
    compare.refuse_stale(stale)
    compare.refuse_failure(change)


def _stale() -> list[str]:
    """What has to be reproduced before the change can be judged. Raises DvcFailed where DVC cannot tell."""
    stale = []
    try:
        compose.check(load_mapping(PARAMS), compose.compose())
    except ParamsStale:
        stale.append(f"{PARAMS}: not what conf/ composes to")
    return stale + dvc_status.stale_reasons(dvc_status.changed_stages())


if __name__ == "__main__":
    console.run(main)
