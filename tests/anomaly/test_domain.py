"""Shifts are told from anomalies as far as they can be, and controls mend what they show."""

import numpy as np
import pytest
from safetensors.numpy import load, save
from scipy import stats

from tybalt_like import read
from tybalt_like.anomaly import conformal_p_values
from tybalt_like.anomaly.domain import Domain
from tybalt_like.anomaly.recalibration import as_reference, left_out, offset
from tybalt_like.core.errors import DataError
from tybalt_like.io import datasets

Array = np.ndarray


def programmes(n: int, rng: np.random.Generator, *, g: int = 400, k: int = 8) -> Array:
    """Samples whose genes vary in programmes, the same for every call, and a little alone."""
    loading = np.random.default_rng(99).normal(size=(k, g))
    level = np.random.default_rng(98).uniform(3, 12, size=g)
    return level + rng.gamma(2, 0.7, size=(n, k)) @ loading * 0.4 + 0.5 * rng.normal(size=(n, g))


class Breast:
    """Luminal tumours, some held out, and basal-like ones, on the log scale."""

    def __init__(self) -> None:
        adata = datasets.load("tcga_brca")
        rng = np.random.default_rng(0)
        luminal_n = adata.obs["pam50"].isin(["Luminal A", "Luminal B"]).to_numpy()
        luminal = rng.permutation(np.flatnonzero(luminal_n))
        self.reference, self.held = (
            np.asarray(adata.X[rows], np.float64) for rows in np.split(luminal, [-100])
        )
        self.basal = np.asarray(adata.X[adata.obs["pam50"] == "Basal-like"], np.float64)
        self.sd_g = self.reference.std(0)
        self.shift_g = self.sd_g * rng.normal(size=len(self.sd_g))


@pytest.fixture(scope="module")
def breast() -> Breast:
    return Breast()


@pytest.fixture(scope="module")
def luminal(breast: Breast) -> Domain:
    return Domain.fit(breast.reference)


def outcome(domain: Domain, x_ng: Array) -> str:
    return domain.check(x_ng).outcome


def test_anomalies_alone_or_among_normal_samples_are_no_shift(breast, luminal):
    assert luminal.check(breast.held).sentence == "the new samples are not displaced as a whole"
    basal = luminal.check(breast.basal)
    assert basal.lowest > 5
    assert basal.outcome == "fine"
    assert "along the programmes" in basal.sentence
    assert outcome(luminal, np.concatenate([breast.held[:40], breast.basal[:40]])) == "fine"


