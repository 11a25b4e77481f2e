import pandas as pd


def names(genes, associations, sets, stability):
    return pd.DataFrame({"name": "", "kind": "", "why": ""}, index=stability.index)
