"""What a change did to parameters, data and metrics, and whether conf/gate.yaml tolerates it."""
