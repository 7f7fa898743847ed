"""A small reference deployment, true to the real one, for the demo and the end-to-end tests."""
