"""Prints what pandas reads from a parquet file, as one JSON document; exit code 9 without pandas.

Run by pandas.rs. Tried with pandas 3.1.1 and pyarrow 26.0.1 on Python 3.11.
"""

import json
import sys

try:
    import pandas
    import pyarrow
    import pyarrow.parquet
except ImportError as error:
    print(error)
    sys.exit(9)

path = sys.argv[1]
frame = pandas.read_parquet(path)
schema = pyarrow.parquet.read_schema(path)
print(
    json.dumps(
        {
            "versions": "pandas %s, pyarrow %s" % (pandas.__version__, pyarrow.__version__),
            "rows": len(frame),
            "types": {field.name: str(field.type) for field in schema},
            # Without pandas's own rounding: through Python's values.
            "first": [
                {name: None if pandas.isna(value) else value for name, value in row.items()}
                for row in frame.head(3).astype(object).to_dict("records")
            ],
            "last": int(frame["i"].iloc[-1]),
        }
    )
)
