"""Fetches files with the Python client, for python.rs, and prints their paths.

    huggingface_hub_check.py snapshot|files|offline MODEL DATASET

`snapshot` fetches both repositories as a whole, `files` the files of a model and a data set one by one, `offline` the
same without a network. HF_ENDPOINT and HF_HUB_CACHE set source and target. Written with huggingface_hub 2.4.0, using
only calls that 0.x has, too.
"""

import os
import sys

mode, model, dataset = sys.argv[1:]
if mode == "offline":
    os.environ["HF_HUB_OFFLINE"] = "1"

try:
    from huggingface_hub import hf_hub_download, snapshot_download
except ImportError:
    sys.exit(77)

MODEL_FILES = ["config.json", "tokenizer.json", "model.safetensors"]
DATA_FILES = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]

if mode == "snapshot":
    print(snapshot_download(model))
    print(snapshot_download(dataset, repo_type="dataset"))
else:
    for name in MODEL_FILES:
        print(hf_hub_download(model, name))
    for name in DATA_FILES:
        print(hf_hub_download(dataset, name, repo_type="dataset"))
