# Clients that leave at any moment, and bodies that come in any shape: no
# crash, no leak, and a hold is found again by its key.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(sleep time);

my $h2 = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
my $h2_port = $h2->sockport;
close $h2;

mkdir "$ENV{PT_TMP}/html";
open my $page, '>', "$ENV{PT_TMP}/html/page.shtml" or die "page: $!";
print $page 'a <!--# include virtual="/items?sku=p30" --> b'
            . ' <!--# include virtual="/items?sku=none" --> c';
close $page;
chmod 0755, "$ENV{PT_TMP}/html";

start_nginx(workers => 1, server => <<"_EOC_", locations => <<'_EOC_');
        listen 127.0.0.1:$h2_port http2;
        root $ENV{PT_TMP}/html;
_EOC_
        location = /items { paytrade_items; }
        location = /orders { paytrade_hold; }
        location = /small { paytrade_hold; client_body_buffer_size 1k; }
        location = /file { paytrade_hold; client_body_in_file_only clean; }
        location = /single {
            paytrade_hold;
            client_body_in_single_buffer on;
        }
        location = /named { error_page 418 = @hold; return 418; }
        location @hold { paytrade_hold; }
        location = /try { try_files /none /orders; }
        location = /rewritten { rewrite ^ /orders last; }
        location = /guarded {
            set $order $arg_id;
            auth_request /check;
            try_files /page.shtml =404;
        }
        location = /check { internal; paytrade_order $order; }
        location = /page.shtml { ssi on; ssi_types *; }
        location = /slow { paytrade_hold; limit_rate 50; }
        location ~ ^/orders/(?<oid>[0-9]+)$ { paytrade_order $oid; }
        location /paytrade/admin/ { paytrade_admin; }
        location = /paytrade/status { paytrade_status; }
_EOC_

put_item('p30', stock => 100_000);

my $body = '{"sku":"p30","quantity":1,"unit_price":"5000.00"}';
my ($worker) = workers();
my $keys = 0;


sub connection {
    my ($text) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port(), Timeout => 5)
        or die "connect: $!";

    $socket->autoflush(1);
    print $socket $text if defined $text;

    return $socket;
}


# With a reset instead of a good-bye.
sub reset_connection {
    my ($socket) = @_;

    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    close $socket;
}


sub request {
    my ($path, $key, $text, @headers) = @_;

    return join("\r\n", "POST $path HTTP/1.1", 'Host: shop', 'X-User: u1',
                "Idempotency-Key: $key", 'Content-Type: application/json',
                grep({ defined } @headers,
                     @headers && "@headers" =~ /chunked/
                     ? undef : 'Content-Length: ' . length $text))
           . "\r\n\r\n";
}


# One answer: status and body.
sub answer {
    my ($socket, $rest) = @_;
    my $in = $rest && defined $$rest ? $$rest : '';

    local $SIG{ALRM} = sub { die 'no answer' };
    alarm 10;

    while (1) {
        if ($in =~ /\A(HTTP\/1\.1 (\d+).*?\r\n\r\n)/s) {
            my ($head, $status) = ($1, $2);
            my ($length) = $head =~ /^Content-Length: (\d+)/im;

            $length = 0 if !defined $length;

            if (length $in >= length($head) + $length) {
                alarm 0;
                $$rest = substr $in, length($head) + $length if $rest;
                return ($status, substr $in, length $head, $length);
            }
        }

        sysread $socket, $in, 65536, length $in or last;
    }

    alarm 0;
    return (0, $in);
}


sub held {
    return item('p30')->{held};
}


sub find {
    my ($key) = @_;

    return http('POST', '/orders', $body, 'X-User' => 'u1',
                'Idempotency-Key' => $key);
}


sub settled {
    my ($expected) = @_;

    until_true(sub { held() == $expected }, 3);
    return held();
}


# Gone before all was sent: nothing is held.
my $text = request('/orders', 'half', $body) . $body;

