"""What `gen-cloudfront-policy --format cli` printed into a folder, against botocore's own model of the service.

botocore checks the types of parameters and which are required when it sends them; enums, patterns and lengths it
leaves to AWS. Here all of the model is walked. What is wrong is printed, one line each; the exit code is 1 then.
"""

import json
import pathlib
import re
import sys

import botocore.session

MODEL = botocore.session.get_session().get_service_model("cloudfront")
# The end of a file's name, the operation it is input for, and the member it is.
OPERATIONS = [
    ("CachePolicy", "CreateCachePolicy", "CachePolicyConfig"),
    ("OriginRequestPolicy", "CreateOriginRequestPolicy", "OriginRequestPolicyConfig"),
    ("ResponseHeadersPolicy", "CreateResponseHeadersPolicy", "ResponseHeadersPolicyConfig"),
    ("OriginAccessControl", "CreateOriginAccessControl", "OriginAccessControlConfig"),
    ("KeyGroup", "CreateKeyGroup", "KeyGroupConfig"),
    ("PublicKey", "CreatePublicKey", "PublicKeyConfig"),
    ("Function", "CreateFunction", "FunctionConfig"),
    ("Distribution", "CreateDistribution", "DistributionConfig"),
]
TYPES = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "double": (int, float),
    "float": (int, float),
    "list": list,
    "structure": dict,
}
# An ARN and an id that are as good as any, for what the script fills in.
FILLED_IN = [
    (re.compile(r"\$\{CertificateArn\}"), "arn:aws:acm:us-east-1:123456789012:certificate/1"),
    (re.compile(r"\$\{OriginDomainName\}"), "origin.example.com"),
    (re.compile(r"\$\{\w+Store\d*\.Arn\}"), "arn:aws:cloudfront::123456789012:key-value-store/" + "0" * 36),
    (re.compile(r"\$\{(\w+)\.Arn\}"), r"arn:aws:cloudfront::123456789012:function/\1"),
    (re.compile(r"\$\{(\w+)\}"), r"\1"),
]


def check(shape, value, place, wrong):
    expected = TYPES[shape.type_name]
    if not isinstance(value, expected) or (isinstance(value, bool) and shape.type_name != "boolean"):
        wrong.append(f"{place}: {value!r} is no {shape.type_name}")
        return
    rules = shape.metadata
    if shape.type_name == "string":
        if "enum" in rules and value not in rules["enum"]:
            wrong.append(f"{place}: {value!r} is none of {rules['enum']}")
        # As Java has it, which AWS's models are written for.
        pattern = rules.get("pattern", "").replace(r"\p{L}", r"\w").replace(r"\p{Z}", r"\s").replace(r"\p{N}", r"\d")
        if pattern and not re.fullmatch(pattern, value):
            wrong.append(f"{place}: {value!r} is not {pattern}")
    size = value if shape.type_name in ("integer", "long") else len(value) if hasattr(value, "__len__") else None
    if shape.type_name != "structure" and size is not None:
        if size < rules.get("min", size) or size > rules.get("max", size):
            wrong.append(f"{place}: {size} is not within {rules.get('min')} and {rules.get('max')}")
    if shape.type_name == "list":
        for index, item in enumerate(value):
            check(shape.member, item, f"{place}[{index}]", wrong)
    if shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                wrong.append(f"{place}: {name} is missing")
        for name, inner in value.items():
            if name in shape.members:
                check(shape.members[name], inner, f"{place}.{name}", wrong)
            else:
                wrong.append(f"{place}: there is no {name}")
        if "Quantity" in value and value["Quantity"] != len(value.get("Items", [])):
            wrong.append(f"{place}: Quantity is {value['Quantity']}, there are {len(value.get('Items', []))}")


def main(folder):
    wrong, checked = [], 0
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        text = path.read_text()
        for pattern, filled in FILLED_IN:
            text = pattern.sub(filled, text)
        found = [row for row in OPERATIONS if path.stem.rstrip("0123456789").endswith(row[0])]
        if not found:
            wrong.append(f"{path.name}: input for nothing known")
            continue
        _, operation, member = max(found, key=lambda row: len(row[0]))
        check(MODEL.operation_model(operation).input_shape.members[member], json.loads(text), path.stem, wrong)
        checked += 1
    for path in sorted(pathlib.Path(folder).glob("*.js")):
        size = len(path.read_bytes())
        if not 1 <= size <= 10240:
            wrong.append(f"{path.name}: {size} bytes of code")
    print("\n".join(wrong) or f"{checked} files are what the service takes")
    return 1 if wrong or not checked else 0


sys.exit(main(sys.argv[1]))
