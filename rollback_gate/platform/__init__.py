"""Where a deployment runs: engine, Compose, replicas, images, archives.

May import words and profile. All code specific to Compose is here.
"""
