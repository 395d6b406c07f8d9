import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from dfo_prompt.errors import InputError, PluginError
from dfo_prompt.prompt.projections.affine import Projection, Space, projector
from dfo_prompt.prompt.projections.dense import matched, normal, orthogonal, uniform
from dfo_prompt.prompt.projections.learned import from_file
from dfo_prompt.prompt.projections.structured import count_sketch, fastfood, hadamard, low_rank, sparse

SPACE = Space(dim=60, tokens=50, width=64, mean=0.0, std=0.3)
SCALED = [normal, matched, orthogonal, sparse, count_sketch, fastfood, low_rank]


def matrix_of(draw, space=SPACE, seed=1, **options):
    """A (D, d), column by column."""
    projection = Projection(draw(space, np.random.default_rng(seed), **options), torch.zeros(space.tokens, space.width))
    return projection(np.eye(space.dim)).flatten(1).numpy().T


@pytest.mark.parametrize("draw", [*SCALED, uniform])
def test_it_is_linear_and_repeats(draw):
    start = torch.randn(50, 64, generator=torch.Generator().manual_seed(0))
    projection = Projection(draw(SPACE, np.random.default_rng(1)), start)
    z = np.random.default_rng(2).standard_normal((3, 60))
    expected = (matrix_of(draw) @ z.T).T.reshape(3, 50, 64) + start.numpy()
    np.testing.assert_allclose(projection(z).numpy(), expected, atol=1e-5)
    np.testing.assert_array_equal(matrix_of(draw), matrix_of(draw))
    assert not np.array_equal(matrix_of(draw), matrix_of(draw, seed=2))


@pytest.mark.parametrize("draw", SCALED)
def test_prompts_vary_as_embeddings_do(draw):
    z = np.random.default_rng(2).standard_normal((200, 60))
    assert (z @ matrix_of(draw).T).std() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("draw", [scaled for scaled in SCALED if scaled is not matched])
def test_alpha_and_sigma_scale_it(draw):
    np.testing.assert_allclose(matrix_of(draw, alpha=2.0, sigma=0.5), 4 * matrix_of(draw), rtol=1e-5)


@pytest.mark.parametrize("draw", SCALED)
def test_no_direction_is_lost(draw):
    assert np.linalg.matrix_rank(matrix_of(draw)) == SPACE.dim


def test_uniform_has_the_bound_of_a_linear_layer():
    matrix = matrix_of(uniform)
    assert abs(matrix).max() == pytest.approx(1 / np.sqrt(60), rel=1e-3)
    assert matrix.std() == pytest.approx(1 / np.sqrt(180), rel=0.02)


def test_orthogonal_columns_are():
    gram = matrix_of(orthogonal).T @ matrix_of(orthogonal)
    np.testing.assert_allclose(gram, np.eye(60) * gram[0, 0], atol=1e-4)


@pytest.mark.parametrize(("options", "count"), [({}, 8), ({"density": 1 / 3}, 20), ({"density": 1.0}, 60)])
def test_sparse_rows_have_equally_many_entries(options, count):
    assert set((matrix_of(sparse, **options) != 0).sum(axis=1)) == {count}


def test_a_count_sketch_uses_all_coordinates_equally():
    used = matrix_of(count_sketch) != 0
    assert set(used.sum(axis=1)) == {1}
    assert set(used.sum(axis=0)) == {53, 54}


def test_a_count_sketch_with_a_coordinate_for_each_entry_projects_nothing():
    matrix = matrix_of(count_sketch, Space(dim=12, tokens=3, width=4, mean=0.0, std=0.3))
    np.testing.assert_allclose(np.abs(matrix).sum(axis=0), np.full(12, 0.3), rtol=1e-6)
    np.testing.assert_allclose(matrix.T @ matrix, 0.09 * np.eye(12), atol=1e-7)


