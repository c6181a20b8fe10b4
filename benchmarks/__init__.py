"""Speed, always next to a peer or a floor measured in the same run. `make bench` prints the tables."""