for my $reset (0, 1) {
    for my $length (1, 20, 60, length($text) - length($body) - 1,
                    length($text) - length($body),
                    length($text) - length($body) + 1, length($text) - 1)
    {
        my $socket = connection(substr $text, 0, $length);

        sleep 0.02;
        $reset ? reset_connection($socket) : close $socket;
    }

    my $chunked = connection(request('/orders', 'half', '',
                                     'Transfer-Encoding: chunked')
                             . "10\r\n" . substr $body, 0, 10);
    sleep 0.02;
    $reset ? reset_connection($chunked) : close $chunked;
}

sleep 0.2;
is(held(), 0, 'gone before all was sent: nothing is held');
is((workers())[0], $worker, 'the worker lives');


# Gone when all was sent.
my @cut = map { {
    method => 'POST', path => '/orders', body => $body, cut => 1,
    headers => { 'X-User' => 'u1', 'Idempotency-Key' => "cut-$_" },
} } 1 .. 50;
my @again = map { { %$_, cut => 0 } } @cut;

load(port => port(), clients => 50, seconds => 10, next => sub { shift @cut });
is(settled(50), 50, 'gone when all was sent: each is held');
my @outcomes = load(port => port(), clients => 50, seconds => 10,
                    next => sub { shift @again });
my %ids = map { $_ => 1 } order_ids(@outcomes);

is(scalar(keys %ids), 50, 'each is found again by its key');
is(held(), 50, 'and held once');


# Gone while Redis hangs.
pause_redis(1);
my @sockets = map {
    connection(request('/orders', "wait-$_", $body) . $body)
} 1 .. 20;
my $reader = connection("GET /items?sku=p30 HTTP/1.1\r\nHost: shop\r\n\r\n");
my $canceller = connection('DELETE /orders/' . (sort keys %ids)[0]
                           . " HTTP/1.1\r\nHost: shop\r\nX-User: u1\r\n\r\n");

sleep 0.2;
$_ % 2 ? reset_connection($sockets[$_]) : close $sockets[$_] for 0 .. 18;
reset_connection($reader);
close $canceller;
sleep 0.2;
pause_redis(0);

my ($status, $told) = answer($sockets[19]);
is($status, 201, 'the one who stayed is answered');

my %waited;
for (1 .. 20) {
    my $found = find("wait-$_");

    $waited{$1} = 1 if $found->{content} =~ /"order_id":"(\d+)"/;
}

is(scalar(keys %waited), 20, 'those who left find theirs by their keys');
ok(until_true(sub { held() == 69 }, 3),
   'each is held once, and the cancel was made');
is((workers())[0], $worker, 'the worker lives');
cmp_ok((http('GET', '/paytrade/status')->{content}
        =~ /"clients_gone":(\d+)/)[0], '>=', 19, 'they are counted');

# Gone for good: Redis does not come back before the time-out.
pause_redis(1);
@sockets = map { connection(request('/orders', "gone-$_", $body) . $body) }
           1 .. 10;
sleep 0.1;
close $_ for @sockets;
sleep 2.3;
pause_redis(0);
%waited = ();
for my $n (1 .. 10) {
    my $found;

    until_true(sub { $found = find("gone-$n"); $found->{status} != 503 }, 5);
    $waited{$1} = 1 if $found->{content} =~ /"order_id":"(\d+)"/;
}
is(scalar(keys %waited), 10, 'after the time-out the keys tell the truth');
is(settled(79), 79, 'and each is held once');

# Gone while it reads the answer, slowly.
my $slow = connection(request('/slow', 'slow', $body) . $body);
sysread $slow, my $some, 10;
reset_connection($slow);
is(find('slow')->{status}, 200, 'gone in the answer: found by its key');

# Half closed.
my $half = connection(request('/orders', 'half-closed', $body) . $body);
shutdown $half, 1;
answer($half);
like(find('half-closed')->{status}, qr/^20[01]$/,
     'half closed: found by its key');
