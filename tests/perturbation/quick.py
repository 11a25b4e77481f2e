"""A small run, and a small plate."""

import numpy as np
import pandas as pd

from tybalt_like.perturbation import Plan

QUICK = {
    "simulation": {"groups": 40, "single": 0.25, "unknown": 0.2, "n_genes": 12, "latent_dim": 3},
    "perturbation": {"group": "cell_line", "response": "response", "folds": 2},
    "model": {
        "name": "dr_vae", "latent_dim": 3, "top_dim": 2, "encoder_dims": [], "decoder_dims": [],
        "top_hidden_dims": [4],
    },
    "training": {"epochs": 4, "min_batches": 2, "min_epochs": 0, "learning_rate": 1e-2},
}  # fmt: skip


def plan(**tables) -> Plan:
    merged = dict(QUICK)
    for key, table in tables.items():
        both = isinstance(table, dict) and key in QUICK
        merged[key] = QUICK[key] | table if both else table
    return Plan.from_tables({key: table for key, table in merged.items() if table is not None})


def plate(n_drugs: int = 6) -> pd.DataFrame:
    """Two lines, controls in two wells each, drugs at two durations."""
    rows = []
    for line in "AB":
        for hours in (6, 24):
            rows += [(line, hours, "vehicle", "")] * 2
            rows += [(line, hours, "compound", f"drug {i}") for i in range(n_drugs)]
    obs = pd.DataFrame(rows, columns=["line", "hours", "type", "drug"])
    obs.index = [f"well_{i}" for i in range(len(obs))]
    obs["response"] = np.where(obs["line"] == "A", 0.0, 1.0)
    return obs
