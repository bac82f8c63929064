"""MIG, DCI, SAP, FactorVAE and beta-VAE scores of codes whose scores are known by construction."""

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_factors import HADAMARD, data_with, drawn, grid, measure, standardised
from scipy.stats import entropy, norm
from sklearn.metrics import mutual_info_score

from infovae.codes import Codes
from infovae.errors import UserError
from infovae.metrics import fixed_factor, sap
from infovae.metrics.beta_vae_score import BetaVAEScore
from infovae.metrics.dci import DCI, concentration
from infovae.metrics.factor_metric import FactorMetric, thirds
from infovae.metrics.factor_vae_score import FactorVAEScore
from infovae.metrics.fixed_factor import SharedValues
from infovae.metrics.mig import MIG, discretise, mutual_information_gaps
from infovae.metrics.sap import SAP, accuracies, predictability_gaps, squared_correlations

FEW = {"learned": 500, "judged": 500}
KINDS: list[tuple[type[FactorMetric], dict[str, Any]]] = [
    (MIG, {}),
    (DCI, {"trees": 3}),
    (SAP, {}),
    (FactorVAEScore, FEW),
    (BetaVAEScore, FEW),
]
every_kind = pytest.mark.parametrize(("kind", "settings"), KINDS, ids=[kind.__name__ for kind, _ in KINDS])
SCORES = [(FactorVAEScore, "factor_vae_score"), (BetaVAEScore, "beta_vae_score")]
both_scores = pytest.mark.parametrize(("kind", "name"), SCORES)


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))


def test_factors_themselves_are_perfectly_disentangled() -> None:
    """In any order, scale and sign, with a dimension that never moves beside them."""
    factors = grid(4, 5, 6, 7)
    codes = standardised(factors)[:, [2, 0, 3, 1]] * torch.tensor([1.0, -0.2, 5.0, 1.0]).double()
    codes = torch.cat([codes, torch.full_like(codes[:, :1], 3.0)], dim=1)
    found: dict[str, Any] = {}
    for kind, few in KINDS:
        found |= measure(kind, codes, factors, **few)
    exact = ("mig", "dci_disentanglement", "dci_completeness", "factor_vae_score", "beta_vae_score")
    assert {name: found[name] for name in exact} == pytest.approx(dict.fromkeys(exact, 1.0))
    assert found["dci_error_by_factor"] == [0, 0, 0, 0]
    # Four classes: the other dimensions tell nothing of them, hence 1 - 1/4; the best of three is up to a few standard
    # errors of an accuracy on 280 examples above. Elsewhere R^2 is 1 and, on a whole grid, 0.
    assert found["sap_by_factor"][0] == pytest.approx(1 - 1 / 4, abs=5 * math.sqrt(1 / 4 * 3 / 4 / 280))
    assert found["sap_by_factor"][1:] == pytest.approx([1, 1, 1])


def test_an_even_rotation_is_perfectly_entangled() -> None:
    """Each of four alike factors has the same part in each of four dimensions: no gap anywhere."""
    factors = grid(4, 4, 4, 4)
    codes = standardised(factors) @ HADAMARD
    # With 25 bins, no edge lies where a code does.
    assert measure(MIG, codes, factors, bins=25)["mig"] == pytest.approx(0, abs=1e-9)
    assert measure(SAP, codes, factors, categorical=[])["sap"] == pytest.approx(0, abs=1e-9)
    found = measure(DCI, codes, factors)
    # Shares 1/k (1 + e) make 1 - H / log k = e^2 / (2 log k); those of a sampled forest are good to 30 %.
    bound = 0.3**2 / (2 * math.log(4))
    assert 0 <= found["dci_disentanglement"] < bound
    assert 0 <= found["dci_completeness"] < bound


@both_scores
@pytest.mark.parametrize("code", ["rotation", "noise"])
def test_scores_of_what_tells_nothing_are_chance(kind: type[FactorMetric], name: str, code: str) -> None:
    """On average over data sets: 1 / 4, though each has few examples of a value.

    Under the even rotation, the differences have the same law whichever factor is fixed, since products of columns of
    the matrix are columns again.
    """
    scores = []
    for seed in range(30):
        factors = drawn(300, 4, 4, 4, 4)
        codes = standardised(factors) @ HADAMARD if code == "rotation" else torch.randn(300, 4)
        scores.append(measure(kind, codes, factors, seed=seed, learned=300, judged=300)[name])
    mean, error = mean_and_error(scores)
    assert mean == pytest.approx(1 / 4, abs=4 * error)


