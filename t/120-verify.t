# paytrade_verify: in front of a plain HTTP server what is genuine arrives as
# it was sent, and nothing else arrives.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT raw raw_head status_json);
use PaytradeGateways;
use PaytradePlain;
use PaytradeAlipay ();
use Digest::SHA 'sha256_hex';
use IO::Socket::INET;
use JSON::PP 'decode_json';
use Test::More;
use Time::HiRes qw(sleep time);

my $plain = PaytradePlain->start;
my $two = "$ENV{PT_TMP}/shop/two.sock";
my $log = "$ENV{PT_TMP}/verify.log";
my $has_two = `$ENV{PT_NGINX} -V 2>&1` =~ /--with-http_v2_module/
              && `curl --version 2>&1` =~ /HTTP2/;
my $cases = 0;

my $to_plain = "proxy_pass $plain->{url};";
my $tell = <<'_EOC_';
    proxy_set_header X-Paytrade-Verify     $paytrade_verify;
    proxy_set_header X-Paytrade-Gateway    $paytrade_gateway;
    proxy_set_header X-Paytrade-Pay-No     $paytrade_pay_no;
    proxy_set_header X-Paytrade-Trade-No   $paytrade_trade_no;
    proxy_set_header X-Paytrade-Amount     $paytrade_amount;
    proxy_set_header X-Paytrade-Currency   $paytrade_currency;
    proxy_set_header X-Paytrade-Event      $paytrade_event_id;
    proxy_set_header X-Paytrade-Event-Type $paytrade_event_type;
    proxy_set_header X-Mapped              $mapped;
_EOC_
my $verify = "paytrade_verify standard_webhooks;";

unlink $log;
start_nginx(
    workers => 1,
    server => "access_log $log words; client_max_body_size 4m;\n$tell"
              . ($has_two ? "listen unix:$two http2;" : ''),
    http => gateways() . <<'_EOC_', more_locations => <<"_EOC_");
    paytrade_prefix shop-A_;
    log_format words '$request_uri|$status|$paytrade_result|$paytrade_verify|'
                     '$paytrade_gateway|$paytrade_pay_no|$paytrade_trade_no|'
                     '$paytrade_amount|$paytrade_event_id|$mapped';
    map $paytrade_verify $mapped {
        ok      genuine;
        ''      nothing;
        default strange;
    }
_EOC_
        location /plain  { $verify $to_plain }
        location /small  { $verify client_body_buffer_size 128; $to_plain }
        location /large  { $verify client_body_buffer_size 2m; $to_plain }
        location /single { $verify client_body_in_single_buffer on; $to_plain }
        location /file   { $verify client_body_in_file_only clean; $to_plain }
        location /stream { $verify proxy_request_buffering off;
                           proxy_http_version 1.1; $to_plain }
        location /limit  { $verify paytrade_callback_size 4k; $to_plain }
        location /alipay { paytrade_verify alipay; $to_plain }
        location /adyen  { paytrade_verify adyen; $to_plain }
        location /wechat_v3 { paytrade_verify wechat_v3; $to_plain }
        location /wechat_v2 { paytrade_verify wechat_v2; $to_plain }
        location /stripe { paytrade_verify stripe; $to_plain }
        location /any    { satisfy any; allow all; auth_basic shop;
                           auth_basic_user_file /dev/null;
                           $verify $to_plain }
        location /try    { $verify try_files /nothing \@app; }
        location \@app   { $to_plain }
        location /again  { $verify try_files /nothing /plain/again; }
        location /other  { $verify try_files /nothing /alipay/other; }
        location /named  { $verify try_files /nothing \@alipay; }
        location \@alipay { paytrade_verify alipay; $to_plain }
        location /broken { $verify proxy_intercept_errors on;
                           proxy_pass http://unix:/nothing.sock:;
                           error_page 502 = \@app; }
        location /page   { $verify $to_plain
                           error_page 403 413 = \@app; }
        location /after  { $verify client_body_buffer_size 128;
                           proxy_intercept_errors on; $to_plain
                           error_page 418 = \@second; }
        location \@second { rewrite ^ /second break; $verify $to_plain }
        location /part   { proxy_request_buffering off; proxy_http_version 1.1;
                           proxy_pass http://unix:/nothing.sock:;
                           error_page 502 = \@verified; }
        location \@verified { $verify $to_plain }
        location /less   { client_max_body_size 1k; $to_plain
                           error_page 413 = \@verified; }
        location /mirror { $verify mirror /copy; $to_plain }
        location = /copy { internal; $to_plain }
        location /watch  { mirror /copy/verified; $to_plain }
        location = /copy/verified { internal; $verify $to_plain }
        location /empty  { mirror /copy/verified; mirror_request_body off;
                           $to_plain }
        location /only   { paytrade_notify standard_webhooks;
                           limit_except GET { allow 127.0.0.1; deny all; } }
        location /auth   { auth_request /check; $to_plain }
        location = /check { internal; $verify $to_plain }
        location /if     { $verify if (\$arg_x) { set \$y 1; } $to_plain }
        location /except { $verify limit_except GET { allow all; } $to_plain }
        location /nest   { $verify location /nest/free { $to_plain }
                           $to_plain }
        location /return { return 204; $verify }
        location /static { $verify root $ENV{PT_TMP}; }
