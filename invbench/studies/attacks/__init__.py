"""What the searches of track sr found: tables, curves, targets."""
