"""What is done about explosions: for flows that are trained already, and for their users."""
