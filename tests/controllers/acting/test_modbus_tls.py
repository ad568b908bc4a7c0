"""Modbus/TCP Security: our client and the simulated plant, and each against OpenSSL."""

import asyncio
import ssl
import struct
import subprocess
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from controllers.acting.modbus import Lane
from controllers.acting.modbus_field import ModbusField
from controllers.acting.security import client_context
from hil.guard import guard_of, role_of
from hil.rig import registers_of
from hil.server import Listener
from vpp.clock import RealClock, Schedule, monotonic_s, wall_now
from vpp.errors import InvalidInput
from vpp.park import endpoints, load_park
from vpp.park.model import Security
from vpp.points import Block, encode
from vpp.types import Outcome, Quality

ROLE = "1.3.6.1.4.1.50316.802.1"
P_MW = Block("input", 1002, 2)


@pytest.fixture(scope="module")
def openssl():
    import os
    import shutil

    path = shutil.which("openssl")
    if path is None:
        assert os.environ.get("VPP_REQUIRE_PEERS") != "1", (
            "openssl is missing, and VPP_REQUIRE_PEERS=1 asks for it"
        )
        pytest.skip("openssl is not installed")
    return path


@pytest.fixture(scope="module")
def folder(openssl, tmp_path_factory):
    """Two authorities; certificates of the plant, of roles, of nobody, and of a stranger."""
    root = tmp_path_factory.mktemp("tls")

    def make(name, *more, signed="ca"):
        command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        command += [] if signed is None else ["-CA", f"{signed}.pem", "-CAkey", f"{signed}.key"]
        subprocess.run([*command, *more], cwd=root, check=True, capture_output=True)

    make("ca", signed=None)
    make("other", signed=None)
    make("plant", "-addext", "subjectAltName=IP:127.0.0.1")
    make("elsewhere", "-addext", "subjectAltName=IP:192.0.2.7")
    for role in ("control", "viewer", "stranger"):
        make(role, "-addext", f"{ROLE}=ASN1:UTF8String:{role}")
    make("nobody")
    make("forged", "-addext", f"{ROLE}=ASN1:UTF8String:control", signed="other")
    return root


@pytest.fixture(scope="module")
def park():
    return load_park("small10")


def secured(park, folder, certificate="control", plant="plant", port=0):
    """The park with CAES1 behind TLS."""
    caes = park.resources["CAES1"]
    there = replace(caes, endpoint=replace(caes.endpoint, host="127.0.0.1", port=port, security="tls"))
    names = {
        "ca": "ca.pem",
        "certificate": f"{certificate}.pem",
        "key": f"{certificate}.key",
        "plant_certificate": f"{plant}.pem",
        "plant_key": f"{plant}.key",
    }
    security = Security(**{field: str(folder / name) for field, name in names.items()})
    return replace(park, resources=park.resources | {"CAES1": there}, security=security)


class Fixed:
    """A terminal that holds what it is told."""

    def __init__(self):
        self.commands = []

    async def values(self):
        return {"p_mw": -40.0} | (self.commands[-1] if self.commands else {})

    async def command(self, values):
        self.commands.append(values)

    async def note(self, record):
        pass


@asynccontextmanager
async def plant(park):
    """The simulated plant's listener of CAES1; yields its port and its terminal."""
    terminal = Fixed()
    listener = Listener(
        "CAES1", endpoints(park)["CAES1"], registers_of(park, "CAES1"), terminal, guard_of(park)
    )
    port = await listener.start()
    try:
        yield port, terminal
    finally:
        await listener.close()


def lane(park, port):
    return Lane(replace(endpoints(park)["CAES1"], port=port), client_context(park))


def group(park):
    points = park.register_maps["caes"]
    names = ("setpoint_mw", "setpoint_mvar", "epoch", "sequence", "ttl_s", "reversion_mw", "reversion_s")
    (write,) = encode(points, dict.fromkeys(names, 1.0))
    return write


async def test_control_reads_and_writes_and_a_viewer_only_reads(park, folder):
    ours = secured(park, folder)
    async with plant(ours) as (port, terminal):
        for role, written in (("viewer", False), ("control", True)):
            there = lane(secured(park, folder, role), port)
            assert await there.open()
            answer = await there.read(P_MW)
            assert (answer.outcome, answer.registers) == (Outcome.ACKNOWLEDGED, (0xFFFF, 0x63C0))
            answer = await there.write(group(park))
            assert answer.outcome is (Outcome.ACKNOWLEDGED if written else Outcome.REFUSED)
            assert bool(terminal.commands) is written
            assert answer.detail == ("" if written else "exception 1")
            there.close()


@pytest.mark.parametrize("certificate", ["nobody", "stranger"])
async def test_a_certificate_without_a_known_role_may_do_nothing(park, folder, certificate):
    async with plant(secured(park, folder)) as (port, terminal):
        there = lane(secured(park, folder, certificate), port)
        assert await there.open()
        assert (await there.read(P_MW)).detail == "exception 1"
        assert (await there.write(group(park))).detail == "exception 1"
        assert terminal.commands == []
        there.close()


