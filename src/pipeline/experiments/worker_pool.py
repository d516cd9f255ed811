"""The workers of DVC's queue: where all of them died, what they ran has failed, and others take up what waits."""

from collections.abc import Sequence

from pipeline.experiments import dvc_queue
from pipeline.experiments.trials import Trial
from pipeline.support import console
from pipeline.support.errors import OntimeError

MOST_DEATHS = 3  # where workers die again and again, the machine is too small


class WorkersCrashed(OntimeError):
    """All workers died, again and again."""


class WorkerPool:
    """So many workers, whom somebody asks from time to time whether they live."""

    def __init__(self, size: int) -> None:
        self._size, self._missed, self._deaths = size, 0, 0

    def look(self, known: Sequence[Trial]) -> None:
        """Replaces the workers where none answers twice in a row: they take their time to start.

        What ran with them counts as failed from then on. Raises WorkersCrashed at the third time.
        """
        self._missed = 0 if dvc_queue.workers() else self._missed + 1
        if self._missed < 2:
            return
        self._missed, self._deaths = 0, self._deaths + 1
        running = [one.name for one in known if one.state == "running"]
        dvc_queue.abandon(running)
        if self._deaths == MOST_DEATHS:
            raise WorkersCrashed(
                f"The workers of DVC's queue should live until it is empty; all of them died, {MOST_DEATHS} times. "
                "Look whether memory is short (at_once in conf/sweep.yaml); `make sweep` goes on."
            )
        console.warn(f"All workers died, and {', '.join(running) or 'nothing'} with them; others start.")
        dvc_queue.start(self._size)
