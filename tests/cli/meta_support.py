"""Small tasks, configurations that train on them in a moment, and images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

TRAINING = """
[train]
iterations = 4
tasks_per_batch = 4
eval_every = 2
eval_episodes = 8

[evaluate]
episodes = 8
shots = [1, 3]
steps = [0, 1]
"""

TABLE = (
    """
[data]
source = "rows.csv"
task_column = "user"
features.keep = ["x", "colour"]

[task]
name = "y"
kind = "regression"

[episodes]
shots = 3
queries = 3

[learner]
name = "maml"
net.hidden = [8]
"""
    + TRAINING
)

SINUSOID = (
    """
[data]
source = "sinusoid"

[learner]
name = "alpaca"
net.hidden = [8]
"""
    + TRAINING
)

IMAGES = """
[data]
source = "images"
options = { size = 8 }

[episodes]
shots = 1
queries = 2
ways = 2

[learner]
name = "protonet"
net.channels = [4, 4]
""" + TRAINING.replace("[1, 3]", "[1]")

#: The same table with a label of three classes, and one of two.
LEVELS = TABLE.replace('name = "y"\nkind = "regression"', 'name = "level"\nkind = "multiclass"')
HIGH = TABLE.replace('name = "y"\nkind = "regression"', 'name = "high"\nkind = "binary"\nlabel = "y > 0"')


def rows(tasks: int = 24, each: int = 12) -> pl.DataFrame:
    """Return rows of several tasks: a line of its own for each."""
    random = np.random.Generator(np.random.PCG64(0))
    task = np.repeat(np.arange(tasks), each)
    x, kind = random.normal(size=tasks * each), random.integers(0, 2, tasks * each)
    slope, height = random.normal(size=(2, tasks))
    y = slope[task] * x + height[task] + kind
    return pl.DataFrame(
        {
            "user": [f"u{t:02}" for t in task],
            "time": np.tile(np.arange(each), tasks),
            "x": x,
            "colour": np.where(kind == 1, "red", "blue"),
            "y": y,
            "level": np.where(y < -1, "low", np.where(y > 1, "top", "mid")),
        }
    )


def draw(folder: Path, classes: int, each: int, seed: int = 0) -> None:
    """Write a folder of images: a pattern for each class, and small changes of it."""
    random = np.random.Generator(np.random.PCG64(seed))
    for number in range(classes):
        pattern = random.integers(0, 256, (8, 8))
        own = folder / f"class{number}"
        own.mkdir(parents=True)
        for i in range(each):
            drawn = np.clip(pattern + random.integers(-20, 21, (8, 8)), 0, 255)
            Image.fromarray(drawn.astype(np.uint8)).save(own / f"{i}.png")
