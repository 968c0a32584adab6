"""What calls to the knowledge store cost: written as they happen, kept for a while, read as percentiles and metrics."""
