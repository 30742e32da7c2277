"""A network of validators in this process, and the command line on it."""

import asyncio
import json
import secrets
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result

from catenula.cli import command
from catenula.cli.global_options import GlobalOptions
from catenula.cli.json_shapes import SHAPES, mismatches
from catenula.cli.main import main
from catenula.client.files.genesis_json import write_genesis
from catenula.client.files.keystore_json import KeyStoreFile
from catenula.client.files.wallet_json import ChainEntry, WalletFile
from catenula.client.remote_node import NodeProvider
from catenula.network.configuration import NetworkShape
from catenula.network.embedded import make_network
from catenula.network.network import EmbeddedProvider

_T = TypeVar("_T")


class CommandLine:
    """Runs commands with the files of one wallet; the validators are in this process."""

    def __init__(self, folder: Path, provider: NodeProvider | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.provider = folder, provider

    def files(self) -> list[str]:
        """The options that name the files."""
        folder = self.folder
        return [
            f"--wallet={folder / 'wallet.json'}",
            f"--keystore={folder / 'keystore.json'}",
            f"--storage=sqlite:{folder / 'client.sqlite'}",
        ]

    def run(self, *arguments: str) -> Result:
        """The result of a command, whatever it is."""
        options = GlobalOptions(provider=self.provider)
        return CliRunner().invoke(main, [*self.files(), *arguments], obj=options)

    def __call__(self, *arguments: str) -> str:
        """What a command that must succeed prints to stdout."""
        result = self.run(*arguments)
        assert result.exit_code == 0, f"{arguments}: {result.output}{result.exception!r}"
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """What a command that must succeed prints with ``--json``; it has the command's shape."""
        data = json.loads(self(*arguments, "--json"))
        words = " ".join(arguments)
        name = max((name for name in SHAPES if name in words), key=len)
        assert list(mismatches(SHAPES[name], data)) == []
        return data


class LocalNetwork:
    """Four validators in memory, on an event loop that goes on from command to command."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.loop = folder, asyncio.new_event_loop()
        monkeypatch.setattr(command, "run", self.run)
        shape = NetworkShape(root_chains=3)
        self.embedded = make_network(shape, random_bytes=secrets.token_bytes)
        self.genesis_path = folder / "genesis.json"
        write_genesis(self.genesis_path, self.embedded.genesis)

    def run(self, body: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine where the validators run."""
        return self.loop.run_until_complete(body)

    def bare_wallet(self, name: str) -> CommandLine:
        """The place of a wallet that is still to be made."""
        return CommandLine(self.folder / name, EmbeddedProvider(self.embedded))

    def wallet(self, name: str) -> CommandLine:
        """A new wallet without chains."""
        line = self.bare_wallet(name)
        line("wallet", "init", "--genesis", str(self.genesis_path))
        return line

    def root_wallet(self, name: str = "root") -> CommandLine:
        """A new wallet with the root chains and their key."""
        line = self.wallet(name)
        owner = KeyStoreFile.read(line.folder / "keystore.json").add(
            self.embedded.configuration.root_key
        )
        wallet = WalletFile.read(line.folder / "wallet.json")
        for chain in self.embedded.genesis.chains:
            entry = ChainEntry(str(owner), None, 0, chain.timestamp)
            wallet.content = wallet.content.with_chain(chain.chain_id, entry)
        wallet.save()
        return line

    @property
    def chains(self) -> list[str]:
        """The root chains; the first one is the admin chain."""
        return [str(chain.chain_id) for chain in self.embedded.genesis.chains]

    def close(self) -> None:
        """Stop the validators."""
        self.run(self.embedded.stop_all())
        self.loop.close()
