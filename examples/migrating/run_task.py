#!/usr/bin/env python3
"""Runs tasks of the original iscep (1.0.x) as scripts of this one. The files with the tasks stay as they are.

    run_task.py TASK FILE...        reads the arguments as one JSON object from standard input, and prints the result as JSON
    run_task.py --describe FILE...  prints the commands for an iscep.yaml

A task is a class that inherits from iscep.Task, gives its name to Task.__init__, and does its work in
module(self, argument: type, ...). This file stands in for the package iscep, which need not be installed.
"""

import importlib.util
import inspect
import json
import os
import sys
import types


class Task:
    def __init__(self, name):
        self.name = name


def load_tasks(files):
    """The tasks in these files, by their names, each made once."""
    stand_in = types.ModuleType("iscep")
    stand_in.Task = Task
    sys.modules["iscep"] = stand_in
    tasks = {}
    for number, file in enumerate(files):
        # Files may import what lies beside them, as under the original.
        sys.path.insert(0, os.path.dirname(os.path.abspath(file)))
        spec = importlib.util.spec_from_file_location(f"tasks_{number}", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, Task) and value is not Task:
                task = value()
                tasks[task.name] = task
    return tasks


ARGUMENT_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def describe(tasks, files):
    """What the original's DISCOVER told, as commands of an iscep.yaml. JSON is YAML."""
    commands = {}
    for name, task in tasks.items():
        args = {}
        for argument in inspect.signature(task.module).parameters.values():
            declared = {"type": ARGUMENT_TYPES.get(argument.annotation, "string")}
            if argument.default is not inspect.Parameter.empty:
                declared["optional"] = True
            args[argument.name] = declared
        commands[name] = {
            "run": ["python3", "run_task.py", name, *files],
            **({"args": args, "stdin": "args"} if args else {}),
            "output": "json",
        }
    return {"commands": commands}


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    _, name, *files = sys.argv
    # Standard output is for the result. What a task prints goes to standard error, where its caller sees it too.
    result_output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    tasks = load_tasks(files)
    if name == "--describe":
        json.dump(describe(tasks, files), result_output, indent=2)
        result_output.write("\n")
        result_output.close()
        return
    task = tasks.get(name)
    if task is None:
        sys.exit(f"there is no task {name} in {', '.join(files)}; there are {', '.join(tasks)}")
    text = sys.stdin.read()
    result = task.module(**(json.loads(text) if text else {}))
    try:
        encoded = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError) as error:
        sys.exit(f"the result of task {name} is no JSON: {error}")
    sys.stdout.flush()
    result_output.write(encoded)
    result_output.close()


if __name__ == "__main__":
    main()
