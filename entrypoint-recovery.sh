#!/bin/sh
# The init container of Bytewax's Helm chart and of waxctl: makes the recovery store, unless there is one.
# The init containers of all pods run at once, and may share one volume.
set -eu
cd "$BYTEWAX_RECOVERY_DIRECTORY"

exec 9>init.lock
flock -w 120 9 || { echo "another pod makes the recovery store for longer than 120 s" >&2; exit 1; }
if [ -e part-0.sqlite3 ]; then
    echo "$PWD has a recovery store."
    exit
fi

# Make it aside, and move part 0 last: a store with a part 0 is whole, whenever a pod is killed.
rm -rf unfinished
mkdir unfinished
python -m bytewax.recovery unfinished "$BYTEWAX_RECOVERY_PARTS"
part=$BYTEWAX_RECOVERY_PARTS
while [ "$part" -gt 0 ]; do
    part=$((part - 1))
    mv "unfinished/part-$part.sqlite3" .
done
rmdir unfinished
