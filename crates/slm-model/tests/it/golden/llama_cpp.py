"""llama.cpp as an oracle: its own server, run in this process by the `xllamacpp` package, accessed over HTTP."""

import json
import urllib.request

import xllamacpp

VERSION = f"xllamacpp {xllamacpp.__version__}"
"""The package does not name its llama.cpp commit, so its own version is recorded instead."""


class LlamaCpp:
    """A model on the CPU: one slot, a fixed number of threads, float32 cache, no flash attention, no prompt cache."""

    def __init__(self, path, n_threads=2, adapters=()):
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = 1024
        params.n_parallel = 1
        params.cpuparams.n_threads = n_threads
        params.cpuparams_batch.n_threads = n_threads
        params.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
        params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_prompt = False
        params.warmup = False
        params.n_gpu_layers = 0
        params.port = 0
        params.verbosity = 0
        if adapters:
            params.lora_adapters = list(adapters)
        self.server = xllamacpp.Server(params)

    def post(self, path, body):
        request = urllib.request.Request(
            self.server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def tokenize(self, text):
        return self.post("/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]

    def detokenize(self, ids):
        return self.post("/detokenize", {"tokens": ids})["content"]

    def greedy(self, ids, n_predict):
        """The most likely tokens up to an end token, their text, and the two largest log probabilities of each step."""
        answer = self.post(
            "/completion",
            {
                "prompt": ids,
                "n_predict": n_predict,
                "samplers": ["top_k"],
                "top_k": 1,
                "n_probs": 2,
                "post_sampling_probs": False,
                "return_tokens": True,
                "cache_prompt": False,
            },
        )
        steps = [
            [{"id": top["id"], "logprob": top["logprob"]} for top in step["top_logprobs"]]
            for step in answer.get("completion_probabilities", [])
        ]
        return answer["tokens"], answer["content"], steps