@both_scores
def test_two_of_three_factors_entangled_are_guessed(kind: type[FactorMetric], name: str) -> None:
    """The third is always told, either of the two with a chance of 1/2: (1 + 1/2 + 1/2) / 3."""
    scores = []
    for seed in range(20):
        factors = drawn(600, 4, 4, 4)
        a, b, c = standardised(factors).unbind(1)
        codes = torch.stack([a + b, a - b, c], dim=1)
        scores.append(measure(kind, codes, factors, seed=seed, **FEW)[name])
    mean, error = mean_and_error(scores)
    assert mean == pytest.approx(2 / 3, abs=4 * error)


def test_dci_of_two_of_three_factors_entangled() -> None:
    """Two rows, and columns, of shares (1/2, 1/2, 0), and one of (0, 0, 1)."""
    factors = drawn(3000, 4, 4, 4)
    a, b, c = standardised(factors).unbind(1)
    found = measure(DCI, torch.stack([a + b, a - b, c], dim=1), factors)
    expected = (1 + 2 * (1 - math.log(2) / math.log(3))) / 3
    # Shares 1/2 (1 + e) take e^2 / (2 log 3) from the entropy of two rows of three; e is at most 30 %.
    bound = 2 / 3 * 0.3**2 / (2 * math.log(3))
    assert 0 <= found["dci_disentanglement"] - expected + 1e-9 < bound
    assert 0 <= found["dci_completeness"] - expected + 1e-9 < bound
    assert found["dci_error_by_factor"][2] == 0


def test_copies_of_all_factors_are_entangled() -> None:
    """All dimensions the same: no gap, and one dimension gets all votes, of 4 factors drawn evenly."""
    factors = grid(3, 4, 5, 6)
    codes = standardised(factors).sum(dim=1, keepdim=True).expand(-1, 3)
    assert measure(MIG, codes, factors)["mig_by_factor"] == [0, 0, 0, 0]
    assert measure(SAP, codes, factors)["sap_by_factor"] == [0, 0, 0, 0]
    found = measure(FactorVAEScore, codes, factors, learned=100, judged=4000)["factor_vae_score"]
    assert found == pytest.approx(1 / 4, abs=5 * math.sqrt(1 / 4 * 3 / 4 / 4000))


def test_noise_has_gaps_no_larger_than_their_noise() -> None:
    n, values, bins = 5000, 4, 20
    factors = drawn(n, values, values, values)
    codes = torch.randn(n, 4)
    # 2 n I is chi-square of (bins - 1)(values - 1) degrees of freedom; all of it could be the gap.
    freedom = (bins - 1) * (values - 1)
    bound = (freedom + 5 * math.sqrt(2 * freedom)) / (2 * n) / math.log(values)
    assert 0 <= measure(MIG, codes, factors)["mig"] < bound
    # n R^2 is chi-square of 1 degree of freedom.
    assert 0 <= measure(SAP, codes, factors, categorical=[])["sap"] < 25 / n
    error = measure(DCI, codes, factors, trees=3)["dci_error"]
    assert error == pytest.approx(1 - 1 / values, abs=5 * math.sqrt(1 / values * (1 - 1 / values) / n))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 200), st.integers(1, 5), st.integers(2, 30), st.integers(0, 2**20))
def test_mig_is_that_of_scikit_learn_and_numpy(n: int, d: int, bins: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(n, d, generator=generator, dtype=torch.float64)
    factors = torch.randint(4, (n, 2), generator=generator)
    expected = []
    for values in factors.T.numpy():
        told = [mutual_info_score(values, np.digitize(z, np.histogram(z, bins)[1][:-1])) for z in codes.T.numpy()]
        first, second = sorted([*told, 0.0], reverse=True)[:2]
        own = mutual_info_score(values, values)
        expected.append((first - second) / own if len(set(values)) > 1 else math.nan)
    found = mutual_information_gaps(codes, factors, bins).tolist()
    assert found == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_a_factor_with_more_values_than_bins_cannot_reach_1() -> None:
    """32 values in 20 bins: 12 bins hold two of them, which takes 24/32 log 2 off log 32."""
    factors = grid(32, 3)
    found = measure(MIG, standardised(factors), factors)["mig_by_factor"]
    assert found == pytest.approx([1 - 24 / 32 * math.log(2) / math.log(32), 1])


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(2, 6), st.integers(0, 2**20))
def test_concentration_is_that_of_the_paper(rows: int, columns: int, seed: int) -> None:
    importance = torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    importance[0, 0] = 0
    matrix = importance.numpy()
    expected = np.average(1 - entropy(matrix, axis=1, base=columns), weights=matrix.sum(axis=1))
    assert concentration(importance).item() == pytest.approx(expected)


