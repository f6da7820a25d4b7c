"""The laws of a distribution, their references and what they read."""
