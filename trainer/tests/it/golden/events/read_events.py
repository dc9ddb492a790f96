"""Reads the event file in this folder with TensorBoard and records what TensorBoard finds.

    pip install tensorboard==2.21.0 && python read_events.py

The file is written by the tests of `trainer/src/log/events.rs` with UPDATE_GOLDEN=1. TensorBoard verifies the checksums
of every record and stops at the first mismatch.
"""

import json
import pathlib

import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

HERE = pathlib.Path(__file__).resolve().parent


def main():
    accumulator = EventAccumulator(str(HERE / "events.out.tfevents.golden"), size_guidance={"scalars": 0})
    accumulator.Reload()
    scalars = {
        tag: [{"step": e.step, "wall_time": e.wall_time, "value": e.value} for e in accumulator.Scalars(tag)]
        for tag in sorted(accumulator.Tags()["scalars"])
    }
    found = {"tensorboard": tensorboard.__version__, "file_version": accumulator.file_version, "scalars": scalars}
    (HERE / "expected.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(map(len, scalars.values()))} scalars under {', '.join(scalars)}")


if __name__ == "__main__":
    main()
