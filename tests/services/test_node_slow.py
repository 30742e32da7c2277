"""An application that takes its time does not keep a node service from answering others."""

import asyncio
import threading

from catenula.execution.applications import Contract, NativeModule, Service
from tests.network.native import native_network
from tests.services.node_stage import served


class Patient(Service):
    """Answers when the test says so."""

    may_answer = threading.Event()
    is_asked = threading.Event()

    def handle_query(self, argument: bytes) -> bytes:
        self.is_asked.set()
        while not self.may_answer.is_set():
            self.runtime.check_execution_time()
        return b'{"data": "at last"}'


def test_questions_are_answered_while_an_application_thinks() -> None:
    async def main() -> None:
        async with native_network() as stage:
            wallet = await stage.network.wallet("owner", tokens="10")
            application_id = await stage.create(wallet.chain, NativeModule(Contract, Patient))
            async with served(stage.network, wallet) as service:
                slow = asyncio.create_task(service.application(application_id, b"{}"))
                await asyncio.to_thread(Patient.is_asked.wait)
                chain = str(service.chain_id)
                query = "query ($c: ChainId!) { chain(chainId: $c) { executionState { system { "
                data = await service.ask(query + "balance } } } }", c=chain)
                assert data["chain"]["executionState"]["system"]["balance"] == "10."
                assert not slow.done()
                Patient.may_answer.set()
                assert (await slow).json() == {"data": "at last"}

    asyncio.run(main())
