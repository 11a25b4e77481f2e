"""New samples as a run sees them: what it says of each alone, then of all of them together.

Most of scoring looks at one sample at a time. q-values, whether the samples come from where the
reference does, on which scale they are, and which are copies of one another do not. `Seen` holds
what these take, so that the parts of a large file can be seen apart, and judged as one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tybalt_like import anomaly
from tybalt_like.anomaly import scores as tables
from tybalt_like.anomaly.domain import looked_at
from tybalt_like.core import keys
from tybalt_like.core.errors import RunError
from tybalt_like.core.messages import some
from tybalt_like.core.provenance import record, recorded
from tybalt_like.io.lengths import BROUGHT, at_lengths
from tybalt_like.pp.findings import Tally, check_samples
from tybalt_like.pp.matrix import spread_out, spread_rows
from tybalt_like.pp.scale import detect
from tybalt_like.pp.sex import SexGenes
from tybalt_like.report.run_contents import NORM
from tybalt_like.tl.scorer import NEAREST, SAME, unscaled

if TYPE_CHECKING:
    from anndata import AnnData

    from tybalt_like.run.folder import Run


@dataclass(frozen=True)
class Portion:
    """Consecutive samples of a file, and those that stand for all of it.

    Attributes
    ----------
    start, stop, n_obs
        First sample, the one after the last, and how many the file has.
    rows_n
        Numbers of the samples that were read: these and some more.
    """

    start: int
    stop: int
    n_obs: int
    rows_n: NDArray[np.intp]

    @classmethod
    def whole(cls, n_obs: int) -> Self:
        """All samples of a file."""
        return cls(0, n_obs, n_obs, np.arange(n_obs))

    @property
    def is_whole(self) -> bool:
        return self.stop - self.start == self.n_obs

    def among(self, wanted: NDArray[np.intp]) -> NDArray[np.intp]:
        """Places, within the portion, of those of the wanted samples of the file that are in it,
        in the order in which they are wanted."""
        return wanted[(self.start <= wanted) & (wanted < self.stop)] - self.start


@dataclass(frozen=True)
class Seen:
    """What a run says of some samples of a file before it has seen all of them.

    Attributes
    ----------
    portion
        Which they are.
    scores
        As in `Assessed`, without q-values and flags, and with p-values as if they held.
    genes
        As in `Assessed`.
    tally, sex
        What findings on all samples take.
    query_qg
        Unscaled profiles of those that say where the samples come from
        (`anomaly.domain.looked_at`).
    verdict
        What controls say of that; None without any.
    notes
        Of the genes that are missing.
    encoded
        As in `Assessed`; None of what was joined.
    """

    portion: Portion
    scores: pd.DataFrame
    genes: pd.DataFrame
    tally: Tally
    sex: SexGenes
    query_qg: NDArray[np.float64]
    verdict: anomaly.Verdict | None
    notes: list[str]
    encoded: AnnData | None = None

    @classmethod
    def of(
        cls,
        run: Run,
        adata: AnnData,
        *,
        controls: AnnData | None = None,
        of_interest: Collection[str] = (),
        portion: Portion | None = None,
    ) -> Self:
        """Look at samples.

        Parameters
        ----------
        controls, of_interest
            See `Run.assess`.
        portion
            Which part of a file they are; all of it if None.

        Raises
        ------
        DataError
            If they do not suit, or lack the column that scores are calibrated by.
        """
        portion = portion or Portion.whole(adata.n_obs)
        given, adata = adata, at_lengths(adata, run.folder)
        brought = [BROUGHT] * (adata is not given)
        controls = None if controls is None else at_lengths(controls, run.folder)
        adata, tally = _tallied(adata, portion)
        if portion.is_whole:
            check_samples(tally.findings())
        default = run.scorers[keys.DEFAULT]
        encoded, verdict = default.encode(adata), None
        query_qg = unscaled(encoded)[portion.among(looked_at(portion.n_obs))]
        if controls is not None and default.domain is not None:
            known_kg = unscaled(default.encode(controls))
            verdict = default.domain.check(query_qg, controls_kg=known_kg)
        shifted = verdict is not None and verdict.outcome == "shifted"
        parts, notes, explained = list[pd.DataFrame](), brought, encoded
        for name, scorer in run.scorers.items():
            seen = encoded if scorer is default else scorer.encode(adata)
            notes = notes + _missing(seen, name)
            if shifted and controls is not None and scorer.domain is not None:
                seen, left = scorer.recentred(seen, scorer.encode(controls))
                parts.append(scorer.recalibrated(seen, left))
            else:
                parts.append(scorer.score_encoded(seen))
                if shifted:
                    parts[-1] = parts[-1].assign(p_value=np.nan, extrapolated=False)
            if scorer is default:
                explained = seen
        norm_n = run.norm.score(np.asarray(run.normaliser.transform(adata).X))
        parts.append(tables.tabulate({NORM: norm_n}, list(adata.obs_names), model=""))
        return cls(
            portion,
            tables.wide(pd.concat(parts, ignore_index=True)),
            default.genes(explained, of_interest=of_interest),
            tally,
            SexGenes.of(adata),
            query_qg,
            verdict,
            notes,
            explained,
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All samples, from consecutive parts of them that the same run has seen; genes are left
        to the parts."""
        n_obs = parts[0].portion.n_obs
        wanted = looked_at(n_obs)
        query_qg = np.empty((len(wanted), parts[0].query_qg.shape[1]))
        for part in parts:
            in_part = (part.portion.start <= wanted) & (wanted < part.portion.stop)
            query_qg[in_part] = part.query_qg
        return cls(
            Portion.whole(n_obs),
            pd.concat([part.scores for part in parts]),
            parts[0].genes.iloc[:0],
            Tally.joined([part.tally for part in parts]),
            SexGenes.joined([part.sex for part in parts]),
            query_qg,
            parts[0].verdict,
            parts[0].notes,
        )

    def judged(self, run: Run) -> Assessed:
        """What the run says of them now that they are all.

        Raises
        ------
        DataError
            If nothing can be said of them.
        RunError
            If a score is no number: the run is damaged.
        """
        findings = self.tally.findings()
        check_samples(findings)
        default = run.scorers[keys.DEFAULT]
        verdict = self.verdict
        if verdict is None and default.domain is not None:
            verdict = default.domain.check(self.query_qg)
        outcome = "fine" if verdict is None else verdict.outcome
        notes = findings.copies + findings.doubts
        if (told := self.sex.sexes(findings.scale)) is not None:
            notes += told.doubts(list(self.scores.index))
        near_n = self.scores[keys.score(default.name, NEAREST)] < SAME
        notes += self.notes + _of_reference(list(self.scores.index[near_n].astype(str)))
        scores = self.scores.copy()
        for name in run.scorers:
            p, q, flagged, extrapolated = (
                keys.score(name, what) for what in ("p_value", "q_value", "flagged", "extrapolated")
            )
            if outcome == "refused":
                scores[p], scores[extrapolated] = np.nan, False
            scores[q] = anomaly.q_values(scores[p])
            scores[flagged] = scores[q] <= run.about["fdr"]
        _check_numbers(run, scores, refused=outcome in ("refused", "shifted"))
        return Assessed(scores, self.genes, self.encoded, verdict, notes)


