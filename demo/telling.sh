# How the demo speaks. Sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # sent is for the demo; work and project are the demo's

if [[ -t 2 ]]; then
    bold=$(tput bold 2>/dev/null || true) plain=$(tput sgr0 2>/dev/null || true)
else
    bold='' plain=''
fi
number=0

tell() { printf '%s\n' "$*" >&2; }

quote() { sed 's/^/    | /' >&2; }

# step TITLE LINE…
step() {
    number=$((number + 1))
    printf '\n%s%d. %s%s\n' "$bold" "$number" "$1" "$plain" >&2
    shift
    local line
    for line in "$@"; do
        tell "   $line"
    done
}

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

# run COMMAND…: shows the command, runs it, and says how long it took. Standard output is the command's own.
run() {
    local begun=$EPOCHREALTIME code=0
    tell "   \$ ${*/#"$root/"/}"
    "$@" || code=$?
    tell "   ($(seconds_since "$begun") s)"
    return "$code"
}

# without_maven COMMAND…: on a terminal shipit shows what Maven says as one live line. Elsewhere it is plain lines, which
# are left out here.
without_maven() {
    if [[ -t 2 && ${CI:-false} == false ]]; then
        "$@"
        return
    fi
    { "$@" 2>&1 >&3 | grep --line-buffered --invert-match --extended-regexp '^(\[INFO\]|Download(ing|ed)[ :]|Progress )' >&2; } 3>&1
    tell "   (What Maven said is left out here. It is in target/shipit/build.log.)"
}

# bytes COUNT: in the unit that suits.
bytes() {
    awk -v n="$1" 'BEGIN { if (n < 1e6) printf "%.1f kB", n / 1e3; else printf "%.1f MB", n / 1e6 }'
}

minutes() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

# sent_by COMMAND…: says how many bytes went up to the registry meanwhile, and leaves them in $sent.
sent_by() {
    local before code=0
    before=$(<"$work/sent")
    "$@" || code=$?
    sleep 0.2
    sent=$(($(<"$work/sent") - before))
    tell "   Sent to the registry: $(bytes "$sent")"
    return "$code"
}

# edit CLASS FROM TO
edit() {
    local file=$project/src/main/java/org/example/clinic/$1
    grep -qF "$2" "$file"
    python3 -c 'import sys; f, a, b = sys.argv[1:]; s = open(f).read(); open(f, "w").write(s.replace(a, b))' \
        "$file" "$2" "$3"
    git -C "$project" diff --unified=0 | grep '^[-+] ' | quote
}

commit() {
    git -C "$project" -c user.name=Ada -c user.email=ada@example.org add --all
    git -C "$project" -c user.name=Ada -c user.email=ada@example.org commit --quiet --message "$1"
}

# show_page URL VERSION: fetches the page through the load balancer until it shows the version, for 60 s.
show_page() {
    local deadline=$((SECONDS + 60)) page
    tell "   \$ curl $1"
    until page=$(curl --silent --fail --max-time 5 "$1") && grep -qF "id=\"version\">$2<" <<<"$page"; do
        if ((SECONDS >= deadline)); then
            tell "   The page does not show version $2. It says:"
            head -n 30 <<<"$page" | quote
            return 1
        fi
        sleep 0.3
    done
    grep -E '<h1>|id="version"' <<<"$page" | sed 's/<[^>]*>//g; s/^ */    | /' >&2
}
