"""Declared limits: sizes, depths, queue lengths, retries, concurrency.

Every bound that is not part of the protocol's own policy stands here, with its unit in the name.
"""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Largest message on the wire (spec 06 §3.1)."""

BATCH_FILL_BYTES = MAX_MESSAGE_BYTES * 7 // 10
"""Batch replies and cross-chain requests are cut before they exceed this (spec 06 §3.1)."""

MAX_RECEIVED_LOG_ENTRIES = 20_000
"""Entries of a received log in one chain info reply (spec 06 §4.9)."""

MAX_CACHED_BLOCKS = 5_000
"""Blocks a worker remembers for lite certificates (spec 06 §4.4)."""

MAX_LOADED_CHAINS = 4_096
"""Chains a worker keeps loaded; the least recently used are dropped."""

MAX_CROSS_CHAIN_QUEUE = 100_000
"""Pending (sender, recipient) pairs of a validator's cross-chain delivery."""

MAX_CROSS_CHAIN_BATCH = 1_000
"""Cross-chain requests applied to one chain in one step (spec 06 §5.3)."""

MAX_CROSS_CHAIN_ATTEMPTS = 3
"""How often a batch of cross-chain requests is applied while the disk refuses it."""

COMMIT_LOG_BYTES = 512 << 10
"""Size of the log of a store's commits that are not in its file yet."""

MAX_COMMIT_THREADS = 16
"""Threads on which the stores of one process wait for the disk."""

MAX_CROSS_CHAIN_LANES = 64
"""Target chains that receive cross-chain requests at the same time, to share commits."""

MAX_WORKERS = 64
"""Workers of one validator: each owns at least one of the 64 partitions of chains."""

MAX_FRAME_BYTES = MAX_MESSAGE_BYTES + 65_536
"""Largest frame between processes of one validator: a message and what goes with it."""

MAX_LINK_CALLS = 2_048
"""Calls of one front door that one worker may owe an answer; more are refused as overload."""

MAX_LINK_BUFFER_BYTES = 64 << 20
"""Bytes of calls and answers that wait to be sent on one connection between processes."""

MAX_NOTIFY_BUFFER_BYTES = 8 << 20
"""With more than this waiting for a front door, notifications for it are dropped and counted."""

MAX_UNKNOWN_CONNECTIONS = 64
"""Connections to an internal port that have not shown yet that they know the secret."""

MAX_DELIVERIES_IN_FLIGHT = 256
"""Cross-chain requests to one other worker that await its acknowledgement."""

MAX_DELIVERY_ATTEMPTS = 11
"""How often a cross-chain request is sent to another worker before the sweep takes over."""

MAX_UNDELIVERED_CHAINS = 100_000
"""Chains whose undelivered messages a sweep remembers; beyond it, all chains are scanned again."""

MAX_CHAINS_RESENT_PER_PASS = 500
"""Chains whose waiting messages one pass of the sweep sends again."""

MAX_REMEMBERED_REFUSALS = 100
"""Refused cross-chain requests whose reasons are kept for inspection."""

MAX_VERIFIED_SIGNATURES = 20_000
"""Signatures a node remembers to have made or verified."""

MAX_REQUESTS_VERIFIED_AHEAD = 128
"""Requests whose signatures a helper process has yet to verify; others are verified as they run."""

MAX_SUBSCRIBER_QUEUE = 10_000
"""Notifications waiting for one subscriber; the oldest are dropped and the loss is counted."""

MAX_CACHED_POINTS = 16_384
"""Parsed points kept, about 0.5 kB each."""

MAX_CACHED_KEY_CLASSES = 16_384
"""Keys whose class is remembered, about 0.2 kB each."""

MAX_GENERATION_ATTEMPTS = 16
"""Random bytes are out of range once in 2^128; a source that fails this often is broken."""

MAX_CACHED_ENTRIES = 1000
"""Certificates, blobs and events (each) that a store's cache keeps."""

MAX_CACHED_CERTIFICATE_BYTES = 8 << 20
"""Their bytes, for certificates."""

