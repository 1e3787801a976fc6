"""One complete YAML a problem, and the gate's policy. `pv init` copies them into a workspace."""
