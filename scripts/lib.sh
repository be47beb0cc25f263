# Shared by scripts/run, scripts/test and scripts/bench. Sourced, never run: it creates the virtual environment from the
# hashed lock and installs Debian packages where permitted. Safe to repeat; the second time it only compares two hashes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "${CI:-}" != true ] || exec < /dev/null

say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

find_python() { # sets PYTHON to an interpreter that is new enough; a machine without any is given Debian's
    local candidate found=
    command -v python3 > /dev/null || debian_packages python3=python3 || true
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] && command -v "$candidate" > /dev/null || continue
        found=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null) || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            PYTHON=$candidate
            return
        fi
    done
    die "Python 3.11 or newer is needed (found: ${found:-none}); Debian 12 has it: apt-get install python3 python3-venv"
}

as_root() { # run a command as root: as it is, or by sudo when it may ask or needs no password
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ] && [ "${CI:-}" != true ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

may_be_root() {
    [ "$(id -u)" = 0 ] && return 0
    command -v sudo > /dev/null || return 1
    { [ -t 0 ] && [ "${CI:-}" != true ]; } || sudo -n true 2> /dev/null
}

missing_packages() { # missing_packages COMMAND=PACKAGE...: the packages whose command is not there
    local pair
    for pair in "$@"; do
        PATH=$PATH:/usr/sbin:/usr/games:$(echo /usr/lib/postgresql/*/bin | tr ' ' :) \
            command -v "${pair%%=*}" > /dev/null || printf '%s ' "${pair#*=}"
    done
}

debian_packages() { # debian_packages COMMAND=PACKAGE...: install what is missing; fails, setting MISSING, when it cannot
    local log
    MISSING=$(missing_packages "$@")
    [ -n "$MISSING" ] || return 0
    command -v apt-get > /dev/null && may_be_root || return 1
    say "installing Debian packages: $MISSING"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086  # MISSING is a list of words
    if ! { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends $MISSING; } > "$log" 2>&1; then
        tail -n 5 "$log" >&2
    fi
    rm -f "$log"
    MISSING=$(missing_packages "$@")
    [ -z "$MISSING" ]
}

lock_part() { # lock_part run|test: the pins to install
    if [ "$1" = test ]; then cat scripts/requirements.lock; else sed '/^# --- tests only ---$/,$d' scripts/requirements.lock; fi
}

wanted() { # what the environment is made from; when it changes, it is brought up to date
    { lock_part "$1"; cat pyproject.toml; "$PYTHON" --version; pwd; } | sha256sum | cut -d' ' -f1
}

bootstrap() { # bootstrap run|test: .venv with the lock's packages and our own
    find_python
    local want
    want=$(wanted "$1")
    if [ -x .venv/bin/appliance ] && [ "$(cat ".venv/.ready-$1" 2> /dev/null)" = "$want" ]; then
        return
    fi
    if ! grep -qs "^command = .* $(pwd)/.venv\$" .venv/pyvenv.cfg || ! .venv/bin/python -c '' 2> /dev/null; then
        make_venv
    fi
    say "installing Python packages into .venv from scripts/requirements.lock"
    lock_part "$1" > .venv/lock.txt
    install_packages --require-hashes --only-binary=:all: --requirement .venv/lock.txt
    install_packages --no-deps --no-build-isolation --editable .
    [ "$1" = run ] || wanted run > .venv/.ready-run
    echo "$want" > ".venv/.ready-$1"
}

make_venv() {
    if ! "$PYTHON" -c 'import ensurepip' 2> /dev/null; then
        local package
        package=$("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        debian_packages "no-such-command=$package" || true
        "$PYTHON" -c 'import ensurepip' 2> /dev/null || die "the venv module is missing: sudo apt-get install $package"
    fi
    say "making .venv with $("$PYTHON" --version)"
    "$PYTHON" -m venv --clear .venv || die "cannot make .venv in $(pwd)"
}

install_packages() {
    .venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check "$@" \
        || die "pip could not install ($*): see the lines above; is the package index reachable?"
}
