# Costly strangers: paytrade_unverified_rate, paytrade_callbacks and
# paytrade_callback_size hold them off, and never what is genuine.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT raw raw_head status_json);
use PaytradeGateways;
use PaytradePlain;
use IO::Select;
use IO::Socket::INET;
use JSON::PP 'decode_json';
use Test::More;
use Time::HiRes qw(sleep time);

my $plain = PaytradePlain->start;
my $to_plain = "proxy_pass $plain->{url};";

my %more = (
    workers => 1,
    server => "$PaytradeGateways::WHY set_real_ip_from 127.0.0.1;"
              . ' real_ip_header X-Real-Address;',
    more_locations => <<"_EOC_");
        location /legacy { paytrade_verify standard_webhooks; $to_plain }
        location /second { paytrade_verify second;
                           paytrade_unverified_rate 20r/s; $to_plain }
        location /free   { paytrade_verify standard_webhooks;
                           paytrade_unverified_rate off; $to_plain }
        location /burst  { paytrade_verify stripe;
                           paytrade_unverified_rate 30r/m burst=3; $to_plain }
        location /size   { paytrade_notify standard_webhooks;
                           paytrade_callback_size 2k; }
_EOC_

start_nginx(%more, http => gateways()
            . gateway_block('standard_webhooks', name => 'second')
            . 'paytrade_unverified_rate 30r/m; paytrade_callbacks 3;');


# Status and why: from an address, over a gateway's location.
sub send_to {
    my ($path, $address, %o) = @_;
    my $callback = play($o{gateway} || 'standard_webhooks', 'other', 'x',
                        %o, headers => { 'X-Real-Address' => $address,
                                         %{ $o{headers} || {} } });
    my $answer = deliver($callback, $path);

    return $answer if $o{whole};
    return join ' ', $answer->{status}, why($answer);
}


my @forged = (key => 'other');
my $notify = '/notify/standard_webhooks';

is(send_to($notify, '10.0.0.1'), '200 ignored', 'genuine') for 1 .. 5;
is(send_to($notify, '10.0.0.1', @forged), '400 bad_signature',
   'the first that is forged');

my $answer = send_to($notify, '10.0.0.1', @forged, whole => 1);
is($answer->{status}, 429, 'the second');
is(why($answer), 'throttled', 'is not looked at');
like($answer->{headers}{'retry-after'}, qr/^[12]$/, 'it is told when to come');
is(send_to($notify, '10.0.0.1'), '429 throttled', 'nor is a genuine one now');
is(send_to($notify, '10.0.0.2'), '200 ignored', 'another address is free');
is(send_to($notify, '10.0.0.2', @forged), '400 bad_signature',
   'and pays for itself');
is(send_to('/notify/second', '10.0.0.1', @forged), '400 bad_signature',
   'another gateway counts for itself');

# The limit is the gateway's, wherever it is.
$answer = send_to('/legacy', '10.0.0.1', whole => 1);
is($answer->{status}, 429, 'the other location of the gateway');
like($answer->{content}, qr/"code":"too_many_attempts"/, 'with a problem');
like($answer->{headers}{'retry-after'}, qr/^[12]$/, 'and a time');
is($answer->{headers}{'x-why'}, 'throttled ', 'and not called verified');
is(send_to('/free', '10.0.0.1'), '200 passed', 'but where it is off');
is(send_to('/free', '10.0.0.1', @forged), '403 bad_signature', 'never')
    for 1 .. 3;
is(send_to('/legacy', '10.0.0.1', headers => { 'X-Real-Address' => undef }),
   '200 passed', 'an address of its own');

# Throttled before the body is read.
$answer = raw(raw_head('POST', $notify, 'X-Real-Address: 10.0.0.1',
                       'Content-Length: 60000'));
is($answer->[0], 429, 'the body need not come');

# IPv6, and what realip does not know.
is(send_to($notify, '2001:db8::1', @forged), '400 bad_signature', 'IPv6');
is(send_to($notify, '2001:db8::1', @forged), '429 throttled', 'again');
is(send_to($notify, '2001:db8::2', @forged), '429 throttled',
   'another address of the same network');
is(send_to($notify, '2001:db8:0:1::1', @forged), '400 bad_signature',
   'another network');
is(send_to($notify, '::ffff:10.0.5.1', @forged), '400 bad_signature',
   'IPv4 in IPv6');
is(send_to($notify, '::ffff:10.0.5.2', @forged), '400 bad_signature',
   'is an address of its own');
is(send_to($notify, '10.0.5.2', @forged), '429 throttled', 'the same as in IPv4');
is(send_to($notify, '64:ff9b::a00:503', @forged), '400 bad_signature',
   'IPv4 behind a translator');
is(send_to($notify, '64:ff9b::a00:504', @forged), '400 bad_signature',
   'too is an address of its own');

# It comes back with time.
ok(until_true(sub { send_to($notify, '10.0.0.1') eq '200 ignored' }, 5),
   'after two seconds it is free again');
is(send_to($notify, '10.0.0.1'), '200 ignored', 'what is genuine costs nothing')
    for 1 .. 5;

# A burst.
is(join(' ', map { send_to('/burst', '10.0.1.1', gateway => 'stripe', @forged)
                   =~ /^(\d+)/ } 1 .. 6), '403 403 403 403 429 429',
   'one and a burst of three');

# At 20 a second nearly all that a slow stranger sends is looked at.
my $looked = 0;
for (1 .. 10) {
    $looked++ if send_to('/second', '10.0.3.1', @forged) =~ /^403/;
    sleep 0.06;
}
is($looked, 10, 'below the rate nobody is held off');

