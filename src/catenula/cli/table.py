"""All commands: one row each, in the order of the help. Imports nothing but the row types."""

from catenula.cli.lazy import LazyCommand, LazyTable, Rows

_WALLET: Rows = {
    "show": LazyCommand("catenula.cli.wallet.show:show", "List the chains of the wallet."),
    "init": LazyCommand("catenula.cli.wallet.init:init", "Make a wallet for a network."),
    "export-genesis": LazyCommand(
        "catenula.cli.wallet.init:export_genesis", "Save the genesis configuration of a network."
    ),
}

COMMANDS: Rows = {
    # Chains and tokens.
    "transfer": LazyCommand("catenula.cli.chain.tokens:transfer", "Send native tokens."),
    # Wallet and chains.
    "wallet": LazyTable(_WALLET, "Look at the wallet and change it."),
    # Tools of this project.
    "tour": LazyCommand(
        "catenula.cli.tour:tour", "Start a network of four validators and show what it can do."
    ),
    "conformance": LazyCommand(
        "catenula.cli.conformance:conformance",
        "Compare this implementation with recorded data of the reference.",
    ),
    "bench": LazyCommand(
        "catenula.cli.bench:bench",
        "Measure this machine and print the figures of docs/performance.md.",
    ),
}
