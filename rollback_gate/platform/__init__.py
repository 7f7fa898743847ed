"""Where a deployment runs: engine, Compose, replicas, images, archives.

May know words and profile. Everything that knows Compose is here.
"""
