"""What published results are made from stored cells."""
