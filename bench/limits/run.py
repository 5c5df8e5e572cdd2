#!/usr/bin/env python3
"""Limits under ten times the rate that they allow, from many keys: how much is let in, of what a limit allows.

    run.py --weft PATH [--load PATH] [--keys 1000] [--seconds 10] [--out results/limits.md]

Alone, with one gateway on Redis, with two, and with one and two of which Redis is killed half-way. Requests come at a constant rate,
whatever is answered, each key in turn; what a key may have is its burst and its rate times the time between its first and its
last request, rounded down. Exit code 1 if more than 1 % more or less was let in (but with two gateways where Redis is killed:
there each counts by itself from then on, which may let in twice as much of what comes back). Python standard library, the weft binary and the one of `load/`
(`cargo build --release -p load`), and `redis-server`; the rows with Redis are left out where it is absent.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from local import free_port, http_get, wait_for  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
RATE, BURST, TIMES = 1, 2, 10  # of a key: a second, at once; and how many times the rate it asks

CONFIG = """listen: 127.0.0.1:{port}
admin: {{ listen: 127.0.0.1:{admin} }}
workers: 1
compositions: [page.yaml]
backends: {{ none: {{ http: ["http://127.0.0.1:1"] }} }}
rate_limits: {{ per_caller: {{ rate: {rate}/s, burst: {burst}, key: '$request.headers["x-caller"]' }} }}
telemetry: {{ log: {{ access: none, audit: none }} }}
{redis}"""
PAGE = "endpoint: GET /page\nrate_limit: per_caller\nresponse: { ok: true }\n"


def row(args, folder, name, n_gateways, with_redis, kill):
    processes, logs = [], []

    def spawn(command, **more):
        log = open(os.path.join(folder, f"{name.replace(' ', '-')}-{len(processes)}.log"), "wb")
        logs.append(log.name)
        processes.append(subprocess.Popen(command, stdout=log, stderr=log, **more))
        return processes[-1]

    try:
        redis, text = None, ""
        if with_redis:
            port = free_port()
            redis = spawn(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], cwd=folder)
            wait_for(port)
            text = f'cache: {{ redis: "redis://127.0.0.1:{port}" }}\n'
        ports, admins = [], []
        for number in range(n_gateways):
            project = os.path.join(folder, f"{name.replace(' ', '-')}-{number}")
            os.makedirs(project)
            open(os.path.join(project, "page.yaml"), "w").write(PAGE)
            ports.append(free_port())
            admins.append(free_port())
            config = CONFIG.format(port=ports[-1], admin=admins[-1], rate=RATE, burst=BURST, redis=text)
            open(os.path.join(project, "weft.yaml"), "w").write(config)
            spawn([args.weft, "serve", "-c", os.path.join(project, "weft.yaml")])
        for port in ports:
            wait_for(port)
        if kill:
            threading.Timer(args.seconds / 2, lambda: redis.send_signal(signal.SIGKILL)).start()
        to = ",".join(f"127.0.0.1:{port}" for port in ports)
        rate = args.keys * RATE * TIMES
        # A half more, so that no key's last request falls on the moment at which one more is let in.
        command = [args.load, "--to", to, "--path", "/page", "--rate", str(rate), "--seconds", str(args.seconds + 0.5)]
        command += ["--keys", str(args.keys), "--header", "x-caller", "--connections", "256"]
        seen = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        counted = {"local": 0, "redis": 0}
        for admin in admins:
            for store, n in re.findall(r'weft_rate_limited_total\{.*store="(\w+)".*\} (\d+)', http_get(admin, "/metrics")):
                counted[store] += int(n)
        allowed = sum(int(BURST + RATE * seconds) for _, seconds in seen["keys"])
        let_in = sum(admitted for admitted, _ in seen["keys"])
        most = max(admitted - int(BURST + RATE * seconds) for admitted, seconds in seen["keys"])
        other = {status: it["count"] for status, it in seen["statuses"].items() if status not in ("200", "429")}
        took = seen["statuses"]["200"]
        return {
            "name": name, "asked": seen["issued"], "allowed": allowed, "let_in": let_in, "off": let_in / allowed - 1,
            "most": most, "local": counted["local"], "redis": counted["redis"], "p50": took["p50"], "p99": took["p99"],
            "bad": bool(other or seen["unanswered"]) or ((not kill or n_gateways == 1) and abs(let_in / allowed - 1) > 0.01), "other": other, "late": seen["latest_ms"],
        }
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weft", required=True)
    parser.add_argument("--load", default=os.path.join(HERE, "../.cache/target/release/load"))
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--out")
    args = parser.parse_args()
    args.weft = os.path.abspath(args.weft)
    cases = [("one gateway", 1, False, False)]
    if shutil.which("redis-server"):
        cases += [("one on Redis", 1, True, False), ("two on one Redis", 2, True, False)]
        cases += [("one, Redis is killed half-way", 1, True, True), ("two, Redis is killed half-way", 2, True, True)]
    else:
        print("no redis-server: the rows with Redis are left out", file=sys.stderr)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            rows.append(row(args, folder, *case))
            print(rows[-1], file=sys.stderr, flush=True)
    lines = [
        "| gateways | requests | allowed | let in | off by | counted by itself | median of those let in | p99 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for it in rows:
        lines.append(
            f"| {it['name']} | {it['asked']} | {it['allowed']} | {it['let_in']} | {it['off']:+.2%} | {it['local']} "
            f"| {it['p50']:.1f} ms | {it['p99']:.1f} ms |"
        )
    text = f"{args.keys} keys, {RATE}/s with a burst of {BURST} each, asked {TIMES} times as often for {args.seconds} s.\n\n" + "\n".join(lines)
    print(text)
    if args.out:
        open(args.out, "w").write(text + "\n")
    sys.exit(any(it["bad"] for it in rows))


main()
