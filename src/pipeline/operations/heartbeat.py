"""Tells Uptime Kuma that a run of the pipeline finished: python -m pipeline.operations.heartbeat.

Where PIPELINE_HEARTBEAT_URL, or the file /run/secrets/pipeline_heartbeat_url, names no address, nobody is told.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from pipeline.support import console

SETTING = "PIPELINE_HEARTBEAT_URL"
SECRETS = Path("/run/secrets")
TIMEOUT = 5  # seconds
PATIENCE = Retry(4, backoff_factor=0.5, status_forcelist=(404, 502, 503))  # 7.5 s: the monitor may be made right now


def main() -> None:
    """Tells it; a monitoring that is away is a warning and no failure."""
    if url := address(os.environ):
        try:
            _tell(url)
        except requests.RequestException as error:
            console.warn(f"{SETTING} should take the heartbeat of this run; it did not ({type(error).__name__}).")


def address(environment: Mapping[str, str], secrets: Path = SECRETS) -> str:
    """Where to tell: from the environment, else from the folder of secrets, else "". It holds a token: never show it."""
    if url := environment.get(SETTING, ""):
        return url
    file = secrets / SETTING.lower()
    return file.read_text(encoding="utf-8").strip() if file.is_file() else ""


def _tell(url: str) -> None:
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=PATIENCE))
        session.get(url, timeout=TIMEOUT).raise_for_status()


if __name__ == "__main__":
    console.run(main)