def test_concentration_where_nothing_counts_or_can_be_compared() -> None:
    one_each = torch.eye(3, 4).double()
    assert concentration(one_each) == 1
    assert concentration(torch.cat([one_each, torch.zeros(2, 4)])) == 1
    assert concentration(torch.ones(3, 4).double()) == pytest.approx(0, abs=1e-12)
    assert concentration(torch.zeros(3, 4).double()) == 0
    assert concentration(torch.ones(3, 1).double()).isnan()


def test_sap_is_the_gap_of_squared_correlations() -> None:
    factors = drawn(200, 5, 7)
    codes = standardised(factors) @ torch.randn(2, 3).double() + torch.randn(200, 3).double()
    correlations = np.corrcoef(codes.T.numpy(), factors.T.numpy())[:3, 3:]
    second, first = np.sort(correlations**2, axis=0)[-2:]
    assert predictability_gaps(codes, factors, []).tolist() == pytest.approx((first - second).tolist())


def test_sap_of_classes_is_the_gap_of_best_thresholds() -> None:
    """Two classes at -m and m with unit variance are told apart by a threshold with probability Phi(m)."""
    n = 6000
    factors = drawn(n, 2)
    codes = (2 * factors - 1) * torch.tensor([1.0, 0.5, 0.0]).double() + torch.randn(n, 3).double()
    expected = norm.cdf(1) - norm.cdf(0.5)
    # Two accuracies on a third of the examples, each of variance at most 1 / 4 over their number.
    error = math.sqrt(2 * 1 / 4 / (n / 3))
    assert measure(SAP, codes, factors)["sap"] == pytest.approx(expected, abs=5 * error)


def test_classes_in_a_row_are_told_apart() -> None:
    """No single threshold tells the middle one from both others."""
    factors = drawn(600, 5, 3)
    codes = standardised(factors)
    codes[:, 1] = 0
    assert measure(SAP, codes, factors)["sap_by_factor"][0] == 1


@every_kind
def test_the_batch_size_does_not_matter(kind: type[FactorMetric], settings: dict[str, Any]) -> None:
    factors = drawn(200, 3, 4)
    codes = standardised(factors) @ torch.randn(2, 3).double() + torch.randn(200, 3).double()
    found = [measure(kind, codes, factors, batch, **settings) for batch in (1, 33, 200)]
    assert found[0] == found[1] == found[2]


@every_kind
def test_so_many_examples_are_used_and_no_more(kind: type[FactorMetric], settings: dict[str, Any]) -> None:
    factors = drawn(200, 3, 4)
    codes = standardised(factors) + torch.randn(200, 2).double()
    found = measure(kind, codes, factors, batch=30, examples=100, **settings)
    assert found == measure(kind, codes[:100], factors[:100], **settings)


@every_kind
def test_a_factor_with_one_value_is_left_out(kind: type[FactorMetric], settings: dict[str, Any]) -> None:
    factors = grid(5, 6, 7)
    codes = standardised(factors) @ torch.randn(3, 3).double()
    # After the others: SAP names its classes by position.
    constant = torch.cat([factors, torch.full_like(factors[:, :1], 3)], dim=1)
    expected, found = (measure(kind, codes, known, **settings) for known in (factors, constant))
    for name, value in expected.items():
        if isinstance(value, list):
            assert math.isnan(found[name].pop())
        assert found[name] == pytest.approx(value)


@every_kind
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_too_few_examples_give_no_more_than_nan(kind: type[FactorMetric], settings: dict[str, Any], n: int) -> None:
    found = measure(kind, torch.randn(n, 2), drawn(n, 2, 2), **settings)
    for name in kind.names:
        assert math.isnan(found[name]) or 0 <= found[name] <= 1


@every_kind
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_broken_codes_are_told_not_crashed_on(kind: type[FactorMetric], settings: dict[str, Any], value: float) -> None:
    codes = torch.randn(50, 2)
    codes[7, 1] = value
    found = measure(kind, codes, drawn(50, 2, 2), **settings)
    assert list(found) == list(kind.names)
    assert all(map(math.isnan, found.values()))