def test_fastfood_is_nearly_normal():
    space = Space(dim=64, tokens=64, width=64, mean=0.0, std=0.3)
    matrix = matrix_of(fastfood, space) / (0.3 / 8)
    assert matrix.mean() == pytest.approx(0, abs=0.02)
    assert matrix.std() == pytest.approx(1, rel=0.05)
    assert (matrix**4).mean() == pytest.approx(3, rel=0.15)  # kurtosis
    correlations = np.corrcoef(matrix.T)[np.triu_indices(64, 1)]
    assert abs(correlations).max() < 0.08  # 4,096 rows: a deviation of 0.016


def test_hadamard_is_sylvesters():
    h = hadamard(torch.eye(8)).numpy()
    assert set(np.unique(h)) == {-1, 1}
    np.testing.assert_array_equal(h @ h.T, 8 * np.eye(8))


def test_low_rank_prompts_have_that_rank():
    prompt = matrix_of(low_rank, rank=3) @ np.ones(60)
    assert np.linalg.matrix_rank(prompt.reshape(50, 64), tol=1e-4) == 3


def test_a_file_gives_its_matrix(tmp_path):
    matrix = np.random.default_rng(0).standard_normal((3200, 60)).astype(np.float32)
    save_file({"projection": matrix}, tmp_path / "a.safetensors")
    np.testing.assert_array_equal(matrix_of(from_file, path=str(tmp_path / "a.safetensors")), matrix)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"other": np.zeros((2, 2))}, "holds no tensor named 'projection', but other"),
        ({"projection": np.zeros((2, 2))}, r"of shape \(2, 2\), not \(3200, 60\) for 50 tokens of width 64 and dim 60"),
        ({"projection": np.full((3200, 60), np.nan)}, "not finite"),
        (None, "cannot read projection"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(tmp_path, tensors, message):
    path = tmp_path / "a.safetensors"
    if tensors is None:
        path.write_text("not at all")
    else:
        save_file(tensors, path)
    with pytest.raises(InputError, match=message) as caught:
        from_file(SPACE, np.random.default_rng(0), path=str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("draw", "space", "options", "message"),
    [
        (
            normal,
            {"dim": 100_000, "tokens": 1000, "width": 500},
            {},
            "needs a matrix of 500000 x 100000 entries, 186 GB; use fastfood",
        ),
        (sparse, {}, {"density": 1.5}, r"density must lie in \(0, 1\], not 1.5"),
        (low_rank, {}, {"rank": 65}, "rank must lie between 1 and 64, not 65"),
        (matched, {"dim": 3, "std": 2.0}, {}, "needs dim > 4"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(draw, space, options, message):
    space = Space(**{"dim": 60, "tokens": 50, "width": 64, "mean": 0.0, "std": 0.3, **space})
    with pytest.raises(InputError, match=message):
        draw(space, np.random.default_rng(0), **options)


@pytest.mark.parametrize(
    ("dim", "tokens", "message"), [(65, 2, "dim 65 is larger than the prompt"), (5, 0, "at least 1, not 0")]
)
def test_a_space_that_cannot_be_is_one_line(dim, tokens, message):
    with pytest.raises(InputError, match=message):
        Space(dim=dim, tokens=tokens, width=32, mean=0.0, std=1.0)


def drawn(draw, seed=1):
    return projector(draw, [seed], "mine")(SPACE, torch.zeros(50, 64), 0)


def test_a_module_that_initializes_itself_is_drawn_from_the_stream_and_evaluated():
    def draw(space, rng):
        return nn.Sequential(nn.Dropout(0.5), nn.Linear(space.dim, space.entries))

    before, z = torch.get_rng_state(), np.ones((2, 60))
    first, again, other = (drawn(draw, seed)(z) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda space, rng: np.ones((space.dim, space.entries)), r"has the shape \(60, 3200\), not \(3200, 60\)"),
        (lambda space, rng: np.full((space.entries, space.dim), np.nan), "has entries that are not finite"),
        (lambda space, rng: [1.0], "is a list, neither an array nor a torch module"),
        (lambda space, rng: nn.Linear(space.dim, 7), r"maps a candidate to the shape \(7,\), not \(3200,\)"),
    ],
)
def test_what_is_no_projection_is_named(draw, said):
    with pytest.raises(PluginError, match=f"projection 'mine' {said}"):
        drawn(draw)
