"""A bot with a chain of its own: it sends half of every payment back to the paying chain.

    python payment_bot.py [FAUCET_URL] [PAYMENTS]

It ends after so many payments (never, if none are given). Its keys live in the folder
``bot-wallets``, which belongs to one network.
"""

import asyncio
import sys
from decimal import Decimal

import catenula
from catenula.network import NetworkChain, Receipt
from catenula.network.amounts import tokens_of
from catenula.protocol import Credit, IncomingBundle


def paid(bundle: IncomingBundle) -> Decimal:
    """The tokens that a bundle of messages brings."""
    messages = [posted.message for posted in bundle.bundle.messages]
    credits = [message for message in messages if isinstance(message, Credit)]
    return sum((tokens_of(credit.amount) for credit in credits), Decimal(0))


async def main(faucet_url: str, payments: int | None) -> None:
    async with await catenula.connect(faucet_url, folder="bot-wallets") as network:
        bot = await network.wallet("bot")
        print(f"pay me at {bot.chain.id}", flush=True)
        answered = 0
        news = bot.chain.notifications()
        while payments is None or answered < payments:
            for receipt in await bot.chain.process_inbox():
                answered += await answer(bot.chain, receipt)
            if payments is None or answered < payments:
                await anext(news)


async def answer(chain: NetworkChain, receipt: Receipt) -> int:
    """Send half of each payment back; how many payments there were."""
    bundles = [bundle for bundle in receipt.received if paid(bundle)]
    for bundle in bundles:
        half = paid(bundle) / 2
        await chain.transfer(bundle.origin, half)
        print(f"sent {half} tokens back to {bundle.origin}", flush=True)
    return len(bundles)


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8080"
    asyncio.run(main(url, int(sys.argv[2]) if len(sys.argv) > 2 else None))
