"""The probe application, built with the official SDK, on an embedded network."""

from dataclasses import dataclass
from pathlib import Path

from catenula.base.identifiers import ApplicationId
from catenula.network.chain import NetworkChain

PARAMETERS = b'{"label":"a","seed":1}'
ARGUMENT = b'{"note":"","steps":[]}'
ENDLESS = (1 << 64) - 1


@dataclass(frozen=True)
class Probe:
    """The probe's code."""

    folder: Path

    async def create(self, chain: NetworkChain) -> ApplicationId:
        """Publish the probe and create an application."""
        contract = (self.folder / "probe_contract.wasm").read_bytes()
        service = (self.folder / "probe_service.wasm").read_bytes()
        return await chain.publish_and_create(
            contract, service, parameters=PARAMETERS, argument=ARGUMENT
        )


def steps(*each: bytes) -> bytes:
    """An operation of these steps."""
    return bytes((len(each),)) + b"".join(each)


def text(value: str) -> bytes:
    """A text, or bytes, in BCS."""
    return bytes((len(value),)) + value.encode()


def map_add(key: str, number: int) -> bytes:
    """Read a number of the map, add to it, write it."""
    return b"\x0d\x03" + text(key) + number.to_bytes(8, "little")


def spin(rounds: int) -> bytes:
    """Compute for a while."""
    return b"\x0e\x00" + rounds.to_bytes(8, "little")


def panic(why: str) -> bytes:
    """Panic."""
    return b"\x0f\x04\x00" + text(why)


def http_get(url: str) -> bytes:
    """Fetch a URL."""
    return b"\x09\x02\x00" + text(url) + b"\x00\x00"


def send(destination: bytes, *on_arrival: bytes, tracked: bool = False) -> bytes:
    """Send a message that makes the receiver perform steps."""
    flags = bytes((0, tracked))
    resources = bytes(16 + 14 * 4)
    return b"\x03" + destination + flags + resources + steps(*on_arrival) + b"\x00"


def query_service(application_id: ApplicationId, query: str) -> bytes:
    """Ask a service as an oracle."""
    return b"\x09\x01" + application_id + text(query)


def map_get(key: str) -> bytes:
    """The query for a number of the map."""
    return b'{"ViewRead":{"MapGet":"' + key.encode() + b'"}}'


def call_probe(callee: ApplicationId, *each: bytes) -> bytes:
    """Call another probe, authenticated."""
    return b"\x05\x00" + callee + b"\x01" + steps(*each)
