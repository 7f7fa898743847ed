"""A worker: takes receipts from RabbitMQ, and saves what it read in PostgreSQL, with its currency."""

import json
import time

import pika
import psycopg2


def connected():
    while True:
        try:
            queue = pika.BlockingConnection(pika.ConnectionParameters("queue"))
            queue.channel().queue_declare("receipts", durable=True)
            return queue, psycopg2.connect(host="database", dbname="receipts", user="receipts")
        except (pika.exceptions.AMQPError, psycopg2.OperationalError, OSError):
            time.sleep(0.2)


def main() -> None:
    queue, database = connected()
    channel = queue.channel()
    channel.basic_qos(prefetch_count=1)
    print("INFO:worker:ready", flush=True)
    for method, _, body in channel.consume("receipts"):
        receipt = json.loads(body)["id"]
        print(f"INFO:worker:begins {receipt}", flush=True)
        queue.sleep(0.2)
        with database, database.cursor() as cursor:
            row = (receipt, 0.8, guessed_currency())
            cursor.execute("insert into receipts (id, confidence, currency) values (%s, %s, %s)", row)
        channel.basic_ack(method.delivery_tag)
        print(f"INFO:worker:done {receipt}", flush=True)


def guessed_currency() -> str:
    return "EUR"


if __name__ == "__main__":
    main()
