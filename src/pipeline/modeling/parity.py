"""Compares an exported graph with the estimator that it was made from."""

import numpy as np
import numpy.typing as npt

from pipeline.support.errors import ExportInexact

TOLERANCE = 1e-5


def compare(estimator: npt.NDArray[np.float64], graph: npt.NDArray[np.float64], rows_before: int = 0) -> float:
    """The largest difference between the probabilities [n] that both give for the same rows.

    Messages count the rows of the table, of which ``rows_before`` stand before these.

    Raises ExportInexact where it exceeds TOLERANCE or a probability is missing.
    """
    difference = np.abs(estimator - graph)
    row = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
    if not difference[row] <= TOLERANCE:
        raise ExportInexact(
            f"The exported graph should give the estimator's probabilities within {TOLERANCE:g}; on row {rows_before + row} "
            f"it gives {graph[row]:.6f} and the estimator {estimator[row]:.6f}. Nothing was written. Choose another model "
            "in conf/model, or report the packages' versions."
        )
    return float(difference[row])
