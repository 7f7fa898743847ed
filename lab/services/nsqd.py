"""A small stand-in for nsqd 1.3: its HTTP interface (/ping, /pub, /mpub, /stats, pausing) and what a consumer needs of it.

As the real one: a client that sends nothing for two heartbeats is dropped; a message that is not answered within the
message timeout is delivered again, with one more attempt, to any client that is ready, and an answer that comes later
is refused; /stats lists the clients that are connected; messages live in memory only.
tests/unit/lab/test_nsqd.py holds both, this one and a real one, to the same sequence.
"""

import asyncio
import itertools
import json
import os
import random
import struct
import time
from collections import deque
from urllib.parse import parse_qs, urlsplit

TIME_SCALE = float(os.environ.get("LAB_TIME_SCALE", "1"))  # all times of the lab are multiplied by it
MESSAGE_TIMEOUT_S, HEARTBEAT_S = 60 * TIME_SCALE, 30 * TIME_SCALE
TCP_PORT, HTTP_PORT = int(os.environ.get("NSQD_TCP_PORT", "4150")), int(os.environ.get("NSQD_HTTP_PORT", "4151"))
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
        self.ready, self.in_flight, self.deferred, self.clients = deque(), {}, [], set()
        self.requeued = self.timed_out = self.count = 0
        self.paused = False

    def pump(self):
        now = time.monotonic()
        for message in [m for m in self.in_flight.values() if m.deadline <= now]:
            self.timed_out += 1
            self._take_back(message)
        for message in [m for m in self.deferred if m.deadline <= now]:
            self.deferred.remove(message)
            self.ready.append(message)
        while self.ready and not self.paused and (ready := [c for c in self.clients if c.rdy > c.in_flight()]):
            client = random.choice(ready)
            message = self.ready.popleft()
            message.attempts += 1
            message.deadline, message.owner = now + client.message_timeout_s, client
            self.in_flight[message.id] = message
            client.sent += 1
            client.writer.write(message.frame())

    def requeue(self, message, delay_s):
        self.requeued += 1
        if delay_s:
            self.in_flight.pop(message.id)
            message.owner, message.deadline = None, time.monotonic() + delay_s
            self.deferred.append(message)
        else:
            self._take_back(message)

    def _take_back(self, message):
        self.in_flight.pop(message.id, None)
        message.owner = None
        self.ready.append(message)


class Topic:
    def __init__(self):
        self.channels, self.count, self.waiting = {}, 0, deque()

    def channel(self, name):
        if name not in self.channels:
            self.channels[name] = Channel()
            self.channels[name].ready.extend(self.waiting)
            self.channels[name].count += len(self.waiting)
            self.waiting.clear()
        return self.channels[name]

    def publish(self, bodies):
        self.count += len(bodies)
        if not self.channels:
            self.waiting.extend(Message(body) for body in bodies)
        for channel in self.channels.values():
            channel.count += len(bodies)
            channel.ready.extend(Message(body) for body in bodies)
            channel.pump()


