"""A Terraform module, read by python-hcl2, as the state it would come to: what `terraform show -json` prints then.

With it a module is understood where no provider is at hand. Each resource's id is its address, variables are their
defaults, or where they have none `NAME=VALUE` of the command line.
"""

import json
import pathlib
import re
import sys

import hcl2


def unquoted(text):
    """The text that a quoted template without interpolation says."""
    return json.loads(text).replace("$${", "${").replace("%%{", "%{")


class Module:
    def __init__(self, folder, given):
        self.folder = pathlib.Path(folder)
        parsed = {path.name: hcl2.loads(path.read_text()) for path in sorted(self.folder.glob("*.tf"))}
        self.resources = []
        self.variables = {}
        for file in parsed.values():
            for block in file.get("resource", []):
                for kind, named in block.items():
                    for name, body in named.items():
                        if name != "__is_block__":
                            self.resources.append((unquoted(kind), unquoted(name), body))
            for block in file.get("variable", []):
                for name, body in block.items():
                    if name != "__is_block__" and "default" in body:
                        self.variables[unquoted(name)] = unquoted(body["default"])
        self.variables = {**given, **self.variables}
        assert {"main.tf", "outputs.tf", "variables.tf", "versions.tf"} <= set(parsed), sorted(parsed)

    def value(self, value):
        if isinstance(value, dict):
            return {key: self.value(inner) for key, inner in value.items() if not key.startswith("__")}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, str):
            return value
        expression = re.fullmatch(r"\$\{(.*)\}", value, re.S)
        return self.evaluated(expression.group(1)) if expression else unquoted(value)

    def evaluated(self, expression):
        if found := re.fullmatch(r"var\.(\w+)", expression):
            return self.variables[found.group(1)]
        if found := re.fullmatch(r'file\("\$\{path\.module\}/(.*)"\)', expression):
            return (self.folder / found.group(1)).read_text()
        kind, name, attribute = expression.split(".")
        body = next(body for k, n, body in self.resources if (k, n) == (kind, name))
        if attribute == "id":
            return f"{kind}.{name}"
        assert attribute == "arn", expression
        what = "function" if kind == "aws_cloudfront_function" else "key-value-store"
        return f"arn:aws:cloudfront::123456789012:{what}/{self.value(body['name'])}"

    def state(self):
        resources = []
        for kind, name, body in self.resources:
            address = f"{kind}.{name}"
            values = {"id": address, **self.value(body)}
            if kind.endswith("_store"):
                values["arn"] = self.evaluated(f"{address}.arn")
            resources.append(
                {"address": address, "mode": "managed", "type": kind, "name": name, "values": values}
            )
        return {"format_version": "1.0", "values": {"root_module": {"resources": resources}}}


module = Module(sys.argv[1], dict(argument.split("=", 1) for argument in sys.argv[2:]))
json.dump(module.state(), sys.stdout, indent=1)
