#!/usr/bin/env python3
"""A failover under load: three PostgreSQL nodes under Patroni and etcd, all on loopback, in
synchronous mode; two refundry over them; clients asking for refunds. The primary's machine "dies"
(SIGKILL to Patroni, the postmaster and every backend). Every acknowledged refund must be there
afterwards, none paid twice, and the books must verify.

    tests/failover/run.py BINARY [--write-result FILE]

Needs Debian's postgresql, patroni, etcd-server and python3. Runs the nodes as the user postgres when it
is root. Everything is made in a folder for temporary files and removed again.
"""

import argparse, glob, http.client, json, os, pwd, random, re, shutil, signal, socket
import subprocess, sys, tempfile, threading, time

KEY = "the-key-of-the-failover-storm"
CLIENTS, ORDERS, PAID = 16, 30, 10_000_000
BEFORE, AFTER = 6.0, 8.0  # seconds of storm before the kill, and after service is back
PATIENCE = 120.0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, is_so, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while True:
        found = is_so()
        if found:
            return found
        if time.monotonic() > deadline:
            raise SystemExit(f"it never came to this: {what}")
        time.sleep(0.1)


def call(port, method, path, body=None, key=None, timeout=15):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    headers = {"Authorization": f"Bearer {KEY}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if key:
        headers["Idempotency-Key"] = key
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


class Node:
    def __init__(self, home, name, etcd, bin_dir):
        self.name, self.pg, self.rest = name, free_port(), free_port()
        self.data = os.path.join(home, name, "data")
        self.file = os.path.join(home, name + ".yml")
        self.log = open(os.path.join(home, name + ".log"), "ab")
        self.process = None
        user = {"username": "postgres", "password": "unused"}
        settings = {
            "scope": "books", "name": name,
            "restapi": {"listen": f"127.0.0.1:{self.rest}", "connect_address": f"127.0.0.1:{self.rest}"},
            "etcd3": {"host": f"127.0.0.1:{etcd}"},
            "bootstrap": {
                "dcs": {
                    "ttl": 20, "loop_wait": 2, "retry_timeout": 3,
                    "synchronous_mode": True, "synchronous_mode_strict": True,
                    "postgresql": {"use_pg_rewind": False, "parameters": {
                        "max_connections": 100, "shared_buffers": "32MB", "fsync": "on"}},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, {"auth": "trust"}],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self.pg}", "connect_address": f"127.0.0.1:{self.pg}",
                "data_dir": self.data, "bin_dir": bin_dir,
                "authentication": {"superuser": user, "replication": user},
                "parameters": {"unix_socket_directories": os.path.join(home, name)},
                "pg_hba": ["local all all trust", "host all all 127.0.0.1/32 trust",
                           "host replication all 127.0.0.1/32 trust"],
            },
        }
        with open(self.file, "w") as out:
            json.dump(settings, out)  # JSON is YAML

    def start(self, prefix):
        self.process = subprocess.Popen(
            prefix + ["patroni", self.file], stdout=self.log, stderr=self.log, start_new_session=True)

    def role(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.rest, timeout=2)
            connection.request("GET", "/patroni")
            found = json.loads(connection.getresponse().read())
            connection.close()
            return found.get("role") if found.get("state") == "running" else None
        except (OSError, ValueError, http.client.HTTPException):
            return None

    def die(self):
        """As if its power were cut."""
        os.killpg(self.process.pid, signal.SIGKILL)
        try:
            with open(os.path.join(self.data, "postmaster.pid")) as file:
                postmaster = int(file.readline())
        except OSError:
            return
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(postmaster)],
                                  capture_output=True, text=True).stdout.split()
        for pid in [postmaster] + [int(child) for child in children]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Probe:
    """A plain write, again and again, at each node that is left: when PostgreSQL itself takes them
    again, which is the database's part of the interruption."""

    def __init__(self, psql, nodes):
        self.psql, self.nodes, self.promoted, self.wrote = psql, nodes, None, None
        self.threads = [threading.Thread(target=self.watch, args=(node,), daemon=True) for node in nodes]

    def ask(self, node, sql):
        asked = subprocess.run(
            [self.psql, "-h", "127.0.0.1", "-p", str(node.pg), "-U", "postgres", "-d", "probe", "-Atc", sql],
            capture_output=True, text=True, env={**os.environ, "PGCONNECT_TIMEOUT": "2"})
        return asked.stdout.strip() if asked.returncode == 0 else None

    def watch(self, node):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.wrote is None:
            if self.ask(node, "SELECT pg_is_in_recovery()") == "f":
                self.promoted = self.promoted or time.monotonic()
                # In strict mode it is acknowledged once a standby has it.
                if self.ask(node, "INSERT INTO writes VALUES (now())") is not None:
                    self.wrote = self.wrote or time.monotonic()
                    return
            time.sleep(0.05)

    def start(self):
        for thread in self.threads:
            thread.start()


