"""The form to ask the model with values of one's own: made from its schema, for any data set."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from board.app_state import AppState
from board.errors import ContentRejected, ServiceUnavailable
from board.pages.access import session
from board.pages.form import fields as form_fields
from board.pages.frame.outages import outages
from board.pages.frame.page_route import PageRoute
from board.pages.frame.patience import within_patience
from board.pages.frame.presentation import nouns, presentation_of, target_of
from board.pages.frame.rendering import render

AWAY = "The prediction service does not answer. What you typed is still here: try again in a moment."
REFUSED = "The model does not take this. What it wants stands beside each field."
NO_REASONS = HTTPStatus.CONFLICT
NOTHING = 0.005  # a contribution that is shown as 0 points
router = APIRouter(route_class=PageRoute)


@router.get("/form")
async def show(request: Request) -> Response:
    """The form, with an example that works."""
    service: AppState = request.app.state.service
    if service.follower.model is None:
        return render(request, "empty.html", outages=outages(service), state=service.follower.state)
    return _page(request, service, form_fields.examples(service.follower.model["schema"]["columns"]))


@router.post("/form", dependencies=[Depends(session.check_csrf_token)])
async def ask(request: Request) -> Response:
    """The answer of the model with its reasons, above the form as it was sent; or what is wrong, beside the fields."""
    service: AppState = request.app.state.service
    model = service.follower.model
    if model is None:
        return render(request, "empty.html", outages=outages(service), state=service.follower.state)
    sent = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    record = form_fields.record(model["schema"]["columns"], sent)
    try:
        answer = await within_patience(
            _ask(service, record, dry_run=service.follower.has_source is not False or "keep" not in sent)
        )
    except ContentRejected as error:
        return _page(request, service, sent, HTTPStatus.UNPROCESSABLE_ENTITY, rejection=error)
    except ServiceUnavailable:
        return _page(request, service, sent, HTTPStatus.SERVICE_UNAVAILABLE, notice=AWAY)
    return _page(request, service, sent, answer=answer, record=record)


async def _ask(service: AppState, record: dict[str, Any], dry_run: bool) -> dict[str, Any]:
    """The answer with its reasons, or without them where the model knows none."""
    try:
        return await service.predictor.ask_about(record, reasons=True, dry_run=dry_run)
    except ContentRejected as error:
        if error.status != NO_REASONS:
            raise
    return await service.predictor.ask_about(record, reasons=False, dry_run=dry_run)


def _page(
    request: Request,
    service: AppState,
    values: dict[str, str],
    status: int = HTTPStatus.OK,
    answer: dict[str, Any] | None = None,
    record: dict[str, Any] | None = None,
    rejection: ContentRejected | None = None,
    notice: str | None = None,
) -> Response:
    model = service.follower.model or {}
    columns, target = model["schema"]["columns"], target_of(service)
    errors = rejection.field_errors if rejection else ()
    if rejection:
        notice = REFUSED if errors else str(rejection)
    groups = form_fields.groups(columns, values, errors)
    reasons, names = _reasons(service, answer, record or {}), {column["name"] for column in columns}
    return render(
        request, "form.html", status, outages=outages(service), notice=notice, answer=answer,
        groups=groups, wrong=[entry for group in groups for entry in group.fields if entry.error],
        reasons=reasons, is_typical=all(abs(reason["contribution"]) < NOTHING for reason in reasons),
        typical=(answer or {}).get("reasons", {}).get("typical_probability"),
        question=target["description"] or target["name"], base_rate=target["rate"], nouns=nouns(service),
        keep="keep" in values, has_source=service.follower.has_source,
        other_errors=[error for error in errors if error.field not in names],
    )  # fmt: skip


def _reasons(service: AppState, answer: dict[str, Any] | None, record: dict[str, Any]) -> list[dict[str, Any]]:
    """What each topic contributed, in words where a package knows the subjects, and its most unusual columns."""
    topics = (answer or {}).get("reasons", {}).get("topics", [])
    presentation = presentation_of(service)
    largest = max((abs(topic["contribution"]) for topic in topics), default=0) or 1
    return [
        {
            **topic,
            "phrase": presentation.phrase(topic["topic"], topic["contribution"], record) if presentation else topic["topic"],
            "share": topic["contribution"] / largest,
        }
        for topic in topics
    ]
