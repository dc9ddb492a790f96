#!/usr/bin/env bash
# Measures the CUDA backend on an NVIDIA GPU in two calls of at most 7 and 5 minutes, the most important first:
#
#     OUT=results benches/gpu.sh first  path/to/trainer path/to/evaluator
#     OUT=results benches/gpu.sh second path/to/trainer path/to/evaluator
#
# Both programs are built with `--features cuda`. The first call shows whether the GPU computes correct numbers, and
# what a training step takes with one sequence; the second measures four sequences, PEFT, single kernels and decoding.
# PEFT needs Python with torch, transformers and peft ($PYTHON, else python3).
#
# The programs find or fetch libdevice themselves, and keep compiled kernels and tuning results in the cache folder
# ($SLM_CACHE), so that the second call starts with the results of the first. Each part has a time limit, and its output
# is in $OUT as soon as it ends. DEVICE, SHAPE and LENGTH choose something smaller for a trial:
#
#     OUT=trial DEVICE=cpu SHAPE=tiny-qwen2 LENGTH=64 benches/gpu.sh first target/release/trainer target/release/evaluator
set -u

usage() {
    echo "usage: OUT=FOLDER $0 first|second TRAINER EVALUATOR" >&2
    exit 2
}

[ $# = 3 ] && [ -n "${OUT:-}" ] || usage
call=$1
trainer=$(realpath "$2")
evaluator=$(realpath "$3")
mkdir -p "$OUT"
OUT=$(realpath "$OUT")
device=${DEVICE:-cuda}
shape=${SHAPE:-qwen2.5-1.5b}
length=${LENGTH:-2048}
python=${PYTHON:-python3}
benches=$(realpath "$(dirname "$0")")
export PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false NO_COLOR=1
export CUBECL_AUTOTUNE_LEVEL=${CUBECL_AUTOTUNE_LEVEL:-minimal}
kernels=${SLM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/slm-lora}/kernels

# part NAME LIMIT COMMAND...: runs a command for at most LIMIT seconds, and keeps what it prints.
part() {
    local name=$1 limit=$2 began=$SECONDS code
    shift 2
    timeout --kill-after=5 "$limit" "$@" >"$OUT/$name.txt" 2>"$OUT/$name.log"
    code=$?
    echo "$name: exit code $code after $((SECONDS - began)) s" | tee -a "$OUT/summary.txt"
    tail -n 3 "$OUT/$name.log" "$OUT/$name.txt"
}

# plan NAME LIMIT ARGUMENTS...: measures training steps with random weights.
plan() {
    local name=$1 limit=$2
    shift 2
    part "$name" "$limit" "$trainer" plan --device "$device" --json --weights bf16 "$@"
}

of_shape=(--shape "$shape" --seq-length "$length")
recompute=(--set train.gradient_checkpointing=layer)

case $call in
first)
    part machine 15 sh -c "nvidia-smi; ldd '$trainer' | grep 'not found'; '$trainer' --version; '$trainer' devices"
    # Driver, libdevice and kernels, in the least time.
    plan tiny 60 --shape tiny-qwen2 --seq-length 128 --micro-batch-size 2 --measure 3
    part doctor 100 "$trainer" doctor --device "$device" --quick --timeout-s 95 --json
    # Tunes; the results are kept.
    plan one 190 "${of_shape[@]}" --micro-batch-size 1 --measure 3 "${recompute[@]}"
    # What a second process pays.
    plan one-again 35 "${of_shape[@]}" --micro-batch-size 1 --measure 5 "${recompute[@]}"
    ;;
second)
    plan four 85 "${of_shape[@]}" --micro-batch-size 4 --measure 4 "${recompute[@]}"
    part peft 60 "$python" "$benches/peft_training.py" --shape "$shape" --device "$device" --seq-length "$length" \
        --micro-batch-size 1,4 --steps 5 --gradient-checkpointing
    # Waits for each kernel, so that its time of a step is no speed.
    CUBECL_DEBUG_OPTION=profile-medium CUBECL_DEBUG_LOG=$OUT/kernels.log \
        plan profile 45 "${of_shape[@]}" --micro-batch-size 1 --measure 1 "${recompute[@]}"
    [ -f "$OUT/kernels.log" ] && gzip -f "$OUT/kernels.log"
    plan four-kept 35 "${of_shape[@]}" --micro-batch-size 4 --measure 4 --set train.gradient_checkpointing=none
    part decoding 50 "$evaluator" bench --shape "$shape" --device "$device" --batch 1,32 --new-tokens 32 --json
    ;;
*) usage ;;
esac

# May be used again on a machine with the same GPU, driver and programs.
[ -d "$kernels" ] && tar -C "$kernels" -cf - . | xz -T0 -1 >"$OUT/kernels.tar.xz"
exit 0
