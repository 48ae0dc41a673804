# paytrade_dry_run: everything is looked at, counted and told, and nothing is
# refused or changed.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT raw raw_head status_json snapshot unchanged);
use PaytradeGateways;
use PaytradePlain;
use JSON::PP 'decode_json';
use Test::More;
use Time::HiRes qw(sleep time);

my $plain = PaytradePlain->start;
my $log = "$ENV{PT_TMP}/dry.log";
my $to_plain = "proxy_pass $plain->{url};";
my $dry = 'paytrade_dry_run on;';
my $cases = 0;

unlink $log;
start_nginx(
    workers => 2,
    server => "access_log $log words; client_max_body_size 4m;"
              . ' proxy_set_header X-Result $paytrade_result;'
              . ' proxy_set_header X-Verify $paytrade_verify;'
              . ' proxy_set_header X-Amount $paytrade_amount;',
    http => gateway_block('standard_webhooks') . <<'_EOC_',
    paytrade_redis_timeout 400ms;
    paytrade_partitions 4;
    log_format words '$http_x_case|$status|$paytrade_result|$paytrade_verify|'
                     '$paytrade_order_id|$paytrade_sku|';
_EOC_
    more_locations => <<"_EOC_");
        location /tried  { paytrade_verify standard_webhooks; $dry $to_plain }
        location /small  { $dry paytrade_verify standard_webhooks;
                           paytrade_callback_size 1k;
                           proxy_request_buffering off; proxy_http_version 1.1;
                           $to_plain }
        location /rate   { paytrade_verify standard_webhooks; $dry
                           paytrade_unverified_rate 1r/m; $to_plain }
        location /hold   { paytrade_hold; $dry $to_plain }
        location /holds  { $to_plain $dry paytrade_hold;
                           client_body_buffer_size 16; }
        location /jump   { $dry paytrade_hold; try_files /nothing \@app; }
        location \@app   { $to_plain }
        location /twice  { $dry paytrade_hold; try_files /nothing /hold/twice; }
        location /mirror { $dry paytrade_hold; mirror /copy; $to_plain }
        location = /copy { internal; $to_plain }
_EOC_


# The answer [ status, head, body ], what the plain server has seen.
sub ask {
    my ($path, $body, %o) = @_;
    my $case = $o{case} // 'd' . $cases++;
    my %headers = ('Content-Type' => 'application/json', 'X-User' => 'u1',
                   'X-Case' => $case, 'Content-Length' => length $body,
                   %{ $o{headers} || {} });
    my $answer = raw(raw_head($o{method} || 'POST', $path,
                              map { "$_: $headers{$_}" }
                              grep { defined $headers{$_} }
                              sort keys %headers) . $body);

    until_true(sub { $plain->seen($o{copied} ? "$case.copy" : $case) }, 5);
    $answer->[3] = $plain->seen($case);
    $answer->[4] = $plain->seen("$case.copy");
    $plain->forget($case);

    return $answer;
}


