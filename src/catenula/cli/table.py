"""All commands: one row each, in the order of the help. Imports nothing but the row types."""

from catenula.cli.lazy import LazyCommand, LazyTable, Rows

_WALLET: Rows = {
    "show": LazyCommand("catenula.cli.wallet.show:show", "List the chains of the wallet."),
    "init": LazyCommand("catenula.cli.wallet.init:init", "Make a wallet for a network."),
    "export-genesis": LazyCommand(
        "catenula.cli.wallet.init:export_genesis", "Save the genesis configuration of a network."
    ),
}

_SERVER: Rows = {
    "generate": LazyCommand(
        "catenula.cli.server.generate:generate", "Make keys and configuration of validators."
    ),
    "initialize": LazyCommand(
        "catenula.cli.server.store:initialize", "Prepare a store for a network."
    ),
    "run": LazyCommand("catenula.cli.server.run:run", "Run a validator."),
    "inspect": LazyCommand(
        "catenula.cli.server.store:inspect", "Tell what a validator's store holds."
    ),
}

_VALIDATOR: Rows = {
    "list": LazyCommand(
        "catenula.cli.admin.validators:list_validators", "Ask all validators about a chain."
    ),
    "query": LazyCommand("catenula.cli.admin.validators:query", "Ask one validator about a chain."),
    "batch-query": LazyCommand(
        "catenula.cli.admin.validators:batch_query", "Ask the validators that a file lists."
    ),
    "compare": LazyCommand(
        "catenula.cli.admin.views:compare", "Show the validators' views of a chain side by side."
    ),
    "add": LazyCommand("catenula.cli.admin.committee:add", "Add a validator to the committee."),
    "update": LazyCommand("catenula.cli.admin.committee:update", "Change many validators at once."),
    "remove": LazyCommand(
        "catenula.cli.admin.committee:remove", "Remove a validator from the committee."
    ),
    "sync": LazyCommand("catenula.cli.admin.sync:sync", "Send a validator this wallet's chains."),
}

_STORAGE: Rows = {
    "delete-all": LazyCommand(
        "catenula.cli.admin.storage:delete_all_command", "Delete all databases of a place."
    ),
    "delete-namespace": LazyCommand(
        "catenula.cli.admin.storage:delete_namespace", "Delete one database."
    ),
    "check-existence": LazyCommand(
        "catenula.cli.admin.storage:check_existence", "Say whether a database exists."
    ),
    "initialize": LazyCommand(
        "catenula.cli.admin.storage:initialize", "Make a database for a network."
    ),
    "list-namespaces": LazyCommand(
        "catenula.cli.admin.storage:list_namespaces_command", "List the databases of a place."
    ),
    "list-blob-ids": LazyCommand(
        "catenula.cli.admin.storage:list_blob_ids_command", "List the blobs in a database."
    ),
    "list-chain-ids": LazyCommand(
        "catenula.cli.admin.storage:list_chain_ids_command", "List the chains in a database."
    ),
}

COMMANDS: Rows = {
    # Chains and tokens.
    "transfer": LazyCommand("catenula.cli.chain.tokens:transfer", "Send native tokens."),
    # Wallet and chains.
    "wallet": LazyTable(_WALLET, "Look at the wallet and change it."),
    # Validators.
    "server": LazyTable(_SERVER, "Operate a validator: keys, store, processes."),
    # Networks and their administration.
    "validator": LazyTable(_VALIDATOR, "Look at validators and change the committee."),
    "create-genesis-config": LazyCommand(
        "catenula.cli.admin.genesis:create_genesis_config",
        "Make the genesis of a network and its administrator's wallet.",
    ),
    "resource-control-policy": LazyCommand(
        "catenula.cli.admin.committee:policy", "Show or change prices and limits."
    ),
    "revoke-epochs": LazyCommand(
        "catenula.cli.admin.committee:revoke", "Stop trusting old committees."
    ),
    "storage": LazyTable(_STORAGE, "Look after databases."),
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
    "completion": LazyCommand(
        "catenula.cli.admin.tools:completion", "Print a script for your shell's completion."
    ),
    "help-markdown": LazyCommand(
        "catenula.cli.admin.tools:help_markdown", "Print all help as Markdown.", hidden=True
    ),
    "extract-script-from-markdown": LazyCommand(
        "catenula.cli.admin.tools:extract_script",
        "Print the shell commands of a document.",
        hidden=True,
    ),
}
