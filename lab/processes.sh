# Starting and stopping servers by pid. Sourced.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "lab: $*"
    exit 1
}

# Where downloads go through a proxy, the lab's own addresses must not.
export NO_PROXY=${NO_PROXY:-${no_proxy-}}
[[ ,$NO_PROXY, == *,127.0.0.1,* ]] || NO_PROXY+=${NO_PROXY:+,}127.0.0.1,localhost
export no_proxy=$NO_PROXY

# A port that is free now, below the range from which the kernel serves outgoing connections.
free_port() {
    python3 - <<'PY'
import random, socket
while True:
    port = random.randrange(20000, 32000)
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
PY
}

# When a process started, in clock ticks: a pid file with it cannot name another process that got the same pid.
started_at() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

# spawn NAME DIR COMMAND…: starts a server in a session of its own (Ctrl-C must not reach it before the clean-up runs).
spawn() {
    local name=$1 dir=$2
    shift 2
    setsid "$@" </dev/null >"$dir/$name.log" 2>&1 &
    local pid=$!
    printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$dir/$name.pid"
}

alive() {
    local pid since
    [[ -f $1 ]] || return 1
    read -r pid since <"$1" || return 1
    [[ -n $since && $(started_at "$pid") == "$since" ]]
}

# wait_for SECONDS NAME DIR CHECK…: until the check succeeds; fails at once when the server ends.
wait_for() {
    local deadline=$((SECONDS + $1)) name=$2 dir=$3
    shift 3
    until "$@" >/dev/null 2>&1; do
        if ! alive "$dir/$name.pid"; then
            say "lab: $name ended at its start. The end of $dir/$name.log:"
            tail -n 15 "$dir/$name.log" >&2
            return 1
        fi
        if ((SECONDS >= deadline)); then
            say "lab: $name does not answer. The end of $dir/$name.log:"
            tail -n 15 "$dir/$name.log" >&2
            return 1
        fi
        sleep 0.1
    done
}

# stop_pid FILE SECONDS: asks, waits, then kills.
stop_pid() {
    local file=$1 deadline=$((SECONDS + $2)) pid
    if alive "$file"; then
        read -r pid _ <"$file"
        kill -TERM "$pid" 2>/dev/null || true
        while alive "$file"; do
            if ((SECONDS >= deadline)); then
                kill -KILL "$pid" 2>/dev/null || true
                break
            fi
            sleep 0.05
        done
    fi
    rm -f "$file"
}

# own DIR: this process is the one that cleans DIR up.
own() { printf '%s %s\n' "$$" "$(started_at "$$")" >"$1/owner.pid"; }

# sweep DIR…: stops and removes what runs that were killed left behind. The lab is in DIR or in DIR/lab.
sweep() {
    local old stop
    stop=$(dirname "${BASH_SOURCE[0]}")/stop
    for old in "$@"; do
        [[ -d $old ]] || continue
        alive "$old/owner.pid" && continue
        stop_pid "$old/meter.pid" 5
        "$stop" "$old/lab"
        "$stop" "$old"
        rm -rf "$old"
    done
}
