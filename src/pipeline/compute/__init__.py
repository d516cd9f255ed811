"""Where the parts of a stage are computed: in this process, or on the workers of a cluster, to the same bytes."""

from pipeline.compute.engine import Engine, LocalEngine, open_engine

__all__ = ["Engine", "LocalEngine", "open_engine"]
