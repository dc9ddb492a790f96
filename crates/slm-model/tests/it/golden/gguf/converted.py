"""What llama.cpp's converter makes of the tiny checkpoints: metadata and tensors in half precision.

`converted.json` has for each checkpoint the metadata by key, and for each tensor its type, shape (outermost first) and the
SHA-256 of its data. The converter knows pre-tokenizers by a hash of the tokens that they give, which the tiny
vocabularies do not have, so their names are given here.

    LLAMA_CPP=FOLDER python converted.py

Made with the converter in llama-cpp-python 0.3.36, transformers 5.24.0 and torch 2.9.1.
"""

import hashlib
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from oracle import GOLDEN, write_json

LLAMA_CPP = pathlib.Path(os.environ["LLAMA_CPP"])
sys.path[:0] = [str(LLAMA_CPP / "gguf-py"), str(LLAMA_CPP)]
import gguf
import torch
from conversion import get_model_class
from conversion.base import ModelBase, TextModel

PRE = {"tiny-llama": "smollm", "tiny-qwen2": "qwen2"}


def convert(name, out):
    folder = GOLDEN / name
    hparams = ModelBase.load_hparams(folder, False)
    model_class = get_model_class(hparams["architectures"][0])
    TextModel.get_vocab_base_pre = lambda self, tokenizer: PRE[name]
    with torch.inference_mode():
        model_class(folder, gguf.LlamaFileType.MOSTLY_F16, out, model_name=name).write()


def value(field):
    content = field.contents()
    return content if not isinstance(content, list) or len(content) < 1000 else None


def main():
    all_models = {}
    for name in PRE:
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "model.gguf"
            convert(name, out)
            reader = gguf.GGUFReader(out)
            pairs = {key: value(field) for key, field in reader.fields.items() if not key.startswith("GGUF.")}
            tensors = {
                t.name: [
                    t.tensor_type.name,
                    [int(n) for n in reversed(t.shape)],
                    hashlib.sha256(t.data.tobytes()).hexdigest(),
                ]
                for t in reader.tensors
            }
            all_models[name] = {"metadata": pairs, "tensors": tensors}
    write_json(GOLDEN / "gguf" / "converted.json", all_models)


if __name__ == "__main__":
    main()
