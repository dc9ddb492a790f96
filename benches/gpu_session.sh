#!/usr/bin/env bash
# All measurements on an NVIDIA GPU, the most important first, within 8 minutes:
#
#     OUT=results benches/gpu_session.sh path/to/trainer path/to/evaluator
#
# Both programs are built with `--features cuda`. Python needs torch, transformers and peft ($PYTHON, else python3).
# After each part all results are packed into $OUT/all.tar.gz, since the machine may become unavailable at any time.
set -uo pipefail

trainer=$(realpath "$1")
evaluator=$(realpath "$2")
final=$(realpath -m "${OUT:-gpu-results}")
python=${PYTHON:-python3}
budget=${BUDGET_S:-480}
cd "$(dirname "$0")/.."
out=$(mktemp -d)
mkdir -p "$final"
export PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1 NO_COLOR=1

left() { echo $((budget - SECONDS)); }

# part NAME LIMIT COMMAND...: runs a command for at most LIMIT seconds, within the remaining budget.
part() {
    local name=$1 limit=$2
    shift 2
    local rest
    rest=$(left)
    ((rest < limit)) && limit=$rest
    if ((limit < 5)); then
        echo "== $name: no time left" | tee -a "$out/session.txt"
        return
    fi
    echo "== $name (at $SECONDS s, at most $limit s): $*" | tee -a "$out/session.txt"
    timeout --kill-after=5 "$limit" "$@" > >(tee "$out/$name.txt") 2> >(tee "$out/$name.log" >&2)
    local code=$?
    echo "== $name: exit code $code after $SECONDS s in total" | tee -a "$out/session.txt"
    tar -C "$out" -czf "$final/all.tar.gz.part" . && mv "$final/all.tar.gz.part" "$final/all.tar.gz"
    return $code
}

compare=("$python" benches/compare.py --trainer "$trainer" --evaluator "$evaluator" --device cuda --python "$python")

part gpu 20 nvidia-smi --query-gpu=name,driver_version,memory.total,memory.used --format=csv
part devices 30 "$trainer" devices
part doctor 120 "$trainer" doctor --device cuda --timeout-s 110
part training 200 "${compare[@]}" --only training --timeout-s 75 --budget-s 195 --output "$out/training" ${SETS:-}
part decoding 130 "${compare[@]}" --only decoding --timeout-s 70 --budget-s 125 --output "$out/decoding"
rm -rf "$out"
exit 0
