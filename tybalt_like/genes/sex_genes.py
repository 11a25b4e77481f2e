"""Genes that tell the sex of a human sample."""

X_GENES = ("XIST",)
"""Transcribed from the inactive X alone."""
_OF_Y = "RPS4Y1 DDX3Y KDM5D EIF1AY UTY USP9Y ZFY NLGN4Y TMSB4Y TXLNGY"
Y_GENES = tuple(_OF_Y.split())
"""Of the male-specific region, with one copy each and expressed in most tissues (Skaletsky et al.,
Nature 2003)."""
