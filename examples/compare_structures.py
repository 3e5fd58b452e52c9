"""The whole question: which structure helps which task? With intervals, against independent networks."""

from __future__ import annotations

import sharewise as sw
from common import related


def main() -> None:
    table = sw.Table(related(600, 1.0), [sw.Task("first", "regression"), sw.Task("second", "regression")])
    comparison = sw.compare(
        table,
        ["shared_bottom", "mmoe"],
        train=sw.TrainOptions(epochs=3, batch_size=64),
        seeds=3,
        learning_rates=(3e-3,),
        jobs=1,
    )
    for structure in ("shared_bottom", "mmoe"):
        print(structure, comparison.verdicts(structure))


if __name__ == "__main__":
    main()
