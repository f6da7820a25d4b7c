"""FS-NCSR, a noise-conditioned super-resolution flow over the high frequencies (Song et al., CVPRW
2022)."""

from invbench_models.fs_ncsr.model import SIZES, fs_ncsr

__all__ = ["SIZES", "fs_ncsr"]
