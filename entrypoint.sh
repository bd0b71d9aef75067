#!/bin/sh
# The main container of Bytewax's Helm chart and of waxctl: runs the dataflow of BYTEWAX_PYTHON_FILE_PATH, any form that
# `python -m bytewax.run` takes, in the folder BYTEWAX_WORKDIR.
set -eu
cd "${BYTEWAX_WORKDIR:-.}"

if [ "${BYTEWAX_KEEP_CONTAINER_ALIVE:-false}" != true ]; then
    exec tini -- python -m bytewax.run "$BYTEWAX_PYTHON_FILE_PATH"
fi

# Stay after the dataflow's end, for a look into the container. SIGTERM ends what runs, the dataflow or the stay.
trap 'asked=yes; kill "$running"' TERM INT
python -m bytewax.run "$BYTEWAX_PYTHON_FILE_PATH" &
running=$!
code=0
wait "$running" || code=$?
if [ "${asked:-no}" = yes ]; then
    # The trap ended the first wait; the dataflow takes its last snapshot now.
    code=0
    wait "$running" || code=$?
    exit "$code"
fi
echo "The dataflow ended with exit code $code. The container stays: BYTEWAX_KEEP_CONTAINER_ALIVE is true." >&2
sleep infinity &
running=$!
wait "$running" || exit "$code"
