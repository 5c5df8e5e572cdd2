#!/usr/bin/env python3
"""Writes a large project: N compositions over M gRPC services, as a company of some size would have them.

    generate.py FOLDER [--compositions 1000] [--services 300] [--endpoints 0]

Each service has its own .proto file with 5 methods and messages of 4 to 12 fields, in packages of their own, on one of 30
backends. Each composition calls three to seven of them: calls that wait for each other, a loop, a batch that is indexed, a
fallback, conditions, a template with `$for`, `$if` and a spread. Nothing is random: the same numbers give the same files.
`--endpoints` adds short compositions (`call:`), to see what many routes cost.
"""

import argparse
import pathlib

KINDS = ["string", "int32", "int64", "bool", "double", "State", "Detail"]


def proto(at: int) -> str:
    fields = 4 + at % 9
    lines = [
        'syntax = "proto3";',
        f"package company.area{at % 30}.service{at}.v1;",
        f"// Service {at}.",
        f"service Service{at} {{",
        f"  rpc GetThing(GetThingRequest) returns (Thing);",
        f"  rpc ListThings(ListThingsRequest) returns (ListThingsResponse);",
        f"  rpc BatchGetThings(BatchGetThingsRequest) returns (BatchGetThingsResponse);",
        f"  rpc CreateThing(CreateThingRequest) returns (Thing);",
        f"  rpc DeleteThing(GetThingRequest) returns (Nothing);",
        "}",
        "enum State { STATE_UNSPECIFIED = 0; ACTIVE = 1; GONE = 2; }",
        "message Nothing {}",
        "message Detail { string note = 1; int64 weight = 2; repeated string labels = 3; }",
        "message GetThingRequest { string id = 1; }",
        "message ListThingsRequest { string parent = 1; int32 page_size = 2; string page_token = 3; }",
        "message ListThingsResponse { repeated Thing things = 1; string next_page_token = 2; }",
        "message BatchGetThingsRequest { repeated string ids = 1; }",
        "message BatchGetThingsResponse { repeated Thing things = 1; }",
        "message CreateThingRequest { Thing thing = 1; }",
        "message Thing {",
        "  string id = 1;",
        "  string owner_id = 2;",
        "  Detail detail = 3;",
    ]
    for number in range(fields):
        kind = KINDS[(at + number) % len(KINDS)]
        lines.append(f"  // Field {number}.")
        lines.append(f"  {kind} field_{number} = {number + 4};")
    return "\n".join(lines + ["}", ""])


def composition(at: int, services: int) -> str:
    def service(n: int) -> str:
        it = (at * 7 + n * 31) % services
        return f"company.area{it % 30}.service{it}.v1.Service{it}"

    return f"""# Page {at}.
endpoint: GET /area{at % 40}/pages{at}/{{id}}
summary: Page {at} of the product.
timeout: 1s

params:
  language: {{ in: query, default: en, pattern: "^[a-z]{{2}}$" }}
  limit: {{ in: query, default: 10, maximum: 100 }}

calls:
  thing:
    grpc: {service(0)}/GetThing
    request: {{ id: $id }}
  owner:
    grpc: {service(1)}/GetThing
    request: {{ id: $thing.owner_id }}
    timeout: 200ms
    optional: true
  listed:
    grpc: {service(2)}/ListThings
    request: {{ parent: "things/${{id}}", page_size: $limit }}
    optional: true
  owners:
    grpc: {service(3)}/BatchGetThings
    when: $listed.things != null
    request:
      ids: $listed.things.map(it, it.owner_id).distinct()
    index_by: things.id
    optional: true
  detailed:
    for: entry in $listed.things.filter(it, it.owner_id != "").take(5)
    calls:
      more:
        grpc: {service(4)}/GetThing
        request: {{ id: $entry.id }}
        optional: true
    response:
      id: $entry.id
      note: $default(more.detail.note, "none")
  weight:
    value: $default(thing.detail.weight, 0) + size(thing.owner_id)

response:
  ...: $thing
  language: $language
  owner: {{ id: $owner.id, note: $owner.detail.note }}
  weight: $weight
  listed:
    $for: it in $listed.things
    $if: $it.id != thing.id
    id: $it.id
    owner: $owners[it.owner_id].detail.note
    label: "${{it.id}} of ${{thing.id}}"
  detailed: $detailed

cache: 10s
"""


def short(at: int, services: int) -> str:
    it = at % services
    return (
        f"endpoint: GET /v1/area{at % 97}/kind{at}/{{id}}\n"
        f"call: company.area{it % 30}.service{it}.v1.Service{it}/GetThing\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--compositions", type=int, default=1000)
    parser.add_argument("--services", type=int, default=300)
    parser.add_argument("--endpoints", type=int, default=0)
    wanted = parser.parse_args()
    protos = wanted.folder / "protos"
    compositions = wanted.folder / "compositions"
    backends = []
    for area in range(30):
        backends.append(
            f'  area{area}: {{ grpc: ["http://127.0.0.1:{50000 + area}"], '
            f"services: [company.area{area}.*] }}\n"
        )
    for at in range(wanted.services):
        path = protos / f"company/area{at % 30}/service{at}.proto"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(proto(at))
    compositions.mkdir(parents=True, exist_ok=True)
    for at in range(wanted.compositions):
        (compositions / f"page{at}.yaml").write_text(composition(at, wanted.services))
    for at in range(wanted.endpoints):
        (compositions / f"short{at}.yaml").write_text(short(at, wanted.services))
    (wanted.folder / "weft.yaml").write_text(
        "descriptors: [protos/]\ncompositions: [compositions/]\nbackends:\n" + "".join(backends)
    )


main()
