"""docqueue beside its peers on one machine. `make bench` measures all of them, `make bench-quick` docqueue alone."""
