"""Going backwards in a replay, for GDB: a go-between of GDB and QEMU's stub.

QEMU 7.2 can do that itself, from snapshots, but not on this machine: it resets the timer's clock whenever it loads one, and
a replay that goes on from there hangs at the next tick. So nothing is loaded here. To go back is to begin once more, in a
QEMU that is started anew, and to run forward again to where GDB wants to be: one instruction before where it was, or the
last of the stops that its breakpoints and watchpoints make on the way. All else GDB and QEMU say to each other is handed on.
"""
import os
import re
import select
import socket
import subprocess
import sys
import threading

import stub

KERNEL = 0x80200000  # its first instruction: nobody goes further back
WALL = 600           # seconds that one run may take


def packet(text):
    data = text.encode('latin-1')
    return b'$%s#%02x' % (data, sum(data) & 255)


class Replay(stub.Debugger):
    """A QEMU that replays, stopped at the kernel's first instruction; what its console says is shown if it is loud."""

    def __init__(self, command, hello=(), loud=False):
        super().__init__(WALL)
        self.loud = False
        self.process = subprocess.Popen(command + self.options, pass_fds=[self.guests.fileno()], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE)
        self.guests.close()
        threading.Thread(target=self.show, daemon=True).start()
        try:
            for words in hello:
                self.ask(words)
            self.run_to(KERNEL)
            self.ask('Qqemu.PhyMemMode:0')
        except BaseException:
            self.close()
            raise
        self.loud = loud

    def show(self):
        for data in iter(lambda: self.process.stdout.read1(4096), b''):
            if self.loud:
                sys.stdout.buffer.write(data)
                sys.stdout.flush()

    def icount(self):
        """Instructions executed until here."""
        return int(re.search(r'instruction count = (\d+)', self.monitor('info replay'))[1])

    def limit(self, icount):
        """It is to stop there."""
        self.monitor(f'replay_break {icount}')

    def advance(self, icount):
        """Runs on to that instruction."""
        if self.icount() < icount:
            self.limit(icount)
            self.ask('c')
        if self.icount() != icount:
            raise OSError(f'the replay came to instruction {self.icount()}, not to {icount}')

    def close(self):
        self.process.kill()
        self.process.wait()
        self.ours.close()


class Between:
    """Of one GDB, connected at `gdb`, and the replay that it sees."""

    def __init__(self, command, gdb):
        self.command, self.gdb, self.hello, self.stops, self.rest = command, gdb, [], {}, b''
        self.replay = Replay(command, loud=True)

    def run(self):
        """Until GDB, or the recording, has ended."""
        while True:
            ready, _, _ = select.select([self.gdb, self.replay.ours], [], [])
            for source in ready:
                if source not in (self.gdb, self.replay.ours):
                    continue  # of a replay that another has taken the place of
                data = source.recv(65536)
                if not data and source is self.replay.ours:
                    print('  the recording has come to its end; make gdb begins it anew', flush=True)
                if not data:
                    return
                if source is self.gdb:
                    self.from_gdb(data)
                else:
                    self.gdb.sendall(data)

    def from_gdb(self, data):
        """Whole packets; what is between them is handed on as it is."""
        self.rest += data
        while self.rest:
            match = re.match(rb'\$([^#]*)#..', self.rest, re.S)
            if match:
                self.rest = self.rest[match.end():]
                self.take(match[1].decode('latin-1'), match[0])
            elif self.rest[:1] == b'$':
                return
            else:
                self.replay.ours.sendall(self.rest[:1])
                self.rest = self.rest[1:]

    def take(self, text, raw):
        if text in ('bs', 'bc'):
            self.gdb.sendall(b'+')
            reply = self.step_back() if text == 'bs' else self.run_back()
            self.interrupted()  # too late then
            self.gdb.sendall(packet(reply))
            return
        if text.startswith('qSupported'):
            self.hello = [text, 'qXfer:features:read:target.xml:0,ffb']  # QEMU goes by both
        elif text[:1] in 'Zz' and text[1:2].isdigit():
            kind = 'Z' + text[1:]
            self.stops.pop(kind, None)
            if text[0] == 'Z':
                self.stops[kind] = text
        self.replay.ours.sendall(raw)

    # ---- backwards ----

    def interrupted(self):
        """Whether Ctrl-c was typed in GDB meanwhile."""
        return bool(select.select([self.gdb], [], [], 0)[0]) and b'\x03' in self.gdb.recv(4096)

    def again(self):
        return Replay(self.command, self.hello)

    def stand(self, replay):
        """This replay is what GDB sees from here on."""
        for stop in self.stops:
            replay.ask(stop)
        self.replay.close()
        self.replay, replay.loud = replay, True

    def begin(self):
        self.stand(self.again())
        return 'T05replaylog:begin;'

    def go(self, icount):
        """Whether there is such an instruction of the kernel's time."""
        replay = self.again()
        try:
            if replay.icount() > icount:
                return False
            replay.advance(icount)
            self.stand(replay)
            return True
        finally:
            if replay is not self.replay:
                replay.close()

    def step_back(self):
        return 'T05' if self.go(self.replay.icount() - 1) else self.begin()

    def run_back(self):
        """To the last stop before this instruction. A watchpoint stops QEMU behind the store; what runs backwards comes to
        it from there, and stands before it then."""
        found = None
        for icount, reply in self.stops_before(self.replay.icount()):
            found = (icount, reply)
            if self.interrupted():
                return 'T02'  # where it was
        if not found:
            return self.begin()
        watch = re.search(r'[ra]?watch:[^;]*;', found[1])
        self.go(found[0] - 1 if watch else found[0])
        return 'T05' + (watch[0] if watch else '')

    def stops_before(self, end):
        """(instruction, QEMU's words) of each."""
        replay, seen = self.again(), None
        try:
            for stop in self.stops:
                replay.ask(stop)
            replay.limit(end)
            while True:
                reply = replay.ask('c')
                now = replay.icount()
                if now >= end and 'watch:' not in reply or now > end:
                    return
                if now == seen:  # it does not get away from there
                    self.over(replay)
                    if replay.icount() >= end:
                        return
                    continue
                yield now, reply
                seen = now
        finally:
            replay.close()

    def over(self, replay):
        """One step, as if nothing were to stop it."""
        for stop in self.stops:
            replay.ask('z' + stop[1:])
        replay.ask('s')
        for stop in self.stops:
            replay.ask(stop)


def listen(where):
    """A port of this host, or a socket in the file system."""
    if where.isdigit():
        return socket.create_server(('localhost', int(where)))
    if os.path.exists(where):
        os.unlink(where)
    server = socket.socket(socket.AF_UNIX)
    server.bind(where)
    server.listen(1)
    return server


def serve(command, where):
    """For one GDB after another."""
    with listen(where) as server:
        while True:
            gdb, _ = server.accept()
            between = None
            try:
                between = Between(command, gdb)
                between.run()
            except (ConnectionError, OSError) as error:
                print(f'  {error}', flush=True)
            finally:
                if between:
                    between.replay.close()
                gdb.close()