MAX_CACHED_BLOB_BYTES = 32 << 20
"""Their bytes, for blobs."""

MAX_CACHED_EVENT_BYTES = 4 << 20
"""Their bytes, for events."""

MAX_ABSENT_EVENTS = 64
"""Events a client remembers as absent."""

MAX_CACHED_BLOCK_HASHES = 10_000
"""Block hashes by height that a store's cache keeps."""

MAX_LOADED_ENTRIES = 1 << 18
"""Loaded entries kept per container; beyond it they are forgotten and read again when needed."""

MAX_KEPT_QUEUE_VALUES = 1024
"""Values added or read that stay in memory until they are removed from the front."""

MAX_LOG_VALUES_PER_READ = 10_000
"""So many are asked for at once, so that a damaged count is noticed before it costs memory."""

MAX_ACTIVE_EPOCHS = 10_000
"""Epochs a chain may start with; no network gets near, and the range comes from a description."""

MAX_CALL_DEPTH = 40
"""Guests active on one thread, of whatever kind, each run by the one before; bounds the frames of
the host in between. The reference has no bound."""

MAX_TIMEOUT_WAITS = 1_000
"""Rounds that `ChainClient.commit` waits through before it gives up."""

MAX_OVERTAKEN_ATTEMPTS = 32
"""How often a request is run again because another process wrote first."""

MAX_WALLET_ROWS_IN_MEMORY = 4_096
"""Rows of each kind that are kept; the oldest are read again when needed."""

MAX_CLIENT_CHAINS_IN_MEMORY = 1_024
"""Chain handles that are kept although nobody else holds them."""

MAX_STAGING_HELP = 16
"""How often missing blobs and events of one block are fetched while staging."""

MAX_HEIGHTS_PER_SENDER = 400
"""Blocks of one sender that are downloaded and processed at a time."""

MAX_ERROR_GROUPS = 4
"""Groups of equal errors that are reported, heaviest first."""

MAX_CLOCK_WAITS = 20
"""How often one validator may say that a block lies in its future."""

MAX_PROPOSAL_HELP = 8
"""How often missing data of one proposal of another owner is fetched."""

MAX_BLOBS_SENT_IN_HELP = 64
"""Blobs of applications that a validator may ask for while it looks at one proposal."""

MAX_PROCESSING_HELP = 64
"""How often new missing items of one certificate are fetched before giving up."""

MAX_BLOCKS_WALKED_BACK = 100_000
"""Blocks that are followed back along a stream or a sender in one go."""

MAX_REMEMBERED_COMMITTEES = 8
"""Committees whose signatures a client remembers to have verified, per validator."""

MAX_ROOT_CHAINS = 10_000
"""Chains that a genesis may be made with here; each is executed and kept by every node."""

MAX_DEVNET_VALIDATORS = 100
"""Validators of a local network on one machine."""

MAX_ANNOUNCED_PER_CHAIN = 1_000
"""Announcements of one validator about one chain that wait to be looked into, merged by sender."""

MAX_REACTIONS_PER_VALIDATOR = 8
"""Chains that are looked into at a time because one validator announced something."""

MAX_STREAM_OPENING_US = 10_000_000
"""A validator that has not opened a notification stream by then counts as failing."""

MAX_DOWNLOAD_CACHE_BYTES = 32 << 20
"""Downloaded certificates and blobs that a client keeps for a moment, in bytes."""

MAX_REMEMBERED_FAILURES = 1_000
"""Chains whose last failure a listener remembers."""

MAX_PUBLIC_HEADER_BYTES = 16 * 1024
"""Headers of one call on the public port."""

MAX_EVENTS_PER_REQUEST = 10_000
"""Events of one request whose heights are looked for; clients ask for fewer."""

MAX_BLOCKS_WALKED_FOR_EVENTS = 1_000
"""Blocks of a stream that are followed back to find where one event was published."""

MAX_CACHED_EVENT_HEIGHTS = 65_536
"""Events whose heights are remembered."""

MAX_ENCODED_REQUESTS = 32
"""Requests whose bytes a client keeps, because they go to several validators."""