is((workers())[0], $worker, 'the worker lives');
my $held = settled(81);
is($held, 81, 'each is held once');


# Bodies in all shapes.
sub taken {
    my ($name, $path, $send, $headers, $padded) = @_;
    my $key = 'key-' . ++$keys;
    my $socket = connection();

    $send->($socket, $key);
    my ($status, $content) = answer($socket);

    is($status, 201, "$name: 201") or diag($content);
    is(find($key)->{status}, 200, "$name: the same body as ever");
    $held++;
    is(held(), $held, "$name: one is held");
}


my $padded = ' ' x 10000 . $body . "\n" x 10000;

for my $path (qw(/orders /small /file /single)) {
    for (['short', $body], ['20 KiB', $padded]) {
        my ($size, $content) = @$_;

        taken("$path, $size", $path, sub {
            my ($socket, $key) = @_;
            print $socket request($path, $key, $content) . $content;
        });

        taken("$path, $size, in pieces", $path, sub {
            my ($socket, $key) = @_;

            print $socket request($path, $key, $content);
            for (my $at = 0; $at < length $content; $at += 5000) {
                sleep 0.01;
                print $socket substr $content, $at, 5000;
            }
        });

        taken("$path, $size, chunked", $path, sub {
            my ($socket, $key) = @_;

            print $socket request($path, $key, '',
                                  'Transfer-Encoding: chunked');
            for (my $at = 0; $at < length $content; $at += 3000) {
                my $chunk = substr $content, $at, 3000;

                printf $socket "%x\r\n%s\r\n", length $chunk, $chunk;
            }
            print $socket "0\r\n\r\n";
        });
    }
}

taken('byte by byte', '/orders', sub {
    my ($socket, $key) = @_;

    setsockopt $socket, 6, 1, 1;             # TCP_NODELAY
    syswrite $socket, $_
        for split //, request('/orders', $key, $body) . $body;
});

taken('Expect: 100-continue', '/orders', sub {
    my ($socket, $key) = @_;

    print $socket request('/orders', $key, $body, 'Expect: 100-continue');
    sysread $socket, my $in, 1000;
    is($in, "HTTP/1.1 100 Continue\r\n\r\n", 'is told to continue');
    print $socket $body;
});

taken($_, $_, do {
    my $path = $_;
    sub { $_[0]->print(request($path, $_[1], $body) . $body) };
}) for qw(/named /try /rewritten);

# A temporary file's body that is wrong, and none at all.
is(http('POST', $_, ' ' x 20000 . '{"sku":', 'X-User' => 'u1')->{status}, 400,
   "$_: a wrong body of 20 KiB") for qw(/small /file);
is(http('POST', '/file', '', 'X-User' => 'u1')->{status}, 400, 'no body');


# Pipelined.
my $pipe = connection(join '', map { request('/orders', "pipe-$_", $body)
                                     . $body } 1, 2, 1, 3);
my $rest = '';
my @answers = map { [ answer($pipe, \$rest) ] } 1 .. 4;

is(join(' ', map { $_->[0] } @answers), '201 201 200 201',
   'pipelined: answered in turn');
is(($answers[2][1] =~ /"order_id":"(\d+)"/)[0],
   ($answers[0][1] =~ /"order_id":"(\d+)"/)[0], 'pipelined: the first again');
$held += 3;
is(held(), $held, 'pipelined: three are held');

# A refusal in between leaves the connection usable.
$pipe = connection(request('/orders', 'p1', 'x') . 'x'
                   . request('/orders', 'p2', $body) . $body
                   . "PUT /orders HTTP/1.1\r\nHost: shop\r\n"
                   . "Content-Length: 5\r\n\r\nxxxxx"
                   . request('/orders', 'p3', $body) . $body);
$rest = '';
@answers = map { [ answer($pipe, \$rest) ] } 1 .. 4;
is(join(' ', map { $_->[0] } @answers), '400 201 405 201',
   'pipelined: with refusals in between');
