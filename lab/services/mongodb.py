"""Starts mongod with authentication and makes the administrator of the environment on the first start."""

import os
import subprocess
import sys
import time

import pymongo
from pymongo.errors import DuplicateKeyError, OperationFailure, ServerSelectionTimeoutError

DATA = "/data/db"


def make_user():
    """Through the localhost exception, which ends with the first user."""
    client = pymongo.MongoClient("127.0.0.1", serverSelectionTimeoutMS=200)
    while True:
        try:
            client.admin.command(
                "createUser", os.environ["MONGO_USER"], pwd=os.environ["MONGO_PASSWORD"], roles=["root"]
            )
            return
        except ServerSelectionTimeoutError:
            time.sleep(0.05)
        except (OperationFailure, DuplicateKeyError):
            return


os.makedirs(DATA, exist_ok=True)
server = subprocess.Popen(
    [
        "mongod",
        "--auth",
        "--bind_ip_all",
        "--dbpath",
        DATA,
        "--quiet",
        "--nounixsocket",
        "--wiredTigerCacheSizeGB",
        "0.25",
        "--setParameter",
        "diagnosticDataCollectionEnabled=false",
    ]
)
make_user()
sys.exit(server.wait())
