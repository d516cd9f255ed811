"""Both services behind an nginx that speaks TLS and shows them under a path of its own; skipped by name without nginx."""

import re
import shutil
import ssl
import subprocess
from urllib.parse import urljoin

import httpx
import pytest

from ports import free_port
from service_processes import running, until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
PREFIX = "/team/ontime"
CONFIGURATION = """
daemon off; error_log stderr; pid {folder}/pid; events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
    location {prefix}/ {{ proxy_pass {url}{path}; }}
  }}
}}
"""

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: the services were not tried behind a proxy")


@pytest.fixture(scope="module", params=["prediction_api", "data_api"])
def service(request, tmp_path_factory):
    with running(request.param, tmp_path_factory.mktemp(request.param), ROOT_PATH=PREFIX) as server:
        yield server


@pytest.fixture(params=["/", f"{PREFIX}/"], ids=["prefix taken off", "prefix left"])
def client(request, service, tmp_path):
    """A client that knows only the proxy."""
    command = f"req -x509 -newkey rsa:2048 -nodes -keyout {tmp_path}/key.pem -out {tmp_path}/certificate.pem -days 1".split()
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(["openssl", *command, *names], capture_output=True, check=True)
    port, configuration = free_port(), tmp_path / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=tmp_path, port=port, prefix=PREFIX, url=service.url, path=request.param)
    )
    process = subprocess.Popen([NGINX, "-e", "stderr", "-c", configuration])
    try:
        trust = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
        with httpx.Client(base_url=f"https://localhost:{port}{PREFIX}/", verify=trust) as client:
            until(lambda: client.get("healthz").status_code == 200)
            yield client
    finally:
        process.terminate()
        process.wait(10)


def test_the_page_of_the_api_shows_with_relative_addresses(client):
    start = client.get(str(client.base_url))
    page = client.get(urljoin(str(client.base_url), start.headers["location"]))

    assert (start.status_code, page.status_code) == (307, 200)
    addresses = re.findall(r"""(?:src|href)="([^"]+)"|url: '([^']+)'""", page.text)
    assert len(addresses) == 4
    for address in map("".join, addresses):
        assert not address.startswith(("http", "/"))
        assert client.get(urljoin(str(page.url), address)).status_code == 200


def test_the_document_names_the_prefix_and_bodies_arrive(client, service):
    document = client.get("openapi.json").json()

    assert document["servers"] == [{"url": PREFIX}]
    assert service.path in document["paths"]
    answer = client.post(service.path.strip("/"), content=service.body, headers={"content-type": "application/json"})
    assert answer.status_code == service.status


def test_a_slash_too_many_is_no_redirect(client, service):
    answer = client.post(f"{service.path.strip('/')}/", content=service.body, headers={"content-type": "application/json"})

    assert answer.status_code == 404


def test_requests_are_counted_under_their_routes(client):
    client.get("openapi.json")

    routes = set(re.findall(r'request_seconds_count\{route="([^"]+)"', client.get("metrics").text))
    assert not [route for route in routes if PREFIX in route]
    assert "/healthz" in routes