MAX_ENCODED_REQUEST_BYTES = 1 << 20
"""A larger request is encoded anew for every validator."""

MAX_ITEMS_PER_REQUEST = 20_000
"""Hashes or heights of one request that are looked up; an answer may be a prefix."""

MAX_ITEMS_PER_TURN = 256
"""Items of a long request that are looked up before other requests get their turn."""

MAX_PUBLIC_BODY_BYTES = MAX_MESSAGE_BYTES // 3 * 4 + 4096
"""Body of one gRPC-Web request: a message of the largest size as base64, and its frames."""

MAX_PUBLIC_BUFFER_BYTES = 256 << 20
"""Bodies of requests that are arriving at one public port, together."""

MAX_PUBLIC_STANDING_BYTES = 32 << 20
"""Large requests of calls that go on for long (subscriptions) at one public port, together."""

MAX_SMALL_REQUEST_BYTES = 1 << 10
"""A request of this size counts as nothing: how many calls run is limited already."""

MAX_PUBLIC_UNREAD_BYTES = 256 << 20
"""Answers that clients of one public port have not read yet, together; beyond it the one that has
waited longest is cut off."""

MAX_PUBLIC_PIPELINE = 16
"""Requests on one connection that wait for the answer to an earlier one."""

MAX_PUBLIC_CONNECTIONS = 10_000
"""Connections of one public port; a further one is closed at once."""

PEEK_SECONDS = 10.0
"""A new connection must say what it speaks within this time."""

PUBLIC_HEAD_SECONDS = 10.0
"""The head of a request must arrive within this time."""

PUBLIC_BODY_SECONDS = 30.0
"""The body of a request must arrive within this time."""

PUBLIC_IDLE_SECONDS = 120.0
"""A connection without a request is closed after this time."""

PUBLIC_WRITE_SECONDS = 60.0
"""A client that does not read for so long is given up."""

PUBLIC_LINGER_SECONDS = 2.0
"""How long what a refused client still sends is thrown away before its connection is closed."""

MAX_PUBLIC_STREAMS = 10_000
"""Streams of one HTTP/2 connection that are open at once, subscriptions included."""

MAX_PUBLIC_BURDENS = 500
"""Streams that a client may abandon, and settings that it may change, beyond the calls that it lets
end."""

MAX_UNREAD_REPLIES = 1_000
"""Answers to pings and settings that wait for somebody who does not read."""

MAX_PUBLIC_BACKLOG = 1_024
"""Connections that wait to be accepted."""

MAX_HTTP_BODY_BYTES = 2 << 20
"""Largest body of a request to a service."""

HTTP_BODY_SECONDS = 20.0
"""How long a body may take to arrive."""

HTTP_HEADERS_SECONDS = 10.0
"""How long a connection may take to send its first headers, and those of each request."""

MAX_HTTP_HEADER_BYTES = 64 << 10
"""Largest headers of a request to a service."""

MAX_HTTP_CONNECTIONS = 4_096
"""Connections and requests of one service at a time; beyond it the answer is 503."""

HTTP_KEEP_ALIVE_SECONDS = 60
"""How long an idle connection is kept."""

HTTP_CLOSE_SECONDS = 5.0
"""How long requests under way may take when a service stops."""

PREFLIGHT_CACHE_SECONDS = 86_400
"""How long browsers may remember that every origin is allowed."""

MAX_SOCKET_MESSAGE_BYTES = 1 << 20
"""Largest message of a client over a WebSocket."""

MAX_SOCKET_OPERATIONS = 100
"""Subscriptions and queries under way on one WebSocket."""

SOCKET_INIT_SECONDS = 10.0
"""How long a WebSocket may take to introduce itself."""

MAX_GRAPHQL_TOKENS = 10_000
"""Tokens of a GraphQL document; more are refused before they are parsed."""

MAX_CACHED_DOCUMENTS = 256
"""Parsed and validated GraphQL documents that an endpoint remembers."""

MAX_CACHED_DOCUMENT_CHARACTERS = 16_384
"""Longer GraphQL documents are parsed each time."""

MAX_FAUCET_QUEUE = 10_000
"""Claims that wait for a block of the faucet; more are refused."""

