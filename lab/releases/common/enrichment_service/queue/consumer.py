"""A small consumer of the NSQ protocol, version 2, that blocks as the real one does.

While a message is handled nothing else happens: no heartbeat is answered, so nsqd drops the connection of a handler that
takes longer than two of them, and the answer that comes later is lost. After its first success it asks for up to 100
messages at once, and has them waiting here.
"""

import json
import logging
import random
import socket
import struct
import time

FRAME_RESPONSE, FRAME_ERROR, FRAME_MESSAGE = 0, 1, 2
MAX_ATTEMPTS = 5
MAX_IN_FLIGHT = 100


class Consumer:
    def __init__(self, host, port, topic, channel):
        self.address = (host, port)
        self.topic, self.channel = topic, channel
        self.logger = logging.getLogger(f"gnsq.consumer.{topic}.{channel}")

    def run(self, handle):
        """Hands every message's body to `handle`; finished when it returns True, else requeued. Reconnects."""
        while True:
            try:
                self._session(handle)
            except OSError as error:
                self.logger.warning("[%s:%s] connection lost (NSQSocketError(%s))", *self.address, error)
                time.sleep(0.05)

    def _session(self, handle):
        with socket.create_connection(self.address, timeout=None) as connection:
            self._send(connection, b"  V2")
            identity = json.dumps({"client_id": socket.gethostname(), "hostname": socket.gethostname(),
                                   "user_agent": "gnsq/1.0.2"}).encode()
            self._send(connection, b"IDENTIFY\n" + struct.pack(">l", len(identity)) + identity)
            self._send(connection, f"SUB {self.topic} {self.channel}\n".encode())
            self._send(connection, b"RDY 1\n")
            self.logger.info("[%s:%s] connection successful", *self.address)
            while True:
                kind, body = self._frame(connection)
                if kind == FRAME_RESPONSE and body == b"_heartbeat_":
                    self._send(connection, b"NOP\n")
                elif kind == FRAME_MESSAGE:
                    self._handle(connection, handle, body)

    def _handle(self, connection, handle, frame):
        attempts = struct.unpack(">H", frame[8:10])[0]
        message_id, body = frame[10:26], frame[26:]
        if attempts > MAX_ATTEMPTS:
            self.logger.warning("giving up on message '%s' after max tries %d", message_id.decode(), MAX_ATTEMPTS)
            self._send(connection, b"FIN " + message_id + b"\n")
        elif handle(body):
            self._send(connection, b"FIN " + message_id + b"\n")
            self._send(connection, b"RDY %d\n" % MAX_IN_FLIGHT)
        else:
            self.logger.info("[%s:%s] backing off for %s seconds", *self.address, random.random())
            self._requeue(connection, message_id)
            self._send(connection, b"RDY 1\n")

    def _requeue(self, connection, message_id):
        try:
            self._send(connection, b"REQ " + message_id + b" 100\n")
        except OSError as error:
            logging.getLogger("__main__").error("Error handling NSQ message: %s", error, exc_info=True)
            self.logger.error("[%s:%s] caught exception while handling message", *self.address, exc_info=True)
            raise

    @staticmethod
    def _send(connection, data):
        connection.sendall(data)

    @staticmethod
    def _read(connection, size):
        data = b""
        while len(data) < size:
            part = connection.recv(size - len(data))
            if not part:
                raise BrokenPipeError(32, "Broken pipe")
            data += part
        return data

    def _frame(self, connection):
        size, kind = struct.unpack(">ll", self._read(connection, 8))
        return kind, self._read(connection, size - 4)
