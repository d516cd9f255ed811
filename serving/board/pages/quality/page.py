"""The page of what was predicted against what came true: one day, and all days up to the newest."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from board.app_state import AppState
from board.errors import ContentRejected, ServiceUnavailable
from board.pages.frame.outages import outages
from board.pages.frame.page_route import PageRoute
from board.pages.frame.patience import within_patience
from board.pages.frame.presentation import clock_of, nouns, presentation_of, reason_phrase, target_of
from board.pages.frame.rendering import render
from board.pages.quality import charts
from board.scoring.day_scores import Counts, DayScores, Interval, brier_of_days, mean_roc_auc, total, wilson
from board.scoring.live_scores import AWAY, ONE_DAY, Day
from board.scoring.surprises import Surprise
from service_kit.problems import ProblemError

SHOWN_DAYS = 92  # a quarter
OUTCOMES_WITHIN = timedelta(days=7)  # where nothing says how late an outcome may become known
MOST_ROWS = 20_000  # of a day whose predictions are looked through one by one
MOST_TOPICS = 3  # that are named of a surprise
NOT_READ = "The predictions and their outcomes cannot be read: {}. Try again in a moment."
TOO_MANY = "This day has {:,} predictions, too many to look through one by one."
router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True)
class Days:
    """The days that the page shows, with the scores of each by model version, and the one that is selected."""

    shown: list[date]
    scores: list[list[DayScores]]
    selected: date
    first: date
    last: date

    @property
    def of_selected(self) -> list[DayScores]:
        """The scores of the selected day; none where it is not among those shown."""
        return self.scores[self.shown.index(self.selected)] if self.selected in self.shown else []

    @property
    def versions(self) -> list[str]:
        """The model versions, in the order in which they came."""
        return list(dict.fromkeys(day.model_version for of_day in self.scores for day in of_day))

    def of_version(self, version: str) -> list[DayScores]:
        """The days on which a version predicted."""
        return [day for of_day in self.scores for day in of_day if day.model_version == version]

    def neighbour(self, days: int) -> date | None:
        """The day before or after the selected one; None where there is nothing any more."""
        other = self.selected + days * ONE_DAY
        return other if self.first <= other <= self.last else None


@router.get("/quality")
async def quality(
    request: Request, day: Annotated[date | None, Query(description="A day on the clock of the page")] = None
) -> Response:
    """The scores of a day, the newest with outcomes where none is given, and of the quarter that it is in."""
    service: AppState = request.app.state.service
    if service.follower.model is None:
        return render(request, "empty.html", outages=outages(service), state=service.follower.state)
    try:
        period = await service.live_scores.period(official=service.follower.has_source is True)
        if period is None:
            return render(request, "no_quality.html", nouns=nouns(service), has_source=service.follower.has_source)
        days = await _days(service, period, day)
        surprises, why_not = await _surprises(service, days)
    except (ServiceUnavailable, ContentRejected) as error:
        raise ProblemError(503, NOT_READ.format(error)) from error
    return render(request, "quality.html", **_context(service, days), surprises=surprises, why_not=why_not)


async def _days(service: AppState, period: tuple[datetime, datetime], asked: date | None) -> Days:
    """The days up to the newest, or up to the day that is asked for where that is further back."""
    clock = clock_of(service)
    first, last = (clock.local(moment).date() for moment in period)
    end = last if asked is None or last - asked < SHOWN_DAYS * ONE_DAY else max(asked, first)
    count = min((end - first).days + 1, SHOWN_DAYS)
    shown = [end - number * ONE_DAY for number in reversed(range(count))]
    model = service.follower.model or {}
    scores = await service.live_scores.of(
        [Day(day, clock.zone) for day in shown], _complete_until(service, period[1]), model.get("version")
    )
    known = [day for day, of_day in zip(shown, scores, strict=True) if total(of_day).outcomes]
    return Days(shown, scores, asked or (known[-1] if known else last), first, last)


def _complete_until(service: AppState, last: datetime) -> datetime:
    """The moment up to which all outcomes have come in."""
    tracker = service.follower.tracker
    if tracker is None or tracker.tables.watermark is None:
        return last - OUTCOMES_WITHIN if service.follower.has_source is False else datetime.min.replace(tzinfo=UTC)
    return tracker.tables.watermark - timedelta(days=tracker.source.live.OUTCOME_DAYS + 1)


async def _surprises(service: AppState, days: Days) -> tuple[list[dict[str, Any]], str | None]:
    """The worst surprises of the selected day, and a sentence where they are not looked for."""
    counts = total(days.of_selected)
    if not counts.outcomes or counts.predictions > MOST_ROWS:
        return [], TOO_MANY.format(counts.predictions) if counts.outcomes else None
    model, clock = service.follower.model or {}, clock_of(service)
    day, last = Day(days.selected, clock.zone), Day(days.last, clock.zone).until
    try:
        if service.live_scores.is_away:
            raise ServiceUnavailable(AWAY)
        surprises = service.surprises.of(day, _complete_until(service, last), model.get("version"))
        found = await within_patience(surprises)
    except (ServiceUnavailable, ContentRejected) as error:
        found = service.surprises.kept(day)
        if not found:
            return [], NOT_READ.format(error)
    return [_shown(service, surprise) for surprise in found], None


def _shown(service: AppState, surprise: Surprise) -> dict[str, Any]:
    """A surprise as the template takes it: what it is called, where it leads, and why it was predicted so."""
    prediction, presentation, subject = surprise.prediction, presentation_of(service), surprise.subject
    moment = datetime.fromisoformat(prediction["as_of"] or prediction["time"])
    reasons = [
        {"phrase": reason_phrase(service, topic, prediction["features"]), "contribution": topic["contribution"]}
        for topic in surprise.topics[:MOST_TOPICS]
    ]
    return {
        "moment": moment, "subject": subject, "probability": prediction["probability"], "outcome": prediction["outcome"],
        "name": presentation.name(subject) if presentation and subject else prediction["prediction_id"],
        "reasons": reasons, "why_not": surprise.why_not,
    }  # fmt: skip


def _context(service: AppState, days: Days) -> dict[str, Any]:
    """What the template shows of the scores."""
    model, target = service.follower.model or {}, target_of(service)
    counts, whole = total(days.of_selected), total(day for of_day in days.scores for day in of_day)
    versions = days.versions
    by_version = [_version(version, days.of_version(version)) for version in versions]
    return {
        "outages": outages(service),
        "question": target["description"] or target["name"], "base_rate": target["rate"],
        "threshold": model["threshold"] if {day.model_version for day in days.of_selected} == {model["version"]} else None,
        "nouns": nouns(service), "has_source": service.follower.has_source,
        "days": days, "counts": counts, "whole": whole, "versions": by_version,
        "calibrations": (charts.calibration(counts.tenths), charts.calibration(whole.tenths)),
        "trends": _trends(days, versions),
        "rows": [
            (day, total(of_day), of_day) for day, of_day in zip(days.shown, days.scores, strict=True) if of_day
        ],
    }  # fmt: skip


def _version(version: str, of_version: list[DayScores]) -> dict[str, Any]:
    counts: Counts = total(of_version)
    return {
        "version": version, "days": len(of_version), "counts": counts,
        "brier": brier_of_days(of_version), "roc_auc": mean_roc_auc(of_version),
    }  # fmt: skip


def _trends(days: Days, versions: list[str]) -> dict[str, charts.Chart]:
    """The charts over days, with a series for each model version."""

    def chart(name: str) -> charts.Chart:
        values: list[list[tuple[int, Interval]]] = [
            [(versions.index(day.model_version), value) for day in of_day if (value := getattr(day, name))]
            for of_day in days.scores
        ]
        return charts.over_days(days.shown, values, days.selected)

    return {"share": _shares(days), "brier": chart("brier"), "roc_auc": chart("roc_auc")}


def _shares(days: Days) -> charts.Chart:
    """The share that came true by day, and as the second series the share that the probabilities had expected."""
    values: list[list[tuple[int, Interval]]] = []
    for counts in map(total, days.scores):
        if not counts.outcomes:
            values.append([])
            continue
        expected = counts.expected / counts.outcomes
        values.append([(1, Interval(expected, expected, expected)), (0, wilson(counts.positives, counts.outcomes))])
    return charts.over_days(days.shown, values, days.selected, "{:.0%}".format)
