"""Renders the comparison as short Markdown for a pull request; text from the repository cannot become markup."""

import re
from collections.abc import Iterator, Sequence

import jinja2

from pipeline.config.paths import COUNTS, PAGE
from pipeline.diff import gate_settings, mermaid
from pipeline.diff.compare import Change, ChangedValue, Interval, Snapshot
from pipeline.versioning.revision import CommitRange

MOST_SETTINGS = 10  # shown of one group: that of the columns has hundreds
MOST_SLICES = 15
MOST_FILES = 10
MOST_CHARACTERS = 60  # of a value


def render(change: Change, between: CommitRange, base: Snapshot, head: Snapshot, stale: Sequence[str]) -> str:
    """The comparison as Markdown; ``stale`` names the stages to reproduce in head."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.diff"),
        autoescape=jinja2.select_autoescape(),  # not for Markdown: untrusted text goes through `code`
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"code": code, "signed": signed, "interval": interval, "listed": listed}
    curves = {name: _curve(name, change, base, head) for name in mermaid.CURVES}
    text = environment.get_template("change.md.j2").render(
        change=change,
        between=between,
        notes=list(_notes(change)),
        stale=stale,
        settings=group_settings(change.params),
        most_settings=MOST_SETTINGS,
        most_slices=MOST_SLICES,
        same_hashes=[path for path, md5 in head.hashes.items() if base.hashes.get(path) == md5],
        rows=head.rows if base.rows is not None else None,
        curves=curves,
        gate_file=gate_settings.FILE,
        counts_file=COUNTS,
        report=PAGE,
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _notes(change: Change) -> Iterator[str]:
    """Warnings that a reader needs before the rest."""
    if change.gate:
        yield f"{code(gate_settings.FILE)} itself changed: each metric was judged by the smaller of both tolerances."
    if change.question_changes:
        yield (
            f"The two sides answer different questions, or on other rows: {listed(change.question_changes)}. "
            "Their scores are not comparable."
        )


def _curve(name: str, change: Change, base: Snapshot, head: Snapshot) -> str:
    """A curve as a Mermaid block, or a sentence that explains why there is none."""
    axes = mermaid.CURVES[name]
    absent = [side for side, curves in (("base", base.curves), ("head", head.curves)) if name not in curves]
    if absent:
        return f"{axes.title}: none in {' and '.join(absent)}."
    if name not in change.curves:
        return f"{axes.title}: the same."
    chart = mermaid.chart(axes, base.curves[name], head.curves[name])
    return f"```mermaid\n{chart}\n```" if chart else f"{axes.title}: the two do not overlap."


def group_settings(changed: Sequence[ChangedValue]) -> dict[str, Sequence[ChangedValue]]:
    """The changed settings by group, such as ``model`` or ``data.columns``."""
    groups: dict[str, list[ChangedValue]] = {}
    for setting in changed:
        parts = setting.key.split("[")[0].split(".")
        groups.setdefault(".".join(parts[: 2 if parts[0] == "data" else 1]), []).append(setting)
    return dict(groups)


def code(text: object) -> str:
    """Any text as a code span of one line that fits a table cell; long text is cut."""
    line = " ".join(str(text).split()).replace("`", "'")
    line = line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 3]}..."
    return f"`{line.replace('|', chr(92) + '|')}`" if line else "` `"


def signed(value: float | None) -> str:
    """A change with its sign, with one more decimal than the scores."""
    return "-" if value is None else f"{value:+.5f}"


def interval(score: Interval | None) -> str:
    """A score with its interval: 0.7743 [0.7552, 0.7909]."""
    if score is None:
        return "-"
    value = "undefined" if score.value is None else f"{score.value:.4f}"
    return value if score.low is None or score.high is None else f"{value} [{score.low:.4f}, {score.high:.4f}]"


def listed(names: Sequence[str], most: int = MOST_FILES) -> str:
    """Names as code spans in a sentence: the first ``most`` and the number of others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(code, names[:most])) + more