@pytest.mark.parametrize("by", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("n", [5, 20, 100])
def test_a_shift_of_all_genes_is_seen_in_few_samples_and_its_size_is_told(breast, luminal, by, n):
    verdict = luminal.check(breast.held[:n] + by * breast.shift_g)
    assert verdict.outcome == "undecidable"
    assert verdict.size == pytest.approx(by, rel=0.35 if n == 5 else 0.2)


def test_a_shift_is_seen_beneath_anomalies(breast, luminal):
    mixed = np.concatenate([breast.held[:30], breast.basal[:30]])
    assert outcome(luminal, mixed + 0.5 * breast.shift_g) == "undecidable"


def test_a_small_shift_is_said_to_do_no_harm(breast, luminal):
    verdict = luminal.check(breast.held + 0.1 * breast.shift_g)
    assert verdict.outcome == "fine"
    assert "but only by" in verdict.sentence


@pytest.mark.parametrize(
    "change", [lambda x: 1.1 * x, lambda x: x * np.log(2), lambda x: x + 1, lambda x: 0.02 * x**2.5]
)
def test_other_scales_are_refused(breast, luminal, change):
    verdict = luminal.check(change(breast.held.clip(0)))
    assert verdict.outcome == "refused"
    assert "another scale" in verdict.sentence


def test_one_sample_is_judged_by_itself(breast, luminal):
    verdicts = [luminal.check(breast.held[[i]]) for i in range(100)]
    assert sum(v.outcome != "fine" for v in verdicts) <= 3
    moved = luminal.check(breast.held[[0]] + 1.5 * breast.shift_g)
    assert moved.outcome == "undecidable"
    assert "the sample itself, or where it was measured" in moved.sentence


@pytest.mark.parametrize("n", [1, 2, 5, 25])
def test_queries_without_a_shift_are_passed(n):
    rng = np.random.default_rng(n)
    alarms = 0
    for _ in range(10):
        domain = Domain.fit(programmes(60, rng))
        alarms += sum(outcome(domain, programmes(n, rng)) != "fine" for _ in range(30))
    assert alarms <= 300 * 0.02  # nominal .01; alarms of one reference go together


def test_controls_decide_what_the_values_cannot(shared_data):
    adata = read(shared_data / "all_leukaemia" / "all_leukaemia.h5ad")
    x_ng = np.asarray(adata.X, np.float64)
    b = np.flatnonzero(adata.obs["lineage"] == "B")
    t = x_ng[adata.obs["lineage"] == "T"]
    domain = Domain.fit(x_ng[b[:75]])
    assert outcome(domain, t) == "undecidable"
    decided = domain.check(t, controls_kg=x_ng[b[75:]])
    assert decided.outcome == "fine"
    assert "20 controls" in decided.sentence
    moved = 0.5 * x_ng[b[:75]].std(0) * np.random.default_rng(0).normal(size=x_ng.shape[1])
    shifted = domain.check(t + moved, controls_kg=x_ng[b[75:]] + moved)
    assert shifted.outcome == "shifted"
    assert shifted.size == pytest.approx(0.5, rel=0.3)


def test_controls_show_noise_that_a_query_hides(breast, luminal):
    noise = 0.4 * breast.sd_g * np.random.default_rng(1).normal(size=breast.held.shape)
    noisy = breast.held + noise
    assert outcome(luminal, noisy) == "fine"
    verdict = luminal.check(noisy, controls_kg=noisy[:20])
    assert verdict.outcome == "shifted"
    assert "times as far off" in verdict.sentence
    assert luminal.check(noisy, controls_kg=breast.held[:20]).outcome == "fine"


def test_offsets_are_nearer_the_shift_than_differences_of_means(breast, luminal):
    sd_g = breast.sd_g
    for by, k in ((0.0, 5), (0.25, 5), (0.25, 20), (1.0, 5)):
        errors = []
        for seed in range(5):
            rows = np.random.default_rng(seed).permutation(100)[:k]
            controls = breast.held[rows] + by * breast.shift_g
            plain_g = controls.mean(0) - breast.reference.mean(0)
            errors.append(
                [
                    np.square((by * breast.shift_g - found_g) / sd_g).mean()
                    for found_g in (offset(luminal, controls), plain_g)
                ]
            )
        ours, plain = np.mean(errors, axis=0)
        assert ours < 0.75 * plain, (by, k)


def test_offsets_of_controls_leave_each_one_out(breast, luminal):
    controls = breast.held[:6] + breast.shift_g
    left = left_out(luminal, controls)
    np.testing.assert_allclose(left[2], controls[2] - offset(luminal, controls[[0, 1, 3, 4, 5]]))


def test_scores_of_a_shifted_source_mean_what_those_of_the_reference_do():
    rng = np.random.default_rng(0)
    reference = rng.gamma(3, size=400)
    small = {5: [], 10: [], 20: []}
    for k, found in small.items():
        for _ in range(1500):
            controls, new = np.split(20 + 4 * rng.gamma(3, size=k + 1), [k])
            moved = as_reference(new, controls_k=controls, reference_m=reference)
            found.append(conformal_p_values(moved, reference)[0] <= 0.05)
    assert max(np.mean(found) for found in small.values()) < 0.075
    many = 20 + 4 * reference
    moved = as_reference(many, controls_k=many, reference_m=reference)
    assert stats.spearmanr(moved, reference).statistic == pytest.approx(1)
    np.testing.assert_allclose(moved, reference, rtol=0.05, atol=0.1)


def test_a_saved_domain_says_the_same(breast, luminal):
    again = Domain(**load(save(dict(luminal.arrays()))))
    query = breast.held[:10] + 0.3 * breast.shift_g
    assert again.check(query) == luminal.check(query)


def test_genes_in_another_order_or_without_variation_change_nothing(breast):
    reference, query = breast.reference[:200], breast.held[:20] + 0.5 * breast.shift_g
    order = np.random.default_rng(0).permutation(reference.shape[1])

    def wider(x_ng: Array) -> Array:
        return np.concatenate([x_ng[:, order], np.full((len(x_ng), 3), 7.0)], axis=1)

    here = Domain.fit(reference).check(query)
    there = Domain.fit(wider(reference)).check(wider(query))
    assert there.outcome == here.outcome
    assert (there.size, there.lowest) == pytest.approx((here.size, here.lowest), rel=1e-4)


def test_too_few_samples_are_named():
    x_ng = programmes(30, np.random.default_rng(0))
    with pytest.raises(DataError, match=r"11 reference samples; .* at least 12"):
        Domain.fit(x_ng[:11])
    with pytest.raises(DataError, match="no gene varies"):
        Domain.fit(np.ones((20, 5)))
    domain = Domain.fit(x_ng)
    with pytest.raises(DataError, match="4 controls; at least 5"):
        domain.check(x_ng, controls_kg=x_ng[:4])
    with pytest.raises(DataError, match="4 controls; at least 5"):
        as_reference(np.ones(3), controls_k=np.ones(4), reference_m=np.arange(9.0))


def test_few_genes_leave_residuals_to_compare() -> None:
    rng = np.random.default_rng(0)
    domain = Domain.fit(rng.normal(size=(60, 6)))
    assert domain.check(rng.normal(size=(20, 6))).outcome == "fine"
    assert domain.check(rng.normal(size=(20, 6)) + 3).outcome != "fine"
