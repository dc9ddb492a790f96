"""Greedy continuations by the real SmolLM2-135M-Instruct (Q4_1), from llama.cpp and from transformers.

llama.cpp multiplies quantised weights by activations that it rounds to eight bits; transformers, like this project,
dequantises the weights and computes in float32. So llama.cpp is run a second time, on the same model rewritten with
float32 tensors. If they choose different tokens, the gap between the two largest logits at that step shows whether
it was a near-tie.

    python smollm2-greedy/make.py PATH/SmolLM2-135M-Instruct.Q4_1.gguf
"""

import hashlib
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from llama_cpp import VERSION, LlamaCpp
from oracle import GOLDEN, calm_torch, write_json

torch = calm_torch(0)

import gguf
import numpy as np
import transformers
from transformers import AutoModelForCausalLM

N_PREDICT = 32

REQUEST = "Write a Python function that returns the sum of the squares of a list of numbers."

PROMPTS = {
    "code prefix": "import math\n\n\nclass Circle:\n    def __init__(self, radius):\n",
    "chat": None,  # REQUEST in the model's own template
    "function stub": (
        "def count_vowels(text):\n"
        '    """Return how many letters of the text are vowels.\n\n'
        "    >>> count_vowels('banana')\n"
        "    3\n"
        '    """\n'
    ),
}


def chat_prompt(reader):
    template = reader.fields["tokenizer.chat_template"].contents()
    rendered, _ = transformers.utils.chat_template_utils.render_jinja_template(
        conversations=[[{"role": "user", "content": REQUEST}]], chat_template=template, add_generation_prompt=True
    )
    return rendered[0]


def rewrite_in_float32(reader, path):
    """The same GGUF file with every tensor dequantised."""
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            inner = field.types[1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, np.ascontiguousarray(values, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def greedy_by_llama_cpp(path, prompts):
    """For each prompt its ids, and the tokens, the text and the two most likely tokens of each step."""
    llama = LlamaCpp(path)
    answers = []
    for prompt in prompts.values():
        ids = llama.tokenize(prompt)
        tokens, text, steps = llama.greedy(ids, N_PREDICT)
        top2 = [[[top["id"], top["logprob"]] for top in step] for step in steps]
        answers.append((ids, {"tokens": tokens, "text": text, "top2": top2}))
    return answers, llama


def greedy_by_transformers(model, ids, n_predict):
    """The most likely tokens, each with the two largest logits, in float32 and with a cache."""
    steps, cache, fed = [], None, ids
    with torch.no_grad():
        for _ in range(n_predict):
            output = model(input_ids=torch.tensor([fed]), past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            values, tokens = output.logits[0, -1].topk(2)
            steps.append([[token, value] for token, value in zip(tokens.tolist(), values.tolist(), strict=True)])
            fed = [steps[-1][0][0]]
    return steps


def first_difference(left, right):
    return next((i for i, (a, b) in enumerate(zip(left["tokens"], right["tokens"], strict=False)) if a != b), None)


def main(path):
    path = pathlib.Path(path).resolve()
    reader = gguf.GGUFReader(path)
    prompts = PROMPTS | {"chat": chat_prompt(reader)}
    by_llama, llama = greedy_by_llama_cpp(path, prompts)
    with tempfile.TemporaryDirectory() as folder:
        rewrite_in_float32(reader, pathlib.Path(folder) / "f32.gguf")
        by_llama_f32, _ = greedy_by_llama_cpp(pathlib.Path(folder) / "f32.gguf", prompts)
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    entries = []
    for (name, prompt), (ids, quantised), (_, float32) in zip(prompts.items(), by_llama, by_llama_f32, strict=True):
        top2 = greedy_by_transformers(model, ids, N_PREDICT)
        tokens = [step[0][0] for step in top2]
        oracle = {"tokens": tokens, "text": llama.detokenize(tokens), "top2": top2}
        gaps = [step[0][1] - step[1][1] for step in top2]
        entries.append(
            {
                "name": name,
                "prompt": prompt,
                "prompt_ids": ids,
                "transformers": oracle,
                "llama_cpp": quantised,
                "llama_cpp_f32": float32,
                "smallest_gap": min(gaps),
                "first_difference": first_difference(oracle, quantised),
                "first_difference_f32": first_difference(oracle, float32),
            }
        )
        print(name, {key: entries[-1][key] for key in ("smallest_gap", "first_difference", "first_difference_f32")})
        for source in (oracle, quantised, float32):
            print("  ", len(source["tokens"]), repr(source["text"]))
    write_json(
        GOLDEN / "smollm2-greedy" / "expected.json",
        {
            "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "llama_cpp": VERSION,
            "transformers": f"transformers {transformers.__version__}, torch {torch.__version__}",
            "prompts": entries,
        },
    )


if __name__ == "__main__":
    main(sys.argv[1])