async def test_a_forged_certificate_never_gets_an_answer(park, folder):
    """With TLS 1.3 the connect succeeds and the refusal comes later: only an answer counts."""
    async with plant(secured(park, folder)) as (port, _):
        there = lane(secured(park, folder, "forged"), port)
        opened = await there.open()
        answer = await there.read(P_MW)
        assert answer.outcome in (Outcome.UNKNOWN, Outcome.DISCONNECTED)
        assert not opened or not there.connected


@pytest.mark.parametrize("certificate", ["elsewhere", "forged"])
async def test_a_plant_that_is_not_who_it_should_be_is_not_spoken_to(park, folder, certificate):
    async with plant(secured(park, folder, plant=certificate)) as (port, _):
        there = lane(secured(park, folder), port)
        assert not await there.open()
        assert "certificate is not trusted" in there.trouble


async def test_plain_bytes_get_nothing_from_a_secured_plant(park, folder):
    async with plant(secured(park, folder)) as (port, _):
        there = Lane(replace(endpoints(park)["CAES1"], port=port, security="none"))
        await there.open()
        assert (await there.read(P_MW)).outcome is Outcome.UNKNOWN


async def test_the_field_brings_a_secured_device_up(park, folder):
    clock = RealClock(Schedule(origin_true_s=monotonic_s(), segments=((wall_now(), 1.0),)))
    async with (
        plant(secured(park, folder)) as (port, _),
        ModbusField(secured(park, folder, port=port), clock) as field,
    ):
        async with asyncio.timeout(10):
            while field.links()["CAES1"].state != "closed":
                await field.look(["CAES1"])
                await clock.sleep_true(0.01)
        reading = (await field.look(["CAES1"]))["CAES1"]
        assert (reading.quality, reading.values["p_mw"]) == (Quality.GOOD, -40.0)


async def test_our_client_speaks_with_openssl(park, folder, openssl):
    """s_server passes what we send to its output and its input to us, in two pieces: two TLS records."""
    command = [openssl, "s_server", "-quiet", "-accept", "0", "-naccept", "1", "-Verify", "1"]
    command += ["-verify_return_error"]
    command += ["-cert", "plant.pem", "-key", "plant.key", "-CAfile", "ca.pem"]
    port = free_port()
    command[command.index("0")] = str(port)
    server = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    there = lane(secured(park, folder), port)
    try:
        async with asyncio.timeout(10):
            while not await there.open():
                pass
            asked = asyncio.ensure_future(there.read(P_MW))
            request = await server.stdout.readexactly(12)
            assert request[2:] == bytes.fromhex("0000 0006 04 04 03ea 0002")
            answer = request[:2] + bytes.fromhex("0000 0007 04 04 04 ffff 63c0")
            server.stdin.write(answer[:5])
            await server.stdin.drain()
            server.stdin.write(answer[5:])
            assert (await asked).registers == (0xFFFF, 0x63C0)
    finally:
        there.close()
        server.kill()
        await server.wait()


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_openssl_reads_from_our_plant(park, folder, openssl):
    async with plant(secured(park, folder)) as (port, _):
        command = [openssl, "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-CAfile", "ca.pem"]
        command += [
            "-verify_return_error",
            "-verify_ip",
            "127.0.0.1",
            "-cert",
            "viewer.pem",
            "-key",
            "viewer.key",
        ]
        client = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(10):
                client.stdin.write(struct.pack(">HHHBBHH", 7, 0, 6, 4, 4, 1002, 2))
                assert await client.stdout.readexactly(13) == bytes.fromhex(
                    "0007 0000 0007 04 04 04 ffff 63c0"
                )
        finally:
            client.kill()
            await client.wait()


def test_the_role_is_read_from_the_extension_and_from_nowhere_else(folder):
    def role(name):
        return role_of(ssl.PEM_cert_to_DER_cert((folder / f"{name}.pem").read_text()))

    assert [role(n) for n in ("control", "viewer", "nobody", "plant")] == ["control", "viewer", None, None]
    whole = ssl.PEM_cert_to_DER_cert((folder / "control.pem").read_text())
    for end in range(len(whole)):
        assert role_of(whole[:end]) is None


def test_certificates_that_cannot_be_used_are_told_in_words(park, folder):
    mixed = replace(secured(park, folder).security, key=str(folder / "viewer.key"))
    with pytest.raises(InvalidInput, match=r"park.toml security: .*expected PEM that belongs together"):
        client_context(replace(secured(park, folder), security=mixed))
    bare = replace(secured(park, folder).security, plant_certificate="", plant_key="")
    with pytest.raises(InvalidInput, match="plant_certificate"):
        guard_of(replace(secured(park, folder), security=bare))
    assert client_context(park) is guard_of(park) is None
