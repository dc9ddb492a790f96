"""Makes a parquet file for each format of a data set: good rows, and one bad row of each reason that parquet can hold.

Run in this folder: python make.py; last with Python 3.11 and pyarrow 26.0.1. bad_rows.rs depends on their content: good row
number i has the texts `Say i.` and `i`, as there, and the reasons are in expected.json.
"""

import json

import pyarrow as pa
import pyarrow.parquet as pq

N_GOOD = 40
good = range(N_GOOD)


def mixed(bad):
    """Good rows with the bad ones among them."""
    rows = []
    for i in good:
        rows.append(("good", i))
        if i < len(bad):
            rows.append(("bad", bad[i]))
    return rows


def write(name, schema, make, bad):
    rows = [make(row) if kind == "good" else row[1] for kind, row in mixed(bad)]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), f"{name}.parquet")
    counts = {}
    for reason, _ in bad:
        counts[reason] = counts.get(reason, 0) + 1
    return counts


text, data = pa.string(), pa.binary()
expected = {}
# Invalid UTF-8 can only be stored in columns of a binary type.
expected["text"] = write(
    "text",
    pa.schema([("text", data), ("when", pa.timestamp("us", "UTC"))]),
    lambda i: {"text": f"Say {i}.".encode()},
    [("empty_field", {"text": None}), ("not_utf8", {"text": b"\xff"})],
)
expected["prompt_completion"] = write(
    "prompt_completion",
    pa.schema([("prompt", text), ("completion", data)]),
    lambda i: {"prompt": f"Say {i}.", "completion": f"{i}".encode()},
    [
        ("empty_field", {"prompt": None, "completion": b"a"}),
        ("empty_field", {"prompt": "a", "completion": None}),
        ("not_utf8", {"prompt": "a", "completion": b"\xff"}),
    ],
)
expected["alpaca"] = write(
    "alpaca",
    pa.schema([("instruction", text), ("output", data), ("input", text)]),
    lambda i: {"instruction": f"Say {i}.", "output": f"{i}".encode()},
    [
        ("empty_field", {"instruction": None, "output": b"a"}),
        ("empty_field", {"instruction": "a", "output": None}),
        ("not_utf8", {"instruction": "a", "output": b"\xff"}),
        ("refused_by_template", {"instruction": "REFUSE", "output": b"a"}),
        ("rewritten_by_template", {"instruction": "a", "output": b"SHOUT"}),
    ],
)


def turns(role_key, text_key, *pairs):
    return [{role_key: role, text_key: content, **more} for role, content, more in pairs]


def conversations(name, column, role_key, text_key, user, assistant):
    fields = [(role_key, text), (text_key, data)]
    if name == "messages":
        fields += [("tool_calls", pa.list_(pa.string())), ("weight", pa.float64())]
    schema = pa.schema([(column, pa.list_(pa.struct(fields)))])

    def of(*pairs):
        pairs = [pair if len(pair) == 3 else (*pair, {}) for pair in pairs]
        return {column: turns(role_key, text_key, *pairs)}

    q, a = (user, b"q"), (assistant, b"a")
    bad = [
        ("empty_field", {column: None}),
        ("empty_field", of(q, (assistant, None))),
        ("not_utf8", of(q, (assistant, b"\xff"))),
        ("unknown_role", of(("developer", b"d"), q, a)),
        ("odd_conversation", of(a, q, a)),
        ("odd_conversation", of(q, q, a)),
        ("odd_conversation", of(q, a, q)),
        ("odd_conversation", of()),
        ("odd_conversation", of(("system", b"s"))),
        ("odd_conversation", of(q, a, ("tool", b"4"), a)),
        ("refused_by_template", of((user, b"REFUSE"), a)),
    ]
    if name == "messages":
        bad.append(("tool_call", of(q, (assistant, None, {"tool_calls": ["f()"]}), q, a)))
        bad.append(("message_weight", of(q, (assistant, b"a", {"weight": 0.5}), q, a)))
    expected[name] = write(
        name, schema, lambda i: of((user, f"Say {i}.".encode()), (assistant, f"{i}".encode())), bad
    )


conversations("messages", "messages", "role", "content", "user", "assistant")
conversations("sharegpt", "conversations", "from", "value", "human", "gpt")
with open("expected.json", "w") as out:
    json.dump(expected, out, indent=1)
    out.write("\n")
