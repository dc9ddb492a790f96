#!/usr/bin/env python3
"""Greedy decoding with transformers on a shape with random weights: the peer of `evaluator bench` on a GPU.

    python benches/transformers_decode.py --shape qwen2.5-1.5b --device cuda --batch 1,32,128

Prints one line of JSON per batch size and type of cache. The time of a step is the difference between a long and a
short call of `generate`, which excludes the prefill.
"""

import argparse
import time

from common import emit, numbers, peak_rss_bytes, random_model, torch_dtype, use_threads, versions

# Number of new tokens in the short call.
SHORT = 4


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", required=True)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="bf16", choices=["f32", "bf16"])
    parser.add_argument("--batch", type=numbers, default=[1, 8, 32])
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--cache", default="dynamic,static", help="dynamic, static, compiled, or several of them")
    parser.add_argument("--adapter-rank", type=int)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def generate(model, prompts, n, cache):
    """Returns the seconds for `n` new tokens per prompt."""
    import torch

    settings = {"max_new_tokens": n, "min_new_tokens": n, "do_sample": False, "pad_token_id": 0}
    if cache != "dynamic":
        settings |= {"cache_implementation": "static", "disable_compile": cache == "static"}
    if prompts.is_cuda:
        torch.cuda.synchronize()
    started = time.perf_counter()
    with torch.inference_mode():
        found = model.generate(prompts, attention_mask=torch.ones_like(prompts), **settings)
    if prompts.is_cuda:
        torch.cuda.synchronize()
    assert found.shape[1] == prompts.shape[1] + n, found.shape
    return time.perf_counter() - started


def main():
    args = parse()
    import torch

    use_threads(args.threads)
    torch.manual_seed(0)
    model = random_model(args.shape, torch_dtype(args.dtype), args.device)
    if args.adapter_rank:
        from peft import LoraConfig, get_peft_model

        rank = args.adapter_rank
        model = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.eval()
    on_gpu = args.device == "cuda"
    for batch in args.batch:
        prompts = torch.randint(model.config.vocab_size, (batch, args.prompt_tokens)).to(args.device)
        for cache in args.cache.split(","):
            record = {
                "tool": "transformers",
                "versions": versions("torch", "transformers"),
                "shape": args.shape,
                "device": torch.cuda.get_device_name() if on_gpu else "cpu",
                "dtype": args.dtype,
                "cache": cache,
                "adapter_rank": args.adapter_rank,
                "batch": batch,
                "prompt_tokens": args.prompt_tokens,
                "new_tokens": args.new_tokens,
            }
            try:
                long = SHORT + args.new_tokens
                generate(model, prompts, long if cache == "compiled" else SHORT, cache)
                short_seconds = generate(model, prompts, SHORT, cache)
                seconds = generate(model, prompts, long, cache) - short_seconds
                record |= {
                    "decode_tokens_per_second": batch * args.new_tokens / seconds,
                    "milliseconds_per_step": 1e3 * seconds / args.new_tokens,
                    "peak_bytes": torch.cuda.max_memory_reserved() if on_gpu else peak_rss_bytes(),
                }
            except Exception as error:  # a failed peer gets a line in the table
                record["error"] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            emit(record)


if __name__ == "__main__":
    main()
