import { closeSync, openSync } from 'node:fs';
import type { EgressDoor } from '#sandboxes';

/** Linux's O_PATH, which Node does not name: a place, for which no right to read it is needed. */
const O_PATH = 0o10000000;
/** Where the proxy's socket is inside. */
const SOCKET = '/opt/sandbox/egress';
const PORT = 3128;

/**
 * Programs know proxies by address only, and a sandbox has no network but its own loopback: this listens there and goes
 * on to the socket, each way of a connection in a process of its own. The first process ends once connections are
 * taken. In Perl, which git brings along and which starts in no time: it is started with every command. Signals are for
 * the command it serves.
 */
const RELAY = `
use strict;
use Socket;
$SIG{$_} = 'IGNORE' for qw(INT TERM HUP USR1 USR2 PIPE CHLD);
socket(my $door, AF_INET, SOCK_STREAM, 0) or exit 1;
bind($door, pack_sockaddr_in(${PORT}, INADDR_LOOPBACK)) && listen($door, 128) or exit 1;
exit if fork;
while (accept(my $near, $door)) {
  next if fork;
  close $door;
  socket(my $far, AF_UNIX, SOCK_STREAM, 0) or exit 1;
  connect($far, pack_sockaddr_un('${SOCKET}')) or exit 1;
  my ($from, $to) = fork ? ($near, $far) : ($far, $near);
  while (sysread($from, my $bytes, 65536)) {
    for (my $sent = 0; $sent < length $bytes; ) {
      my $more = syswrite($to, $bytes, length($bytes) - $sent, $sent);
      last if !defined $more;
      $sent += $more;
    }
  }
  shutdown($to, 1);
  exit;
}`;

/** The relay first, then the command in the shell's place. */
const START = '/usr/bin/perl -e "$1" < /dev/null > /dev/null 2>&1; shift; exec "$@"';

/** The way out of a sandbox, open while its command is started; `close` it once the sandbox has its own. */
export class EgressRelay {
  private constructor(
    private readonly door: EgressDoor,
    /** Of the socket. */
    readonly fd: number,
  ) {}

  static open(door: EgressDoor): EgressRelay {
    return new EgressRelay(door, openSync(door.socket, O_PATH));
  }

  /** Options of bwrap that bind the socket, which it has as descriptor `fd`. */
  bind(fd: number): string[] {
    return ['--ro-bind-fd', String(fd), SOCKET];
  }

  /** As the programs that know of proxies want it, in either spelling. */
  env(): Record<string, string> {
    const { user, password } = this.door;
    const proxy = `http://${user}:${password}@127.0.0.1:${PORT}`;
    const direct = 'localhost,127.0.0.1,::1';
    const upper = { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: direct };
    const lower = Object.fromEntries(Object.entries(upper).map(([name, value]) => [name.toLowerCase(), value]));
    return { ...upper, ...lower, NODE_USE_ENV_PROXY: '1' };
  }

  wrap(argv: readonly string[]): string[] {
    return ['/bin/sh', '-c', START, 'sh', RELAY, ...argv];
  }

  close(): void {
    closeSync(this.fd);
  }
}
