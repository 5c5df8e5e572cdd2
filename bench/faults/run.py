#!/usr/bin/env python3
"""Faults between the gateway and its backends, during steady load: what a client sees of them.

    run.py --weft PATH [--only latency,goaway] [--seconds 8] [--rate 200] [--out results/faults.md]

Two targets for each of a gRPC and an HTTP backend (stand-ins by `weft mock`), a fault proxy before every target. For each
fault, on one of the two targets and on both: load at a steady rate, the fault, and after it a quiet moment in which whatever
the fault took must have come back. Then backends are restarted one after another, and a breaker is held open while pages that
do not use its backend are measured. Exit code 1 if something that must hold did not. Python standard library and the weft
binary only; `openssl` makes the certificate for the rows over TLS, and those are left out where it is absent.
"""
import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from local import free_port, http_get, wait_for  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 1.0  # of the endpoints, in project/compositions
SLACK = 0.05
SHARE = 0.999
WINDOW = 3.0  # seconds until a target that fails is known to be out
FAULTS = {
    "latency": {"delay_ms": 150},
    "jitter": {"delay_ms": 20, "jitter_ms": 200},
    "refused": {"refuse": True},
    "reset": {"reset_ms": 100},
    "half-close": {"half_close": True},
    "truncation": {"truncate": 700},
    "blackhole": {"blackhole": True},
    "bandwidth": {"rate": 4000},
    "GOAWAY": {"goaway_ms": 100},
    "corruption": {"corrupt": 0.05},
}
GRPC_ONLY = {"GOAWAY"}
OVER_TLS = {"corruption"}  # without TLS nobody can tell a flipped bit in a text from another text


class Client:
    """HTTP/1.1 over kept connections; a request takes one that is free or makes one."""

    def __init__(self, port):
        self.port, self.free = port, []

    async def get(self, path):
        """(status, body) or None where the connection ended."""
        for _ in range(2):
            fresh = not self.free
            try:
                pair = await asyncio.open_connection("127.0.0.1", self.port) if fresh else self.free.pop()
                pair[1].write(f"GET {path} HTTP/1.1\r\nhost: faults\r\n\r\n".encode())
                head = (await pair[0].readuntil(b"\r\n\r\n")).decode().lower()
                length = re.search(r"content-length: (\d+)", head)
                body = await pair[0].readexactly(int(length[1]) if length else 0)
                self.free.append(pair)
                return int(head.split()[1]), body
            except (OSError, asyncio.IncompleteReadError):
                if fresh:
                    return None
        return None

    def close(self):
        for _, writer in self.free:
            writer.close()
        self.free.clear()


class Load:
    """Steady load; what came back, with the time since the load began and how long it took."""

    def __init__(self, port, prefix, rate, right):
        self.client, self.prefix, self.rate, self.right = Client(port), prefix, rate, right
        self.seen, self.running = [], True

    async def run(self):
        began, tasks, n = time.monotonic(), set(), 0
        while self.running:
            due = began + n / self.rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            task = asyncio.ensure_future(self.one(n % 100, began))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            n += 1
        if tasks:
            await asyncio.wait(tasks, timeout=10)
        self.hung = len(tasks)
        self.client.close()

    async def one(self, n, began):
        path = f"{self.prefix}/{n}"
        sent = time.monotonic()
        answer = await self.client.get(path)
        took = time.monotonic() - sent
        wrong = answer is not None and answer[0] == 200 and answer[1] != self.right[path]
        self.seen.append((sent - began, took, answer[0] if answer else 0, wrong))


