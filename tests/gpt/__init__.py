"""The GPT, its optimizers, schedules and data, and PyTorch beside it."""
