"""The shell functions of ``catenula net helper``.

The names of the reference's functions work too, so that its scripts run unchanged.
"""

HELPER_SCRIPT = r"""# Functions of bash for scripts that need a network.
# Whatever they have started ends with the shell.

# Starts a command in the background and returns once it has written a line that begins with READY!
# to stderr. Until then its stderr is shown; afterwards it goes on to stdout. What it writes to
# stdout is kept in $LINERA_TMP_DIR/out.
catenula_spawn() {
    LINERA_TMP_DIR=$(mktemp -d) || return 1
    export LINERA_TMP_DIR
    mkfifo "$LINERA_TMP_DIR/err" || return 1
    "$@" >"$LINERA_TMP_DIR/out" 2>"$LINERA_TMP_DIR/err" &
    CATENULA_SPAWNED_PID=$!
    trap catenula_stop EXIT
    exec {CATENULA_ERR_FD}<"$LINERA_TMP_DIR/err"
    local line ready=
    while IFS= read -r line <&"$CATENULA_ERR_FD"; do
        printf '%s\n' "$line"
        case $line in READY!*) ready=yes; break ;; esac
    done
    if [ -z "$ready" ]; then
        echo "the command ended before it was ready: $*" >&2
        wait "$CATENULA_SPAWNED_PID"
        return 1
    fi
    cat <&"$CATENULA_ERR_FD" &
}

# The same, and then evaluates what the command has written to stdout: the exports of `net up`.
catenula_spawn_and_export() {
    catenula_spawn "$@" || return 1
    cat "$LINERA_TMP_DIR/out"
    source "$LINERA_TMP_DIR/out"
}

# Ends what was started and removes its temporary folder.
catenula_stop() {
    [ -n "$CATENULA_SPAWNED_PID" ] && kill "$CATENULA_SPAWNED_PID" 2>/dev/null
    jobs -p | xargs -r kill 2>/dev/null
    wait 2>/dev/null
    [ -n "$LINERA_TMP_DIR" ] && rm -rf "$LINERA_TMP_DIR"
    return 0
}

linera_spawn() { catenula_spawn "$@"; }
linera_spawn_and_read_wallet_variables() { catenula_spawn_and_export "$@"; }
"""
