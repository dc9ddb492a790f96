#!/usr/bin/env python3
"""Greedy decoding with llama.cpp: the peer of `evaluator bench` on the CPU, on the same file.

    python benches/llama_cpp_decode.py --write model.gguf --shape smollm2-135m --weights q4_1
    python benches/llama_cpp_decode.py --model model.gguf --batch 1,8,32

The first call writes a GGUF file of a shape with random weights (needs the packages gguf and numpy), the second
measures it (needs llama-cpp-python and numpy); `evaluator bench --model model.gguf` reads the same file. Prints one
line of JSON per batch size.
"""

import argparse
import ctypes
import os
import time

from common import SHAPES, emit, numbers, peak_rss_bytes, versions

# Values and bytes of a block.
BLOCKS = {"q8_0": (32, 34), "q4_0": (32, 18), "q4_1": (32, 20), "q4_k": (256, 144), "q5_0": (32, 22)}

KEPT = []


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", metavar="FILE", help="write a model of --shape and --weights to FILE, and exit")
    parser.add_argument("--shape", choices=sorted(SHAPES))
    parser.add_argument("--weights", default="q4_1", choices=["f32", "f16", "q8_0", "q4_0", "q4_1", "q4_k"])
    parser.add_argument("--model", metavar="FILE")
    parser.add_argument("--batch", type=numbers, default=[1, 8, 32])
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args()


