"""The page about the model that answers: what it is for, where it came from, how good it was in training, and its watch."""

import logging
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from board.app_state import AppState
from board.clients.data_service import Drift
from board.errors import ContentRejected, ServiceUnavailable
from board.pages.frame.markdown import inline
from board.pages.frame.outages import outages
from board.pages.frame.page_route import PageRoute
from board.pages.frame.patience import within_patience
from board.pages.frame.presentation import nouns
from board.pages.frame.rendering import render

SECTIONS = {"uses": "What it is for", "not_for": "What it is not for"}
SCORES = {
    "roc_auc": ("ROC AUC", "how often one that came true is above one that did not; 0.5 is guessing"),
    "average_precision": ("Average precision", "the mean share of hits at the top of the list; guessing gives the rate"),
    "brier": ("Brier score", "the mean squared error of the probability; 0 is perfect"),
    "calibration_error": ("Calibration error", "how far a probability is from what comes true, on average; 0 is perfect"),
    "precision": ("Precision", "of those that it says yes to, the share that comes true"),
    "recall": ("Recall", "of those that come true, the share that it says yes to"),
}  # fmt: skip
logger = logging.getLogger(__name__)
router = APIRouter(route_class=PageRoute)


@router.get("/about")
async def about(request: Request) -> Response:
    """What GET /model of the prediction service says, in words, and what the board knows of the model's state."""
    service: AppState = request.app.state.service
    model = service.follower.model
    if model is None:
        return render(request, "empty.html", outages=outages(service), state=service.follower.state)
    lineage = model["lineage"]
    return render(
        request, "about.html", outages=outages(service), model=model, nouns=nouns(service), card=_card(model.get("card")),
        lineage=lineage, promotion=_promotion(lineage), scores=_scores(model["metrics"]), sections=SECTIONS,
        checks=await _checks(service), loaded=datetime.fromisoformat(lineage["loaded"]),
    )  # fmt: skip


def _card(card: dict[str, Any] | None) -> dict[str, Any]:
    """The texts of the card as HTML; lists stay lists, and what nobody wrote is empty."""
    texts: dict[str, Any] = {
        "purpose": "",
        "source": "",
        "licence": "",
        "contact": "",
        "uses": [],
        "not_for": [],
        "limits": [],
    }
    for name, text in (card or {}).items():
        texts[name] = inline(text) if isinstance(text, str) else [inline(item) for item in text]
    return texts


def _promotion(lineage: dict[str, Any]) -> dict[str, Any] | None:
    """When and why the model was promoted, with its time as such; None where its source does not know."""
    promotion = lineage.get("promotion")
    return {**promotion, "time": datetime.fromisoformat(promotion["time"])} if promotion else None


def _scores(metrics: dict[str, dict[str, float]]) -> list[tuple[str, str, float | None, float | None]]:
    """Name, meaning, value on training rows that the model had not seen, and on the test rows where the source knows it."""
    validation, run = metrics["validation"], metrics.get("run", {})
    rows = [(*words, validation.get(name), run.get(name)) for name, words in SCORES.items()]
    return [row for row in rows if row[2] is not None or row[3] is not None]


async def _checks(service: AppState) -> list[tuple[str, str | Markup, str]]:
    """What is watched, its state as far as the board knows it, and the alerts that watch it."""
    checks: list[tuple[str, str | Markup, str]] = []
    if tracker := service.follower.tracker:
        due = len(tracker.officials.due(tracker.tables.watermark)) if tracker.tables.watermark else 0
        silent = sorted(tracker.silent())
        checks += [
            (
                "Predictions are made in time",
                f"{due} are overdue" if due else "none is overdue",
                "OfficialPredictionsBehind",
            ),
            ("Events arrive", f"silent: {', '.join(silent)}" if silent else "every table speaks", "TableSilent"),
            ("The features are those of the event log", f"last audit: {service.auditor.state}", "FeatureMismatches"),
        ]
    try:
        drift = await within_patience(service.data_service.drift())
    except (ServiceUnavailable, ContentRejected) as error:
        logger.warning("the drift is not known", extra={"reason": str(error)})
        drift = None
    checks += [("The inputs look as in training", _drift_words(drift), "ModelDrift, ColumnDrift")]
    return checks


def _drift_words(drift: Drift | None) -> str | Markup:
    if drift is None or not drift.columns:
        return "not known: the data service does not say"
    name, largest = max(drift.columns.items(), key=lambda item: item[1])
    probability = "" if drift.probability is None else f"probabilities {drift.probability:.2f}, "
    return Markup("{}largest column {} ({:.2f}); over three days, by the population stability index").format(
        probability, Markup("<code>{}</code>").format(escape(name)), largest
    )
