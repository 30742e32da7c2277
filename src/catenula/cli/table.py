"""All commands: one row each, in the order of the help. Imports nothing but the row types."""

from catenula.cli.lazy import LazyCommand, LazyTable, Rows

_WALLET: Rows = {
    "show": LazyCommand("catenula.cli.wallet.show:show", "List the chains of the wallet."),
    "set-default": LazyCommand(
        "catenula.cli.wallet.change:set_default", "Choose the chain that is used by default."
    ),
    "init": LazyCommand("catenula.cli.wallet.init:init", "Make a wallet for a network."),
    "request-chain": LazyCommand(
        "catenula.cli.wallet.init:request_chain", "Get a chain from a faucet."
    ),
    "export-genesis": LazyCommand(
        "catenula.cli.wallet.init:export_genesis", "Save the genesis configuration."
    ),
    "follow-chain": LazyCommand(
        "catenula.cli.wallet.change:follow_chain", "Take in a chain to read it."
    ),
    "forget-keys": LazyCommand(
        "catenula.cli.wallet.change:forget_keys", "Stop proposing on a chain."
    ),
    "forget-chain": LazyCommand(
        "catenula.cli.wallet.change:forget_chain", "Remove a chain from the wallet."
    ),
}

_CHAIN: Rows = {
    "show-block": LazyCommand(
        "catenula.cli.chain.show:show_block", "Show a block that is known here."
    ),
    "show-chain-description": LazyCommand(
        "catenula.cli.chain.show:show_chain_description", "Show where a chain comes from."
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
    "query-block": LazyCommand(
        "catenula.cli.admin.validators:query_block", "Fetch one block from a validator."
    ),
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
    "benchmark": LazyCommand(
        "catenula.cli.admin.benchmark:benchmark", "Measure a validator before it joins."
    ),
    "sync": LazyCommand("catenula.cli.admin.sync:sync", "Send a validator this wallet's chains."),
}

_NET: Rows = {
    "up": LazyCommand("catenula.cli.admin.net:up", "Run a local network until Ctrl-C."),
    "helper": LazyCommand("catenula.cli.admin.net:helper", "Print functions for shell scripts."),
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

_PROJECT: Rows = {
    "new": LazyCommand("catenula.cli.project.scaffold:new", "Make a Rust project to start from."),
    "test": LazyCommand("catenula.cli.project.build:test", "Run the tests of a project."),
    "publish-and-create": LazyCommand(
        "catenula.cli.project.build:publish_and_create",
        "Build a project, publish it and create an application.",
    ),
}

COMMANDS: Rows = {
    # Chains and tokens.
    "transfer": LazyCommand("catenula.cli.chain.tokens:transfer", "Send native tokens."),
    "open-chain": LazyCommand(
        "catenula.cli.chain.opening:open_chain", "Create a chain with one owner."
    ),
    "open-multi-owner-chain": LazyCommand(
        "catenula.cli.chain.opening:open_multi_owner_chain", "Create a chain with any ownership."
    ),
    "show-ownership": LazyCommand(
        "catenula.cli.chain.ownership:show_ownership", "Show who owns a chain."
    ),
    "change-ownership": LazyCommand(
        "catenula.cli.chain.ownership:change_ownership", "Change who owns a chain."
    ),
    "set-preferred-owner": LazyCommand(
        "catenula.cli.chain.ownership:set_preferred_owner",
        "Choose who signs for a chain, in this run only.",
    ),
    "change-application-permissions": LazyCommand(
        "catenula.cli.chain.permissions:change_application_permissions",
        "Change what applications may do on a chain.",
    ),
    "close-chain": LazyCommand("catenula.cli.chain.opening:close_chain", "Close a chain for good."),
    "show-network-description": LazyCommand(
        "catenula.cli.chain.show:show_network_description", "Show what identifies the network."
    ),
    "local-balance": LazyCommand(
        "catenula.cli.chain.tokens:local_balance", "Show a balance as it is known here."
    ),
    "query-balance": LazyCommand(
        "catenula.cli.chain.tokens:query_balance", "Show a balance with waiting messages."
    ),
    "sync-balance": LazyCommand(
        "catenula.cli.chain.tokens:sync_balance", "Deprecated: sync, then query-balance."
    ),
    "sync": LazyCommand("catenula.cli.chain.following:sync", "Fetch a chain from the validators."),
    "process-inbox": LazyCommand(
        "catenula.cli.chain.following:process_inbox", "Take in the messages that wait."
    ),
    "retry-pending-block": LazyCommand(
        "catenula.cli.chain.following:retry_pending_block",
        "Finish a block that was left unfinished.",
    ),
    "keygen": LazyCommand("catenula.cli.chain.keys:keygen", "Make a key."),
    "import-keys": LazyCommand(
        "catenula.cli.chain.keys:import_keys", "Take in the keys of another key store."
    ),
    "assign": LazyCommand(
        "catenula.cli.chain.keys:assign", "Take a chain into the wallet for an owner."
    ),
    "watch": LazyCommand(
        "catenula.cli.chain.following:watch", "Print notifications about a chain."
    ),
    # Applications.
    "publish-module": LazyCommand(
        "catenula.cli.chain.modules:publish_module", "Publish the bytecode of an application."
    ),
    "publish-module-with-formats": LazyCommand(
        "catenula.cli.chain.modules:publish_module_with_formats",
        "Publish bytecode and register what its data look like.",
    ),
    "create-application": LazyCommand(
        "catenula.cli.chain.applications:create_application",
        "Create an application from a published module.",
    ),
    "publish-and-create": LazyCommand(
        "catenula.cli.chain.applications:publish_and_create",
        "Publish bytecode and create an application of it.",
    ),
    "describe-application": LazyCommand(
        "catenula.cli.chain.applications:describe_application",
        "Show what an application was made from.",
    ),
    "execute-operation": LazyCommand(
        "catenula.cli.chain.applications:execute_operation",
        "Execute an operation of an application.",
    ),
    "project": LazyTable(_PROJECT, "Make applications in Rust."),
    # Blobs and events.
    "publish-data-blob": LazyCommand(
        "catenula.cli.chain.blobs:publish_data_blob", "Publish a file."
    ),
    "read-data-blob": LazyCommand(
        "catenula.cli.chain.blobs:read_data_blob", "Check that a blob can be read."
    ),
    "list-events-from-index": LazyCommand(
        "catenula.cli.chain.show:list_events_from_index",
        "Show the events of a stream that are known here.",
    ),
    # What is here.
    "wallet": LazyTable(_WALLET, "Look at the wallet and change it."),
    "chain": LazyTable(_CHAIN, "Look at chains that are known here."),
    # Validators.
    "server": LazyTable(_SERVER, "Operate a validator: keys, store, processes."),
    # Networks and their administration.
    "net": LazyTable(_NET, "Run a local network."),
    "service": LazyCommand(
        "catenula.cli.admin.service:service", "Run a node service (GraphQL) until Ctrl-C."
    ),
    "faucet": LazyCommand("catenula.cli.admin.faucet:faucet", "Run a faucet until Ctrl-C."),
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
    "help-json": LazyCommand(
        "catenula.cli.help_json:help_json", "Print what --json prints.", hidden=True
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