MAX_FAUCET_ATTEMPTS = 5
"""Blocks a claim may fail to get into, for reasons that may pass, before it gets the error."""

FAUCET_RETRY_DELAY_US = 200_000
"""How long a faucet waits after a block failed for a reason that may pass."""

MAX_FAUCET_BLOCKS_PER_STEP = 500
"""Blocks of a faucet's chain that are read before what they say is stored."""

MAX_FAUCET_REMEMBERED = 10_000
"""Descriptions, and blocks of daily claims, that a faucet keeps in memory."""

FAUCET_CLIENT_SECONDS = 30.0
"""How long a request to a faucet may take (spec 08 §3.1)."""

FOREIGN_NETWORK_SECONDS = 2.0
"""How long validators are asked for their network after a request to them has failed."""

MAX_FAUCET_ANSWER_BYTES = 64 << 20
"""Largest answer of a faucet that is read; a genesis configuration may have many chains."""

MAX_WATCHED_NOTIFICATIONS = 1_000
"""Notifications of which a watching client remembers who has sent them."""

MAX_REMEMBERED_HEADERS = 64
"""Header blocks of one HTTP/2 connection whose meaning is remembered."""

MAX_PUBLIC_CALLS = 50_000
"""Calls of one public port that run at the same time, subscriptions included."""

LOOP_GUEST_SECONDS = 0.1
"""How long the applications of one request may run on the event loop; then it starts again on a
thread of its own."""

MAX_SIDE_RUNS = 8
"""Requests of one node that run on threads of their own at a time; more wait."""

GUEST_THREAD_STACK_BYTES = 16 << 20
"""Stack of a thread that runs applications; it takes address space, not memory."""

MAX_SIDE_QUESTIONS = 4
"""Questions to slow services that run at a time, beside those; more wait."""

MAX_UNLOCKED_QUESTIONS = 3
"""How often a slow question is asked again because its chain has changed; then it is held."""

MAX_SIDE_RUN_SECONDS = 60.0
"""How long an application may run for a vote or a staged block; longer, and it is refused."""

MAX_QUERY_SECONDS = 10.0
"""How long a service may take to answer a user."""

SIDE_RUN_STOP_SECONDS = 2.0
"""How long a stopping node waits for applications that it has interrupted."""

MAX_APPLICATION_LOG_LINES = 100
"""Lines logged by applications that a node remembers."""

MAX_APPLICATION_LOG_CHARACTERS = 4_096
"""Characters of such a line that are kept."""

MAX_WASM_MODULE_BYTES = 32 << 20
"""Largest decompressed module that is looked at; a policy's own bound is usually lower."""

MAX_WASM_TYPES = 1_000_000
"""Function types of one module (the reference's validator has the same bound)."""

MAX_WASM_IMPORTS = 1_000
"""Imports of one module; the host offers fewer than a hundred functions."""

MAX_WASM_FUNCTIONS = 100_000
"""Functions of one module; the reference allows ten times as many."""

MAX_WASM_TABLES = 100
"""Tables of one module (the reference's validator has the same bound)."""

MAX_WASM_TABLE_ELEMENTS = 1_000_000
"""Elements of all tables of one module together; the reference allows ten times as many."""

MAX_WASM_GLOBALS = 1_000_000
"""Globals of one module (the reference's validator has the same bound)."""

MAX_WASM_EXPORTS = 100_000
"""Exports of one module (the reference's validator has the same bound)."""

MAX_WASM_SEGMENTS = 100_000
"""Element segments and data segments, each (the reference's validator has the same bound)."""

MAX_WASM_NAME_BYTES = 100_000
"""One name in a module (the reference's validator has the same bound)."""

MAX_WASM_PARAMETERS = 1_000
"""Parameters of one function type (the reference's validator has the same bound)."""

MAX_WASM_LOCALS = 50_000
"""Parameters and locals of one function (the reference's validator has the same bound)."""

MAX_WASM_BRANCH_TARGETS = 131_072
"""Targets of one branch table (the reference's validator has the same bound)."""