# What a callback came to, when it arrives as it was sent.
sub tried {
    my ($path, $callback) = @_;
    my $answer = ask($path, $callback->{body},
                     headers => $callback->{headers});

    return 'changed' if ($answer->[3]{body} // '') ne $callback->{body};
    return join ' ', $answer->[0],
                     map { $answer->[3]{headers}{$_} // '-' }
                     qw(x-result x-verify x-amount);
}


sub paid {
    return play('standard_webhooks', 'paid', '1763712000123000002',
                amount => '39.90', @_);
}


sub counted {
    my $counted = status_json()->{callbacks}{standard_webhooks};

    return join ' ', map { "$_=" . ($counted->{$_} // 0) }
                     qw(passed dry_run bad_signature stale too_large
                        throttled);
}


# Callbacks.
is(tried('/tried', paid()), '200 passed ok 39.90', 'a genuine one');
is(tried('/tried', paid(key => 'other')), '200 dry_run bad_signature -',
   'one that is forged arrives all the same');
is(tried('/tried', paid(time => int(time) - 400)), '200 dry_run stale -',
   'and an old one');
is(tried('/small', paid(text => sub { 'x' x 1025 })), '200 dry_run - -',
   'one that is too large, and not even read here');
is(counted(), 'passed=1 dry_run=3 bad_signature=1 stale=1 too_large=1'
   . ' throttled=0', 'they are counted');
is(tried('/rate', paid(key => 'other')), '200 dry_run bad_signature -',
   'a stranger');
is(tried('/rate', paid(key => 'other')), '200 dry_run - -',
   'and another, too soon');
is(counted(), 'passed=1 dry_run=5 bad_signature=2 stale=1 too_large=1'
   . ' throttled=1', 'they are counted, too');
like(log_text(), qr/\[warn\].* callback of gateway "standard_webhooks" /,
     'and logged');
is(raw(raw_head('GET', '/tried', 'X-Case: get'))->[0], 200,
   'what has no body and no headers');
is($plain->seen('get')->{headers}{'x-verify'}, 'missing', 'is told as such');


# Holds.
put_item('p30', stock => 3, limit => 2);
put_item('none', stock => 0);
put_item('later', starts_at => '2099-01-01T00:00:00Z',
         ends_at => '2099-02-01T00:00:00Z');
put_item('over', starts_at => '2001-01-01T00:00:00Z',
         ends_at => '2001-02-01T00:00:00Z');
put_item('paused', sale => 'winter');
put_item('other', sale => 'summer');
http('POST', '/paytrade/admin/sales/winter/pause', '{"paused":true}');


sub hold_body {
    my ($sku, $quantity, %o) = @_;

    return "{\"sku\":\"$sku\",\"quantity\":" . ($quantity || 1)
           . ',"unit_price":"' . ($o{price} || '5000.00') . '"'
           . ($o{meta} ? ",\"meta\":{\"to\":\"$o{meta}\"}" : '') . '}';
}


# What it would have come to, when it arrives as it was sent.
sub looked {
    my ($body, %o) = @_;
    my $answer = ask($o{path} || '/hold', $body, %o);

    return 'changed' if ($answer->[3]{body} // '') ne $body;
    return "$answer->[0] " . ($answer->[3]{headers}{'x-result'} // '-');
}


sub real {
    my ($body, %headers) = @_;

    return http('POST', '/orders', $body, 'X-User' => 'u1', %headers);
}


my $real = real(hold_body('p30'), 'Idempotency-Key' => 'k1');
is($real->{status}, 201, 'a real hold');
ok(journal_drained(), 'is stored');

my $before = snapshot();

is(looked(hold_body('p30')), '200 would_hold', 'one that would be held');
is(looked(hold_body('p30'), path => '/holds'), '200 would_hold',
   'from a file as well');
is(looked(hold_body('p30', 2)), '200 limit_reached', 'over the limit');
is(looked(hold_body('p30', 2), headers => { 'X-User' => 'u2' }),
   '200 would_hold', 'of another user');
is(looked(hold_body('none')), '200 sold_out', 'sold out');
is(looked(hold_body('none')), '200 sold_out', 'again');
is(looked(hold_body('p30', 1, price => '1.00')), '200 price_changed',
   'another price');
is(looked(hold_body('unknown')), '200 unknown_item', 'not on sale');
is(looked(hold_body('unknown')), '200 unknown_item', 'nor now');
is(looked(hold_body('later')), '200 not_started', 'not yet');
is(looked(hold_body('over')), '200 ended', 'no more');
is(looked(hold_body('paused')), '200 paused', 'paused');
is(looked(hold_body('other')), '200 would_hold', 'another partition\'s');
is(looked(hold_body('p30'), headers => { 'Idempotency-Key' => 'k1' }),
   '200 replayed', 'the real one once more');
is(looked(hold_body('p30', 2), headers => { 'Idempotency-Key' => 'k1' }),
   '200 key_reused', 'its key for another');
is(looked(hold_body('p30'), headers => { 'Idempotency-Key' => 'x' x 256 }),
   '200 bad_request', 'a key that is too long');
is(looked(hold_body('p30'), headers => { 'X-User' => undef }), '200 no_user',
   'nobody');
is(looked('{"sku":'), '200 bad_request', 'no JSON');
is(looked(''), '200 bad_request', 'no body');
is(looked('sku=p30', headers => { 'Content-Type' => 'text/plain' }),
   '200 unsupported_media_type', 'another type');
is(looked(' ' x 65537), '200 too_large', 'a large body');
is(looked(' ' x 1048576), '200 too_large', 'a very large one');
is(looked('', method => 'GET'), '200 -', 'GET is nothing to look at');

unchanged($before, 'nothing has changed');
is(decode_json(http('GET', '/paytrade/admin/items/p30')->{content})
   ->{available}, 2, 'not the stock');

my $status = status_json()->{dry_run};
is(join(' ', map { "$_=$status->{$_}" }
             qw(would_hold replayed sold_out limit_reached bad_request)),
   'would_hold=4 replayed=1 sold_out=2 limit_reached=1 bad_request=3',
   'all are counted');
is(status_json()->{requests}{sold_out}, 0, 'apart from real ones');


# What comes after it.
is(looked(hold_body('p30'), path => '/jump'), '200 would_hold',
   'led to a named location');
like(do { open my $file, '<', $log or die; join '', <$file> },
     qr/^d\d+\|200\|would_hold\|-\|-\|p30\|$/m, 'the log has it');
is(looked(hold_body('p30'), path => '/twice'), '200 would_hold',
   'led to another location that looks');

my $answer = ask('/mirror', hold_body('p30'), copied => 1);
is($answer->[4]{body}, hold_body('p30'), 'a mirror has the body');


# SKUs that no worker knows: every partition is asked, and one answers first.
for my $i (1 .. 30) {
    put_item("new$i", sale => "sale$i");
    my $path = (qw(/hold /jump /twice))[$i % 3];
    my $got = looked(hold_body("new$i"), path => $path);

    is($got, '200 would_hold', "new$i at $path");
}


# Clients that leave while Redis is asked, and what Redis' weather does.
my $workers = join ' ', sort { $a <=> $b } workers();

pause_redis(1);
for my $i (1 .. 20) {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port()) or die;
    my $body = hold_body('p30');

    syswrite $socket, raw_head('POST', '/hold', 'X-User: u1', 'X-Case: gone',
                               'Content-Type: application/json',
                               'Content-Length: ' . length $body) . $body;
    sleep 0.01;
    close $socket;
}

my $started = time;
is(looked(hold_body('p30')), '200 unavailable', 'Redis does not answer');
cmp_ok(time - $started, '<', 2, 'the request does not wait for long');
pause_redis(0);

ok(until_true(sub { looked(hold_body('p30')) eq '200 would_hold' }, 10),
   'Redis answers again');

stop_redis();
is(looked(hold_body('p30')), '200 unavailable', 'Redis is stopped')
    for 1 .. 3;
start_redis();
ok(until_true(sub { looked(hold_body('p30')) eq '200 would_hold' }, 20),
   'and started again');

is(join(' ', sort { $a <=> $b } workers()), $workers, 'the same workers');
ok(until_true(sub { real(hold_body('p30'),
                         'Idempotency-Key' => 'k1')->{status} == 200 }, 10),
   'the real hold is found again, by whichever worker');
ok(stop_nginx(), 'nginx ends');
ok(log_is_clean(), 'the log is clean');

done_testing();
