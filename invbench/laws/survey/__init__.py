"""What is assumed of a layer that declares nothing, from what it is seen to do."""
