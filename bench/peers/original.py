"""One side of the original iscep, from the folder that ISCEP_PY names: `serve PORT`, or `call PORT SECONDS`."""
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.environ["ISCEP_PY"])

from iscep import Client, Server, Task  # noqa: E402

ARGS = {"message": "hello", "numb": 1}


class Greet(Task):
    def __init__(self):
        super().__init__("greet")

    def module(self, message: str, numb: int):
        return {"message": message, "numb": numb}


def serve(port):
    server = Server(address="127.0.0.1", port=port, threads_cap=10_000, logging_enabled=False)
    server.register_task(Greet())
    threading.Thread(target=server.run, daemon=True).start()
    threading.Event().wait()


def per_second(seconds, work):
    count = 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        work()
        count += 1
    return count / (time.perf_counter() - started)


def call(port, seconds):
    def connected():
        return Client(addr="127.0.0.1", port=port, timeout=30)

    def connect_and_call():
        with connected() as client:
            client.send_command("greet", ARGS)

    with connected() as client:
        one = per_second(seconds, lambda: client.send_command("greet", ARGS))
    print(json.dumps({"one": one, "connect": per_second(seconds, connect_and_call)}))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        call(int(sys.argv[2]), float(sys.argv[3]))