class Storm:
    def __init__(self, ports, orders):
        self.ports, self.orders = ports, orders
        self.made, self.times, self.lock = {}, [], threading.Lock()
        self.stop = threading.Event()

    def ask(self, key, body):
        """Asks, wherever somebody answers, until there is an answer to rely on."""
        deadline = time.monotonic() + PATIENCE
        turn = random.randrange(len(self.ports))
        while time.monotonic() < deadline:
            try:
                status, answer = call(self.ports[turn % len(self.ports)], "POST", "/v1/refunds", body, key)
                if status < 500 and status not in (409, 429):
                    return status, answer
            except (OSError, http.client.HTTPException, ValueError):
                pass
            turn += 1
            time.sleep(0.05)
        raise SystemExit(f"no answer to {key}")

    def client(self, seed):
        dice, index = random.Random(seed), 0
        while not self.stop.is_set():
            index += 1
            order, cents = dice.choice(self.orders), dice.randrange(1, 1000)
            body = {"order": order, "amount": f"{cents // 100}.{cents % 100:02d}"}
            status, answer = self.ask(f"failover-{seed}-{index}", body)
            if status != 201:
                raise SystemExit(f"{status}: {answer}")
            with self.lock:
                self.made[answer["id"]] = (order, cents)
                self.times.append(time.monotonic())

    def run(self):
        self.threads = [threading.Thread(target=self.client, args=(seed,)) for seed in range(CLIENTS)]
        for thread in self.threads:
            thread.start()


def all_refunds(port):
    found, path = [], "/v1/refunds?limit=100"
    while path:
        status, page = call(port, "GET", path)
        assert status == 200, page
        found += page["data"]
        path = f"/v1/refunds?limit=100&after={page['next_cursor']}" if page["has_more"] else None
    return found


