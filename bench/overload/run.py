#!/usr/bin/env python3
"""Twice as many requests as one worker can answer: what is still answered, how fast, and what stays behind.

    run.py --weft PATH [--load PATH] [--backends PATH] [--times 2] [--seconds 15] [--delay-ms 5] [--out results/overload.md]

First the peak: one gateway of one worker, alone on core 1 where there are two, backends and load on core 0, where
the load gives way to the backends (`nice`); the most that is answered with 200 in a closed loop of growing width. Then `--times` the peak at a constant rate, whatever is answered (an open
loop: connections are made as they are needed), and the peak once more. Latencies count from the moment at which a request was
due. Goodput is answers with 200 within the time of the load. Exit code 1 if it is below 90 % of the peak, if anything was not
answered, or if descriptors or the peak do not come back.

`--page summary` is one call with a large reply of which little is left, so that the gateway is the narrow place; `--page product`
is a page of four calls, where on two cores it may be the other core. On a machine that does other things as well, read the part
"by the time that the gateway got": the goodput for each second that the gateway ran, against the same at the peak.

`--limits 'in_flight: 256'` is put into the gateway's `limits`, `--backend 'limit: { concurrency: 64 }'` into its backends. `load` and
`backends` are this workspace's (`cargo build --release -p load -p backends`).
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from local import free_port, http_get, wait_for  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(HERE)

CONFIG = """listen: 127.0.0.1:{port}
admin: {{ listen: 127.0.0.1:{admin} }}
workers: 1
compositions: [page.yaml, summary.yaml]
descriptors: ["{proto}"]
backends:
  shop: {{ grpc: ["http://127.0.0.1:{grpc}"], {backend} }}
  recs: {{ http: ["http://127.0.0.1:{http}"], {backend} }}
limits: {{ {limits} }}
telemetry: {{ log: {{ access: none, audit: none }} }}
"""


# Much to do for the gateway, and little for those who share the other core.
SUMMARY = """endpoint: GET /summary/{id}
calls:
  reviews: { grpc: shop.v1.Reviews/ListReviews, request: { product_id: $id, page_size: 1000 } }
response:
  n: $reviews.reviews.size()
  authors: $reviews.reviews.filter(r, r.rating >= 4).map(r, r.author).distinct().take(10)
