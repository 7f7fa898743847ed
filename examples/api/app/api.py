"""A small API: it answers with what its configuration says, and reads that only at its start."""

import configparser
import http.server
import json


def main() -> None:
    settings = configparser.ConfigParser()
    settings.read("/etc/api/settings.ini")
    answer = json.dumps(dict(settings["answers"])).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            print(f"INFO:api:answered {self.path}", flush=True)

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler)
    print("INFO:api:listening on 8000", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
