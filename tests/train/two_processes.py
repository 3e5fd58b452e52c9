"""What `test_processes` runs, alone or under torchrun: prints nothing, leaves its weights in a folder."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from train_stubs import TASKS, Data, disjoint, joint

from sharewise.balance import make_balancer
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.tasks import InputSpec
from sharewise.train import TrainOptions, fit

# 65 rows: batches of 16 leave a last one of 1 row, fewer than there are processes.
OPTIONS = TrainOptions(
    epochs=3, batch_size=16, learning_rate=1e-2, clip=1.0, accumulate=2, precision="fp32", device="cpu"
)


#: Of each sort of method: by what it looks at, by engine, with and without a memory.
METHODS = {
    "dwa": {"temperature": 0.5},
    "famo": {"rate": 0.1},
    "upgrad": {"engine": "ghost"},
    "gradvac": {"engine": "exact"},
    "nash_mtl": {"engine": "last_shared", "every": 2},
    "excess_mtl": {"engine": "exact"},
    "modo": {},
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    options = ModelOptions(
        sharing="mmoe",
        hidden=(8,),
        experts=3,
        tower=(4,),
        dropout=0.3,
        expert_dropout=0.2,
        importance=0.1,
        members=2,
    )
    inputs = InputSpec(bins=((-1.0, 0.0, 1.0),) * 5)
    for method, how in METHODS.items():
        fit(
            MultiTaskModel(TASKS, inputs, options),
            Data(TASKS, joint(65), joint(31, 1)),
            replace(OPTIONS, diagnose=2, epochs=2),
            balancer=make_balancer(TASKS, method, **how),
            folder=folder / "joint" / method,
        )
    fit(
        MultiTaskModel(TASKS, inputs, replace(options, tower=())),
        Data(TASKS, disjoint(65), disjoint(31, 1)),
        OPTIONS,
        folder=folder / "disjoint",
    )
    fit(
        MultiTaskModel(TASKS, inputs, options),
        Data(TASKS, disjoint(65), disjoint(31, 1)),
        replace(OPTIONS, sampling="pike", mix_every=2, mix_gain=1.0),
        folder=folder / "pike",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
