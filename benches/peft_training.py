#!/usr/bin/env python3
"""LoRA training with PEFT and transformers, with random weights and tokens: the peer of `trainer plan --measure`.

    python benches/peft_training.py --shape smollm2-135m --dtype f32 --seq-length 512 --micro-batch-size 2

Prints one line of JSON per micro-batch size: tokens/s, seconds per step, peak memory, model FLOPs utilisation. AdamW,
LoRA on all linear layers, SDPA attention, all tokens supervised; in bf16 the adapters stay in single precision and the
products use autocast, as in transformers' Trainer.
"""

import argparse
import contextlib
import time

from common import (
    emit,
    flops_per_token,
    numbers,
    peak_rss_bytes,
    random_model,
    torch_dtype,
    use_threads,
    versions,
)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", required=True)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="bf16", choices=["f32", "bf16"])
    parser.add_argument("--seq-length", type=int, default=512)
    parser.add_argument("--micro-batch-size", type=numbers, default=[1], help="one or several, such as 1,2,4,8")
    parser.add_argument("--gradient-accumulation-steps", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--peak-tflops", type=float)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def measure(args, model, parameters, micro_batch_size):
    import torch

    on_gpu = args.device == "cuda"
    optimizer = torch.optim.AdamW(parameters, lr=2e-4, weight_decay=0.0, fused=on_gpu)
    vocab_size = model.config.vocab_size
    generator = torch.Generator().manual_seed(0)
    seconds = []
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(args.steps + 1):
        shape = (args.gradient_accumulation_steps, micro_batch_size, args.seq_length)
        tokens = torch.randint(vocab_size, shape, generator=generator)
        started = time.perf_counter()
        total = 0.0
        for batch in tokens.to(args.device):
            is_half = args.dtype == "bf16"
            products = torch.autocast(args.device, torch.bfloat16) if is_half else contextlib.nullcontext()
            with products:
                loss = model(input_ids=batch, labels=batch, use_cache=False).loss
            loss = loss / len(tokens)
            loss.backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    per_step = sum(seconds[1:]) / args.steps
    tokens_per_second = args.gradient_accumulation_steps * micro_batch_size * args.seq_length / per_step
    flops = flops_per_token(args.shape, args.rank, args.seq_length)
    teraflops = flops * tokens_per_second / 1e12
    return {
        "tokens_per_second": tokens_per_second,
        "seconds_per_step": per_step,
        "first_step_seconds": seconds[0],
        "peak_bytes": torch.cuda.max_memory_reserved() if on_gpu else peak_rss_bytes(),
        "peak_allocated_bytes": torch.cuda.max_memory_allocated() if on_gpu else None,
        "flops_per_token": flops,
        "teraflops": teraflops,
        "model_flops_utilisation": teraflops / args.peak_tflops if args.peak_tflops else None,
        "loss": total,
        "grad_norm": float(norm),
    }


def main():
    args = parse()
    import torch
    from peft import LoraConfig, get_peft_model

    use_threads(args.threads)
    torch.manual_seed(0)
    model = random_model(args.shape, torch_dtype(args.dtype), args.device)
    if args.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    settings = LoraConfig(r=args.rank, lora_alpha=2 * args.rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, settings)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    for micro_batch_size in args.micro_batch_size:
        record = {
            "tool": "peft",
            "versions": versions("torch", "transformers", "peft"),
            "shape": args.shape,
            "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
            "dtype": args.dtype,
            "seq_length": args.seq_length,
            "micro_batch_size": micro_batch_size,
            "gradient_accumulation_steps": args.gradient_accumulation_steps,
            "gradient_checkpointing": args.gradient_checkpointing,
            "steps": args.steps,
            "trainable_parameters": sum(p.numel() for p in parameters),
        }
        try:
            record |= measure(args, model, parameters, micro_batch_size)
        except torch.OutOfMemoryError as error:
            record["error"] = str(error).splitlines()[0]
        emit(record)


if __name__ == "__main__":
    main()
