"""A small stand-in for nsqd 1.2: its HTTP interface (/ping, /pub, /stats) and what a consumer needs of its protocol.

As the real one: messages of a consumer that went away come back after the message timeout, /stats names every
connected consumer with its host name, and messages live in memory only.
"""

import asyncio
import itertools
import json
import os
import struct
import time
from collections import deque
from urllib.parse import parse_qs, urlsplit

MESSAGE_TIMEOUT_S = float(os.environ.get("NSQD_MSG_TIMEOUT_S", "60"))
HEARTBEAT_S = 10
_ids = itertools.count(1)


class Message:
    def __init__(self, body):
        self.id = f"{next(_ids):016x}".encode()
        self.body, self.attempts, self.deadline, self.owner = body, 0, 0.0, None

    def frame(self):
        data = struct.pack(">qH", time.time_ns(), self.attempts) + self.id + self.body
        return struct.pack(">ll", len(data) + 4, 2) + data


class Channel:
    def __init__(self):
        self.ready, self.in_flight, self.clients = deque(), {}, set()
        self.requeued = self.timed_out = 0

    def pump(self):
        now = time.monotonic()
        for message in [m for m in self.in_flight.values() if m.deadline <= now]:
            self.timed_out += 1
            self.requeue(message)
        for client in list(self.clients):
            while self.ready and client.rdy > len([m for m in self.in_flight.values() if m.owner is client]):
                message = self.ready.popleft()
                message.attempts += 1
                message.deadline, message.owner = now + MESSAGE_TIMEOUT_S, client
                self.in_flight[message.id] = message
                client.writer.write(message.frame())

    def requeue(self, message):
        self.in_flight.pop(message.id, None)
        message.owner = None
        self.requeued += 1
        self.ready.append(message)


class Topic:
    def __init__(self):
        self.channels, self.count, self.waiting = {}, 0, deque()

    def channel(self, name):
        if name not in self.channels:
            self.channels[name] = Channel()
            self.channels[name].ready.extend(self.waiting)
            self.waiting.clear()
        return self.channels[name]

    def publish(self, body):
        self.count += 1
        if not self.channels:
            self.waiting.append(Message(body))
        for channel in self.channels.values():
            channel.ready.append(Message(body))
            channel.pump()


class Client:
    def __init__(self, writer):
        self.writer, self.rdy, self.identity, self.channel, self.finished = writer, 0, {}, None, 0
        self.since = time.time()

    def respond(self, data, kind=0):
        self.writer.write(struct.pack(">ll", len(data) + 4, kind) + data)

    def stats(self):
        return {
            "client_id": self.identity.get("client_id", ""),
            "hostname": self.identity.get("hostname", ""),
            "remote_address": "{}:{}".format(*self.writer.get_extra_info("peername")[:2]),
            "state": 3,
            "ready_count": self.rdy,
            "finish_count": self.finished,
            "connect_ts": int(self.since),
            "user_agent": self.identity.get("user_agent", ""),
        }


class Nsqd:
    def __init__(self):
        self.topics, self.started = {}, time.time()

    def topic(self, name):
        return self.topics.setdefault(name, Topic())

    # --- protocol, version 2

    async def consumer(self, reader, writer):
        client = Client(writer)
        heartbeat = asyncio.create_task(self.heartbeat(client))
        try:
            if await reader.readexactly(4) == b"  V2":
                while True:
                    await self.command(client, (await reader.readuntil(b"\n")).split(), reader)
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            heartbeat.cancel()
            if client.channel:
                client.channel.clients.discard(client)
            writer.close()

    async def heartbeat(self, client):
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            client.respond(b"_heartbeat_")

    async def command(self, client, words, reader):
        name = words[0]
        if name == b"IDENTIFY":
            size = struct.unpack(">l", await reader.readexactly(4))[0]
            client.identity = json.loads(await reader.readexactly(size))
            client.respond(b"OK")
        elif name == b"SUB":
            client.channel = self.topic(words[1].decode()).channel(words[2].decode())
            client.channel.clients.add(client)
            client.respond(b"OK")
        elif name == b"RDY":
            client.rdy = int(words[1])
            client.channel.pump()
        elif name in (b"FIN", b"REQ", b"TOUCH"):
            self.answer(client, name, words[1])
        elif name != b"NOP":
            client.respond(b"E_INVALID", 1)

    @staticmethod
    def answer(client, name, message_id):
        message = client.channel.in_flight.get(message_id)
        if message is None or message.owner is not client:
            client.respond(b"E_%s_FAILED" % name, 1)
        elif name == b"TOUCH":
            message.deadline = time.monotonic() + MESSAGE_TIMEOUT_S
        elif name == b"FIN":
            client.finished += 1
            del client.channel.in_flight[message_id]
            client.channel.pump()
        else:
            client.channel.requeue(message)
            client.channel.pump()

    async def redeliver(self):
        while True:
            await asyncio.sleep(0.1)
            for topic in self.topics.values():
                for channel in topic.channels.values():
                    channel.pump()

    # --- HTTP

    async def http(self, reader, writer):
        try:
            method, target, _ = (await reader.readline()).decode().split()
            headers = {}
            while line := (await reader.readline()).decode().strip():
                key, _, value = line.partition(":")
                headers[key.lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            status, answer = self.handle(method, urlsplit(target), body)
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode() + answer
            )
            await writer.drain()
        except (ValueError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    def handle(self, method, url, body):
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path == "/ping":
            return "200 OK", b"OK"
        if url.path == "/stats":
            return "200 OK", json.dumps(self.stats()).encode()
        if url.path == "/pub" and method == "POST":
            if "topic" not in query:
                return "400 Bad Request", b'{"message":"MISSING_ARG_TOPIC"}'
            self.topic(query["topic"]).publish(body)
            return "200 OK", b"OK"
        return "404 Not Found", b'{"message":"NOT_FOUND"}'

    def stats(self):
        return {
            "version": "1.2.1",
            "health": "OK",
            "start_time": int(self.started),
            "topics": [
                {
                    "topic_name": name,
                    "message_count": topic.count,
                    "depth": len(topic.waiting),
                    "backend_depth": 0,
                    "channels": [
                        {
                            "channel_name": channel_name,
                            "depth": len(channel.ready),
                            "backend_depth": 0,
                            "in_flight_count": len(channel.in_flight),
                            "deferred_count": 0,
                            "requeue_count": channel.requeued,
                            "timeout_count": channel.timed_out,
                            "client_count": len(channel.clients),
                            "clients": [client.stats() for client in channel.clients],
                        }
                        for channel_name, channel in topic.channels.items()
                    ],
                }
                for name, topic in self.topics.items()
            ],
        }


async def main():
    nsqd = Nsqd()
    await asyncio.start_server(nsqd.consumer, "0.0.0.0", 4150)
    await asyncio.start_server(nsqd.http, "0.0.0.0", 4151)
    print("[nsqd] TCP: listening on 0.0.0.0:4150, HTTP: listening on 0.0.0.0:4151", flush=True)
    await nsqd.redeliver()


asyncio.run(main())
