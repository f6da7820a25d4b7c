"""How a violation is told from ill conditioning."""