def cents(text):
    whole, part = text.split(".")
    return int(whole) * 100 + int(part)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("--write-result")
    given = arguments.parse_args()
    bins = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    if not bins or not shutil.which("patroni") or not shutil.which("etcd"):
        raise SystemExit("needs: sudo apt-get install postgresql patroni etcd-server")
    home = tempfile.mkdtemp(prefix="refundry-failover-")
    os.chmod(home, 0o755)
    prefix, owner = [], None
    if os.getuid() == 0:
        prefix, owner = ["runuser", "-u", "postgres", "--"], pwd.getpwnam("postgres")
    started, nodes = [], []
    try:
        etcd, peer = free_port(), free_port()
        log = open(os.path.join(home, "etcd.log"), "ab")
        started.append(subprocess.Popen(
            ["etcd", "--data-dir", os.path.join(home, "etcd"),
             "--listen-client-urls", f"http://127.0.0.1:{etcd}",
             "--advertise-client-urls", f"http://127.0.0.1:{etcd}",
             "--listen-peer-urls", f"http://127.0.0.1:{peer}",
             "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
             "--initial-cluster", f"default=http://127.0.0.1:{peer}"],
            stdout=log, stderr=log, start_new_session=True))
        for name in ("one", "two", "three"):
            folder = os.path.join(home, name)
            os.mkdir(folder)
            if owner:
                os.chown(folder, owner.pw_uid, owner.pw_gid)
            nodes.append(Node(home, name, etcd, bins[-1]))
        for node in nodes:
            node.start(prefix)
        roles = lambda: [node.role() for node in nodes]
        leaders = ("master", "primary")
        until("one primary, one synchronous standby, one more", lambda: (
            sum(role in leaders for role in roles()) == 1 and
            sum(role in ("replica", "sync_standby") for role in roles()) == 2))
        primary = next(node for node in nodes if node.role() in leaders)

        def synchronous():
            asked = subprocess.run(
                [bins[-1] + "/psql", "-h", "127.0.0.1", "-p", str(primary.pg), "-U", "postgres", "-Atc",
                 "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')"],
                capture_output=True, text=True)
            return asked.stdout.strip() == "1"
        until("a standby is synchronous", synchronous)

        hosts = ",".join("127.0.0.1" for _ in nodes)
        ports = ",".join(str(node.pg) for node in nodes)
        url = f"host={hosts} port={ports} user=postgres dbname=postgres"
        sandbox = os.path.join(home, "sandbox")
        os.mkdir(sandbox)
        serving = []
        for index in range(2):
            environment = {key: value for key, value in os.environ.items()
                           if not key.startswith("REFUNDRY_")}
            environment.update({
                "REFUNDRY_DATABASE_URL": url, "REFUNDRY_ADMIN_KEY": KEY,
                "REFUNDRY_DATABASE_TIMEOUT_MS": "3000", "REFUNDRY_DATABASE_CONNECTIONS": "12",
                "REFUNDRY_SANDBOX_DIRECTORY": sandbox, "REFUNDRY_PAYOUTS_TIMEOUT_MS": "500",
                "REFUNDRY_PAYOUTS_LEASE_MS": "1500", "REFUNDRY_PAYOUTS_LOOK_MS": "200"})
            process = subprocess.Popen(
                [given.binary, "serve", "--listen", "127.0.0.1:0", "--data", os.path.join(home, f"r{index}")],
                env=environment, stdout=subprocess.PIPE, stderr=open(os.path.join(home, f"r{index}.log"), "ab"),
                text=True)
            started.append(process)
            for line in process.stdout:
                found = re.match(r"Refundry is ready at http://127.0.0.1:(\d+)", line)
                if found:
                    serving.append((process, int(found.group(1))))
                    break
            else:
                raise SystemExit(open(os.path.join(home, f"r{index}.log")).read())
        doors = [port for _, port in serving]
        orders = []
        for index in range(ORDERS):
            amount = f"{PAID // 100}.00"
            status, order = call(doors[0], "POST", "/v1/orders", {
                "reference": f"failover-{index}", "currency": "EUR", "lines": [{"sku": "s", "amount": amount}],
                "payments": [{"provider": "sandbox", "amount": amount, "provider_reference": f"ch:{index}"}]})
            assert status == 201, order
            orders.append(order["id"])

        probe = Probe(bins[-1] + "/psql", [node for node in nodes if node is not primary])
        for database, sql in (("postgres", "CREATE DATABASE probe"), ("probe", "CREATE TABLE writes (at timestamptz)")):
            subprocess.run([probe.psql, "-h", "127.0.0.1", "-p", str(primary.pg), "-U", "postgres",
                            "-d", database, "-c", sql], check=True, capture_output=True)

        storm = Storm(doors, orders)
        storm.run()
        time.sleep(BEFORE)
        acknowledged = len(storm.made)
        killed = time.monotonic()
        primary.die()
        probe.start()
        print(f"killed the primary ({primary.name}) after {acknowledged} acknowledged refunds", flush=True)
        until("refunds are acknowledged again", lambda: storm.times and storm.times[-1] > killed + 1.0
              and any(at > killed + 2.0 for at in storm.times[-5:]))
        time.sleep(AFTER)
        storm.stop.set()
        for thread in storm.threads:
            thread.join()
        times = sorted(storm.times)
        gap, last, first = max((after - before, before, after)
                               for before, after in zip(times, times[1:]) if after > killed)
        assert probe.promoted and probe.wrote, "no node took a plain write"
        parts = (f"a standby was promoted {probe.promoted - killed:.1f} s after the kill, a plain INSERT was "
                 f"acknowledged after {probe.wrote - killed:.1f} s, and a refund after {first - killed:.1f} s")

        def settled():
            for state in ("pending", "processing"):
                status, page = call(doors[0], "GET", f"/v1/refunds?limit=1&state={state}")
                if status != 200 or page["data"]:
                    return False
            return True
        until("every refund is settled", settled)
        refunds = {refund["id"]: refund for refund in all_refunds(doors[1])}
        missing = set(storm.made) - set(refunds)
        assert not missing, f"acknowledged and gone: {missing}"
        assert not set(refunds) - set(storm.made), "a request made two refunds"
        for name, (order, amount) in storm.made.items():
            refund = refunds[name]
            assert refund["order"] == order and cents(refund["amount"]) == amount, refund
            assert refund["state"] == "succeeded", refund
        standing = [call(port, "GET", "/readyz")[1] for port in doors]
        assert all(ready["ready"] and ready["sending"] == "running" for ready in standing), standing
        for process, _ in serving:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        totals = json.loads(subprocess.run([given.binary, "sandbox", "--data", sandbox],
                                           capture_output=True, text=True, check=True).stdout)
        paid = sum(amount for _, amount in storm.made.values())
        assert totals["payouts"] == len(refunds), (totals, len(refunds))
        assert totals["amounts_minor"]["EUR"] == paid, (totals, paid)
        verified = subprocess.run([given.binary, "verify", "--database", url, "--data", os.path.join(home, "r0")],
                                  capture_output=True, text=True)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        result = (f"{len(refunds)} refunds acknowledged by two replicas, {acknowledged} of them before the "
                  f"primary was killed; all there, each paid once ({totals['payouts']} payouts, {paid} cents), "
                  f"verify clean. Longest time without an acknowledgement: {gap:.1f} s "
                  f"(Patroni: ttl 20 s, loop 2 s): {parts}.")
        print(result)
        if given.write_result:
            version = subprocess.run([bins[-1] + "/postgres", "--version"], capture_output=True, text=True)
            patroni = subprocess.run(["patroni", "--version"], capture_output=True, text=True).stdout.strip()
            with open(given.write_result, "w") as out:
                out.write("# The last failover\n\n`./test failover`: three PostgreSQL nodes under Patroni and "
                          "etcd on one machine, synchronous mode (strict), two replicas of refundry (a debug "
                          "build), 16 clients; SIGKILL to the primary's Patroni, postmaster and backends.\n\n"
                          f"{time.strftime('%Y-%m-%d')}, {version.stdout.strip()}, {patroni}:\n\n{result}\n")
    except BaseException:
        for name in sorted(glob.glob(os.path.join(home, "*.log"))):
            with open(name, errors="replace") as file:
                sys.stderr.write(f"--- {name}\n" + "".join(file.readlines()[-15:]))
        raise
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
        for node in nodes:
            if node.process and node.process.poll() is None:
                node.die()
            elif node.process:
                try:
                    node.die()
                except ProcessLookupError:
                    pass
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