@dataclass(frozen=True)
class Assessed:
    """What a run says of new samples.

    Attributes
    ----------
    scores
        A row per sample, columns as in ``scores.tsv``.
    genes
        Those that make each sample strange (`anomaly.gene_scores`).
    encoded
        The samples as the default detector explains them (`Scorer.encode`), less a shift that
        controls showed; None of samples that were seen in parts.
    verdict
        Whether the p-values hold; None if that cannot be checked.
    notes
        What is missing, in sentences.
    """

    scores: pd.DataFrame
    genes: pd.DataFrame
    encoded: AnnData | None
    verdict: anomaly.Verdict | None
    notes: list[str]


def _tallied(adata: AnnData, portion: Portion) -> tuple[AnnData, Tally]:
    """The samples of the portion alone, which know on which scale the file is, and their tally."""
    if portion.is_whole:
        return adata, Tally.of(adata)
    spread = spread_out(portion.n_obs, adata.n_vars)
    stand_in = adata[np.searchsorted(portion.rows_n, spread)]
    found = detect(spread_rows(stand_in))
    within_n = (portion.start <= portion.rows_n) & (portion.rows_n < portion.stop)
    part = adata[within_n].copy()
    record(part, **{keys.SCALE: asdict(found)})
    own_ng = spread_rows(stand_in)[(portion.start <= spread) & (spread < portion.stop)]
    return part, Tally.of(part, spread_ng=own_ng)


def _check_numbers(run: Run, scores: pd.DataFrame, *, refused: bool) -> None:
    """Refuse scores, and p-values where there should be some, that are no numbers."""
    strata = any(scorer.detector.conditional_on for scorer in run.scorers.values())
    p_values = [keys.score(name, "p_value") for name in run.scorers]
    others = {keys.score(name, what) for name in run.scorers for what in tables.OF_COMBINED}
    due = [c for c in scores if c not in others or (c in p_values and not refused and not strata)]
    for column in due:
        lacking_n = ~np.isfinite(scores[column].to_numpy(np.float64))
        if lacking_n.any():
            raise RunError(
                f"{run.folder}: {column} of sample {scores.index[lacking_n][0]} is no number; its "
                "files are damaged or do not belong together, copy the folder again"
            )


def _of_reference(names: list[str]) -> list[str]:
    """Which samples are no new ones."""
    if not names:
        return []
    return [
        f"{len(names):,} of the samples are reference samples ({some(names)}): they look less "
        "strange than they are"
    ]


def _missing(encoded: AnnData, name: str) -> list[str]:
    """Which trained genes the samples lack."""
    filled = recorded(encoded)["normalisation"]["filled"]
    if not filled:
        return []
    return [
        f"{len(filled):,} of the {encoded.n_vars:,} genes of the {name} scores are missing and "
        f"hold the reference median: {some(filled)}"
    ]
