# The container engine: a dockerd of the lab's own, or one that answers already. Sourced after processes.sh.
# shellcheck shell=bash

engine_answers() {
    DOCKER_HOST=$1 timeout 5 docker version
}

# Who is not root cannot start an engine: prints the host of one that answers already.
engine_of_others() {
    local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
    engine_answers "$host" >/dev/null 2>&1 ||
        fail "no container engine: run this as root, or set DOCKER_HOST to an engine that answers"
    echo "$host"
}

# Prints nothing; leaves DIR/engine.host.
start_engine() {
    local dir=$1
    if ((EUID != 0)); then
        engine_of_others >"$dir/engine.host"
        return
    fi

    # Sockets have short paths: those of containerd must fit into 108 bytes.
    local short
    short=$(mktemp -d /tmp/shipit-lab.XXXXXX)
    echo "$short" >"$dir/engine.short"

    # A bridge of its own: two engines that share docker0 give two containers the same address.
    local bridge subnet
    bridge=slab$(printf '%04x%04x' "$RANDOM" "$RANDOM")
    subnet=10.$((RANDOM % 56 + 200)).$((RANDOM % 256))
    while ip -4 route | grep -q "^$subnet\."; do
        subnet=10.$((RANDOM % 56 + 200)).$((RANDOM % 256))
    done
    echo "$bridge" >"$dir/engine.bridge"
    ip link add "$bridge" type bridge
    ip address add "$subnet.1/24" dev "$bridge"
    ip link set "$bridge" up

    echo "{}" >"$short/daemon.json"
    spawn engine "$dir" dockerd --config-file "$short/daemon.json" \
        --data-root "$dir/engine" --exec-root "$short/exec" --pidfile "$short/dockerd.pid" \
        --host "unix://$short/docker.sock" --bridge "$bridge" --insecure-registry 127.0.0.0/8 \
        --iptables=false --ip-masq=false --ip-forward=false --log-level warn
    echo "unix://$short/docker.sock" >"$dir/engine.host"
    wait_for 60 engine "$dir" engine_answers "unix://$short/docker.sock"
}

# stop_engine DIR [LABEL]: removes the containers (of an engine that is not ours, those with the label), then the rest.
stop_engine() {
    local dir=$1 host containers
    local filter=()
    if [[ ! -f $dir/engine.pid && -n ${2-} ]]; then
        filter=(--filter "label=$2")
    fi
    if [[ -f $dir/engine.host && (-f $dir/engine.pid || -n ${2-}) ]]; then
        host=$(<"$dir/engine.host")
        containers=$(DOCKER_HOST=$host timeout 20 docker ps --all --quiet "${filter[@]}" 2>/dev/null || true)
        if [[ -n $containers ]]; then
            # shellcheck disable=SC2086 # ids, one word each
            DOCKER_HOST=$host timeout 60 docker rm --force --volumes $containers >/dev/null 2>&1 || true
        fi
    fi
    stop_pid "$dir/engine.pid" 20

    if [[ -f $dir/engine.short ]]; then
        local short pid
        short=$(<"$dir/engine.short")
        # A dockerd that was killed leaves its containerd behind.
        if [[ -f $short/exec/containerd/containerd.pid ]]; then
            pid=$(<"$short/exec/containerd/containerd.pid")
            if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$short"; then
                kill -TERM "$pid" 2>/dev/null || true
            fi
        fi
        # What is still mounted below the data folder would keep it from being removed.
        awk -v a="$dir/engine/" -v b="$short/" 'index($2, a) == 1 || index($2, b) == 1 { print $2 }' /proc/mounts |
            sort -r | xargs -r -n 1 umount --lazy 2>/dev/null || true
        rm -rf "$short"
    fi
    if [[ -f $dir/engine.bridge ]]; then
        ip link delete "$(<"$dir/engine.bridge")" 2>/dev/null || true
    fi
    rm -rf "$dir/engine" "$dir/engine.short" "$dir/engine.bridge" "$dir/engine.host"
}
