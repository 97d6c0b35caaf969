"""Tasks as they were written for the original iscep (1.0.x). Nothing in this file was changed."""

import time

from iscep import Task


class Greet(Task):
    def __init__(self):
        super().__init__("greet")

    def module(self, name: str):
        print(f"somebody greets {name}")
        return f"hello {name}"


class OpPlayer(Task):
    def __init__(self):
        super().__init__("op_player")

    def module(self, player_name: str, set_to_op: bool):
        return {"player": player_name, "operator": set_to_op}


class Wait(Task):
    def __init__(self):
        super().__init__("wait")

    def module(self, seconds: float, note=None):
        time.sleep(seconds)
        if note == "fail":
            raise ValueError("this note is not for callers")
        return None
