"""The DVC stages of Ontime and the logic under them, in packages that import only downward.

Each package's docstring says what it holds; the contract `pipeline-floors` in pyproject.toml lists them from the top down.
"""

import os

# Both libraries send usage reports to their makers unless this is switched off. Set the variable to allow it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
