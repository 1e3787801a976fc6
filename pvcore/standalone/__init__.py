"""Programs that stand alone: copied to an outsider, run with nothing of this product installed."""
