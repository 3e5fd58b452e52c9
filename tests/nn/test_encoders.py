"""Encoders, against slow references and over copies."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sharewise.errors import ConfigError
from sharewise.nn import ModelOptions, MultiTaskModel
from sharewise.nn.encoders import make_encoder
from sharewise.nn.initial import Initial
from sharewise.nn.numeric import BinnedNumeric, PiecewiseNumeric
from sharewise.nn.picks import Picks
from sharewise.tasks import InputSpec, Task, TaskSet
from sharewise.testing.toys import ROWS, SMALL, SPEC, make_inputs


def piecewise_code(x: float, edges: list[float]) -> list[float]:
    """Encode a value as in Gorishniy et al. 2022, eq. 1, word for word."""
    code = []
    for t in range(1, len(edges)):
        if x < edges[t - 1] and t > 1:
            code.append(0.0)
        elif x >= edges[t] and t < len(edges) - 1:
            code.append(1.0)
        else:
            code.append((x - edges[t - 1]) / (edges[t] - edges[t - 1]))
    return code


increasing = st.lists(st.integers(-20, 20), min_size=2, max_size=6, unique=True).map(sorted)


@given(bins=st.lists(increasing, min_size=1, max_size=3), values=st.lists(st.floats(-30, 30), min_size=1))
def test_piecewise_embedding_is_a_linear_layer_on_the_code(
    bins: list[list[int]], values: list[float]
) -> None:
    edges = [[float(e) for e in column] for column in bins]
    module = PiecewiseNumeric(edges, 2, None, Initial(0))
    x = torch.tensor(values)[:, None].expand(-1, len(edges)).contiguous()
    rows = []
    for value in x[:, 0].tolist():
        row = []
        for c, column in enumerate(edges):
            code = torch.tensor(piecewise_code(value, column))
            row.append(torch.relu(code @ module.weight[0, c, : len(code)] + module.bias[0, c]))
        rows.append(torch.cat(row))
    torch.testing.assert_close(module(x), torch.stack(rows), atol=1e-4, rtol=1e-4)


def test_values_on_edges_belong_to_the_piece_above() -> None:
    module = PiecewiseNumeric([[0.0, 1.0, 3.0]], 1, None, Initial(0))
    piece, share = module._locate(torch.tensor([[0.0], [1.0], [3.0], [4.0], [-1.0]]))
    assert piece.flatten().tolist() == [0, 1, 1, 1, 0]
    assert share.flatten().tolist() == [0.0, 0.0, 1.0, 1.5, -1.0]


def test_periodic_embedding_is_a_layer_on_waves() -> None:
    options = replace(SMALL, numeric="periodic", frequencies=3)
    encoder = make_encoder(InputSpec(bins=((0.0, 1.0),) * 2), options, None, Initial(0))
    part, x = encoder.parts["numeric"], torch.randn(7, 2)
    for column in range(2):
        angle = 2 * torch.pi * x[:, column : column + 1] * part.frequency[0, column]
        waves = torch.cat([angle.sin(), angle.cos()], 1)
        expected = torch.relu(waves @ part.linear.weight[column].t() + part.linear.bias[column])
        found = encoder({"numeric": x})[:, 2 * column : 2 * column + 2]
        torch.testing.assert_close(found, expected)


def test_embeddings_of_columns_do_not_mix() -> None:
    encoder = make_encoder(InputSpec(cardinalities=(2, 3)), SMALL, None, Initial(0))
    found = encoder({"categorical": torch.tensor([[1, 0], [1, 2], [0, 2]])})
    assert found.shape == (3, 6)
    assert torch.equal(found[0, :3], found[1, :3])
    assert torch.equal(found[1, 3:], found[2, 3:])
    assert not torch.equal(found[0, 3:], found[1, 3:])


IMAGES = InputSpec(cardinalities=(3,), image=(2, 9, 5))


def images(rows: int) -> dict[str, Tensor]:
    return {"categorical": torch.randint(0, 3, (rows, 1)), "image": torch.randn(rows, 2, 9, 5)}


@pytest.mark.parametrize("spec, inputs", [(SPEC, make_inputs()), (IMAGES, images(ROWS))])
@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("numeric", ["linear", "bins", "piecewise", "periodic"])
def test_copies_are_separate_encoders(
    spec: InputSpec, inputs: dict[str, Tensor], hidden: tuple[int, ...], numeric: str
) -> None:
    options = replace(SMALL, encoder_hidden=hidden, numeric=numeric, channels=(3, 4))
    encoder = make_encoder(spec, options, ("a", "b", "c"), Initial(0))
    found = encoder(inputs)
    assert found.shape == (3, ROWS, encoder.out_features)
    for c, name in enumerate("abc"):
        alone = make_encoder(spec, options, (name,), Initial(0))
        torch.testing.assert_close(alone(inputs)[0], found[c])
    copy = torch.arange(ROWS) % 3
    torch.testing.assert_close(encoder(inputs, Picks(copy, 3)), found[copy, torch.arange(ROWS)])
    assert all(p.shape[0] == 3 for p in encoder.per_copy())


class Own(nn.Module):
    """A user's encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.out_features = 5
        self.linear = nn.Linear(3, 5)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return torch.tanh(self.linear(inputs["numeric"]))


@pytest.mark.parametrize("sharing", ["mmoe", "independent", "cross_stitch", "soft_sharing"])
def test_encoders_of_the_users_own(sharing: str) -> None:
    tasks = TaskSet([Task("a"), Task("b"), Task("c")])
    torch.manual_seed(0)
    options = replace(SMALL, sharing=sharing, match="parameters", match_to="mmoe")
    model = MultiTaskModel(tasks, SPEC, options, encoder=Own())
    inputs, task = make_inputs(), torch.tensor([0, 2] * (ROWS // 2))
    torch.testing.assert_close(
        model(inputs)[torch.arange(ROWS), task][:, None], model(inputs, task), atol=1e-6, rtol=1e-5
    )
    count = 1 if sharing == "mmoe" else 3
    assert sum(p.numel() for p in model.encoder.parameters()) == count * 20


def test_encoders_must_say_their_width() -> None:
    with pytest.raises(ConfigError, match="out_features"):
        MultiTaskModel(TaskSet([Task("a")]), SPEC, SMALL, encoder=nn.Identity())


def test_models_need_inputs() -> None:
    with pytest.raises(ConfigError, match="no inputs"):
        MultiTaskModel(TaskSet([Task("a")]), InputSpec(), ModelOptions())


def test_bins_are_a_linear_layer_on_the_clamped_code() -> None:
    bins = ((-1.0, 0.0, 2.0), (0.0, 1.0))
    embedding = BinnedNumeric(bins, 3, None, Initial(0))
    x = torch.tensor([[-5.0, 0.25], [-0.5, 7.0], [1.0, -1.0]])
    code = torch.tensor([[0.0, 0.0, 0.25], [0.5, 0.0, 1.0], [1.0, 0.5, 0.0]])
    expected = code @ embedding.linear.weight[0].T + embedding.linear.bias[0]
    torch.testing.assert_close(embedding(x), expected)
