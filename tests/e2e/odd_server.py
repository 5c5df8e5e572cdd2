"""A gRPC server in Python with odd types, for the end-to-end tests: python3 odd_server.py DESCRIPTOR_SET

Prints its port on a line of its own. Messages are made from the descriptor set at run time; nothing is generated.
"""
import sys
import time
from concurrent import futures

import grpc
from google.protobuf import (
    any_pb2, descriptor_pb2, descriptor_pool, duration_pb2, empty_pb2, field_mask_pb2, json_format, message_factory,
    struct_pb2, timestamp_pb2, wrappers_pb2,
)
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

SERVICE = "odd.v1.Odd"

EVERYTHING = {
    "fDouble": 1.5, "fFloat": 0.1, "fInt32": -2147483648, "fInt64": "-9223372036854775808", "fUint32": 4294967295,
    "fUint64": "18446744073709551615", "fSint32": -1, "fSint64": "-2", "fFixed32": 3, "fFixed64": "4", "fSfixed32": -5,
    "fSfixed64": "-6", "fBool": True, "fString": "gr\u00fc\u00dfe \"\\\n\U0001f600", "fBytes": "AP+A", "mood": "MOOD_SOUR",
    "inner": {"name": "outer", "inner": {"name": "inner"}}, "maybe": 0, "numbers": [0, 1, -1], "words": ["", "a"],
    "inners": [{}, {"name": "x"}], "counts": {"b": "2", "a": "1"}, "byNumber": {"10": {"name": "ten"}, "-1": {}},
    "byTruth": {"false": "MOOD_GLAD", "true": "MOOD_UNSPECIFIED"}, "nested": {"name": "chosen"},
    "timestamp": "2026-02-03T04:05:06.789Z", "duration": "-1.500s", "mask": "fDouble,inner.name",
    "structure": {"a": [1, None, {"b": "c"}]}, "value": None, "list": [True, "x", 1.25],
    "any": {"@type": "type.googleapis.com/odd.v1.Inner", "name": "packed"}, "wString": "", "wInt64": "0", "wBool": False,
    "wBytes": "", "wDouble": 0.0, "wFloat": 0.0, "wInt32": 0, "wUint32": 0, "wUint64": "0", "empty": {},
}


def main():
    files = descriptor_pb2.FileDescriptorSet()
    with open(sys.argv[1], "rb") as file:
        files.ParseFromString(file.read())
    pool = descriptor_pool.Default()
    for file in files.file:
        if not file.name.startswith("google/"):
            pool.Add(file)
    everything = message_factory.GetMessageClass(pool.FindMessageTypeByName("odd.v1.Everything"))
    fail_request = message_factory.GetMessageClass(pool.FindMessageTypeByName("odd.v1.FailRequest"))
    wait_request = message_factory.GetMessageClass(pool.FindMessageTypeByName("odd.v1.WaitRequest"))
    wait_reply = message_factory.GetMessageClass(pool.FindMessageTypeByName("odd.v1.WaitReply"))

    def echo(request, context):
        return request

    def make(request, context):
        return json_format.ParseDict(EVERYTHING, everything(), descriptor_pool=pool)

    def fail(request, context):
        details = []
        for detail in (
            error_details_pb2.ErrorInfo(reason="ODD", domain="odd.example", metadata={"why": "asked"}),
            error_details_pb2.BadRequest(
                field_violations=[error_details_pb2.BadRequest.FieldViolation(field="code", description="is odd")]),
            error_details_pb2.DebugInfo(detail="a secret of the backend"),
        ):
            packed = any_pb2.Any()
            packed.Pack(detail)
            details.append(packed)
        status = status_pb2.Status(code=request.code, message=request.message, details=details)
        context.abort_with_status(rpc_status.to_status(status))

    def wait(request, context):
        left = int(context.time_remaining() * 1000) if context.time_remaining() is not None else -1
        time.sleep(request.milliseconds / 1000)
        return wait_reply(left_milliseconds=left)

    def handler(function, request):
        return grpc.unary_unary_rpc_method_handler(
            function, request_deserializer=request.FromString, response_serializer=lambda it: it.SerializeToString())

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {
        "Echo": handler(echo, everything), "Make": handler(make, empty_pb2.Empty),
        "Fail": handler(fail, fail_request), "Wait": handler(wait, wait_request),
    }),))
    reflection.enable_server_reflection([SERVICE, reflection.SERVICE_NAME], server, pool=pool)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