MAX_WASM_NESTING = 10_000
"""Blocks inside each other in one function; the reference has no bound."""

MAX_WASM_LOOP_NESTING = 200
"""Loops inside each other in one function; the reference has no bound."""

MAX_WASM_COMPILE_WORK = 20_000_000
"""What compiling one module may take, in microseconds as `execution.wasm.work` estimates them;
services of official applications take two million. The reference has no bound."""

MAX_WASM_USUAL_COMPILE_WORK = 12_000_000
"""Contracts beyond are compiled by a method that optimizes less and takes less time."""

MAX_WASM_MEMORY_PAGES = 8_192
"""Linear memory of one instance in pages of 64 KiB: 512 MiB; the reference has no bound."""

MAX_WASM_STACK_BYTES = 512 << 10
"""Stack of one instance; the engine's usual size. The reference's depends on its engine."""

WASM_EPOCH_SECONDS = 0.005
"""How often running guest code asks whether time is up."""

MAX_GUEST_PASSED_BYTES = 512 << 20
"""What one instance may pass to the host, counted each time it is pointed to."""

MAX_CHAINS_WITH_LIVE_SERVICES = 32
"""Chains of a node whose services stay alive between queries, where that is asked for."""

MAX_CACHED_DESCRIPTIONS = 1_024
"""Descriptions of applications that a process keeps decoded."""

MIN_RECURSION_LIMIT = 8_000
"""Python's frames where guests run: `MAX_CALL_DEPTH` times `MAX_NESTED_ALLOCATIONS` and more."""

MAX_GUEST_PASSED_ELEMENTS = 1_000_000
"""Elements of lists that one instance may pass to the host in all; bytes and texts have none."""

MAX_NESTED_ALLOCATIONS = 16
"""Calls of a guest's allocator while it runs already and calls the host."""

MAX_PENDING_READS = 65_536
"""Reads of one instance that were issued and not yet waited for."""

MAX_PENDING_READ_BYTES = 512 << 20
"""Their values."""

MAX_GUEST_LINE_CHARACTERS = 16_384
"""A line that a guest logs is cut here."""

MAX_REFUSED_MODULES = 1_024
"""Modules of one kind of which a process remembers why they are not acceptable."""

MAX_COMPILED_MODULES = 256
"""Compiled modules of one kind that a process keeps in memory."""

MAX_MODULE_CACHE_BYTES = 1 << 30
"""Compiled modules on disk; the least recently used go first."""

MAX_NESTED_STACK_BYTES = 3 << 20
"""Stack that guests and host may have used when another guest is entered; threads have 8 MiB."""

MIN_GUEST_STACK_BYTES = MAX_NESTED_STACK_BYTES + (2 << 20)
"""A thread with less stack runs no guest: one more may be entered, and the host serves it."""

MAX_NODE_SERVICE_BODY_BYTES = 64 << 20
"""Largest body of a request to a node service: programs are published as lists of numbers."""

MAX_NODE_SERVICE_TOKENS = 8_000_000
"""Tokens of a document to a node service: programs may be written into it number by number."""

MAX_LISTED_BLOCKS = 1_000
"""Blocks that one query to a node service lists."""

MAX_WATCHED_QUERIES = 1_000
"""Queries of applications that a node service repeats for subscribers at each block."""

MAX_CACHED_ANSWER_BYTES = 1 << 20
"""Larger answers of applications are not cached, nor those to larger questions."""

MAX_CACHED_QUERY_CHAINS = 1_000
"""Chains of which a node service keeps answers of applications."""

MAX_TASKS_PER_ANSWER = 1_000
"""Tasks that an application may ask a node service for at a time."""

MIN_TASK_CALLBACK_US = 100_000
"""An application that wants to be asked again is left alone for this long at least."""

MAX_OPERATORS_AT_ONCE = 8
"""Programs that a node service runs for tasks side by side."""

MAX_OPERATOR_SECONDS = 600.0
"""How long the program of a task may take."""

MAX_OPERATOR_OUTPUT_BYTES = 1 << 20
"""What the program of a task may print; it becomes part of an operation."""
