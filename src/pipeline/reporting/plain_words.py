"""What the scores say, in sentences for readers who are not statisticians: counts out of 100 cases."""

from collections.abc import Iterator

import pandas as pd

from pipeline.evaluation.bootstrap import Scores
from pipeline.evaluation.slice_scores import Evaluation


def sentences(evaluation: Evaluation, threshold: float, confidence: float) -> list[str]:
    """The sentences, from calibration to uncertainty; what is undefined, such as the order in one class, has none."""
    scores, rate = evaluation.overall, evaluation.rate
    return [
        _calibration(evaluation.calibration),
        *_order(scores, confidence),
        _decisions(scores, rate, threshold),
        *_skill(scores, rate),
    ]


def of_100(share: float) -> str:
    """A share as a count out of 100; what is rounded to none or to all says so."""
    count = round(100 * share)
    if count == 0 and share > 0:
        return "fewer than 1"
    return "more than 99" if count == 100 and share < 1 else f"{count}"


def _calibration(bins: pd.DataFrame) -> str:
    """What came true among cases of the lowest, a middle and the highest probability."""
    places = sorted({0, len(bins) * 2 // 3, len(bins) - 1})
    parts = [
        f"of 100 cases that it calls {of_100(predicted)} % likely, {of_100(observed)} came true"
        for predicted, observed in bins[["predicted", "observed"]].iloc[places].itertuples(index=False)
    ]
    return f"{'; '.join(parts)}.".capitalize()


def _order(scores: Scores, confidence: float) -> Iterator[str]:
    """ROC AUC is the probability that a positive case has the higher score (Hanley and McNeil, Radiology 143, 1982)."""
    auc = scores["roc_auc"]
    if auc["value"] is None:
        return
    sentence = (
        "Take one case that came true and one that did not: the one that came true has the higher probability "
        f"{of_100(auc['value'])} times in 100. Guessing would manage 50"
    )
    if auc["low"] is not None and auc["high"] is not None:
        sentence += (
            f". On other cases of the same kind it would be between {of_100(auc['low'])} and {of_100(auc['high'])} "
            f"(with {100 * confidence:g} % confidence)"
        )
    yield f"{sentence}."


def _decisions(scores: Scores, rate: float, threshold: float) -> str:
    """Precision and recall; the share of cases called positive is rate x recall / precision."""
    precision, recall = scores["precision"]["value"], scores["recall"]["value"]
    begin = f"It says yes if the probability is at least {100 * threshold:.3g} %"
    if not precision or recall is None:
        return f"{begin}, and none of the cases that it said yes to came true."
    return (
        f"{begin}, which is {of_100(rate * recall / precision)} times in 100. Of 100 cases that it says yes to, "
        f"{of_100(precision)} come true; of 100 cases that come true, it says yes to {of_100(recall)}."
    )


def _skill(scores: Scores, rate: float) -> Iterator[str]:
    """The Brier skill score against the share of positives: 1 - Brier / (rate x (1 - rate)) (Murphy, 1973)."""
    brier, reference = scores["brier"]["value"], rate * (1 - rate)
    if brier is None or not reference:
        return
    skill = 1 - brier / reference
    yield (
        f"Its squared errors are {100 * abs(skill):.0f} % {'smaller' if skill >= 0 else 'larger'} than those of a forecast "
        f"that gives every case the same {100 * rate:.0f} %, the share that came true."
    )