def blocks(rng, rows, columns, kind):
    """Returns random blocks of standard deviation about 1 / sqrt(columns), as bytes, and their type."""
    import numpy as np

    if columns % BLOCKS[kind][0]:
        kind = "q5_0"
    values, size = BLOCKS[kind]
    found = rng.integers(0, 256, (rows, columns // values, size), dtype=np.uint8)
    deviation = columns**-0.5
    steps = {"q8_0": 256, "q5_0": 32}.get(kind, 16)
    scale = deviation / ((steps**2 - 1) / 12) ** 0.5

    def half(at, value):
        found[:, :, at : at + 2] = np.frombuffer(np.float16(value).tobytes(), np.uint8)

    if kind == "q4_k":
        # Each of the eight sub-blocks has the 6-bit scale and minimum 32.
        half(0, scale / 32)
        half(2, 7.5 * scale / 32)
        found[:, :, 4:12] = 0xA0
        found[:, :, 12:16] = 0
    else:
        half(0, scale)
        if kind == "q4_1":
            half(2, -7.5 * scale)
    return found.reshape(rows, -1), kind


def write(path, shape, weights):
    """Writes a GGUF file of the shape."""
    import gguf
    import numpy as np

    s = SHAPES[shape]
    hidden, inner, layers = s["hidden_size"], s["intermediate_size"], s["num_hidden_layers"]
    heads, kv_heads = s["num_attention_heads"], s["num_key_value_heads"]
    dim = s.get("head_dim", hidden // heads)
    writer = gguf.GGUFWriter(path, s["model_type"])
    writer.add_context_length(s["max_position_embeddings"])
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(s["rms_norm_eps"])
    writer.add_rope_freq_base(s["rope_theta"])
    if s["model_type"] == "llama":
        writer.add_rope_dimension_count(dim)
    if s["model_type"] == "qwen3":
        writer.add_key_length(dim)
        writer.add_value_length(dim)
    writer.add_vocab_size(s["vocab_size"])
    # A vocabulary that loads; no text is ever encoded with it.
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2" if s["model_type"].startswith("qwen") else "smollm")
    writer.add_token_list([f"t{i}" for i in range(s["vocab_size"])])
    writer.add_token_types([1] * s["vocab_size"])
    writer.add_token_merges(["t 0"])
    writer.add_eos_token_id(0)
    rng = np.random.default_rng(0)

    def matrix(name, rows, columns):
        if weights in BLOCKS:
            data, kind = blocks(rng, rows, columns, weights)
            kind = getattr(gguf.GGMLQuantizationType, kind.upper())
            writer.add_tensor(name, data, raw_dtype=kind)
        else:
            values = rng.standard_normal((rows, columns), dtype=np.float32) * columns**-0.5
            writer.add_tensor(name, values.astype(np.float16 if weights == "f16" else np.float32))

    def vector(name, n, mean):
        writer.add_tensor(name, (mean + 0.1 * rng.standard_normal(n)).astype(np.float32))

    matrix("token_embd.weight", s["vocab_size"], hidden)
    for layer in range(layers):
        block = f"blk.{layer}."
        for name, rows in [("q", heads * dim), ("k", kv_heads * dim), ("v", kv_heads * dim)]:
            matrix(f"{block}attn_{name}.weight", rows, hidden)
            if s["model_type"] == "qwen2":
                vector(f"{block}attn_{name}.bias", rows, 0.0)
        if s["model_type"] == "qwen3":
            vector(f"{block}attn_q_norm.weight", dim, 1.0)
            vector(f"{block}attn_k_norm.weight", dim, 1.0)
        matrix(f"{block}attn_output.weight", hidden, heads * dim)
        matrix(f"{block}ffn_gate.weight", inner, hidden)
        matrix(f"{block}ffn_up.weight", inner, hidden)
        matrix(f"{block}ffn_down.weight", hidden, inner)
        vector(f"{block}attn_norm.weight", hidden, 1.0)
        vector(f"{block}ffn_norm.weight", hidden, 1.0)
    vector("output_norm.weight", hidden, 1.0)
    if not s["tie_word_embeddings"]:
        matrix("output.weight", s["vocab_size"], hidden)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Context:
    """Wraps llama.cpp's functions, under the names of the installed release."""

    def __init__(self, path, threads, sequences, positions):
        import llama_cpp

        self.lib = llama_cpp
        # Never released, since llama.cpp may call it at any time.
        if not KEPT:
            KEPT.append(llama_cpp.llama_log_callback(lambda level, text, data: None))
        llama_cpp.llama_log_set(KEPT[0], ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = self.first("llama_model_load_from_file", "llama_load_model_from_file")(
            path.encode(), llama_cpp.llama_model_default_params()
        )
        if not self.model:
            raise RuntimeError(f"{path}: llama.cpp cannot load it")
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = sequences * positions
        settings.n_batch = settings.n_ubatch = 512
        settings.n_seq_max = sequences
        settings.n_threads = settings.n_threads_batch = threads
        self.context = self.first("llama_init_from_model", "llama_new_context_with_model")(self.model, settings)
        if not self.context:
            raise RuntimeError("llama.cpp creates no context")
        vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.vocab_size = self.first("llama_vocab_n_tokens", "llama_n_vocab")(vocab)
        self.batch = llama_cpp.llama_batch_init(512, 0, 1)

    def first(self, *names):
        return next(getattr(self.lib, name) for name in names if hasattr(self.lib, name))

    def decode(self, rows):
        """Decodes rows of (token, position, sequence, whether its logits are needed)."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wanted
        status = self.lib.llama_decode(self.context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode returned {status}")

    def likeliest(self, row):
        import numpy as np

        logits = self.lib.llama_get_logits_ith(self.context, row)
        return int(np.ctypeslib.as_array(logits, (self.vocab_size,)).argmax())

    def close(self):
        self.lib.llama_batch_free(self.batch)
        self.lib.llama_free(self.context)
        self.first("llama_model_free", "llama_free_model")(self.model)


def measure(args, batch):
    n = args.prompt_tokens
    context = Context(args.model, args.threads, batch, n + args.new_tokens + 2)
    try:
        prompt_seconds = 0.0
        tokens = []
        for sequence in range(batch):
            prompt = [(7919 * (sequence + 1) + 104729 * i) % context.vocab_size for i in range(n)]
            started = time.perf_counter()
            for start in range(0, n, 512):
                part = prompt[start : start + 512]
                rows = [(t, start + i, sequence, start + i == n - 1) for i, t in enumerate(part)]
                context.decode(rows)
            context.likeliest(-1)
            prompt_seconds += time.perf_counter() - started
            tokens.append(prompt[0])
        for step in range(args.new_tokens + 2):
            if step == 2:
                started = time.perf_counter()
            context.decode([(token, n + step, i, True) for i, token in enumerate(tokens)])
            tokens = [context.likeliest(i) for i in range(batch)]
        seconds = time.perf_counter() - started
    finally:
        context.close()
    return {
        "prompt_tokens_per_second": batch * n / prompt_seconds,
        "decode_tokens_per_second": batch * args.new_tokens / seconds,
        "milliseconds_per_step": 1e3 * seconds / args.new_tokens,
        "peak_bytes": peak_rss_bytes(),
    }


def main():
    args = parse()
    if args.write:
        write(args.write, args.shape, args.weights)
        return
    for batch in args.batch:
        record = {
            "tool": "llama.cpp",
            "versions": versions("llama_cpp_python"),
            "model": args.model,
            "device": "cpu",
            "threads": args.threads,
            "batch": batch,
            "prompt_tokens": args.prompt_tokens,
            "new_tokens": args.new_tokens,
        }
        emit(record | measure(args, batch))


if __name__ == "__main__":
    main()
