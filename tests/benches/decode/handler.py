"""A counter in Python as it is usually written, on the Runtime API: json (or orjson) and dicts."""

import base64
import http.client
import os
import sys
import time
from collections import defaultdict

if sys.argv[1] == "orjson":
    from orjson import loads
else:
    from json import loads

groups = defaultdict(int)


def count(image, sign):
    status = image["status"]["S"]
    if status == "ACTIVE" and float(image["amount"]["N"]) > 100:
        groups["large_active", image["country"]["S"], image["plan"]["S"]] += sign
    groups["by_status", status] += sign


def handle(event):
    for record in event["Records"]:
        change = loads(base64.b64decode(record["kinesis"]["data"]))["dynamodb"]
        if "NewImage" in change:
            count(change["NewImage"], 1)
        if "OldImage" in change:
            count(change["OldImage"], -1)
    lines = sorted(f"{' '.join(group)}: {n}\n" for group, n in groups.items() if n)
    return "".join(lines)


def main():
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        api.request("GET", "/2018-06-01/runtime/invocation/next")
        invocation = api.getresponse()
        event = invocation.read()
        request = invocation.headers["lambda-runtime-aws-request-id"]
        came = time.thread_time_ns()
        told = handle(loads(event))
        body = f"{time.thread_time_ns() - came}\n{told}".encode()
        api.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", body)
        api.getresponse().read()


main()
