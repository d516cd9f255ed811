"""Fits the model's estimator once more, and times predict_proba on a frame in memory.

`python estimator.py` prints JSON: the rows of the whole table and the seconds of the fastest of three predictions.
"""

import json
import time

import pandas as pd

from pipeline.config.params_file import load_dataset, load_params
from pipeline.config.paths import DATASET, TEST_TABLE, TRAIN_TABLE
from pipeline.data import model_inputs, table_io
from pipeline.modeling import estimator

ROUNDS = 3


def main() -> None:
    settings, data = load_params(), load_dataset(DATASET)
    train = table_io.read(TRAIN_TABLE)
    packed, truth = model_inputs.pack(train, data.columns), train[data.target.name].to_numpy()
    fitted = estimator.build(settings.model, data.columns, len(packed), settings.train.seed).fit(packed, truth)
    whole = pd.concat([packed, model_inputs.pack(table_io.read(TEST_TABLE), data.columns)], ignore_index=True)
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        fitted.predict_proba(whole)
        times.append(time.perf_counter() - start)
    print(json.dumps({"rows": len(whole), "seconds": min(times)}))


if __name__ == "__main__":
    main()
