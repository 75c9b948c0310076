"""The derived settings of the ingress in a real NGINX, in front of an application that sets no header, or its own."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path

import pytest

from derive.addons.nginx import entries
from model import Nginx
from tests.ports import free_port
from tests.unit.declared import deployed
from tests.unit.fronted import fronted

pytestmark = pytest.mark.tool("nginx")
FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
OWN_PAGE, STRANGE_PAGE = "https://www.dev.shop.example", "https://xdev.shop.example"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """NGINX with the derived snippets, as the controller puts them around a host of its own."""
    folder = tmp_path_factory.mktemp("nginx")
    front, back = free_port(), free_port()
    (folder / "nginx.conf").write_text(_configuration(folder, front, back))
    command = ["nginx", "-e", str(folder / "log"), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 10
        while not _answers(front):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield front
    finally:
        process.terminate()
        process.wait(10)


def _configuration(folder: Path, front: int, back: int) -> str:
    ingress = Nginx(trusted=("127.0.0.0/8",))
    found = entries(deployed(fronted(ingress)), ingress)
    places = "\n".join(f"{name}_temp_path {folder / name};" for name in FOLDERS)
    own = "add_header X-Frame-Options SAMEORIGIN; add_header Access-Control-Allow-Origin https://app.example;"
    return f"""\
pid {folder / "pid"};
events {{}}
http {{
access_log off;
{places}
{found["http-snippets"]}
server {{
listen 127.0.0.1:{front};
set_real_ip_from {found["set-real-ip-from"]};
real_ip_header {found["real-ip-header"]};
{found["server-snippets"]}
location / {{ proxy_pass http://127.0.0.1:{back}; }}
}}
server {{
listen 127.0.0.1:{back};
default_type application/json;
location /own {{ {own} return 200 "own"; }}
location / {{ return 200 "{"x" * 2000}"; }}
}}
}}
"""


def _answers(port: int) -> bool:
    try:
        return ask(port, "/").pop("status") == "200"
    except ConnectionError:
        return False


def ask(port: int, path: str, method: str = "GET", **headers: str) -> dict[str, str]:
    """Headers of the answer in small letters, and its status."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    named: Mapping[str, str] = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path, headers=dict(named))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return {"status": str(answer.status), **{key.lower(): value for key, value in answer.getheaders()}}


def test_headers_stand_in_for_those_that_the_application_lacks(port: int) -> None:
    found = ask(port, "/", Origin=OWN_PAGE, Accept_Encoding="gzip")
    wanted = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "access-control-allow-origin": OWN_PAGE,
        "content-encoding": "gzip",
    }
    assert {key: found.get(key) for key in wanted} == wanted


def test_the_application_s_own_headers_stay_and_are_not_doubled(port: int) -> None:
    """A browser refuses an answer with two origins."""
    found = ask(port, "/own", Origin=OWN_PAGE)
    assert (found["x-frame-options"], found["access-control-allow-origin"]) == ("SAMEORIGIN", "https://app.example")


def test_pages_of_other_domains_get_nothing(port: int) -> None:
    """Nor one whose name merely ends like the domain."""
    assert "access-control-allow-origin" not in ask(port, "/", Origin=STRANGE_PAGE)
    assert ask(port, "/", "OPTIONS", Origin=STRANGE_PAGE)["status"] == "200", "left to the application"


def test_a_page_of_the_domain_is_told_what_it_may_send(port: int) -> None:
    found = ask(port, "/", "OPTIONS", Origin=OWN_PAGE)
    assert (found["status"], found["access-control-allow-methods"]) == ("204", "GET, POST, PUT, PATCH, DELETE")


@pytest.mark.parametrize(("path", "status"), [("/metrics", "404"), ("/metrics/x", "404"), ("/metricsx", "200")])
def test_metrics_are_not_published(port: int, path: str, status: str) -> None:
    assert ask(port, path)["status"] == status


def test_one_client_s_flood_is_refused_and_another_s_request_is_not(port: int) -> None:
    """By the address that the trusted proxy names: all of them come from the proxy's own."""
    flood = Counter(ask(port, "/own", CF_Connecting_IP="198.51.100.7")["status"] for _ in range(400))
    assert flood["429"] > 0
    assert flood["200"] >= 101, "the burst, and one"
    assert ask(port, "/own", CF_Connecting_IP="198.51.100.8")["status"] == "200"
