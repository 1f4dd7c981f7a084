"""Seams into Qwen-Agent: where its private methods are observed, replaced and corrected."""
