"""Where learning curves go: metrics.csv, TensorBoard, Weights & Biases."""
