#!/bin/sh
# Runs a test that needs a server program, or says that it was skipped. usage: live.sh SERVER SCRIPT
if ! command -v "$1" >/dev/null; then
    echo "SKIP live/$(basename "$2"): no $1 on PATH"
    exit 77
fi
exec "$2"
