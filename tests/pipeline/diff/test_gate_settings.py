"""conf/gate.yaml is read whole or refused, and says which way of a metric is better."""

import pytest
from sklearn import metrics

from pipeline.config.params_file import CONF, load_mapping
from pipeline.diff import gate_settings
from pipeline.evaluation.metrics import METRICS
from pipeline.support.errors import ParamsInvalid


@pytest.fixture
def values():
    return load_mapping(CONF / "gate.yaml")


def test_the_committed_gate_is_whole(values):
    found = gate_settings.read(values)

    assert set(found.promote.tolerances) == {"brier", "roc_auc"}
    assert found.diff.tolerances["roc_auc"] < 0.005


@pytest.mark.parametrize(
    ("block", "key", "value", "said"),
    [
        ("promote", "resample", 5, r"promote\.resample is not a setting"),
        ("promote", "resamples", 5, r"promote\.resamples is 5"),
        ("diff", "tolerances", {"roc_acu": 0.1}, r"diff\.tolerances\.roc_acu"),
        ("diff", "tolerances", {"roc_auc": -0.1}, r"diff\.tolerances\.roc_auc is -0\.1"),
    ],
)
def test_a_faulty_gate_is_refused_by_key_and_file(values, block, key, value, said):
    values[block][key] = value

    with pytest.raises(ParamsInvalid, match=rf"^conf/gate\.yaml does not hold .*{said}.*Correct it there\.$"):
        gate_settings.read(values)


def test_a_change_is_judged_by_the_smaller_tolerance_of_both_gates():
    base, head = (gate_settings.Diff({"roc_auc": auc, "brier": brier}, {}) for auc, brier in ((0.01, 0.002), (0.5, 0.001)))
    without = gate_settings.Diff({"f1": 0.1}, {})

    assert gate_settings.stricter(base, head).tolerances == {"roc_auc": 0.01, "brier": 0.001}
    assert gate_settings.stricter(base, without).tolerances == {"f1": 0.1, "roc_auc": 0.01, "brier": 0.002}
    assert gate_settings.stricter(base, base) == base


def test_a_metric_that_is_an_error_gains_by_falling():
    truth, worse, better = [0, 1], [0.4, 0.6], [0.1, 0.9]

    assert gate_settings.gain("brier", metrics.brier_score_loss(truth, worse), metrics.brier_score_loss(truth, better)) > 0
    assert gate_settings.gain("roc_auc", 0.7, 0.75) == pytest.approx(0.05)
    assert set(METRICS) >= gate_settings.LOWER_IS_BETTER
