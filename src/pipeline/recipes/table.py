"""The recipe for any single table: each of its rows is an example, unchanged."""

import operator
import re
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from pydantic.dataclasses import dataclass

from column_types.category_text import plain_text
from pipeline.config.settings import CLOSED, Data, Target
from pipeline.recipes.part import Part, Reach
from pipeline.support.errors import TableInvalid

COMPARISON = re.compile(r"(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")
COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
YES_OR_NO = ["0", "1"], ["false", "true"], ["no", "yes"]  # labels whose second is positive without being declared so
MOST_LABELS = 10  # that a message lists


@dataclass(frozen=True, config=CLOSED)
class Options:
    """No settings beyond those of every data set."""


def reach(tables: Collection[str], _options: Options) -> Reach:
    """Each row is an example by itself. Raises TableInvalid where there are several tables."""
    if len(tables) != 1:
        raise TableInvalid(
            f"The recipe `table` takes one table; data.tables in conf/data/ has {len(tables)}. Leave one, or write a recipe "
            "of your own."
        )
    (name,) = tables
    return Reach(name)


def examples(
    tables: Mapping[str, pd.DataFrame], data: Data, options: Options, part: Part | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows that have a target, with the declared columns; the target is 1 where ``data.target.positive`` says so.

    The second result counts the rows without a target. Raises TableInvalid where the target is no question with two answers.
    """
    table, target = tables[reach(tables, options).table], data.target
    if target.name not in table:
        raise TableInvalid(
            f"data.target.name is {target.name}; the table has the columns {', '.join(table.columns)}. "
            "Correct it in conf/data/ and type `make params`."
        )
    labelled = table[table[target.name].notna()]
    labels = labelled[target.name]
    distinct = pd.Series(labels.unique()) if part is None or part.labels is None else part.labels
    answers = dict(zip(distinct.tolist(), _is_positive(distinct, target), strict=True))
    positive = np.array([answers[label] for label in labels.tolist()], np.int8)
    frame = labelled[list(data.columns)].assign(**{target.name: positive})
    return frame.reset_index(drop=True), {f"{target.name} unknown": len(table) - len(labelled)}


def _is_positive(labels: pd.Series, target: Target) -> pd.Series:
    """Which of the distinct labels are the positive one, or among these, or compare with a number as ``positive`` says."""
    texts = labels.map(plain_text)
    distinct, is_list = sorted(texts.unique()), isinstance(target.positive, tuple)
    declared, undeclared = target.positive, "which of them counts as yes is not declared"
    if declared == ():
        raise TableInvalid(_explain(target, distinct, undeclared))
    if declared is None and [label.lower() for label in distinct] in YES_OR_NO:
        declared = distinct[1]
    answers = [plain_text(answer) for answer in (declared if isinstance(declared, tuple) else [declared])]
    numbers = pd.to_numeric(labels.astype(str), errors="coerce")
    comparison = COMPARISON.fullmatch(answers[0].strip())
    if comparison and answers[0] not in distinct and numbers.notna().all():
        positive = COMPARE[comparison[1]](numbers, float(comparison[2]))
    else:
        positive = texts.isin(answers)
        if declared is None:
            raise TableInvalid(_explain(target, distinct, undeclared))
        if unknown := [answer for answer in answers if answer not in distinct]:
            raise TableInvalid(_explain(target, distinct, f"{_listed(unknown)} is none of them"))
        if len(distinct) > 2 and not is_list:
            raise TableInvalid(_explain(target, distinct, "Ontime answers questions with two answers, such as yes and no"))
    if positive.nunique() < 2:
        raise TableInvalid(_explain(target, distinct, "all rows would have the same answer"))
    return positive


def _explain(target: Target, labels: list[str], problem: str) -> str:
    """Why a target is no question, what its labels are and what may be written instead."""
    shown = _listed(labels[:MOST_LABELS]) + (f" and {len(labels) - MOST_LABELS} more" if len(labels) > MOST_LABELS else "")
    example = labels[0] if labels else "a"
    cure = f'one label in quotes such as "{example}", some labels as in ["{example}", ...], or ">200" for a number'
    declared = list(target.positive) if isinstance(target.positive, tuple) else target.positive
    answer = "missing" if declared is None else repr(declared)
    return (
        f"data.target.positive is {answer}; column {target.name} holds {shown or 'nothing'}: {problem}. "
        f"Write {cure} into conf/data/ and type `make params`; unquoted Yes, No, on and off are true and false in YAML."
    )


def _listed(labels: list[str]) -> str:
    """Labels with commas between; quotes show the blanks around one."""
    return ", ".join(label if label == label.strip() else repr(label) for label in labels)