"""
PATHS = {"summary": "/summary/p-1001", "product": "/pages/product/p-1001"}


def pinned(core, nice=0):
    """Onto a core of its own, and as many descriptors as there may be."""
    import resource

    def prepare():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        os.nice(nice)
        if os.cpu_count() > 1:
            os.sched_setaffinity(0, {core})

    return prepare


class Rig:
    def __init__(self, args, folder):
        self.args, self.processes = args, []
        grpc, http, self.port, self.admin = (free_port() for _ in range(4))
        self.spawn(folder, 0, [args.backends, "--grpc", f"127.0.0.1:{grpc}", "--http", f"127.0.0.1:{http}", "--delay-ms", str(args.delay_ms)])
        wait_for(grpc)
        shutil.copy(os.path.join(BENCH, "peers/weft/compositions/page.yaml"), folder)
        open(os.path.join(folder, "summary.yaml"), "w").write(SUMMARY)
        config = CONFIG.format(port=self.port, admin=self.admin, proto=os.path.join(BENCH, "proto"), grpc=grpc, http=http, limits=args.limits, backend=args.backend)
        open(os.path.join(folder, "weft.yaml"), "w").write(config)
        self.gateway = self.spawn(folder, 1, [args.weft, "serve", "-c", os.path.join(folder, "weft.yaml")])
        wait_for(self.port)

    def spawn(self, folder, core, command):
        log = open(os.path.join(folder, f"{len(self.processes)}.log"), "wb")
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=pinned(core)))
        return self.processes[-1]

    def load(self, seconds, connections, rate=None):
        command = [self.args.load, "--to", f"127.0.0.1:{self.port}", "--path", PATHS[self.args.page]]
        command += ["--seconds", str(seconds), "--connections", str(connections)]
        command += ["--rate", str(rate)] if rate else []
        ran = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=pinned(0, nice=10))
        return json.loads(ran.stdout)

    def state(self):
        pid = self.gateway.pid
        status = open(f"/proc/{pid}/status").read()
        kib = lambda name: int(re.search(name + r":\s+(\d+)", status)[1])
        ticks = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
        cpu = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
        return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "mib": kib("VmRSS") / 1024, "peak_mib": kib("VmHWM") / 1024, "cpu": cpu}

    def failures(self):
        """Of each kind, so far."""
        text = http_get(self.admin, "/metrics")
        found = {}
        for kind, n in re.findall(r'^weft_failures_total\{.*kind="(\w+)".*\} (\d+)', text, re.M):
            found[kind] = found.get(kind, 0) + int(n)
        return found

    def peak(self):
        """The most that was answered with 200 in a second, and at which width."""
        found = []
        for connections in (32, 64, 128, 256):
            before = self.state()["cpu"]
            seen = self.load(self.args.peak_seconds, connections)
            n_good = goodput(seen)
            found.append((n_good, connections, (self.state()["cpu"] - before) / self.args.peak_seconds / n_good))
        return max(found)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


def goodput(seen):
    return seen["statuses"].get("200", {}).get("in_time", 0) / seen["seconds"]


def measure(args, folder):
    rig = Rig(args, folder)
    try:
        rig.load(2, 64)  # so that nothing is done for the first time
        peak, width, cost = rig.peak()
        time.sleep(1)
        before = rig.state()
        seen = rig.load(args.seconds, args.connections, rate=args.times * peak)
        during, failures = rig.state(), rig.failures()
        again, _, cost_again = rig.peak()
        # Connections that are not used any more end after a time of their own; those of the load end with it.
        time.sleep(5)
        after = rig.state()
    finally:
        rig.stop()
    n_good = goodput(seen)
    ok = seen["statuses"].get("200", {"count": 0, "p50": 0, "p99": 0, "max": 0})
    refused = seen["statuses"].get("503", {"count": 0, "p50": 0, "p99": 0, "max": 0})
    other = {status: it["count"] for status, it in seen["statuses"].items() if status not in ("200", "503")}
    row = {
        "limits": ", ".join(it for it in (args.limits, args.backend) if it) or "defaults", "peak": peak, "width": width, "offered": seen["issued"] / args.seconds, "goodput": n_good,
        "part": n_good / peak, "cost": cost, "cost_again": cost_again, "by_cpu": n_good * cost / ((during["cpu"] - before["cpu"]) / args.seconds), "p50": ok["p50"], "p99": ok["p99"], "max": ok["max"], "refused": refused["count"] / args.seconds,
        "refused_p99": refused["p99"], "other": other, "unanswered": seen["unanswered"], "most": seen["most_under_way"],
        "late": seen["latest_ms"], "cpu": (during["cpu"] - before["cpu"]) / args.seconds, "again": again / peak,
        "failures": failures, "before": before, "during": during, "after": after,
    }
    bad = []
    if row["part"] < 0.9:
        bad.append(f"goodput is {row['part']:.0%} of the peak")
    if row["unanswered"] or row["other"].get("0"):
        bad.append("not everybody was answered")
    if after["descriptors"] > before["descriptors"] + 16:
        bad.append(f"descriptors: {before['descriptors']} before, {after['descriptors']} after")
    if row["again"] < 0.9:
        bad.append(f"afterwards the peak is {row['again']:.0%} of what it was")
    return row, bad


def main():
    target = os.path.join(BENCH, ".cache/target/release")
    parser = argparse.ArgumentParser()
    parser.add_argument("--weft", required=True)
    parser.add_argument("--load", default=os.path.join(target, "load"))
    parser.add_argument("--backends", default=os.path.join(target, "backends"))
    parser.add_argument("--times", type=float, default=2)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--peak-seconds", type=float, default=4)
    parser.add_argument("--delay-ms", type=int, default=5)
    parser.add_argument("--connections", type=int, default=9000)
    parser.add_argument("--page", choices=list(PATHS), default="summary")
    parser.add_argument("--limits", default="")
    parser.add_argument("--backend", default="")
    parser.add_argument("--out")
    args = parser.parse_args()
    args.weft = os.path.abspath(args.weft)
    with tempfile.TemporaryDirectory() as folder:
        it, bad = measure(args, folder)
    print(json.dumps(it), file=sys.stderr)
    figures = [
        ("peak, requests/s", f"{it['peak']:.0f} (with {it['width']} at once, {it['cost'] * 1e6:.0f} µs of the gateway each)"),
        ("offered", f"{it['offered']:.0f}"),
        ("answered with 200", f"{it['goodput']:.0f} ({it['part']:.0%} of the peak; {it['by_cpu']:.0%} by the time that the gateway got of its core)"),
        ("their median, p99, longest", f"{it['p50']:.0f} ms, {it['p99']:.0f} ms, {it['max']:.0f} ms"),
        ("refused with 503", f"{it['refused']:.0f}, p99 {it['refused_p99']:.0f} ms"),
        ("failures by kind", ", ".join(f"{kind} {n}" for kind, n in it["failures"].items()) or "none"),
        ("anything else", f"{it['other'] or 'nothing'}; not answered: {it['unanswered']}"),
        ("most at once", f"{it['most']}"),
        ("gateway's core", f"{it['cpu']:.0%} busy for it"),
        ("memory before, at most, after", f"{it['before']['mib']:.0f}, {it['during']['peak_mib']:.0f}, {it['after']['mib']:.0f} MiB"),
        ("descriptors before, right after the load, later", f"{it['before']['descriptors']}, {it['during']['descriptors']}, {it['after']['descriptors']}"),
        ("the peak afterwards", f"{it['again']:.0%}, {it['cost_again'] * 1e6:.0f} µs each"),
        ("load came late by at most", f"{it['late']:.0f} ms"),
    ]
    text = f"{args.times:g} times the peak for {args.seconds:g} s, limits: {it['limits']}\n\n| | |\n| --- | --- |\n"
    text += "".join(f"| {name} | {figure} |\n" for name, figure in figures)
    print(text)
    print("\n".join(bad) or "all holds")
    if args.out:
        open(args.out, "w").write(text)
    sys.exit(bool(bad))


main()
