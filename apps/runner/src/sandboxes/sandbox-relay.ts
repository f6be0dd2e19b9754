import { closeSync, openSync } from 'node:fs';
import type { EgressDoor, ModelDoor } from '#sandboxes';

/** Linux's O_PATH, which Node does not name: a place, for which no right to read it is needed. */
const O_PATH = 0o10000000;
const EGRESS = { place: '/opt/sandbox/egress', port: 3128 };
const MODEL = { place: '/opt/sandbox/model', port: 3129 };
const ENTRANCE = '/opt/sandbox/entrance';

/** Carries each way of a connection in a process of its own; both end with it. Signals are for the command it serves. */
const CARRY = `
use strict;
use Socket qw(:DEFAULT inet_pton);
$SIG{$_} = 'IGNORE' for qw(INT TERM HUP USR1 USR2 PIPE CHLD);
sub carry {
  my ($near, $far) = @_;
  my ($from, $to) = fork ? ($near, $far) : ($far, $near);
  while (sysread($from, my $bytes, 65536)) {
    for (my $sent = 0; $sent < length $bytes; ) {
      my $more = syswrite($to, $bytes, length($bytes) - $sent, $sent);
      if (!defined $more) { shutdown($from, 2); exit }
      $sent += $more;
    }
  }
  shutdown($to, 1);
  exit;
}`;

/**
 * Programs know services by address only, and a sandbox has no network but its own loopback: this listens there and goes
 * on to the socket. The first process ends once connections are taken. In Perl, which git brings along and which starts
 * in no time: it is started with every command.
 */
const WAY_OUT = `${CARRY}
my ($place, $port) = @ARGV;
socket(my $door, AF_INET, SOCK_STREAM, 0) or exit 1;
bind($door, pack_sockaddr_in($port, INADDR_LOOPBACK)) && listen($door, 128) or exit 1;
exit if fork;
while (accept(my $near, $door)) {
  next if fork;
  close $door;
  socket(my $far, AF_UNIX, SOCK_STREAM, 0) or exit 1;
  connect($far, pack_sockaddr_un($place)) or exit 1;
  carry($near, $far);
}`;

/**
 * The other way: one connection to the socket always waits to be told a port, and goes on to it. Servers for developers
 * listen at either loopback address. Ends when the socket does.
 */
const WAY_IN = `${CARRY}
my ($place) = @ARGV;
exit if fork;
while (1) {
  socket(my $near, AF_UNIX, SOCK_STREAM, 0) or exit 1;
  connect($near, pack_sockaddr_un($place)) or exit 1;
  my ($port, $digit) = ('', '');
  $port .= $digit while sysread($near, $digit, 1) && $digit ne "\\n";
  if ($port eq '') { select(undef, undef, undef, 0.1); next }
  my $child = fork;
  next if !defined $child || $child;
  my $six = pack_sockaddr_in6($port, inet_pton(AF_INET6, '::1'));
  for my $to ([AF_INET, pack_sockaddr_in($port, INADDR_LOOPBACK)], [AF_INET6, $six]) {
    socket(my $far, $to->[0], SOCK_STREAM, 0) or next;
    connect($far, $to->[1]) and carry($near, $far);
  }
  exit 1;
}`;

/** The relay first, then the command in the shell's place. */
const START = '/usr/bin/perl -e "$1" "$2" "$3" < /dev/null > /dev/null 2>&1; shift 3; exec "$@"';

/** A way out of a sandbox or in, open while its command is started; `close` it once the sandbox has its own. */
export class SandboxRelay {
  private constructor(
    private readonly program: string,
    /** Where it finds the socket, and the port that it listens at, if it does. */
    private readonly at: { readonly place: string; readonly port?: number },
    /** What the command finds in its environment. */
    readonly env: Readonly<Record<string, string>>,
    /** Of the socket. */
    readonly fd: number,
  ) {}

  static toEgress(door: EgressDoor): SandboxRelay {
    return new SandboxRelay(WAY_OUT, EGRESS, proxyVariables(door), openSync(door.socket, O_PATH));
  }

  static toModel({ socket, token }: ModelDoor): SandboxRelay {
    const env = { OPENAI_BASE_URL: `http://127.0.0.1:${MODEL.port}/v1`, OPENAI_API_KEY: token };
    return new SandboxRelay(WAY_OUT, MODEL, env, openSync(socket, O_PATH));
  }

  /** To whichever port of the command's the server names. */
  static fromServer(socket: string): SandboxRelay {
    return new SandboxRelay(WAY_IN, { place: ENTRANCE }, {}, openSync(socket, O_PATH));
  }

  /** Options of bwrap that bind the socket, which it has as descriptor `fd`. */
  bind(fd: number): string[] {
    return ['--ro-bind-fd', String(fd), this.at.place];
  }

  wrap(argv: readonly string[]): string[] {
    return ['/bin/sh', '-c', START, 'sh', this.program, this.at.place, String(this.at.port ?? ''), ...argv];
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** As the programs that know of proxies want them, in either spelling. */
function proxyVariables({ user, password }: EgressDoor): Record<string, string> {
  const proxy = `http://${user}:${password}@127.0.0.1:${EGRESS.port}`;
  const direct = 'localhost,127.0.0.1,::1';
  const upper = { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: direct };
  const lower = Object.fromEntries(Object.entries(upper).map(([name, value]) => [name.toLowerCase(), value]));
  return { ...upper, ...lower, NODE_USE_ENV_PROXY: '1' };
}
