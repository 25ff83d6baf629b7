"""Test metrics with their uncertainty, a verdict, and the plots: the only room that opens the test split."""