@every_kind
def test_factors_that_never_vary_give_nan(kind: type[FactorMetric], settings: dict[str, Any]) -> None:
    found = measure(kind, torch.randn(50, 2), torch.zeros(50, 2, dtype=torch.int64), **settings)
    assert all(math.isnan(found[name]) for name in kind.names)


def test_a_code_that_never_moves_is_worth_chance() -> None:
    factors = drawn(300, 2, 3)
    codes = torch.ones(300, 3)
    assert measure(MIG, codes, factors)["mig"] == 0
    assert measure(SAP, codes, factors)["sap"] == 0
    found = measure(DCI, codes, factors)
    assert found["dci_disentanglement"] == found["dci_completeness"] == 0
    for kind, name in SCORES:
        # The same answer always, right for one of two factors that are drawn evenly.
        score = measure(kind, codes, factors, learned=100, judged=4000)[name]
        assert score == pytest.approx(1 / 2, abs=5 * math.sqrt(1 / 4 / 4000))


def test_a_single_dimension_has_no_rival() -> None:
    """As if another stood beside it that never moves."""
    factors = grid(4, 5)
    code = standardised(factors)[:, 1:]
    beside = torch.cat([code, torch.zeros_like(code)], dim=1)
    for kind in (MIG, SAP):
        assert measure(kind, code, factors) == measure(kind, beside, factors)
    assert measure(MIG, code, factors)["mig_by_factor"] == pytest.approx([0, 1])
    metric = DCI(data_with(factors), trees=3)
    metric.update(Codes(code, code, torch.zeros_like(code), len(code)), factors)
    assert metric.compute()["dci_completeness"].isnan()
    assert (metric.reason or "").startswith("z has a single dimension")
    assert 0 <= measure(FactorVAEScore, code, factors)["factor_vae_score"] < 1


def test_values_that_no_two_examples_share_cannot_be_fixed() -> None:
    n = 90
    factors = torch.stack([torch.randperm(n), torch.arange(n) % 2, torch.arange(n) // 2 % 2], dim=1)
    codes = standardised(factors)[:, 1:]
    for kind, name in SCORES:
        assert measure(kind, codes, factors, **FEW)[name] == 1
        assert math.isnan(measure(kind, codes, factors[:, :2], **FEW)[name])


@pytest.mark.parametrize("deviation", [0.04, 0.06])
def test_dimensions_below_the_threshold_get_no_vote(deviation: float) -> None:
    """The dimension of one of two factors, at a standard deviation of 0.05, in the original's units."""
    factors = grid(10, 11)
    codes = standardised(factors) * torch.tensor([1.0, deviation]).double()
    score = measure(FactorVAEScore, codes, factors, learned=1000, judged=4000)["factor_vae_score"]
    assert score == pytest.approx(1 if deviation > 0.05 else 1 / 2, abs=5 * math.sqrt(1 / 4 / 4000))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=30))
def test_draws_share_their_value(entries: list[int]) -> None:
    values = torch.tensor(entries)
    shared = SharedValues(values)
    alone = {value for value in entries if entries.count(value) == 1}
    if len(alone) == len(entries):
        assert len(shared.shared) == 0
        return
    examples = shared.draw(20)
    assert not alone & set(values[examples].tolist())
    assert (values[shared.alike(examples, 3)] == values[examples, None]).all()
    partners = shared.partners(examples)
    assert (values[partners] == values[examples]).all()
    assert (partners != examples).all()


@pytest.mark.parametrize("partners", [False, True])
def test_draws_are_even(partners: bool) -> None:
    values = torch.tensor([4, 1, 4, 4, 1, 4, 9])
    shared = SharedValues(values)
    examples = torch.full((8000,), 2)
    found = shared.partners(examples) if partners else shared.alike(examples, 1)[:, 0]
    expected = [0, 3, 5] if partners else [0, 2, 3, 5]
    shares = found.bincount(minlength=7) / 8000
    p = 1 / len(expected)
    assert shares[expected].tolist() == pytest.approx([p] * len(expected), abs=5 * math.sqrt(p * (1 - p) / 8000))
    assert shares[expected].sum() == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_sap_is_that_of_any_unit_and_origin(scale: float) -> None:
    factors = drawn(300, 4)
    codes = factors + 0.5 * torch.randn(300, 2).double()
    moved = scale * (codes + 100)
    fit, judge = torch.arange(200), torch.arange(200, 300)
    expected, found = (accuracies(each, factors[:, 0], fit, judge) for each in (codes, moved))
    assert found.tolist() == pytest.approx(expected.tolist(), abs=0.02)
    assert len(found) == 2
    assert found.min() > 0.6
    expected, found = (squared_correlations(each, factors[:, 0]) for each in (codes, moved))
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-5)


