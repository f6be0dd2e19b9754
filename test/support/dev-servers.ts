/**
 * A server for developers in Perl, which every machine with sandboxes has: shows what it was asked, echoes bodies and
 * WebSockets, streams, redirects, serves the scripts and pages beside it, tells when words.js changes, and says what no
 * preview may say of its origin.
 */
export const DEV_SERVER = String.raw`
use strict; use IO::Socket::INET;
$SIG{CHLD} = 'IGNORE';
my $door = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1) or die "port $ENV{PORT}";
sub answer { my ($near, $status, $headers, $body) = @_;
  print $near "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n$headers\r\n$body"; }
while (my $near = $door->accept) {
  next if fork;
  $near->autoflush(1);
  my $head = '';
  while (defined(my $line = <$near>)) { last if $line eq "\r\n"; $head .= $line }
  my ($method, $path) = $head =~ /^(\S+) (\S+)/;
  if ($path eq '/ws' || $path eq '/changes') {
    my ($key) = $head =~ /^sec-websocket-key: (\S+)/mi;
    my $hex = substr(qx(printf %s '$key'258EAFA5-E914-47DA-95CA-C5AB0DC85B11 | sha1sum), 0, 40);
    my $accept = pack('u', pack('H*', $hex)); $accept =~ s/^.//; $accept =~ s/\n//g; $accept =~ tr#\x60 -_#AA-Za-z0-9+/#;
    $accept = substr($accept, 0, 27) . '=';
    print $near "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: $accept\r\nSet-Cookie: ws=1\r\n\r\n";
    for (my $before = -M 'words.js'; $path eq '/changes'; select(undef, undef, undef, 0.05)) {
      my $now = -M 'words.js'; next if !defined $now || $now == $before;
      $before = $now; print $near "\x81\x07changed";
    }
    while (read($near, my $start, 2)) {
      my ($kind, $size) = unpack('CC', $start); $size &= 127;
      read($near, my $mask, 4); read($near, my $data, $size);
      my $text = $data ^ substr($mask x $size, 0, $size);
      print $near pack('CC', $kind, length $text) . $text;
      last if ($kind & 15) == 8;
    }
  } elsif ($path eq '/echo') {
    my ($size) = $head =~ /^content-length: (\d+)/mi; my $body = '';
    if (defined $size) { read($near, $body, $size) }
    else { while (my $line = <$near>) { my $size = hex $line or last; read($near, my $chunk, $size); <$near>; $body .= $chunk } }
    answer($near, '201 Made', "Content-Type: application/octet-stream\r\n", $body);
  } elsif ($path eq '/stream') {
    print $near "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: first\n\n";
    sleep 3600;
  } elsif ($path eq '/go') { answer($near, '302 Found', "Location: http://localhost:$ENV{PORT}/landed?x=1\r\n", '');
  } elsif ($path =~ m#^/(\w+\.(js|html))# && open(my $file, '<', $1)) {
    local $/; answer($near, '200 OK', 'Content-Type: text/' . ($2 eq 'js' ? 'javascript' : 'html') . "\r\n", <$file>);
  } elsif ($path eq '/early') { answer($near, '413 Too much', "Content-Type: text/plain\r\n", 'no'); shutdown($near, 1); sleep 1;
  } elsif ($path eq '/other') { print $near "HTTP/1.1 101 Other\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n"; sleep 1;
  } elsif ($path eq '/odd') { answer($near, '777 Odd', '', '');
  } elsif ($path eq '/broken') { print $near "nonsense\r\n\r\n";
  } elsif ($path eq '/env') { answer($near, '200 OK', "Content-Type: text/plain\r\n", join('', map { "$_=$ENV{$_}\n" } sort keys %ENV));
  } else {
    answer($near, '200 OK', "Content-Type: text/html\r\nSet-Cookie: taste=oats; Path=/; Domain=previews.test\r\nSet-Cookie: roundhouse_preview=mine\r\n" .
      "Clear-Site-Data: \"*\"\r\nStrict-Transport-Security: max-age=1\r\nService-Worker-Allowed: /\r\nAlt-Svc: clear\r\nCache-Control: public, max-age=60\r\n" .
      "Access-Control-Allow-Origin: https://evil.test\r\nContent-Security-Policy: img-src *\r\nX-Frame-Options: DENY\r\n", "<h1>$path</h1>\n$head");
  }
  exit;
}
`;

/**
 * Shell that lays the server and a package.json with it into a folder of a checkout. Its package manager is one that
 * machines hardly have: the script is run without.
 */
export function packageWith(folder: string, scripts: Readonly<Record<string, string>>): string {
  const json = JSON.stringify({ name: 'web', scripts });
  return `mkdir -p ${folder} && : > ${folder}/bun.lock && cat > ${folder}/server.pl <<'PERL'
${DEV_SERVER}
PERL
cat > ${folder}/package.json <<'JSON'
${json}
JSON
`;
}
