"""The stage of the tour: the network, the three wallets, and the checking of claims.

A claim about chains is checked on every running validator, not on the wallet that caused it.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.client import ClientError
from catenula.network.amounts import Tokens, amount_from, tokens_of
from catenula.network.chain import NetworkChain
from catenula.network.embedded_validator import EmbeddedValidator
from catenula.network.inspection import balance_on, supply_on
from catenula.network.network import Network
from catenula.network.tour.report import Claim, Narrator, Step
from catenula.network.wallet import NetworkWallet
from catenula.protocol import ConfirmedBlockCertificate

VALIDATORS = 4


class Stage:
    """What the parts of the tour work with."""

    def __init__(self, folder: Path, engine: str, narrator: Narrator) -> None:
        self.folder, self.engine, self.narrator = folder, engine, narrator
        self.step = Step("", "")
        self._network: Network | None = None
        self._wallets: dict[str, NetworkWallet] = {}
        self.applications: dict[str, ApplicationId] = {}
        self.chains: dict[str, ChainId] = {}

    # The network

    async def start(self) -> Network:
        """Start the network of this folder, as it was left."""
        self._network = await Network.start(VALIDATORS, folder=self.folder, engine=self.engine)
        return self._network

    async def stop(self) -> None:
        """Stop everything; what is on disk stays."""
        network, self._network = self._network, None
        self._wallets.clear()
        if network is not None:
            await network.close()

    @property
    def network(self) -> Network:
        """The running network."""
        if self._network is None:
            raise LocalError("the tour's network is not running", retryable=False)
        return self._network

    @property
    def running(self) -> list[EmbeddedValidator]:
        """The validators that run."""
        return [validator for validator in self.network.validators if validator.is_running]

    async def open_wallet(self, name: str, tokens: Tokens = 0) -> NetworkWallet:
        """Open a wallet; it is found as ``stage.alice`` and so on afterwards."""
        wallet = self._wallets[name] = await self.network.wallet(name, tokens)
        return wallet

    @property
    def alice(self) -> NetworkWallet:
        """The first wallet."""
        return self._wallets["alice"]

    @property
    def bob(self) -> NetworkWallet:
        """The second wallet."""
        return self._wallets["bob"]

    @property
    def carol(self) -> NetworkWallet:
        """The third wallet."""
        return self._wallets["carol"]

    # Claims

    def claim(self, text: str, ok: bool, detail: str = "") -> None:
        """Record a claim and whether it is true."""
        claim = Claim(text, ok, detail)
        self.step.claims.append(claim)
        self.narrator.claim(claim)

    def equal(self, text: str, found: object, expected: object) -> None:
        """Claim that a value is as expected."""
        self.claim(text, found == expected, _difference(found, expected))

    async def on_validators(
        self, text: str, read: Callable[[EmbeddedValidator], object], expected: object
    ) -> None:
        """Claim that every running validator holds a value, once nothing is on its way."""
        await self.network.settled()
        found = {validator.name: read(validator) for validator in self.running}
        wrong = {name: value for name, value in found.items() if value != expected}
        if not found:
            self.claim(text, ok=False, detail="no validator runs")
        elif wrong:
            detail = "; ".join(f"{name}: {_show(value)}" for name, value in wrong.items())
            self.claim(text, ok=False, detail=f"{detail}; expected {_show(expected)}")
        else:
            self.claim(text, ok=True, detail=f"{len(found)} validators agree: {_show(expected)}")

    async def holds(
        self,
        whose: str,
        chain: NetworkChain | ChainId,
        tokens: Tokens,
        *,
        owner: AccountOwner = AccountOwner.CHAIN,
    ) -> None:
        """Claim what an account holds, on every running validator."""
        chain_id = chain.id if isinstance(chain, NetworkChain) else chain
        expected = tokens_of(amount_from(tokens))

        def read(validator: EmbeddedValidator) -> object:
            return tokens_of(balance_on(validator, chain_id, owner))

        await self.on_validators(f"{whose} holds {expected}", read, expected)

    async def keeps_the_supply(self) -> None:
        """Claim that all tokens are still there, on every running validator."""
        chains = self.network.embedded.genesis.chains
        supply = tokens_of(sum(chain.config.balance for chain in chains))

        def read(validator: EmbeddedValidator) -> object:
            return tokens_of(supply_on(validator))

        await self.on_validators("all chains together hold what there was", read, supply)

    async def refused(self, text: str, attempt: Awaitable[object], code: str) -> None:
        """Claim that an attempt is refused with the error of this code; its text is the detail."""
        try:
            await attempt
        except ClientError as error:
            self.claim(text, error.code == code, error.message())
        else:
            self.claim(text, ok=False, detail=f"it was accepted; expected {code}")


def certificate_on(
    validator: EmbeddedValidator, block_hash: CryptoHash
) -> ConfirmedBlockCertificate | None:
    """The certificate of a block as a validator stores it."""
    if validator.driver is None:
        return None
    return validator.driver.worker.shared.certificate(block_hash)


def block_on(validator: EmbeddedValidator, chain_id: ChainId) -> ConfirmedBlockCertificate | None:
    """The certificate of a chain's last block as a validator stores it."""
    block_hash = validator.chain(chain_id).tip.block_hash
    return None if block_hash is None else certificate_on(validator, block_hash)


def _difference(found: object, expected: object) -> str:
    if found == expected:
        return _show(found)
    return f"found {_show(found)}, expected {_show(expected)}"


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return str(value)
