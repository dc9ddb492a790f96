#!/bin/bash
# Serves a GGUF file on this machine with llama-cpp-python, for evaluations with --endpoint:
#
#   pip install 'llama-cpp-python[server]'
#   cluster/serve-gguf.sh model.gguf HuggingFaceTB/SmolLM2-135M-Instruct 8000
#   evaluator compare --base-only --recipe recipes/quickstart.yaml --endpoint http://127.0.0.1:8000/v1
#
# The second argument is the recipe's `model.hub_name`. This server processes one request at a time. For parallel
# requests use vLLM (vllm serve MODEL --enable-lora --lora-modules NAME=ADAPTER) or llama.cpp's server
# (llama-server -m FILE -np 16). PYTHON names the interpreter.
set -euo pipefail

if [ "$#" -ne 3 ]; then
  echo "usage: $0 FILE.gguf MODEL PORT" >&2
  exit 2
fi

exec "${PYTHON:-python3}" -m llama_cpp.server \
  --model "$1" --model_alias "$2" --host 127.0.0.1 --port "$3" \
  --n_ctx 2048
