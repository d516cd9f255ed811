"""What the stages do and the bare script does not, step by step: its one line of JSON holds the seconds of each."""

import json

import numpy as np
import one_script
from one_script import step

from pipeline.config.params_file import load_params
from pipeline.data import model_inputs, schema, schema_json
from pipeline.evaluation import permutation_importance, topic_contributions
from pipeline.modeling import artifact, onnx_export, parity


def main() -> None:
    settings = load_params()
    data, columns = settings.data, settings.data.columns
    raw = one_script.read(settings, copies=1)
    with step("check the raw tables"):
        for name, declared in data.tables.items():
            schema.check(raw[name], declared.columns, name, settings.ingest.invalid_rows_allowed)
    train, test = one_script.examples(raw, settings)
    with step("check the examples"):
        for part in (train, test):
            schema.check(part, columns, "of examples")
    with step("describe the columns"):
        described = schema_json.describe(data.dataset(), train)["columns"]
    fitted = one_script.fit(train, settings)
    with step("export the graph"):
        scorer = artifact.session(onnx_export.to_graph(fitted.model, columns).SerializeToString())
    with step("compare the graph on every row"):
        for packed in (model_inputs.pack(part, columns) for part in (train, test)):
            found = artifact.probability(scorer, model_inputs.to_arrays(packed, columns))
            parity.compare(fitted.model.probability(packed), found)
    with step("importances of the columns"):
        sample = test.iloc[np.random.default_rng(0).permutation(len(test))[: settings.evaluate.importance_rows]]
        permutation_importance.auc_losses(
            lambda arrays: artifact.probability(scorer, arrays),
            model_inputs.to_arrays(model_inputs.pack(sample, columns), columns),
            sample[data.target.name].to_numpy(),
            columns,
            settings.evaluate.seed,
        )
    with step("contributions of the topics"):
        sample = model_inputs.to_arrays(model_inputs.pack(test.head(settings.evaluate.reasons_rows), columns), columns)
        topic_contributions.contributions(lambda arrays: artifact.probability(scorer, arrays), sample, described)
    print(json.dumps({"seconds": one_script.SECONDS}))


if __name__ == "__main__":
    main()