# What is too large, or cannot be verified now, is not charged.
for (1 .. 3) {
    is(raw(raw_head('POST', $notify, 'X-Real-Address: 10.0.4.1',
                    'Content-Length: 70000'))->[0], 413, 'too large');
}
is(send_to($notify, '10.0.4.1', @forged), '400 bad_signature',
   'which costs nothing');

my $counted = status_json()->{callbacks};
cmp_ok($counted->{standard_webhooks}{throttled}, '>=', 5, 'they are counted');
is($counted->{stripe}{throttled}, 2, 'for each gateway');
is(status_json()->{requests}{too_many_attempts}, 0, 'and not among buyers');


# Sizes.
my $large = play('standard_webhooks', 'other', 'x', text => sub { 'x' x 2049 });
my $fits = play('standard_webhooks', 'other', 'x', text => sub { 'x' x 2048 });
is(deliver($fits, '/size')->{status}, 200, 'as large as may be');
$answer = deliver($large, '/size');
is("$answer->{status} " . why($answer), '413 too_large', 'one byte more');
is(raw(raw_head('POST', '/size', 'Content-Length: 2049'))->[0], 413,
   'before it is read');

my $chunks = raw(raw_head('POST', '/size', 'Transfer-Encoding: chunked',
                          map { "$_: $large->{headers}{$_}" }
                          keys %{ $large->{headers} })
                 . "801\r\n$large->{body}\r\n0\r\n\r\n");
is($chunks->[0], 413, 'in chunks');

$large = play('standard_webhooks', 'other', 'x', text => sub { 'x' x 65537 });
is(deliver($large)->{status}, 413, '64 KiB when nothing is said');


# At once.
sub begin {
    my ($path) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port()) or die;
    my $callback = play('standard_webhooks', 'other', 'x');

    syswrite $socket, raw_head('POST', $path, (map {
        "$_: $callback->{headers}{$_}"
    } sort keys %{ $callback->{headers} }),
        'Content-Length: ' . length $callback->{body})
        . substr $callback->{body}, 0, 10;

    return { socket => $socket, rest => substr $callback->{body}, 10 };
}


sub finish {
    my ($begun) = @_;
    my $answer = '';

    syswrite $begun->{socket}, $begun->{rest};
    while (sysread $begun->{socket}, $answer, 65536, length $answer) {
    }

    return $answer =~ m{^HTTP/1\.1 (\d+)} ? $1 : "no answer: $answer";
}


my @begun = map { begin($_) } $notify, '/free', $notify;
sleep 0.2;
$answer = send_to($notify, '10.0.5.1', whole => 1);
is("$answer->{status} " . why($answer), '503 unavailable',
   'a fourth has to come again');
$answer = send_to('/free', '10.0.5.1', whole => 1);
is($answer->{status}, 503, 'here, too');
like($answer->{content}, qr/"code":"unavailable"/, 'with a problem');
ok($answer->{headers}{'retry-after'}, 'and a time');
is(http('GET', '/paytrade/status')->{status}, 200, 'all else is served');

is(join(' ', map { finish($_) } @begun), '200 200 200', 'the three are served');
is(send_to($notify, '10.0.5.1'), '200 ignored', 'and then others')
    for 1 .. 4;

for my $path ($notify, '/free') {
    for (1 .. 3) {
        @begun = map { begin($path) } 1 .. 3;
        sleep 0.05;
        close $_->{socket} for @begun;
        sleep 0.05;
    }
    is(send_to($path, '10.0.5.1') =~ /^200/, 1,
       "$path: who leaves makes room");
}

# Bodies that nginx itself refuses.
is(raw(raw_head('POST', $_, 'Transfer-Encoding: chunked') . "zz\r\n")->[0],
   400, 'a body that is none') for ($notify, '/free') x 4;
is(send_to($notify, '10.0.5.1'), '200 ignored', 'they do not stay');


# What was signed for another shop came from the gateway.
for (1 .. 3) {
    my $callback = play('alipay', 'paid', '1763712000123000002',
                        headers => { 'X-Real-Address' => '10.0.7.1' },
                        content => sub {
                            $_[0]{app_id} = '2021000000000009';
                            return $_[0];
                        });
    is(why(deliver($callback, '/notify/alipay')), 'wrong_app',
       'for another shop');
}

# A body that does not come.
my $slow = begin('/free');
my $slower = begin($notify);
my $from = time;
my $left = '';

for my $one ($slow, $slower) {
    IO::Select->new($one->{socket})->can_read(13);
    is(sysread($one->{socket}, $left, 1000), 0, 'a body that does not come');
    cmp_ok(time - $from, '>', 8, 'is waited for');
    cmp_ok(time - $from, '<', 13, 'for ten seconds');
}
is(send_to($notify, '10.0.5.1'), '200 ignored', 'it does not keep its place')
    for 1 .. 4;

# Kept over a reload, by the zone.
send_to($notify, '10.0.6.1', @forged);
my ($old) = workers();
reload_nginx();
ok(until_true(sub { my @now = workers(); @now == 1 && $now[0] != $old }, 10),
   'reloaded');
is(send_to($notify, '10.0.6.1', @forged) =~ /^(?:429|400)/, 1,
   'the zone lives on');
is(send_to($notify, '10.0.6.1', @forged), '429 throttled', 'with its levels');

ok(stop_nginx(), 'nginx ends');
ok(log_is_clean(), 'the log is clean');

done_testing();
