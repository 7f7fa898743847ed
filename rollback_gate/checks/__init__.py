"""The judge: one module per check, readings in, claims out; and the verdict."""
