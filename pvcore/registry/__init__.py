"""What was made, by whom it was approved, and where it is kept: store, ledger, manifests, signatures."""
