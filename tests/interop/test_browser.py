"""A real browser on our network, without the reference's web client: any clone can run this.

A page of our own carries bytes over ``fetch``, so that what browsers demand is proved: answers to
preflights, exposed headers, trailers in the body, streams that arrive while they last, and HTTP/2
under TLS, without which a browser's third listening page would hang for good.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from catenula.base.codec import codec_of
from catenula.base.identifiers import ChainId
from catenula.protocol import ChainDescription, ChainInfoQuery
from catenula.transport.messages import from_proto_bytes, to_proto_bytes
from tests.interop.chromium import served
from tests.interop.networks import OURS, RunningNetwork, running
from tests.ports import free_port, free_port_range

PAGE = Path(__file__).with_name("page")
OWNER = "0x" + "5a" * 20
NOT_FOUND = "5"
PAGES_THAT_LISTEN = 4

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    with served(PAGE) as url:
        yield f"{url}index.html"


@contextmanager
def _network(folder: Path, *options: str) -> Iterator[RunningNetwork]:
    faucet_port, base = free_port(), free_port_range()
    command = (
        *(*OURS, "net", "up", "--validators", "4", *options),
        *("--with-faucet", "--faucet-port", str(faucet_port), "--faucet-amount", "10"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_OFFSET_PORT", str(base))
        with running(command, faucet_port=faucet_port, folder=folder) as network:
            network.addresses = [f"localhost:{base + 4001 + index}" for index in range(4)]
            yield network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    with _network(tmp_path_factory.mktemp("network")) as started:
        yield started


@pytest.fixture
def page(browser: Browser, page_url: str) -> Iterator[Page]:
    with browser.new_page() as opened:
        opened.goto(page_url)
        opened.wait_for_function("window.ask !== undefined")
        yield opened


def _call(page: Page, base: str, method: str, request: bytes) -> dict[str, Any]:
    script = "([base, method, request]) => window.call(base, method, request)"
    answer: dict[str, Any] = page.evaluate(script, [base, method, request.hex()])
    return answer


def _reply(page: Page, base: str, method: str, request: bytes) -> bytes:
    answer = _call(page, base, method, request)
    assert answer["http"] == 200, answer
    assert "grpc-status:0" in answer["trailers"].replace(" ", ""), answer
    (message,) = answer["messages"]
    return bytes.fromhex(message)


def _ask(page: Page, faucet: str, query: str) -> dict[str, Any]:
    text = page.evaluate("([url, query]) => window.ask(url, query)", [faucet, query])
    answer: dict[str, Any] = json.loads(text)
    return answer


def _claim(page: Page, faucet: str) -> ChainId:
    query = f'mutation {{ claim(owner: "{OWNER}") }}'
    answer = _ask(page, faucet, query)
    description: ChainDescription = codec_of(ChainDescription).from_json(answer["data"]["claim"])
    return description.chain_id


def test_a_page_reads_from_every_validator(page: Page, network: RunningNetwork) -> None:
    names = set()
    for address in network.addresses:
        reply = _reply(page, f"http://{address}", "GetNetworkDescription", b"")
        names.add(from_proto_bytes("NetworkDescription", reply).name)
    assert len(names) == 1


def test_a_page_claims_a_chain_and_sees_it_on_a_validator(
    page: Page, network: RunningNetwork
) -> None:
    chain_id = _claim(page, network.faucet)
    assert _claim(page, network.faucet) == chain_id
    query = to_proto_bytes("ChainInfoQuery", ChainInfoQuery(chain_id))
    reply = _reply(page, f"http://{network.addresses[0]}", "HandleChainInfoQuery", query)
    info = from_proto_bytes("ChainInfoResult", reply).info
    assert (info.chain_id, info.next_block_height) == (chain_id, 0)


def test_a_page_can_read_the_status_of_a_refusal(page: Page, network: RunningNetwork) -> None:
    request = to_proto_bytes("CryptoHash", bytes(32))
    answer = _call(page, f"http://{network.addresses[0]}", "DownloadCertificate", request)
    assert (answer["http"], answer["messages"]) == (200, [])
    assert answer["status"] == NOT_FOUND or f"grpc-status:{NOT_FOUND}" in answer["trailers"]


def _subscription(chain_id: ChainId) -> str:
    return to_proto_bytes("SubscriptionRequest", (chain_id,)).hex()


def test_a_page_hears_a_notification_while_its_stream_is_open(
    page: Page, network: RunningNetwork
) -> None:
    admin = _ask(page, network.faucet, "query { genesisConfig }")
    codec = codec_of(ChainDescription)
    chains = [codec.from_json(item).chain_id for item in admin["data"]["genesisConfig"]["chains"]]
    first = page.evaluate(
        "([base, request]) => window.listen(base, request)",
        [
            f"http://{network.addresses[0]}",
            to_proto_bytes("SubscriptionRequest", tuple(chains)).hex(),
        ],
    )
    assert first == "", "the first message of a subscription is empty"
    _ask(page, network.faucet, f'mutation {{ claim(owner: "0x{"77" * 20}") }}')
    page.wait_for_function("window.heard.length > 0")
    flags, payload = page.evaluate("window.heard[0]")
    assert flags == 0
    assert from_proto_bytes("Notification", bytes.fromhex(payload)).chain_id in chains


def _certificate(folder: Path) -> tuple[str, str]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("*** NOT TESTED: no openssl to make a certificate with")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(  # A fixed command, found on the path.
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return str(certificate), str(key)


def test_under_tls_many_pages_listen_at_once_and_calls_still_go_through(
    browser: Browser, page_url: str, tmp_path: Path
) -> None:
    certificate, key = _certificate(tmp_path)
    options = ("--external-protocol", "grpcs", "--tls-cert", certificate, "--tls-key", key)
    context = browser.new_context(ignore_https_errors=True)
    with _network(tmp_path, *options) as network, context:
        base = f"https://{network.addresses[0]}"
        request = _subscription(ChainId(bytes(32)))
        for _ in range(PAGES_THAT_LISTEN):
            page = context.new_page()
            page.goto(page_url)
            page.wait_for_function("window.ask !== undefined")
            for _ in range(2):
                page.evaluate("([base, request]) => window.listen(base, request)", [base, request])
            _reply(page, base, "GetVersionInfo", b"")
