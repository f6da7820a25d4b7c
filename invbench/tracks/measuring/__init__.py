"""How the cells of each track are planned and measured: what needs torch."""