_EOC_


sub random_bytes {
    my ($n) = @_;
    my $bytes = '';

    open my $file, '<:raw', '/dev/urandom' or die "/dev/urandom: $!";
    read $file, $bytes, $n;

    return $bytes;
}


# A genuine message of any bytes.
sub message {
    my ($body, %o) = @_;

    return play('standard_webhooks', 'other', 'shop-A_1', %o,
                text => sub { $body });
}


sub lines {
    my ($callback, @more) = @_;

    return (map { "$_: $callback->{headers}{$_}" }
            sort keys %{ $callback->{headers} }), @more;
}


# In chunks of sizes of all kinds.
sub chunked {
    my ($body) = @_;
    my $text = '';
    my @sizes = (1, 2, 100, 4096, 70000, 13);
    my $at = 0;

    while ($at < length $body) {
        my $piece = substr $body, $at, $sizes[0];

        $text .= sprintf("%x;name=\"v\"\r\n", length $piece) . "$piece\r\n";
        $at += length $piece;
        push @sizes, shift @sizes;
    }

    return "${text}0\r\n\r\n";
}


# The request as it goes over HTTP/1.1; adds the header of its case.
sub request {
    my ($path, $callback, %o) = @_;
    my $body = $callback->{body};
    my @length = $o{chunked} ? 'Transfer-Encoding: chunked'
                             : 'Content-Length: ' . length $body;

    return raw_head($o{method} || 'POST', $path,
                    lines($callback, @length, "X-Case: $o{case}",
                          @{ $o{more} || [] }))
           . ($o{chunked} ? chunked($body) : $body);
}


# [ status, head, body ] of the answer, what the plain server has seen, and
# what it has seen under /copy.
sub ask {
    my ($path, $callback, %o) = @_;
    my $case = 'c' . $cases++;

    my $answer = raw(request($path, $callback, %o, case => $case));

    until_true(sub { $plain->seen($o{copied} ? "$case.copy" : $case) },
               $answer->[0] == 200 ? 5 : 0.05);
    $answer->[3] = $plain->seen($case);
    $answer->[4] = $plain->seen("$case.copy");
    $plain->forget($case);

    return $answer;
}


sub spew {
    my ($path, $text) = @_;

    open my $file, '>:raw', $path or die "$path: $!";
    print $file $text;
    close $file or die "$path: $!";

    return $path;
}


# The same over HTTP/2, with a length or without.
sub ask_two {
    my ($path, $callback, %o) = @_;
    my $case = 'c' . $cases++;
    my $file = spew("$ENV{PT_TMP}/two.body", $callback->{body});
    my @body = $o{chunked} ? ('-X', 'POST', '-T', '-')
                           : ('--data-binary', "\@$file");
    my @headers = map { ('-H', $_) } lines($callback, "X-Case: $case",
                                           'Expect:');

    my $pid = open my $out, '-|';
    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        open STDIN, '<', $file;
        exec 'curl', '-sS', '--max-time', 10, '--unix-socket', $two,
             '--http2-prior-knowledge', '-o', '/dev/null',
             '-w', '%{http_version} %{http_code}', @headers, @body,
             "http://shop$path" or die "curl: $!";
    }

    my $answer = <$out>;
    close $out;
    my $seen = $plain->seen($case);
    $plain->forget($case);

    return [ $answer, '', '', $seen ];
}


