"""What is fed into a conditional flow: photographs, data sets, out-of-distribution families,
generated inputs."""
