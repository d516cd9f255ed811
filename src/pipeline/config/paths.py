"""Where the stages read and write, relative to the repository: what dvc.yaml names."""

from pathlib import Path

LOCK = Path("dvc.lock")
CARDS = Path("conf/card")

RAW = Path("data/raw")  # of each table a folder of partitions
INFERRED_COLUMNS = RAW / "columns.yaml"  # of a table without declared columns

PROCESSED = Path("data/processed")  # training and test rows are folders of partitions
TRAIN_TABLE = PROCESSED / "train"
TEST_TABLE = PROCESSED / "test"
DATASET = PROCESSED / "dataset.json"
COUNTS = PROCESSED / "counts.json"

MODEL = Path("data/model")

REPORT = Path("data/report")
VALIDATION = REPORT / "validation.json"
METRICS = REPORT / "metrics.json"  # point values alone: as narrow as `dvc metrics show` needs them
INTERVALS = REPORT / "intervals.json"  # the same with low and high
PLOTS = REPORT / "plots"
PAGE = REPORT / "report.html"
CARD = REPORT / "model_card.md"