sub problem {
    my ($answer) = @_;
    my $body = eval { decode_json($answer->[2]) } || {};

    return join ' ', $answer->[0], map { $body->{$_} // () } qw(code reason);
}


sub logged {
    my ($path) = @_;
    my ($line) = (undef);

    until_true(sub {
        open my $file, '<', $log or return;
        ($line) = reverse grep { /^\Q$path\E\|/ } <$file>;
        defined $line;
    }, 5);
    chomp $line if defined $line;

    return $line // 'nothing';
}


# Byte for byte.
for my $size (0, 1, 4096, 65536, 1048576) {
    my $callback = message(random_bytes($size));
    my $sum = sha256_hex($callback->{body});

    for my $path (qw(/plain /small /large /single /file /stream)) {
        for my $how ('a length', 'chunks') {
            my %o = (chunked => $how eq 'chunks');
            my $answer = ask($path, $callback, %o);

            is("$answer->[0] " . sha256_hex($answer->[3]{body} // 'none'),
               "200 $sum", "$size bytes to $path with $how");

            next if !$has_two;

            $answer = ask_two($path, $callback, %o);

            is("$answer->[0] " . sha256_hex($answer->[3]{body} // 'none'),
               "2 200 $sum", "and over HTTP/2");
        }
    }
}

# One byte is another, in each of the ways a body can lie.
for my $path (qw(/plain /small /large /single /file /stream)) {
    my $body = random_bytes(70000);
    my $callback = message($body);

    substr($callback->{body}, 69999, 1) ^= "\1";
    my $answer = ask($path, $callback);

    is(problem($answer), '403 unverified bad_signature', "forged to $path");
    is($answer->[3], undef, 'does not arrive');

    $answer = ask($path, $callback, chunked => 1);
    is(problem($answer), '403 unverified bad_signature', 'nor in chunks');
    is($answer->[3], undef, 'not at all');
}

is(ask_two('/plain', message('x', signed => sub { 'v1,AAAA' }))->[0], '2 403',
   'nor over HTTP/2') if $has_two;


# The body in pieces, with a rest between them.
for my $chunked (0, 1) {
    my $case = 'c' . $cases++;
    my $body = random_bytes(30000);
    my $request = request('/plain', message($body), case => $case,
                          chunked => $chunked);
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port()) or die;

    for (my $at = 0; $at < length $request; $at += 6000) {
        syswrite $socket, substr($request, $at, 6000);
        sleep 0.05;
    }
    until_true(sub { $plain->seen($case) }, 5);
    is(sha256_hex($plain->seen($case)->{body}), sha256_hex($body),
       'slowly' . ($chunked ? ' in chunks' : ''));
}

# Several on one connection: what is refused leaves nothing behind.
{
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port()) or die;
    my @callbacks = map { message(random_bytes(20000)) } 1 .. 4;
    my $text = '';

    $_->{headers}{'webhook-id'} = 'msg_another' for @callbacks[0, 2];

    for my $i (0 .. 3) {
        $text .= request('/plain', $callbacks[$i], case => "k$i",
                         chunked => $i > 1) =~ s/^Connection: close\r\n//mr;
    }
    print $socket $text;

    my $answers = '';

    until_true(sub {
        $socket->blocking(0);
        sysread $socket, $answers, 65536, length $answers;
        4 == (() = $answers =~ m{HTTP/1\.1 }g);
    }, 5);

    is(join(' ', $answers =~ m{HTTP/1\.1 (\d+)}g), '403 200 403 200',
       'one after another on one connection');
    is($plain->seen("k$_") && sha256_hex($plain->seen("k$_")->{body}),
       sha256_hex($callbacks[$_]{body}), 'the genuine ones arrive') for 1, 3;
    is($plain->seen("k$_"), undef, 'the others do not') for 0, 2;
}


# What it tells, and what a client cannot tell in its place.
my @forged = map { "X-Paytrade-$_: forged" }
             qw(Verify Gateway Pay-No Trade-No Amount Currency Event
                Event-Type);
my $paid = play('standard_webhooks', 'paid', 'shop-A_1763712000123000002',
                trade_no => 'T-1', amount => '39.90', event_id => 'msg_1');
my $answer = ask('/plain/vars', $paid, more => \@forged);
my $told = $answer->[3]{headers};

is_deeply({ map { $_ => $told->{$_} } grep { /^x-(?:paytrade|mapped)/ }
            keys %$told },
          { 'x-paytrade-verify' => 'ok',
            'x-paytrade-gateway' => 'standard_webhooks',
            'x-paytrade-pay-no' => '1763712000123000002',
            'x-paytrade-trade-no' => 'T-1', 'x-paytrade-amount' => '39.90',
            'x-paytrade-currency' => 'CNY',
            'x-paytrade-event' => 'msg_1', 'x-paytrade-event-type' => 'paid',
            'x-mapped' => 'genuine' },
          'the headers are ours');
is($told->{'content-type'}, 'application/json', 'the others are the gateway\'s');
is(logged('/plain/vars'), '/plain/vars|200|passed|ok|standard_webhooks|'
   . '1763712000123000002|T-1|39.90|msg_1|genuine', 'and so is the log');

$answer = ask('/plain/prefix', play('standard_webhooks', 'paid', 'shop-B_17',
                                    trade_no => 'T-2'), more => \@forged);
is($answer->[3]{headers}{'x-paytrade-pay-no'}, undef,
   'a number with another prefix is none of ours');
is($answer->[3]{headers}{'x-paytrade-trade-no'}, 'T-2', 'the rest is told');

$answer = ask('/plain/text', message('just text', event_id => 'msg_9'),
              more => \@forged);
is(join(' ', map { $answer->[3]{headers}{"x-paytrade-$_"} // '-' }
             qw(verify pay-no trade-no amount currency event event-type)),
   'ok - - - - msg_9 ignored', 'nothing is told of what has no payment');

$answer = ask('/alipay/vars', play('alipay', 'paid', 'shop-A_7',
                                   amount => '1.00'), more => \@forged);
is(join(' ', map { $answer->[3]{headers}{"x-paytrade-$_"} // '-' }
             qw(verify gateway pay-no trade-no amount event)),
   'ok alipay 7 20261121shop-A_7 1.00 91722shop-A_7', 'a form of Alipay');

$answer = ask('/adyen/vars', play('adyen', 'paid', 'shop-A_1',
                                  trade_no => 'A1', amount => '2.00',
                                  more => [ [ 'refunded', 'shop-A_2',
                                              trade_no => 'A2' ] ]));
is(join(' ', map { $answer->[3]{headers}{"x-paytrade-$_"} // '-' }
             qw(verify pay-no trade-no amount event event-type)),
   'ok 1 A1 2.00 A1:AUTHORISATION:true paid', 'the first of several items');
$answer = ask('/adyen', play('adyen', 'paid', 'shop-A_1', trade_no => 'A1',
                             more => [ [ 'paid', 'shop-A_2', trade_no => 'A2',
                                         key => 'other' ] ]));
is(problem($answer), '403 unverified bad_signature',
   'one item that is forged: all of it');


# Genuine is not paid: the same number and amount come with a refund.
for (qw(alipay:paid:paid alipay:refunded:refunded alipay:closed:closed
        alipay:other:ignored wechat_v3:paid:paid wechat_v3:refunded:refunded
        wechat_v3:other:ignored wechat_v2:paid:paid
        wechat_v2:refunded:unconfirmed_refund wechat_v2:other:ignored
        stripe:paid:paid stripe:refunded:refunded stripe:closed:closed
        stripe:other:ignored plain:paid:paid plain:refunded:refunded
        plain:closed:closed plain:other:ignored adyen:paid:paid
        adyen:refunded:refunded adyen:closed:closed adyen:other:ignored))
{
    my ($path, $kind, $type) = split /:/;

    $answer = ask("/$path", play($path =~ s/plain/standard_webhooks/r, $kind,
                                 'shop-A_1'), more => \@forged);
    is(join(' ', map { $answer->[3]{headers}{"x-paytrade-$_"} // '-' }
                 qw(verify event-type)), "ok $type", "$path: $kind");
}


# An amount is in the shop's currency, or it is none.
for ([ '/alipay paid', '10.00 CNY' ], [ '/alipay other', '10.00 CNY' ],
     [ '/wechat_v3 refunded', '10.00 CNY' ],
     [ '/wechat_v2 refunded', '- -' ],
     [ '/wechat_v2 paid', '- USD', 'USD' ],
     [ '/stripe paid', '10.00 CNY', 'CNY' ], [ '/stripe paid', '- KWD', 'KWD' ],
     [ '/stripe refunded', '- VND', 'VND' ], [ '/stripe closed', '- CNY' ],
     [ '/stripe session', '- -', 'VND', 'unpaid' ],
     [ '/plain paid', '- JPY', 'JPY' ], [ '/plain paid', '10.00 CNY' ],
     [ '/adyen paid', '- VND', 'VND' ], [ '/adyen paid', '10.00 CNY' ],
     [ '/adyen refunded', '- VND', 'VND' ], [ '/adyen closed', '- -', 'VND' ])
{
    my ($what, $told, $currency, $status) = @$_;
    my ($path, $kind) = split / /, $what;

    $answer = ask($path, play($path =~ s/plain/standard_webhooks/r =~ s{/}{}r,
                              $kind, 'shop-A_1', amount => '10.00',
                              refunded => '5.00', currency => $currency // 'CNY',
                              content => sub {
        $_[0]{data}{object}{payment_status} = $status if $status;
        return $_[0];
    }), more => \@forged);
    is(join(' ', map { $answer->[3]{headers}{"x-paytrade-$_"} // '-' }
                 qw(verify amount currency)), "ok $told",
       "$what: " . ($currency // 'no other currency'));
}


# What is signed cannot add a header.
for my $name (qw(notify_id trade_no)) {
    for my $kind (qw(paid other)) {
        $answer = ask('/alipay/lines', play('alipay', $kind, 'shop-A_8',
                                            content => sub {
            $_[0]{$name} = "x\r\nX-Evil: 1";
        }));
        is($answer->[3] && $answer->[3]{headers}{'x-evil'}, undef,
           "$kind: a line end in $name");
    }
}


# Refused, by every gateway.
for my $gateway (qw(alipay adyen standard_webhooks)) {
    my $path = $gateway eq 'standard_webhooks' ? '/plain' : "/$gateway";

    $answer = ask("$path/no", play($gateway, 'paid', 'shop-A_1',
                                   key => 'other'), more => \@forged);
    is(problem($answer), '403 unverified bad_signature', "$gateway: forged");
    like($answer->[1], qr{^Content-Type: application/problem\+json\r?$}m,
         'a problem');
    is($answer->[3], undef, 'nothing arrives');
    is(logged("$path/no"),
       "$path/no|403|bad_signature|bad_signature|$gateway|-|-|-|-|strange",
       'the log knows why, and nothing else');
}

is(problem(ask('/plain', message('x', time => time - 301))),
   '403 unverified bad_form', 'a time that is none');
is(problem(ask('/plain', message('x', time => int(time) - 310))),
   '403 unverified stale', 'one from the past');
is(problem([ @{ raw(raw_head('GET', '/plain')) } ]),
   '403 unverified missing', 'no body, no headers');
is(raw(raw_head('HEAD', '/plain'))->[0], 403, 'HEAD');
$answer = ask('/plain', message(''), method => 'GET');
is("$answer->[0] $answer->[3]{body}", '200 ', 'a genuine GET');
is(substr($answer->[3]{head}, 0, 10), 'GET /plain', 'stays one');


# What comes before the content, and what leads to it.
my $good = message('genuine ' . random_bytes(40000));
my $bad = { %$good, body => $good->{body} . ' ' };
my $sum = sha256_hex($good->{body});


sub arrives {
    my ($path, $name, %o) = @_;
    my $got = ask($path, $good, %o);

    is("$got->[0] " . sha256_hex($got->[3]{body} // 'none'), "200 $sum",
       "$name: what is genuine arrives");
    is($got->[3]{headers}{'x-paytrade-verify'}, 'ok', 'and is called so');

    $got = ask($path, $bad, %o);
    is(problem($got), '403 unverified bad_signature',
       "$name: what is forged is refused");
    is($got->[3], undef, 'and does not arrive');
}


arrives('/any', 'satisfy any');
arrives('/try', 'try_files and a named location');
arrives('/again', 'try_files into another location that verifies');
arrives('/broken', 'an error page in a named location');
arrives('/after/teapot', 'an error page once the body was sent');
arrives('/if', 'with an if');
arrives('/if?x=1', 'in an if');
arrives('/except', 'in limit_except');

for my $path ('/other', '/named') {
    $answer = ask($path, $good);
    like(problem($answer), qr/^403 unverified/,
         "$path: genuine, but not for the gateway it is led to");
    is($answer->[3], undef, 'does not arrive');
    like(logged($path), qr/\|403\|(\w+)\|\1\|alipay\|-\|-\|-\|-\|/,
         'and the last word is the other gateway\'s');
}

$answer = ask('/page', $bad);
is(problem($answer), '403 unverified bad_signature',
   'an error page for what is refused is not used');
is($answer->[3], undef, 'nothing arrives by it');

# Led to it when the body was read in part only, or thrown away.
{
    my $large = message(random_bytes(500000));
    my $case = 'c' . $cases++;
    my $request = request('/part', $large, case => $case);
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port()) or die;
    my $got = '';

    syswrite $socket, substr $request, 0, 1000;
    sleep 0.3;
    sysread $socket, $got, 65536;
    like($got, qr{^HTTP/1\.1\ 403\ .*"reason":"missing"}xs,
         'half a body is none');
    is($plain->seen($case), undef, 'and does not arrive');

    like(problem(ask('/less', message(random_bytes(1025)))),
         qr/^403 unverified/, 'nor is one that was thrown away');
}

is(ask('/nest/free', $bad)->[0], 200, 'a location within it is another one');
is(raw(raw_head('GET', '/return'))->[0], 204, 'return comes before');

spew("$ENV{PT_TMP}/static", 'a file');
$answer = ask('/static', message(''), method => 'GET');
is("$answer->[0] $answer->[2]", '200 a file', 'a file to whom it may concern');
is(problem(ask('/static', $bad, method => 'GET')),
   '403 unverified bad_signature', 'and to nobody else');


# Subrequests.
$answer = ask('/mirror', $good, copied => 1);
is("$answer->[0] " . sha256_hex($answer->[3]{body}), "200 $sum",
   'mirror: what is genuine arrives');
is(sha256_hex($answer->[4]{body} // 'none'), $sum, 'and its copy');
$answer = ask('/mirror', $bad);
is(problem($answer), '403 unverified bad_signature', 'what is forged does not');
ok(!$answer->[3] && !$answer->[4], 'nor does its copy');

$answer = ask('/watch', $good, copied => 1);
is("$answer->[0] " . sha256_hex($answer->[4]{body} // 'none'), "200 $sum",
   'a copy is verified with the body of its request');
is($answer->[4]{headers}{'x-paytrade-verify'}, 'ok', 'and found genuine');
is($answer->[3]{headers}{'x-paytrade-verify'}, undef,
   'which says nothing about the request');
$answer = ask('/watch', $bad);
is($answer->[0], 200, 'the copy that is forged');
sleep 0.2;
is($answer->[4], undef, 'does not arrive');

$answer = ask('/empty', $good);
is($answer->[0], 200, 'a copy without the body');
sleep 0.2;
is($answer->[4], undef, 'does not arrive, for it is verified without one');

is(deliver(play('standard_webhooks', 'other', 'x'), '/only')->{status}, 200,
   'paytrade_notify in limit_except');
is(deliver(play('standard_webhooks', 'other', 'x', key => 'other'),
           '/only')->{status}, 400, 'verifies there as everywhere');

$answer = ask('/auth', $good);
is($answer->[0], 403, 'auth_request comes before the body is read');
is($answer->[3], undef, 'so nothing is believed');
is(ask('/auth', message(''))->[0], 403, 'not even that there is none');


# Sizes.
$answer = ask('/limit', message(random_bytes(4096)));
is("$answer->[0] " . length $answer->[3]{body}, '200 4096', 'as large as may');
is(problem(ask('/limit', message(random_bytes(4097)))), '413 too_large',
   'one byte more');
is(problem(ask('/limit/chunks', message(random_bytes(4097)), chunked => 1)),
   '413 too_large', 'in chunks too');
is(logged('/limit/chunks'), '/limit/chunks|413|too_large|-|standard_webhooks|'
   . '-|-|-|-|nothing', 'which is not called verified');
is(problem(raw(raw_head('POST', '/limit', 'Content-Length: 4097'))),
   '413 too_large', 'before it is read');
is(problem(ask('/plain', message(random_bytes(1048577)))), '413 too_large',
   '1 MiB and no more when nothing is said');
$answer = ask('/plain', message(random_bytes(5 * 1048576)));
is($answer->[0], 413, 'above nginx\'s own limit');
like($answer->[1], qr{^Content-Type: text/html}m, 'nginx answers');


# Clients that leave while the body is read, or before the answer.
my $workers = join ' ', workers();

for my $i (1 .. 20) {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port()) or die;
    my $request = request($i % 3 ? '/plain' : '/plain/slow', $good,
                          case => 'gone', chunked => $i % 2);

    syswrite $socket, $i % 3 ? substr $request, 0, 300 * $i : $request;
    sleep 0.01;
    close $socket;
}

sleep 0.7;
is(ask('/plain', $good)->[0], 200, 'after clients that left it serves');
is(join(' ', workers()), $workers, 'with the same worker');


# Counted.
my $counted = status_json()->{callbacks}{standard_webhooks};
cmp_ok($counted->{passed}, '>=', 60, 'what was handed on is counted');
cmp_ok($counted->{bad_signature}, '>=', 20, 'and what was not');
is($counted->{too_large}, 4, 'what was too large');
is($counted->{settled} // 0, 0, 'nothing was settled');


# Neither Redis nor PostgreSQL is needed.
stop_redis();
stop_postgres();
my $started = time;
arrives('/plain', 'Redis and PostgreSQL stopped');
cmp_ok(time - $started, '<', 2, 'in no time');
start_redis();
start_postgres();

ok(stop_nginx(), 'nginx ends');
ok(log_is_clean(qr/connect\(\) to unix:\S*(?:nothing|redis)\.sock/),
   'the log is clean');


# Nor need they be known.
my $alone = "$ENV{PT_TMP}/alone";
mkdir $alone;
chmod 0777, $alone;
spew("$alone/nginx.conf", <<"_EOC_");
load_module $ENV{PT_MODULE};
@{[ $> == 0 ? 'user postgres;' : '' ]}
daemon off;
pid $alone/nginx.pid;
error_log $alone/error.log info;
events { }
http {
    access_log off;
    client_body_temp_path $alone/body;
    proxy_temp_path $alone/proxy;
    fastcgi_temp_path $alone/fastcgi;
    uwsgi_temp_path $alone/uwsgi;
    scgi_temp_path $alone/scgi;
    paytrade_zone alone 1m;
    @{[ gateway_block('standard_webhooks') ]}
$tell
    map \$paytrade_verify \$mapped { default ''; }
    server {
        listen 127.0.0.1:@{[ port() ]};
        location / { $verify $to_plain }
        location = /paytrade/status { paytrade_status; }
    }
}
_EOC_

my $master = fork;
die "fork: $!" if !defined $master;

if ($master == 0) {
    exec $ENV{PT_NGINX}, '-p', $alone, '-c', "$alone/nginx.conf", '-e',
         "$alone/error.log" or die "$ENV{PT_NGINX}: $!";
}

ok(until_true(sub { http('GET', '/paytrade/status')->{status} == 200 }, 10),
   'nginx without Redis and PostgreSQL');
arrives('/alone', 'there');
is(status_json()->{callbacks}{standard_webhooks}{passed}, 1, 'and counted');

kill 'QUIT', $master;
waitpid $master, 0;

open my $errors, '<', "$alone/error.log" or die "$alone/error.log: $!";
is(join('', grep { /\[(?:alert|crit|emerg)\]|Sanitizer/ } <$errors>), '',
   'its log is clean');

done_testing();
