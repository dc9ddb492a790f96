#!/usr/bin/env bash
# Regenerates the golden files in the order of their dependencies.
#   PYTHON=venv/bin/python [SMOLLM2=FILE.gguf] [QWEN25_CODER=FILE.gguf] ./make-all.sh
# Without the real models' files, the two folders made from them are left unchanged.
set -euo pipefail
cd "$(dirname "$0")"
export PYTHONHASHSEED=0 OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1
python=${PYTHON:-python3}
for name in tokenizer tiny-qwen2 tiny-llama peft-qwen2 peft-llama peft-variants log-probabilities training-qwen2 training-llama gguf; do
  echo "== $name"
  "$python" "$name/make.py"
done
if [ -n "${SMOLLM2:-}" ]; then
  echo "== smollm2-greedy"
  "$python" smollm2-greedy/make.py "$SMOLLM2"
  if [ -n "${QWEN25_CODER:-}" ]; then
    echo "== tokenizer-real"
    "$python" tokenizer-real/make.py smollm2="$SMOLLM2" qwen2.5-coder="$QWEN25_CODER"
  fi
fi
