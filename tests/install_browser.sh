#!/bin/sh
# Make sure that there is a Chromium for the browser tests.
# Usage: install_browser.sh PYTHON, where PYTHON is the one that has playwright.
# Always exits 0: without a browser those tests skip themselves (with CI=true they fail).
python=$1

on_path() { # is there one that runs? Ubuntu's chromium-browser may be a stub for snap
    for name in chromium chromium-browser google-chrome; do
        "$name" --version >/dev/null 2>&1 && return 0
    done
    return 1
}

of_playwright() {
    "$python" - >/dev/null 2>&1 <<'EOF'
import os, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    sys.exit(not os.path.exists(p.chromium.executable_path))
EOF
}

from_apt() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "Installing Chromium for the browser tests (apt-get)"
    export DEBIAN_FRONTEND=noninteractive
    timeout 120 apt-get update -qq >/dev/null 2>&1
    timeout 600 apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1
    on_path
}

from_playwright() {
    echo "Installing Chromium for the browser tests (playwright)"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        "$python" -m playwright install --with-deps chromium >/dev/null 2>&1 && return 0
    fi
    "$python" -m playwright install chromium >/dev/null 2>&1
}

on_path || of_playwright || from_apt || from_playwright ||
    echo "No Chromium could be installed, so the browser tests will not run: put chromium or google-chrome on PATH." >&2
exit 0
