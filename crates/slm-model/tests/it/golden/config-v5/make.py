"""The tiny models' configurations as transformers 5 writes them: `rope_parameters` instead of `rope_theta` and
`rope_scaling`. Needs transformers 5 (see README.md), the other scripts need transformers 4.
"""

import json
import pathlib
import tempfile

from transformers import AutoConfig

GOLDEN = pathlib.Path(__file__).resolve().parents[1]

for name in ("tiny-qwen2", "tiny-llama", "tiny-llama3-rope"):
    with tempfile.TemporaryDirectory() as folder:
        AutoConfig.from_pretrained(GOLDEN / name).save_pretrained(folder)
        text = (pathlib.Path(folder) / "config.json").read_text(encoding="utf-8")
    json.loads(text)
    (GOLDEN / "config-v5" / f"{name}.json").write_text(text, encoding="utf-8")
