"""Says in Markdown what a change did; exits with 1 where it makes a metric worse than conf/gate.yaml tolerates.

python -m pipeline.report main                 the working tree against the commit where HEAD left main
python -m pipeline.report main --output FILE   the same into a file
"""

import argparse
import sys
from pathlib import Path

from pipeline import change_page, changes, compose, gate, outputs, params, reproduction, revision, sides, stage
from pipeline.errors import ParamsStale


def main() -> None:
    """Writes the report, and raises ChangeFails where the change fails, ChangeNotJudged where it is not reproduced."""
    asked = _parser().parse_args()
    between = revision.span(asked.base)
    with stage.step(f"read {between.base} and the working tree"):
        base, head = sides.read(between.base), sides.read()
    with stage.step("ask DVC what is reproduced"):
        stale = _stale()
    tolerated = gate.read(head.gate).diff
    judged_by = gate.stricter(gate.read(base.gate).diff, tolerated) if base.gate else tolerated
    change = changes.compare(base, head, judged_by)
    page = change_page.render(change, between, base, head, stale)
    if asked.output:
        outputs.write_text(page, asked.output)
    else:
        sys.stdout.write(page)
    changes.refuse_stale(stale)
    changes.refuse_failure(change)


def _stale() -> list[str]:
    """What has to be reproduced before anything can be judged. Raises ReproductionUnknown where DVC cannot say."""
    found = reproduction.stale(reproduction.changed())
    try:
        compose.check(params.load_mapping(params.PARAMS), compose.compose())
    except ParamsStale:
        return [f"{params.PARAMS}: not what conf/ composes to", *found]
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.report", description="Say in Markdown what a change did.")
    parser.add_argument("base", nargs="?", default="main", help="branch, tag or commit to compare with (default: main)")
    parser.add_argument("--output", type=Path, help="file to write the report to, instead of printing it")
    return parser


if __name__ == "__main__":
    stage.run(main)
