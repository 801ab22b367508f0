"""What the item counter is compared with: a function in Python 3.11 and boto3, up to its first poll."""

import http.client
import os

import boto3

dynamodb = boto3.client("dynamodb")

runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    response = runtime.getresponse()
    request_id = response.getheader("Lambda-Runtime-Aws-Request-Id")
    response.read()
    runtime.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", "{}")
    runtime.getresponse().read()
