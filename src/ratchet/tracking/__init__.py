"""Tracking of learning curves: metrics.csv, TensorBoard, Weights & Biases."""
