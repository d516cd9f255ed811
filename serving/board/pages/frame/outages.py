"""What a page cannot show as it should, in sentences: which service is away, and what that means for readers."""

from board.app_state import AppState


def outages(service: AppState) -> list[str]:
    """A sentence for each service that does not answer, and one where the board itself fails; none where all is well."""
    follower, sentences = service.follower, []
    if service.data_service.failure:
        sentences.append(
            "The data service does not answer. This page shows what was known before; nothing new arrives until it is back."
        )
    if service.predictor.failure:
        sentences.append(
            "The prediction service does not answer. Predictions made before are shown; new ones follow when it is back."
        )
    if follower.failure and not sentences:
        sentences.append(f"The board begins again after a failure: {follower.failure}")
    return sentences
