"""What can fail between a stage and the workers that compute its parts."""

from pipeline.support.errors import OntimeError


class SchedulerAway(OntimeError):
    """No scheduler answers at DASK_SCHEDULER_ADDRESS, or the one that did has gone."""


class WorkersAway(OntimeError):
    """The scheduler has no worker, those of this machine did not start, or the same task ended several of them."""


class WorkerDiffers(OntimeError):
    """A worker has another source, or other versions of packages, than this process."""


class WorkerFailed(OntimeError):
    """A worker has too little memory, or cannot read or write."""
