"""The gate: what is proved better than the champion becomes the champion, and its number comes out again."""
