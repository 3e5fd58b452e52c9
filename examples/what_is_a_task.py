"""A task is p(x), p(y | x) and a loss. Tasks differ in y alone (joint), or in x too (disjoint)."""

from __future__ import annotations

import sharewise as sw
from common import readers, related


def main() -> None:
    # Multi-label: every row carries every label.
    tasks = [sw.Task("first", "regression"), sw.Task("large", "binary", label="second > 1")]
    joint = sw.Table(related(600, 0.5), tasks)
    print("joint:", tuple(joint.train.targets.shape), "targets for", joint.tasks.names)

    # Personalised: a row belongs to one reader; there is a task for every reader in the training rows.
    disjoint = sw.Table(
        readers(600, 5), [sw.Task("spam")], task_column="reader", features=sw.Features(drop=("taste",))
    )
    print("disjoint:", tuple(disjoint.train.targets.shape), "targets for", disjoint.tasks.names)
    assert joint.train.task is None
    assert disjoint.train.task is not None


if __name__ == "__main__":
    main()
