"""docqueue and its peers under the same storms. `python -m bench.rivals --seed 1`."""
