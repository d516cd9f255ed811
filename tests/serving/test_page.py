"""The API's page in a real browser, without a network; skipped by name where there is no Chromium."""

import re
import shutil
import subprocess

import httpx
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the API's page was not looked at")
def test_the_page_shows_the_routes_in_a_browser_that_reaches_no_other_host(make_server, tmp_path):
    server = make_server()
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={tmp_path / 'browser'}", "--virtual-time-budget=10000",
            "--dump-dom", f"{server.url}/docs",
        ],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    shown = re.sub(r"<script.*?</script>|<style.*?</style>", "", done.stdout, flags=re.DOTALL)
    for text in ("Predict one record", "Predict many records", "Check that the service has what it needs", "Record"):
        assert text in shown


def test_the_page_loads_nothing_from_another_host(make_server):
    page = httpx.get(f"{make_server().url}/docs").text

    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert loaded
    assert [address for address in loaded if ":" in address or address.startswith("/")] == []
