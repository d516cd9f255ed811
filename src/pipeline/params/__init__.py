"""params.yaml, composed from conf/."""