$held += 2;


# HTTP/2.
SKIP: {
    skip 'curl has no HTTP/2', 4 if `curl --version` !~ /HTTP2/;

    my @curl = ('curl', '-s', '-m', 10, '--http2-prior-knowledge', '-H',
                'X-User: u1');
    my $curl = sub {
        open my $out, '-|', @curl, @_ or die "curl: $!";
        local $/;
        return scalar <$out>;
    };

    like($curl->('-w', '%{http_code} %{http_version}', '-H',
                 'Idempotency-Key: h2', '-H',
                 'Content-Type: application/json', '-d', $body,
                 "http://127.0.0.1:$h2_port/orders"),
         qr/"status":"held".*201 2$/, 'HTTP/2: held');
    like($curl->('-w', '%{http_code}', '-H', 'Idempotency-Key: h2-2', '-H',
                 'Content-Type: application/json', '-d', $padded,
                 "http://127.0.0.1:$h2_port/small"),
         qr/201$/, 'HTTP/2: 20 KiB into a file');
    like($curl->('-w', '%{http_code}', '-I',
                 "http://127.0.0.1:$h2_port/items?sku=p30"), qr/200$/,
         'HTTP/2: HEAD');

    # Streams that are reset while Redis hangs.
    pause_redis(1);
    my $pid = fork;
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        exec @curl, '-m', 0.3, '-H', 'Idempotency-Key: h2-3', '-d', $body,
             '-H', 'Content-Type: application/json',
             "http://127.0.0.1:$h2_port/orders";
    }
    waitpid $pid, 0;
    pause_redis(0);
    ok(until_true(sub { find('h2-3')->{status} == 200 }, 5),
       'HTTP/2: a client that left finds its hold');
    $held += 3;
}

is(settled($held), $held, 'as many are held as were answered');


# Subrequests.
my ($id) = find('p2')->{content} =~ /"order_id":"(\d+)"/;

is(http('GET', "/guarded?id=$id", undef, 'X-User' => 'u1')->{status}, 200,
   'auth_request: the order is there');
isnt(http('GET', "/guarded?id=$id", undef, 'X-User' => 'u2')->{status}, 200,
     'auth_request: not for another');
my $ssi = http('GET', '/page.shtml');
is($ssi->{status}, 200, 'SSI');
like($ssi->{content}, qr/^a \{"sku":"p30".*\} b .*c$/s, 'SSI: the item');
pause_redis(1);
my $left = connection("GET /page.shtml HTTP/1.1\r\nHost: shop\r\n\r\n");
my $left2 = connection("GET /guarded?id=$id HTTP/1.1\r\nHost: shop\r\n"
                       . "X-User: u1\r\n\r\n");
sleep 0.1;
reset_connection($left);
close $left2;
sleep 0.1;
pause_redis(0);
is(http('GET', '/page.shtml')->{status}, 200,
   'a client that left in a subrequest');

# HEAD, and GET with a body.
is(http('HEAD', '/items?sku=p30')->{status}, 200, 'HEAD of an item');
is(http('HEAD', "/orders/$id", undef, 'X-User' => 'u1')->{status}, 200,
   'HEAD of an order');
$pipe = connection("GET /orders/$id HTTP/1.1\r\nHost: shop\r\nX-User: u1\r\n"
                   . "Content-Length: 20\r\n\r\n" . 'x' x 20
                   . "GET /items?sku=p30 HTTP/1.1\r\nHost: shop\r\n\r\n");
$rest = '';
@answers = map { [ answer($pipe, \$rest) ] } 1, 2;
is(join(' ', map { $_->[0] } @answers), '200 200',
   'a body that GET does not want is passed over');

is((workers())[0], $worker, 'it was one worker all the time');
ok(journal_drained(), 'the journal is empty');
is(psql("SELECT count(*) FROM paytrade.orders WHERE status = 'held'"), $held,
   'PostgreSQL has what is held');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