@pytest.mark.parametrize(("fitted", "judged", "known"), [(10, 0, False), (9, 2, False), (10, 2, True)])
def test_sap_of_classes_needs_two_to_learn_from_and_one_to_judge(
    fitted: int, judged: int, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 12 examples, the first nine are alike."""
    monkeypatch.setattr(sap, "thirds", lambda n: (torch.arange(fitted), torch.arange(n - judged, n)))
    values = torch.tensor([0] * 9 + [1] * 3)[:, None]
    assert math.isnan(predictability_gaps(values.double(), values, [0]).item()) != known


def test_bins_of_a_dimension() -> None:
    codes = torch.tensor([[0.0, 5.0], [0.4, 5.0], [0.6, 5.0], [1.0, 5.0]]).double()
    assert discretise(codes, 2).tolist() == [[0, 0], [0, 0], [1, 0], [1, 0]]


@both_scores
def test_a_factor_that_only_one_part_can_fix_is_left_out(
    kind: type[FactorMetric], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second factor's values are shared among the examples to learn from, and not among those to be judged on."""
    monkeypatch.setattr(
        sys.modules[kind.__module__], "thirds", lambda n: (torch.arange(n // 3, n), torch.arange(n // 3))
    )
    first = torch.arange(30) % 2
    second = torch.cat([torch.arange(10), torch.arange(20) // 2])
    factors = torch.stack([first, second], dim=1)
    assert math.isnan(measure(kind, factors.double(), factors, **FEW)[name])
    factors = torch.stack([first, second % 3], dim=1)
    assert not math.isnan(measure(kind, factors.double(), factors, **FEW)[name])


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 9))
def test_all_draws_are_made_and_no_block_is_too_large(count: int, size: int, seed: int) -> None:
    torch.manual_seed(seed)
    factors, limit = drawn(20, 2, 3, 2), 30
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixed_factor, "DRAWN_AT_ONCE", limit)
        blocks = list(fixed_factor.drawn_factors(factors, [0, 2], count, size))
    assert sum(draws for _, _, draws in blocks) == count
    assert {position for position, _, _ in blocks} <= {0, 1}
    assert all(draws * size <= limit or draws == 1 for _, _, draws in blocks)
    for position, shared, _ in blocks:
        assert torch.equal(shared.counts, factors[:, 2 * position].bincount()[factors[:, 2 * position]])


@pytest.mark.parametrize("n", [1, 2, 9, 10])
def test_thirds_are_a_third_and_the_rest(n: int) -> None:
    fit, judge = thirds(n)
    assert len(judge) == n // 3
    assert sorted([*fit.tolist(), *judge.tolist()]) == list(range(n))


@every_kind
def test_data_without_factors_is_refused(kind: type[FactorMetric], settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"metrics: {kind.__name__} needs known factors .*accepted: .*data=sprites"):
        kind(data_with(None), **settings)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (MIG, "examples", 0),
        (MIG, "bins", 1),
        (DCI, "trees", 0),
        (DCI, "smallest_leaf", 0.0),
        (DCI, "smallest_leaf", 0.6),
        (SAP, "categorical", [-1]),
        (FactorVAEScore, "group", 1),
        (FactorVAEScore, "judged", 0),
        (FactorVAEScore, "threshold", -1.0),
        (BetaVAEScore, "pairs", 0),
        (BetaVAEScore, "learned", 0),
    ],
)
def test_impossible_settings_are_refused(kind: Callable[..., FactorMetric], key: str, value: Any) -> None:
    with pytest.raises(ValueError, match="accepted: ") as refusal:
        kind(data_with(drawn(10, 2, 2)), **{key: value})
    assert str(refusal.value).startswith(f"{key}={value}: ")


@pytest.mark.parametrize(("kind", "key", "value"), [(DCI, "smallest_leaf", 0.5), (FactorVAEScore, "threshold", 0.0)])
def test_settings_at_their_limits_are_accepted(kind: Callable[..., FactorMetric], key: str, value: float) -> None:
    assert getattr(kind(data_with(drawn(10, 2, 2)), **{key: value}), key) == value
