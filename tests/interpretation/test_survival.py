"""Survival: tables of two columns, hazards and curves, and what is foretold of unseen samples."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat, read_h5ad

from tybalt_like import pl, pp, tl
from tybalt_like.core.errors import DataError
from tybalt_like.interpretation import FollowUp, Predictor, concordance, hazard_ratios, kaplan_meier
from tybalt_like.interpretation.concordance import harrell, ridge_cox
from tybalt_like.io import datasets

pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(
    risk_n: np.ndarray, rng: np.random.Generator, *, end: float = 2.0
) -> tuple[FollowUp, pd.DataFrame]:
    """Exponential times at those log hazards, censored at random before `end`."""
    dies_n = rng.exponential(np.exp(-risk_n))
    end_n = rng.uniform(0, end, len(risk_n))
    obs = pd.DataFrame({"t": np.minimum(dies_n, end_n), "e": dies_n <= end_n})
    return FollowUp.of(obs, time="t", event="e"), obs


@pytest.fixture(scope="module")
def lymphomas(shared_data) -> AnnData:
    """414 lymphomas with 165 deaths, encoded, and with a score of strangeness."""
    adata = read_h5ad(shared_data / "dlbcl_chop" / "dlbcl_chop.h5ad")
    pp.split(adata, train=0.6, calibration=0.0)
    train = (adata.obs["tybalt_split"] == "train").to_numpy()
    how = pp.Normalisation(n_genes=500)
    obs = adata.obs.assign(odd=np.abs(adata.X).mean(1))
    adata = pp.Normaliser.fit(adata, how, train=train).transform(adata)
    adata.obs = obs
    tl.fit(adata, model="ppca_vae", latent_dim=12)
    return adata


def test_real_outcomes_are_foretold_and_shuffled_ones_are_not(lymphomas) -> None:
    before = set(lymphomas.obs), set(lymphomas.obsm)
    found = tl.survival(lymphomas, time="time", event="event", score="odd")
    assert (set(lymphomas.obs), set(lymphomas.obsm)) == before
    assert list(found.concordance.index) == ["features", "PCA features", "score"]
    assert found.concordance.loc["features", "lower"] > 0.5
    assert (found.concordance["n"] == 165).all()
    assert found.differences[["of", "against"]].values.tolist() == [["features", "PCA features"]]
    assert abs(found.differences["difference"].iloc[0]) < 0.1
    assert (found.hazards["q_value"] < 0.01).any()
    assert set(found.curves["variable"]) >= {"odd"}
    shuffled = lymphomas.copy()
    order = np.random.default_rng(3).permutation(shuffled.n_obs)
    shuffled.obs[["time", "event"]] = shuffled.obs[["time", "event"]].to_numpy()[order]
    nothing = tl.survival(shuffled, time="time", event="event")
    assert nothing.concordance.loc["features", "lower"] < 0.5
    assert nothing.hazards["q_value"].min() > 0.05


def test_scores_of_what_a_model_learned_from_do_not_count(lymphomas) -> None:
    adata = lymphomas.copy()
    adata.obs["ppca_vae_combined"] = adata.obs["odd"]
    found = tl.survival(adata, time="time", event="event", score="ppca_vae_combined")
    assert found.score["n"].tolist() == [165]
    apart = tl.survival(adata, time="time", event="event", score="odd")
    assert apart.score["n"].tolist() == [414]
    same = found.concordance.loc["score"], apart.concordance.loc["score"]
    pd.testing.assert_series_equal(*same)
    del adata.obs["tybalt_split"], adata.uns["tybalt_like"]
    elsewhere = tl.survival(adata, time="time", event="event")
    assert elsewhere.concordance["n"].tolist() == [207]


def test_intervals_of_concordance_hold_where_there_is_nothing() -> None:
    missed = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        follow_up, _ = drawn(np.zeros(200), rng)
        x = pd.DataFrame(rng.normal(size=(200, 2)))
        names = {"one": Predictor.few(x[[0]]), "two": Predictor.few(x), "many": Predictor.many(x)}
        found, apart = concordance(
            names, follow_up, judged_n=np.arange(200) < 80, against=[("two", "one")]
        )
        missed.append([*((found["lower"] > 0.5) | (found["upper"] < 0.5)), apart["lower"][0] > 0])
    rate = np.mean(missed, axis=0)
    assert (rate[:3] < 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 150)).all()
    assert rate[3] < 0.07


def test_hazards_are_those_of_lifelines_with_a_test_of_their_form(lymphomas) -> None:
    from lifelines import CoxPHFitter

    z_nk = lymphomas.obsm["X_ppca_vae"].astype(float)
    obs = lymphomas.obs
    found = tl.survival(lymphomas, time="time", event="event").hazards
    x = (z_nk[:, 4] - z_nk[:, 4].mean()) / z_nk[:, 4].std(ddof=1)
    table = pd.DataFrame({"x": x, "time": obs["time"].to_numpy(), "event": obs["event"].to_numpy()})
    expected = CoxPHFitter().fit(table, "time", "event").summary.loc["x"]
    row = found.loc["ppca_vae_5"]
    assert row["hazard_ratio"] == pytest.approx(expected["exp(coef)"])
    assert row["p_value"] == pytest.approx(expected["p"])
    assert (row["n"], row["events"]) == (414, 165)
    # Hazards that cross are told from those that are proportional.
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    early = rng.exponential(np.exp(-1.5 * x))
    time = np.where(early < 0.5, early, 0.5 + rng.exponential(np.exp(1.5 * x)))
    crossing = FollowUp(time, np.ones(600, bool))
    table = pd.DataFrame({"crossing": x, "none": rng.normal(size=600)})
    checked = hazard_ratios(table, crossing)["ph_p_value"]
    assert checked["crossing"] < 1e-6
    assert checked["none"] > 0.01


@pytest.mark.slow
def test_p_values_are_uniform_without_and_intervals_right_with_an_effect() -> None:
    from scipy.stats import kstest

    p, ph, covered = [], [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(rng.normal(size=(300, 9)))
        table[8] = rng.lognormal(size=300)  # a score with a long tail
        follow_up, _ = drawn(0.5 * table[0].to_numpy(), rng)
        found = hazard_ratios(table, follow_up)
        p += found.loc[1:, "p_value"].tolist()
        ph += found["ph_p_value"].tolist()
        per_sd = np.exp(0.5 * table[0].std())
        covered.append(found.loc[0, "lower"] < per_sd < found.loc[0, "upper"])
        assert found.loc[0, "q_value"] < 0.05
    assert kstest(p, "uniform").pvalue > 0.01
    assert kstest(ph, "uniform").pvalue > 0.01
    assert np.mean(covered) > 0.8


def test_curves_are_cut_by_values_alone_and_equal_values_stay_together() -> None:
    rng = np.random.default_rng(1)
    x_n = rng.normal(size=300)
    follow_up, obs = drawn(x_n, rng)
    values = pd.DataFrame({"x": x_n, "rectified": np.maximum(0, x_n - 1), "constant": 1.0})
    curves, groups = kaplan_meier(values, follow_up)
    of_x = groups[groups["variable"] == "x"].set_index("group")
    assert of_x["n"].tolist() == [100, 100, 100]
    assert of_x.loc["low", "median"] > of_x.loc["high", "median"]
    assert of_x["p_value"].iloc[0] < 1e-6
    assert groups.loc[groups["variable"] == "rectified", "n"].tolist() == [
        (x_n <= 1).sum(),
        (x_n > 1).sum(),
    ]
    assert groups.loc[groups["variable"] == "constant", "p_value"].isna().all()
    # Kaplan & Meier's product, by hand.
    high = np.flatnonzero(x_n > np.quantile(x_n, 2 / 3))
    left = 1.0
    for row in obs.iloc[high].sort_values("t").itertuples():
        left *= 1 - row.e / (obs["t"].iloc[high] >= row.t).sum()
    last = curves[(curves["variable"] == "x") & (curves["group"] == "high")].iloc[-1]
    assert last["survival"] == pytest.approx(left)
    figure = pl.kaplan_meier(curves, groups, variable="x", unit="years")
    shown = [text.get_text() for text in figure.axes[1].texts]
    ticks = [tick for tick in figure.axes[0].get_xticks() if tick <= obs["t"].max()]
    expected = [(obs["t"].iloc[high] >= tick).sum() for tick in ticks]
    assert shown[-len(ticks) :] == [str(number) for number in expected]
    with pytest.raises(DataError, match="no survival curves of 'y'"):
        pl.kaplan_meier(curves, groups, variable="y")


def test_concordance_is_lifelines_and_its_error_that_of_a_jackknife() -> None:
    from lifelines.utils import concordance_index

    rng = np.random.default_rng(2)
    risk_n = rng.normal(size=120).round(1)
    follow_up, obs = drawn(risk_n, rng)
    found = harrell(risk_n, follow_up)
    assert found.value == pytest.approx(concordance_index(obs["t"], -risk_n, obs["e"]))
    without = [
        harrell(np.delete(risk_n, i), follow_up[np.arange(120) != i]).value for i in range(120)
    ]
    jackknife = np.sqrt(119 / 120 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert found.standard_error == pytest.approx(jackknife, rel=0.03)


def test_ridge_cox_is_that_of_lifelines() -> None:
    from lifelines import CoxPHFitter

    rng = np.random.default_rng(3)
    x_np = rng.normal(size=(150, 6))
    x_np = (x_np - x_np.mean(0)) / x_np.std(0, ddof=1)
    follow_up, obs = drawn(x_np @ np.linspace(-1, 1, 6), rng)
    ours = ridge_cox(x_np, follow_up, penalty_p=np.full(6, 15.0))
    table = pd.DataFrame(x_np).assign(t=obs["t"], e=obs["e"])
    theirs = CoxPHFitter(penalizer=15 / 150).fit(table, "t", "e").params_
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_clinical_columns_stand_alone_and_beside_features() -> None:
    rng = np.random.default_rng(4)
    n = 500
    age_n, z_nk = rng.normal(60, 10, n), rng.normal(size=(n, 30))
    stage_n = rng.choice(["I", "II", "III", ""], n)
    follow_up, _ = drawn((age_n - 60) / 10 + (stage_n == "III") + z_nk[:, 0], rng)
    age_n[:20] = np.nan
    alone = Predictor.few(pd.DataFrame({"age": age_n, "stage": stage_n}))
    noise = Predictor.many(rng.normal(size=(n, 90)))
    named = {"clinical": alone, "features": Predictor.many(z_nk), "noise": noise}
    named |= {"both": alone + named["features"], "with noise": alone + noise}
    pairs = [("both", "clinical"), ("with noise", "clinical"), ("both", "features")]
    judged_n = np.arange(n) >= 250
    found, apart = concordance(named, follow_up, judged_n=judged_n, against=pairs)
    assert (found.loc[["clinical", "features"], "lower"] > 0.55).all()
    assert found.loc["noise", "lower"] < 0.5 < found.loc["noise", "upper"]
    assert (apart["lower"] > 0).tolist() == [True, False, True]
    assert abs(apart["difference"].iloc[1]) < 0.05
    with pytest.raises(DataError, match="clinical column 'name' has 0 classes"):
        Predictor.few(pd.DataFrame({"name": [f"s{i}" for i in range(n)]}))


def test_samples_of_a_patient_count_once(lymphomas) -> None:
    again = lymphomas.copy()
    again.obs_names = again.obs_names + "_again"
    twice = concat([lymphomas, again])
    twice.obs["patient"] = [name.removesuffix("_again") for name in twice.obs_names]
    pp.split(twice, train=0.6, calibration=0.0, group="patient")
    once = tl.survival(lymphomas, time="time", event="event").hazards
    found = tl.survival(twice, time="time", event="event")
    pd.testing.assert_frame_equal(found.hazards, once)
    assert "one sample of each group counts: 414 of 828 are left out" in found.notes


def test_repeats_with_times_of_their_own_do_not_narrow_intervals() -> None:
    rng = np.random.default_rng(6)
    x_n = rng.normal(size=200)
    once, _ = drawn(0.4 * x_n, rng)
    again = FollowUp(np.repeat(once.time_n, 4) + 1e-6 * rng.random(800), np.repeat(once.event_n, 4))
    tables = pd.DataFrame({"x": x_n}), pd.DataFrame({"x": np.repeat(x_n, 4)})
    width = [
        np.log(found["upper"] / found["lower"]).iloc[0]
        for found in (
            hazard_ratios(tables[0], once),
            hazard_ratios(tables[1], again),
            hazard_ratios(tables[1], again, group_n=np.repeat(np.arange(200), 4)),
        )
    ]
    assert width[1] < 0.6 * width[0]
    assert width[2] == pytest.approx(width[0], rel=0.2)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 1, 0], [0, 1, 1, 0]),
        ([False, True, True, np.nan], [0, 1, 1, -1]),
        ([0.0, 1.0, 1.0, np.nan], [0, 1, 1, -1]),
        (["Alive", "Dead", "DECEASED", "Not Reported"], [0, 1, 1, -1]),
        (["0:LIVING", "1:DECEASED", "1:DECEASED", ""], [0, 1, 1, -1]),
        (pd.Categorical(["censored", "event", "event", "no event"]), [0, 1, 1, 0]),
    ],
)
def test_events_are_read_as_they_are_written(values, expected) -> None:
    obs = pd.DataFrame({"os_months": range(4), "status": values}, index=list("abcd"))
    found = FollowUp.of(pd.concat([obs] * 10), time="os_months", event="status")
    assert found.unit == "months"
    np.testing.assert_array_equal(found.known_n[:4], np.array(expected) >= 0)
    np.testing.assert_array_equal(found.event_n[:4], np.array(expected) == 1)
    assert len(found.notes) == (min(expected) < 0)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"e": [1, 2] * 20}, "'e' holds 1, 2: which of them is the event is unclear"),
        ({"t": [-3.0, *[1.0] * 39]}, r"'t' is below 0 in s0 \(-3\)"),
        ({"t": ["soon", *["1"] * 39]}, "'t' of sample s0 is 'soon', which is no time"),
        ({"e": [0] * 35 + [1] * 5}, "5 events with a time in 'e' and 't'; at least 10"),
        ({"t": [np.nan, 2.0] * 20}, "'t' is missing in all 20 samples without the event"),
    ],
)
def test_unclear_columns_are_one_sentence(columns, said) -> None:
    obs = pd.DataFrame({"t": [1.0, 2.0] * 20, "e": [0, 1] * 20}, [f"s{i}" for i in range(40)])
    with pytest.raises(DataError, match=said):
        FollowUp.of(obs.assign(**columns), time="t", event="e")


def test_times_of_the_dead_alone_are_refused_in_real_tables() -> None:
    obs = datasets.load("tcga_brca").obs
    with pytest.raises(DataError, match="'days_to_death' is missing in all 6"):
        FollowUp.of(obs, time="days_to_death", event="vital_status")
    with pytest.raises(DataError, match="no sample column 'os'; columns: pam50, gender"):
        FollowUp.of(obs, time="os", event="vital_status")


def test_forest_shows_the_surest_on_top() -> None:
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"])
    follow_up, _ = drawn(table["b"].to_numpy(), rng)
    ax = pl.hazard_ratios(hazard_ratios(table, follow_up))
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels[-1] == "b"
    assert ax.collections[1].get_offsets()[-1, 0] == pytest.approx(np.e, rel=0.25)
