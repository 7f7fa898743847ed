"""A small consumer of the NSQ protocol, version 2: one message at a time."""

import json
import logging
import socket
import struct
import threading
import time

FRAME_RESPONSE, FRAME_ERROR, FRAME_MESSAGE = 0, 1, 2
MAX_ATTEMPTS = 5


class Consumer:
    def __init__(self, host, port, topic, channel):
        self.address = (host, port)
        self.topic, self.channel = topic, channel
        self.logger = logging.getLogger(f"gnsq.consumer.{topic}.{channel}")
        self._lock = threading.Lock()

    def run(self, handle):
        """Hands every message's body to `handle`; finished when it returns, requeued when it raises. Reconnects."""
        while True:
            try:
                self._session(handle)
            except OSError as error:
                self.logger.warning("[%s:%s] connection failed (%s)", *self.address, error)
                time.sleep(1)

    def _session(self, handle):
        with socket.create_connection(self.address, timeout=30) as connection:
            self._send(connection, b"  V2")
            identity = json.dumps({"client_id": socket.gethostname(), "hostname": socket.gethostname()}).encode()
            self._send(connection, b"IDENTIFY\n" + struct.pack(">l", len(identity)) + identity)
            self._send(connection, f"SUB {self.topic} {self.channel}\n".encode())
            self._send(connection, b"RDY 1\n")
            self.logger.info("[%s:%s] connection successful", *self.address)
            # Heartbeats are answered while a document is worked on: handling runs in a thread of its own.
            while True:
                kind, body = self._frame(connection)
                if kind == FRAME_RESPONSE and body == b"_heartbeat_":
                    self._send(connection, b"NOP\n")
                elif kind == FRAME_MESSAGE:
                    threading.Thread(target=self._handle, args=(connection, handle, body), daemon=True).start()

    def _handle(self, connection, handle, frame):
        attempts = struct.unpack(">H", frame[8:10])[0]
        message_id, body = frame[10:26], frame[26:]
        command = b"FIN"
        if attempts > MAX_ATTEMPTS:
            self.logger.warning("giving up on message '%s' after max tries %d", message_id.decode(), MAX_ATTEMPTS)
        else:
            try:
                handle(body)
            except Exception as error:
                self.logger.error("failed to handle message %s: %s", message_id.decode(), error)
                command = b"REQ"
        suffix = b" 100\n" if command == b"REQ" else b"\n"
        try:
            self._send(connection, command + b" " + message_id + suffix)
        except OSError as error:
            self.logger.warning("[%s:%s] could not answer (%s)", *self.address, error)

    def _send(self, connection, data):
        with self._lock:
            connection.sendall(data)

    @staticmethod
    def _read(connection, size):
        data = b""
        while len(data) < size:
            part = connection.recv(size - len(data))
            if not part:
                raise ConnectionError("closed by nsqd")
            data += part
        return data

    def _frame(self, connection):
        size, kind = struct.unpack(">ll", self._read(connection, 8))
        return kind, self._read(connection, size - 4)