class Rig:
    def __init__(self, weft, folder):
        self.weft, self.folder, self.processes, self.mocks = weft, folder, [], {}

    def spawn(self, command, **more):
        log = open(os.path.join(self.folder, f"{len(self.processes)}.log"), "wb")
        process = subprocess.Popen(command, stderr=log, stdout=more.pop("stdout", log), **more)
        self.processes.append(process)
        return process

    def mock(self, name, port):
        """A stand-in for all backends in a process of its own: shop at `port`, recs and other behind it."""
        command = [self.weft, "mock", "-c", os.path.join(HERE, "project/mock.yaml"), "--port", str(port)]
        self.mocks[name] = (self.spawn(command), port)
        wait_for(port)

    def restart(self, name):
        process, port = self.mocks[name]
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        return lambda: self.mock(name, port)

    def set(self, proxy, fault):
        self.proxy.stdin.write(json.dumps({"proxy": proxy, "fault": fault}) + "\n")
        self.proxy.stdin.flush()
        self.proxy.stdout.readline()

    def start(self, certificate):
        ports = consecutive_ports(3), consecutive_ports(3)
        for name, port in zip("12", ports):
            self.mock(name, port)
        links, env = [], dict(os.environ)
        self.links = {}
        for backend, offset in (("shop", 0), ("recs", 1)):
            for name, port in zip("12", ports):
                listen, target = free_port(), port + offset
                scheme = "http"
                if certificate:
                    scheme, target = "https", self.terminate(certificate, target, backend == "shop")
                links.append(f"{backend}-{name}={listen}:{target}")
                env[f"FAULTS_{backend.upper()}_{name}"] = f"{scheme}://{'localhost' if certificate else '127.0.0.1'}:{listen}"
        env["FAULTS_OTHER"] = f"http://127.0.0.1:{ports[0] + 2}"
        self.proxy = self.spawn(
            [sys.executable, os.path.join(HERE, "proxy.py"), *links], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.proxy.stdout.readline()
        self.port, self.admin = free_port(), free_port()
        env |= {"FAULTS_LISTEN": str(self.port), "FAULTS_ADMIN": str(self.admin)}
        project = os.path.join(HERE, "project/weft.yaml")
        if certificate:
            text = open(project).read().replace("    timeout: 500ms\n    health", f"    timeout: 500ms\n    tls: {{ ca: {certificate}/cert.pem }}\n    health")
            project = os.path.join(HERE, "project/.tls.yaml")
            open(project, "w").write(text)
        self.gateway = self.spawn([self.weft, "serve", "-c", project], env=env)
        wait_for(self.port)

    def terminate(self, certificate, target, h2):
        """TLS before a stand-in that has none."""
        listen = free_port()
        script = TERMINATOR.format(certificate=certificate, listen=listen, target=target, alpn="h2" if h2 else "http/1.1")
        self.spawn([sys.executable, "-c", script])
        wait_for(listen)
        return listen

    def state(self):
        """What could leak: descriptors, kilobytes, threads, requests under way."""
        pid = self.gateway.pid
        status = open(f"/proc/{pid}/status").read()
        metrics = http_get(self.admin, "/metrics")
        return {
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "kilobytes": int(re.search(r"VmRSS:\s+(\d+)", status)[1]),
            "threads": int(re.search(r"Threads:\s+(\d+)", status)[1]),
            "requests": int(re.search(r"^weft_requests_in_flight (\d+)", metrics, re.M)[1]),
            "calls": sum(it["active"] for one in json.loads(http_get(self.admin, "/backends")) for it in one["targets"]),
        }

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


TERMINATOR = """
import asyncio, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("{certificate}/cert.pem", "{certificate}/key.pem")
context.set_alpn_protocols(["{alpn}"])
async def pump(reader, writer):
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    writer.close()
async def accepted(reader, writer):
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", {target})
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
async def main():
    server = await asyncio.start_server(accepted, "127.0.0.1", {listen}, ssl=context)
    await server.serve_forever()
asyncio.run(main())
"""


def consecutive_ports(n):
    while True:
        first = free_port()
        try:
            for port in range(first, first + n):
                with socket.socket() as it:
                    it.bind(("127.0.0.1", port))
            return first
        except OSError:
            pass


async def answers(port):
    """What every path answers while nothing is wrong."""
    client, right = Client(port), {}
    for prefix in ("/shop", "/recs", "/other"):
        for n in range(100):
            path = f"{prefix}/{n}"
            status, body = await client.get(path)
            assert status == 200 and json.loads(body)["id"] == str(n), (path, status, body)
            right[path] = body
    client.close()
    return right


async def fault_row(rig, right, args, name, backend, on):
    """Load, fault, quiet. What was seen, and what of it must not be."""
    before = rig.state()
    load = Load(rig.port, f"/{backend}", args.rate, right)
    running = asyncio.ensure_future(load.run())
    await asyncio.sleep(1.5)
    for target in on:
        rig.set(f"{backend}-{target}", FAULTS[name])
    await asyncio.sleep(args.seconds)
    for target in on:
        rig.set(f"{backend}-{target}", {})
    mended = 1.5 + args.seconds
    await asyncio.sleep(8)
    load.running = False
    await running
    await asyncio.sleep(3)
    after = rig.state()
    during = [it for it in load.seen if 1.5 + WINDOW <= it[0] < mended]
    recovered = [it for it in load.seen if it[0] > mended + 7]
    row = {
        "fault": name,
        "backend": backend,
        "on": "one of two" if len(on) == 1 else "both",
        "requests": len(load.seen),
        "ok": part(during),
        "ok all the time": part([it for it in load.seen if 1.5 <= it[0] < mended]),
        "after": part(recovered),
        "wrong": sum(it[3] for it in load.seen),
        "longest": max(it[1] for it in load.seen),
        "kilobytes": after["kilobytes"] - before["kilobytes"],
    }
    bad = []
    if load.hung or row["longest"] > TIMEOUT + SLACK:
        bad.append("hung")
    if row["wrong"]:
        bad.append("wrong bytes")
    if any(it[2] == 0 for it in load.seen):
        bad.append("no answer")
    if len(on) == 1 and row["ok"] < SHARE:
        bad.append("failed although one target was well")
    if row["after"] < 1:
        bad.append("failed after it was mended")
    if after["requests"] > before["requests"] or after["calls"]:
        bad.append(f"left behind: {before} {after}")
    if row["kilobytes"] > 16384:
        bad.append("memory did not come back")
    return row | {"bad": ", ".join(bad)}


async def restarts(rig, right, args):
    """Backends end and come back one after another, three times over."""
    loads = [Load(rig.port, prefix, args.rate, right) for prefix in ("/shop", "/recs")]
    running = [asyncio.ensure_future(it.run()) for it in loads]
    await asyncio.sleep(1)
    for _ in range(3):
        for name in "12":
            again = await asyncio.to_thread(rig.restart, name)
            await asyncio.sleep(1)
            await asyncio.to_thread(again)
            await asyncio.sleep(2.5)
    for it in loads:
        it.running = False
    await asyncio.gather(*running)
    seen = [it for load in loads for it in load.seen]
    return {"requests": len(seen), "failed": sum(it[2] != 200 for it in seen), "longest": max(it[1] for it in seen)}


async def isolation(rig, right, args):
    """The 99th percentile of pages that do not use a backend, with its breaker open and with it closed, by turns."""
    figures = {True: [], False: []}
    for turn in range(2 * args.turns):
        broken = turn % 2 == 1
        for target in "12":
            rig.set(f"shop-{target}", {"refuse": True} if broken else {})
        loads = [Load(rig.port, "/shop", args.rate, right), Load(rig.port, "/other", args.rate, right)]
        running = [asyncio.ensure_future(it.run()) for it in loads]
        await asyncio.sleep(7)
        for it in loads:
            it.running = False
        await asyncio.gather(*running)
        took = sorted(it[1] for it in loads[1].seen if it[0] > 3)
        figures[broken].append(took[len(took) * 99 // 100])
    for target in "12":
        rig.set(f"shop-{target}", {})
    closed, opened = (statistics.median(figures[it]) for it in (False, True))
    return {"closed": closed, "open": opened, "ratio": opened / closed}


def part(seen):
    return sum(it[2] == 200 for it in seen) / max(1, len(seen))


def table(rows):
    lines = [
        "| fault | backend | on | requests | succeeded during it | once it was known | after it | wrong bytes | longest | memory |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for it in rows:
        lines.append(
            f"| {it['fault']} | {it['backend']} | {it['on']} | {it['requests']} | {it['ok all the time']:.2%} | {it['ok']:.2%} | {it['after']:.2%} "
            f"| {it['wrong']} | {it['longest'] * 1000:.0f} ms | {it['kilobytes'] / 1024:+.1f} MiB |"
        )
    return "\n".join(lines)


async def measure(args, folder):
    rows, text, failed = [], [], []
    names = args.only.split(",") if args.only else [*FAULTS, "restarts", "isolation"]
    certificate = None
    if OVER_TLS & set(names):
        if shutil.which("openssl"):
            certificate = folder
            # A certificate of its own issuer, and of no authority.
            extensions = "[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\nbasicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:localhost\n"
            open(f"{folder}/openssl.cnf", "w").write(extensions)
            subprocess.run(
                ["openssl", "req", "-config", f"{folder}/openssl.cnf", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
                + ["-subj", "/CN=localhost", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
                check=True,
                capture_output=True,
            )
        else:
            print("no openssl: the rows over TLS are left out", file=sys.stderr)
    for over_tls in (False, True):
        wanted = [it for it in names if (it in OVER_TLS) == over_tls]
        if not wanted or over_tls and not certificate:
            continue
        rig = Rig(args.weft, folder)
        try:
            rig.start(certificate if over_tls else None)
            right = await answers(rig.port)
            at_first = rig.state()
            for name in wanted:
                if name not in FAULTS:
                    continue
                for backend in ("shop",) if name in GRPC_ONLY else ("shop", "recs"):
                    for on in ("1", "12"):
                        row = await fault_row(rig, right, args, name, backend, on)
                        rows.append(row)
                        print(f"{name:11} {backend} {row['on']:10} known {row['ok']:.2%} all {row['ok all the time']:.2%} after {row['after']:.2%} longest {row['longest']:.3f} {row['kilobytes']:+} KiB {row['bad']}", file=sys.stderr, flush=True)
                        if row["bad"]:
                            failed.append(f"{name}, {backend}, {row['on']}: {row['bad']}")
            if rows:
                # Connections that were needed for a while lie idle for a minute; the next call closes them.
                await asyncio.sleep(62)
                await answers(rig.port)
                await asyncio.sleep(1)
                at_last = rig.state()
                n_more = at_last["descriptors"] - at_first["descriptors"]
                text.append(f"Descriptors {'over TLS ' if over_tls else ''}before the first fault and a minute after the last: {at_first['descriptors']} and {at_last['descriptors']}; threads: {at_first['threads']} and {at_last['threads']}.")
                if n_more > 2 or at_last["threads"] > at_first["threads"]:
                    failed.append(text[-1])
            if "restarts" in wanted:
                it = await restarts(rig, right, args)
                text.append(f"Backends restarted one after another, three times each: {it['requests']} requests, {it['failed']} failed, the longest took {it['longest'] * 1000:.0f} ms.")
                if it["failed"]:
                    failed.append(text[-1])
            if "isolation" in wanted:
                it = await isolation(rig, right, args)
                text.append(f"The 99th percentile of pages that do not use a backend, its breaker open against closed: {it['ratio']:.2f} ({it['open'] * 1000:.2f} ms, {it['closed'] * 1000:.2f} ms).")
                if it["ratio"] > 1.1:
                    failed.append(text[-1])
        finally:
            rig.stop()
    result = "\n\n".join(([table(rows)] if rows else []) + text) + "\n"
    print(result)
    if args.out:
        open(args.out, "w").write(result)
    for it in failed:
        print(f"does not hold: {it}", file=sys.stderr)
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weft", default=os.path.join(HERE, "../../target/release/weft"))
    parser.add_argument("--only", help="some of: " + ", ".join([*FAULTS, "restarts", "isolation"]))
    parser.add_argument("--seconds", type=float, default=8, help="how long each fault lasts")
    parser.add_argument("--rate", type=float, default=200, help="requests a second")
    parser.add_argument("--turns", type=int, default=5, help="of the isolation measurement, with the breaker open and closed")
    parser.add_argument("--out", help="a file for the table")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(asyncio.run(measure(args, folder)))


if __name__ == "__main__":
    main()
