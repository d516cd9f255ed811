"""Where the parts of a stage are computed: in this process, or on the workers of a cluster. It moves no byte of a result."""

from pipeline.compute.engine import Engine, LocalEngine, open_engine

__all__ = ["Engine", "LocalEngine", "open_engine"]
