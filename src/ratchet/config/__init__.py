"""What a run is asked to do: conf/, params.yaml and a command line, composed, checked and typed."""
