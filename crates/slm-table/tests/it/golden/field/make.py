"""Makes parquet files as found in practice, and field.jsonl with the expected values of their column `text`.

Run in this folder: python make.py; last with Python 3.11, pyarrow 26.0.1 and datasets 5.2.0, which gives the expected values.
"""

import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

text = pa.array(["a b", "d\u00e9"])
utc = pa.array([None, 0], pa.timestamp("us", "UTC"))
named = pa.array([0, 1], pa.timestamp("ms", "Europe/Paris"))
binary = pa.array([b"a b", "d\u00e9".encode()], pa.binary())

files = {
    "utc": {"text": text, "ts": utc},
    "zone": {"text": text, "ts": named},
    "binary": {"text": binary},
    "large": {"text": text.cast(pa.large_string())},
    "view": {"text": text.cast(pa.string_view())},
    "dictionary": {"text": text.dictionary_encode()},
    # Columns that no recipe needs, of rare types.
    "neighbours": {
        "text": text,
        "decimal": pa.array([None, 1], pa.decimal128(38, 10)),
        "duration": pa.array([1, None], pa.duration("s")),
        "half": pa.array([1.0, None], pa.float16()),
        "bytes": pa.array([b"\xff\xfe", None], pa.binary()),
        "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        "image": pa.array([{"bytes": b"\xff", "path": None}, None], pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    },
}
with open("field.jsonl", "w") as out:
    for name, columns in files.items():
        path = f"{name}.parquet"
        pq.write_table(pa.table(columns), path)
        if name == "neighbours":  # datasets has no maps
            read = pq.read_table(path, columns=["text"])["text"].to_pylist()
        else:
            read = datasets.load_dataset("parquet", data_files=path, split="train", cache_dir="/tmp/field")["text"]
        rows = [value.decode() if isinstance(value, bytes) else value for value in read]
        out.write(json.dumps({"file": path, "text": rows}) + "\n")
    for codec in ["none", "snappy", "gzip", "brotli", "lz4", "zstd"]:
        path = f"{codec}.parquet"
        pq.write_table(pa.table({"text": text}), path, compression=codec)
        rows = pq.read_table(path)["text"].to_pylist()
        out.write(json.dumps({"file": path, "text": rows}) + "\n")

# Files that no reader accepts in full: two columns of the same name; invalid UTF-8 in one of three binary values;
# invalid UTF-8 in a text column.
pq.write_table(pa.Table.from_arrays([text, text, text], names=["text", "text", "other"]), "twice.parquet")
pq.write_table(pa.table({"text": pa.array([b"a", b"\xff", b"b"], pa.binary())}), "not_utf8.parquet")
broken = pa.array([b"a", b"\xff", b"b"], pa.binary()).view(pa.string())
pq.write_table(pa.table({"text": broken}), "broken_string.parquet")
# Types whose JSON text is arrow's own.
pq.write_table(
    pa.table({
        "utc": utc,
        "zone": named,
        "decimal": pa.array([None, 1], pa.decimal128(38, 10)),
        "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
        "nested": pa.array([[{"role": b"user", "n": 1.0}], None], pa.list_(pa.struct([("role", pa.binary()), ("n", pa.float32())]))),
        "date": pa.array([None, 1], pa.date32()),
    }),
    "types.parquet",
)
