"""The DVC stages of Ontime and the logic under them.

Four floors, each importing only from those below it (tests/house/test_floors.py holds this):

1. verbs: ``compose`` and the stages ``ingest``, ``preprocess``, ``train``, ``evaluate``
2. files that touch the world: ``sources``, ``tables``, ``params``, ``model_directory``, ``tracking``, ``report_page``,
   ``outputs``, ``digests``, ``recipes``, ``stage``
3. recipes, which turn raw tables into examples: ``flights``, ``table``
4. pure logic: everything else
"""

import os

# Both of these libraries report to their makers unless told not to. A person who wants that sets the variable.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