class Client:
    def __init__(self, writer):
        self.writer, self.rdy, self.identity, self.channel = writer, 0, {}, None
        self.finished = self.sent = self.requeued = 0
        self.since = time.time()
        self.heartbeat_s, self.message_timeout_s = HEARTBEAT_S, MESSAGE_TIMEOUT_S

    def identify(self, identity):
        """The client may ask for other times than the default, in milliseconds."""
        self.identity = identity
        asked, limit = identity.get("heartbeat_interval"), identity.get("msg_timeout")
        self.heartbeat_s = asked / 1000 * TIME_SCALE if asked else HEARTBEAT_S
        self.message_timeout_s = limit / 1000 * TIME_SCALE if limit else MESSAGE_TIMEOUT_S

    def in_flight(self):
        return sum(message.owner is self for message in self.channel.in_flight.values())

    def respond(self, data, kind=0):
        self.writer.write(struct.pack(">ll", len(data) + 4, kind) + data)

    def stats(self):
        return {
            "client_id": self.identity.get("client_id", ""),
            "hostname": self.identity.get("hostname", ""),
            "version": "V2",
            "remote_address": "{}:{}".format(*self.writer.get_extra_info("peername")[:2]),
            "state": 3,
            "ready_count": self.rdy,
            "in_flight_count": self.in_flight(),
            "message_count": self.sent,
            "finish_count": self.finished,
            "requeue_count": self.requeued,
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
                    line = await asyncio.wait_for(reader.readuntil(b"\n"), 2 * client.heartbeat_s)
                    await self.command(client, line.split(), reader)
                    await writer.drain()
        except asyncio.TimeoutError:
            print(f"[nsqd] ERROR: client({client.identity.get('hostname')}) - failed to read command - i/o timeout", flush=True)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            heartbeat.cancel()
            if client.channel:
                client.channel.clients.discard(client)
            writer.close()

    async def heartbeat(self, client):
        while True:
            await asyncio.sleep(client.heartbeat_s)
            client.respond(b"_heartbeat_")

    async def command(self, client, words, reader):
        name = words[0]
        if name == b"IDENTIFY":
            size = struct.unpack(">l", await reader.readexactly(4))[0]
            client.identify(json.loads(await reader.readexactly(size)))
            client.respond(b"OK")
        elif name == b"SUB":
            client.channel = self.topic(words[1].decode()).channel(words[2].decode())
            client.channel.clients.add(client)
            client.respond(b"OK")
        elif name == b"RDY":
            client.rdy = int(words[1])
            client.channel.pump()
        elif name in (b"FIN", b"REQ", b"TOUCH"):
            self.answer(client, name, words[1], float(words[2]) / 1000 * TIME_SCALE if len(words) > 2 else 0.0)
        elif name != b"NOP":
            client.respond(b"E_INVALID", 1)

    @staticmethod
    def answer(client, name, message_id, delay_s):
        message = client.channel.in_flight.get(message_id)
        if message is None:
            client.respond(b"E_%s_FAILED %s %s failed ID not in flight" % (name, name, message_id), 1)
        elif message.owner is not client:
            client.respond(b"E_%s_FAILED %s %s failed client does not own message" % (name, name, message_id), 1)
        elif name == b"TOUCH":
            message.deadline = time.monotonic() + client.message_timeout_s
        elif name == b"FIN":
            client.finished += 1
            del client.channel.in_flight[message_id]
            client.channel.pump()
        else:
            client.requeued += 1
            client.channel.requeue(message, delay_s)
            client.channel.pump()

    async def redeliver(self):
        while True:
            await asyncio.sleep(0.05)
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
        if url.path in ("/pub", "/mpub") and method == "POST":
            if "topic" not in query:
                return "400 Bad Request", b'{"message":"MISSING_ARG_TOPIC"}'
            self.topic(query["topic"]).publish([body] if url.path == "/pub" else [b for b in body.split(b"\n") if b])
            return "200 OK", b"OK"
        if url.path in ("/channel/pause", "/channel/unpause") and method == "POST":
            channel = self.topic(query["topic"]).channel(query["channel"])
            channel.paused = url.path == "/channel/pause"
            channel.pump()
            return "200 OK", b""
        return "404 Not Found", b'{"message":"NOT_FOUND"}'

    def stats(self):
        return {
            "version": "1.3.0",
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
                            "deferred_count": len(channel.deferred),
                            "message_count": channel.count,
                            "requeue_count": channel.requeued,
                            "timeout_count": channel.timed_out,
                            "client_count": len(channel.clients),
                            "paused": channel.paused,
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
    await asyncio.start_server(nsqd.consumer, "0.0.0.0", TCP_PORT)
    await asyncio.start_server(nsqd.http, "0.0.0.0", HTTP_PORT)
    print(f"[nsqd] TCP: listening on 0.0.0.0:{TCP_PORT}, HTTP: listening on 0.0.0.0:{HTTP_PORT}", flush=True)
    await nsqd.redeliver()


asyncio.run(main())
