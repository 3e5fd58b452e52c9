"""The score: predictions of engagement and satisfaction, combined into one number to order a list by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sharewise.ranking.options import BlendOptions

Array = NDArray[np.float64]
#: Predictions in a product are at least this large.
LEAST = 1e-6


def blend(predictions: Mapping[str, Array], options: BlendOptions) -> Array:
    """Return the scores of rows.

    Args:
        predictions: by task, in the label's unit or as probabilities, ``[rows]``.
        options: with weights for some of them.

    Returns:
        ``Π pᵢ^wᵢ`` or ``Σ wᵢ pᵢ``, ``[rows]``. A prediction that is not positive counts as 1e-6 in a product.

    Example:
        >>> import numpy as np
        >>> found = blend({"click": np.array([0.5]), "watch": np.array([4.0])},
        ...               BlendOptions("product", {"click": 1.0, "watch": 0.5}))
        >>> found.tolist()
        [1.0]
    """
    product = options.kind == "product"
    total = np.zeros(len(next(iter(predictions.values()))))
    for name, weight in options.weights.items():
        values = predictions[name].astype(np.float64)
        total += weight * (np.log(np.maximum(values, LEAST)) if product else values)
    return np.exp(total) if product else total
