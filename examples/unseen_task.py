"""A descriptor that says something about the task predicts for tasks that were never trained on."""

from __future__ import annotations

import polars as pl

import sharewise as sw
from common import readers


def auc(sharing: str, descriptor: str) -> float:
    frame = readers(6000, 12)
    held_out = pl.col("reader").is_in(["r2", "r5", "r9"])
    part = pl.when(held_out).then(pl.lit("test")).when(pl.int_range(pl.len()) % 8 == 0).then(pl.lit("valid"))
    table = sw.Table(
        frame.with_columns(part=part.otherwise(pl.lit("train"))),
        [sw.Task("spam")],
        split=sw.ColumnSplit("part"),
        features=sw.Features(drop=("taste",)),
        task_column="reader",
        descriptor_columns=("taste",),
    )
    options = sw.ModelOptions(sharing=sharing, descriptor=descriptor, head="per_kind", hidden=(16,))
    model = sw.MultiTaskModel(table.tasks, table.schema.inputs, options)
    sw.fit(model, table, sw.TrainOptions(epochs=8, batch_size=256, learning_rate=2e-2))
    return model_auc(model, table)


def model_auc(model: sw.MultiTaskModel, table: sw.Table) -> float:
    test = table.unseen
    scores = sw.predict(model, test.inputs, table.tasks, test.task, test.descriptor)[:, 0]
    order = scores.argsort().argsort().double() + 1
    positive = test.targets > 0.5
    pairs = positive.sum() * (~positive).sum()
    return float((order[positive].sum() - positive.sum() * (positive.sum() + 1) / 2) / pairs)


def main() -> None:
    pooled, conditioned = auc("shared_bottom", "index"), auc("multiply", "attributes")
    print(f"AUC for unseen readers: one model for all {pooled:.3f}, told their taste {conditioned:.3f}")
    assert conditioned > pooled


if __name__ == "__main__":
    main()
