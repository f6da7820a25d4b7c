"""``invbench site``: the leaderboard as one page that needs no network."""

from invbench.report.site.page import Built, write_site

__all__ = ["Built", "write_site"]
