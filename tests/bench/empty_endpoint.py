"""A FastAPI endpoint with the prediction service's request and response models that does nothing: what the frame costs."""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from prediction_api.api.openapi import PredictionResponse
from prediction_api.model import artifact
from prediction_api.model.record_fields import record_type

ANSWER = {
    "prediction_id": "01a20696-a399-72e4-b8bc-00697261d27a",
    "probability": 0.16,
    "label": False,
    "threshold": 0.28,
    "model_version": "0" * 12,
    "warnings": [],
}
Record = record_type(artifact.read(Path(sys.argv[1])).schema)
Record.__pydantic_config__ = {"extra": "forbid"}  # not strict: FastAPI validates what json.loads gave, where times are text
app = FastAPI()


@app.post("/predict")
async def predict(record: Record) -> PredictionResponse:  # type: ignore[valid-type]
    return PredictionResponse(**ANSWER)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning")
