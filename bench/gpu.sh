#!/bin/sh
# Everything that needs one GPU, in eight minutes; the rows are in runs/gpu.jsonl, or in $OUT.
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD/src:$PWD${PYTHONPATH:+:$PYTHONPATH}"
exec timeout -k 10 480 "${PYTHON:-python3}" -m bench.gpu --out "${OUT:-runs}/gpu.jsonl" "$@"
