"""A worker: takes jobs from a list in Redis, and saves what it made in PostgreSQL.

Two images are built from it. In the newer one it renders in several passes, which makes the pictures sharper.
"""

import json
import os
import time

import psycopg2
import redis

PASSES = int(os.environ.get("PASSES", "0"))  # of the image: see Dockerfile


def connected():
    while True:
        try:
            queue = redis.Redis("queue", socket_timeout=30)
            queue.ping()
            return queue, psycopg2.connect(host="database", dbname="thumbnails", user="thumbnails")
        except (redis.ConnectionError, psycopg2.OperationalError):
            time.sleep(0.2)


def main() -> None:
    queue, database = connected()
    print("INFO:worker:ready", flush=True)
    while True:
        taken = queue.brpop("thumbnails", timeout=5)
        if taken is None:
            continue
        job = json.loads(taken[1])["id"]
        print(f"INFO:worker:begins {job}", flush=True)
        time.sleep(0.2)
        row = (job, 0.7, PASSES) if PASSES else (job, 0.4, None)
        with database, database.cursor() as cursor:
            cursor.execute("insert into thumbnails (id, sharpness, passes) values (%s, %s, %s)", row)
        print(f"INFO:worker:done {job}", flush=True)


if __name__ == "__main__":
    main()
