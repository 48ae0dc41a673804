# paytrade_pay: links that Alipay would take, one attempt is one payment, and
# every refusal.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT snapshot unchanged raw raw_head);
use PaytradeAlipay;
use JSON::PP 'decode_json';
use Test::More;
use Time::HiRes qw(sleep time);

my $stamp = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;
my $http = alipay_gateway() . alipay_gateway(
    name => 'sandbox', public_key => key_file('alipay', 1),
    private_key => key_file('other'), return_url => undef,
    quit_url => 'https://shop.example.com/quit?x=1',
    gateway_url => 'https://openapi-sandbox.dl.alipaydev.com/gateway.do');

start_nginx(workers => 1, http => $http);

put_item('p30', title => "手机 P30 & case=x 100%+", stock => 1000,
         hold_time => '10m');
put_item('c30', title => 'C30', price => '39.90', stock => 1000);
put_item('other', sale => 'autumn', price => '0.01', stock => 1000);
put_item('free', price => '0', stock => 100);
put_item('dear', price => '60000000.00', stock => 100);
put_item('soon', sale => 'soon', stock => 100, hold_time => '59s');
put_item('short', sale => 'short', stock => 100, hold_time => '1s');


# A JSON answer's member; undef when there is none.
sub of {
    my ($answer, $name) = @_;

    return decode_json($answer->{content})->{$name};
}


# ms since 1970 of a time as answers and links write them
sub ms {
    my ($text, $hours) = @_;
    $text =~ s/Z$//;
    return int psql("SELECT round(extract(epoch FROM '$text'::timestamp"
                    . " - interval '@{[ $hours || 0 ]} hours') * 1000)");
}


# A first payment and its link.
my $order = buy('u1', 'p30', quantity => 2);
my $held = http('GET', "/orders/$order", undef, 'X-User' => 'u1');
my $paid = pay('u1', [ $order ], key => 'k1');
my $pay_no = of($paid, 'pay_no');
my $url = of($paid, 'pay_url');

is($paid->{status}, 201, 'a payment is started');
is($paid->{headers}{'content-type'}, 'application/json', 'as JSON');
ok(!exists $paid->{headers}{'idempotency-replayed'}, 'it is no replay');
like($paid->{content},
     qr/^\{"pay_no":"(\d{19})","out_trade_no":"\g1","status":"unpaid",
        "gateway":"alipay","method":"page","amount":"10000\.00",
        "currency":"CNY","orders":\[\{"order_id":"$order","amount":"10000\.00"\}\],
        "created_at":"$stamp","expires_at":"$stamp","pay_url":"https:[^"]+"
        \}$/x, 'all of it');
cmp_ok($pay_no, '>', $order, 'its number is of the same series');
is(ms(of($paid, 'expires_at')), ms(of($held, 'expires_at')) - 30_000,
   'it ends thirty seconds before the order');

my %link = link_params($url);
my $content = decode_json(delete $link{biz_content});
my $sign = delete $link{sign};

like($url, qr{^https://openapi\.alipay\.com/gateway\.do\?}, 'to Alipay');
unlike($url, qr/[^A-Za-z0-9:\/.?&=%+_*~-]/, 'nothing unescaped is in it');
is(ms($link{timestamp}, 8), 1000 * int(ms(of($paid, 'created_at')) / 1000),
   'timestamp is its time, in Beijing');
delete $link{timestamp};
is_deeply(\%link, {
    app_id     => '2021000000000001',
    method     => 'alipay.trade.page.pay',
    format     => 'JSON',
    charset    => 'utf-8',
    sign_type  => 'RSA2',
    version    => '1.0',
    notify_url => 'https://shop.example.com/notify/alipay',
    return_url => 'https://shop.example.com/paid?a=1&b=%E6%89%8B',
}, 'the parameters of all requests');
is(ms($content->{time_expire}, 8),
   1000 * int(ms(of($paid, 'expires_at')) / 1000),
   'time_expire is its end, in Beijing');
delete $content->{time_expire};
my $subject = delete $content->{subject};
is_deeply($content, {
    out_trade_no => $pay_no,
    product_code => 'FAST_INSTANT_TRADE_PAY',
    total_amount => '10000.00',
}, 'the parameters of this one');
utf8::encode($subject);
is($subject, '手机 P30   case x 100%+',
   'the subject is the title, without what could split a callback');
like($sign, qr{^[A-Za-z0-9+/]{342}==$}, 'a signature of 2048 bits');
ok(link_verifies($url), 'that openssl verifies');
ok(!link_verifies($url, 'other'), 'by this key alone');
(my $forged = $url) =~ s/10000\.00/10000.01/;
isnt($forged, $url, 'the amount stands in the link');
ok(!link_verifies($forged), 'and is signed');


# Asked again.
for my $name ('again', 'and again') {
    my $again = pay('u1', [ $order ], key => 'k1');

    is($again->{status}, 200, "$name: 200");
    is($again->{headers}{'idempotency-replayed'}, 'true', "$name: a replay");
    is($again->{content}, $paid->{content}, "$name: with the same link");
}

my $by_body = '{"order_ids":["' . $order . '"],"gateway":"alipay",'
              . '"request_id":"r1"}';
my $named = http('POST', '/payments', $by_body, 'X-User' => 'u1');
is($named->{status}, 201, 'a key in the body, no method');
is(of($named, 'method'), 'page', 'the method is page then');
isnt(of($named, 'pay_no'), $pay_no, 'another attempt has another number');
is(of(http('POST', '/payments', $by_body, 'X-User' => 'u1'), 'pay_no'),
   of($named, 'pay_no'), 'and is found by it');

my $own = pay('u1', [ $order ]);
my $made = $own->{headers}{'idempotency-key'};
is($own->{status}, 201, 'without a key');
like($made, qr/^[0-9a-f]{32}$/, 'one is made');
is(pay('u1', [ $order ], key => $made)->{content}, $own->{content},
   'with which it is found');

is(code(pay('u1', [ $order ], key => 'k1', method => 'wap')),
   '422 key_reused', 'with another method it is refused');
is(code(pay('u1', [ $order ], key => 'k1', gateway => 'sandbox')),
   '422 key_reused', 'with another gateway too');

# A key names one thing of a hold and another of a payment.
my $body = '{"sku":"p30","quantity":1,"unit_price":"5000.00"}';
my $same_key = http('POST', '/orders', $body, 'X-User' => 'u1',
                    'Idempotency-Key' => 'k1');
is($same_key->{status}, 201, 'a hold with the key of a payment is new');
my $second = of($same_key, 'order_id');
is(pay('u1', [ $order ], key => 'k1')->{content}, $paid->{content},
   'and the payment is still found');


# Several orders, in any order; other methods and gateways.
my $c30 = buy('u1', 'c30', quantity => 3, unit_price => '39.90');
my $autumn = buy('u1', 'other', unit_price => '0.01');
my $cart = pay('u1', [ $autumn, $second, $c30 ], key => 'cart',
               method => 'wap');

is($cart->{status}, 201, 'three orders of two sales');
is(of($cart, 'amount'), '5119.71', 'the amount is their sum');
is_deeply(of($cart, 'orders'),
          [ { order_id => $second, amount => '5000.00' },
            { order_id => $c30, amount => '119.70' },
            { order_id => $autumn, amount => '0.01' } ], 'each is told');
is(ms(of($cart, 'expires_at')),
   ms(of($same_key, 'expires_at')) - 30_000, 'the first deadline counts');
is(pay('u1', [ $second, $c30, $autumn ], key => 'cart', method => 'wap')
   ->{content}, $cart->{content}, 'in another order it is the same');
is(code(pay('u1', [ $second, $c30 ], key => 'cart', method => 'wap')),
   '422 key_reused', 'with fewer it is not');

%link = link_params(of($cart, 'pay_url'));
$content = decode_json($link{biz_content});
ok(link_verifies(of($cart, 'pay_url')), 'its link verifies');
is($link{method}, 'alipay.trade.wap.pay', 'wap has its method');
is($content->{product_code}, 'QUICK_WAP_WAY', 'and its product');
is($content->{total_amount}, '5119.71', 'the amount');
like($content->{subject}, qr/ and 2 more$/, 'the subject tells of the others');

my $sandbox = pay('u1', [ $second ], gateway => 'sandbox', method => 'wap');
my $there = of($sandbox, 'pay_url');
%link = link_params($there);
$content = decode_json($link{biz_content});
like($there, qr{^https://openapi-sandbox\.dl\.alipaydev\.com/gateway\.do\?},
     'another gateway has its own address');
ok(link_verifies($there, 'other'), 'and its own key');
ok(!exists $link{return_url}, 'no return_url where none is set');
is($content->{quit_url}, 'https://shop.example.com/quit?x=1',
   'quit_url stands in the content');


# What PostgreSQL gets.
ok(journal_drained(), 'the journal is empty');
is(psql('SELECT p.user_id, p.gateway, p.method, p.trade_no IS NULL, p.status,'
        . ' p.amount, p.currency, p.rev, p.partition, p.paid_at IS NULL,'
        . ' p.changed_at = p.created_at, count(*), sum(o.amount),'
        . ' count(o.outcome), sum(o.refunded)'
        . ' FROM paytrade.payments p JOIN paytrade.payment_orders o'
        . ' USING (pay_no) WHERE pay_no = ' . of($cart, 'pay_no')
        . ' GROUP BY p.pay_no'),
   'u1|alipay|wap|t|unpaid|511971|CNY|1|0|t|t|3|511971|0|0',
   'PostgreSQL has it');
is(psql('SELECT count(*) FROM paytrade.payments'), '5',
   'and as many as were started');
is(redis('EXISTS', '{pt:0}:events'), '0', 'starting one is no event');


# Every refusal, which changes nothing.
my $closed = buy('u1', 'c30', unit_price => '39.90');
http('DELETE', "/orders/$closed", undef, 'X-User' => 'u1');
my $soon = buy('u1', 'soon');
my $expired = buy('u1', 'short');
my $free = buy('u1', 'free', unit_price => '0');
my @dear = map { buy('u1', 'dear', unit_price => '60000000.00') } 1 .. 2;
my $settled = buy('u1', 'c30', unit_price => '39.90');
is(answered(notify(callback(pay_no('u1', $settled), '39.90'))),
   '200 success', 'one is paid');
until_true(sub { http('GET', "/orders/$expired", undef, 'X-User' => 'u1')
                 ->{content} =~ /"expired"/ }, 5);
sleep 0.3;
ok(journal_drained(), 'the journal is empty');

my $unknown = $order + 1000000 * 60;
my @many = map { $order + $_ } 1 .. 51;
my $before = snapshot();

for my $case (
    [ '401 no_user', '', [ $order ], 'without a user' ],
    [ '404 unknown_order', 'u2', [ $order ], "another user's order" ],
    [ '404 unknown_order', 'u1', [ $unknown ], 'an order that never was' ],
    [ '404 unknown_order', 'u1', [ $order, $unknown ], 'one of them' ],
    [ '409 order_closed', 'u1', [ $closed ], 'cancelled' ],
    [ '409 order_closed', 'u1', [ $expired ], 'expired' ],
    [ '409 order_closed', 'u1', [ $order, $closed ], 'one is cancelled' ],
    [ '409 already_paid', 'u1', [ $settled ], 'paid' ],
    [ '409 already_paid', 'u1', [ $closed, $settled ],
      'paid and cancelled: paid comes first' ],
    [ '409 expires_soon', 'u1', [ $soon ], 'less than a minute is left' ],
    [ '409 expires_soon', 'u1', [ $order, $soon ], 'of one of them' ],
    [ '422 amount_out_of_range', 'u1', [ $free ], 'nothing to pay' ],
    [ '422 amount_out_of_range', 'u1', \@dear, 'over a hundred million' ],
    [ '422 unknown_gateway', 'u1', [ $order ], 'another gateway',
      gateway => 'paypal' ],
    [ '422 unknown_method', 'u1', [ $order ], 'another method',
      method => 'app' ],
    [ '400 bad_request', 'u1', [], 'no order' ],
    [ '400 bad_request', 'u1', [ $order, $order ], 'one twice' ],
    [ '400 bad_request', 'u1', \@many, 'fifty-one' ],
    [ '404 unknown_order', 'u1', [ substr $order, 1 ], 'an id too short' ],
    [ '404 unknown_order', 'u1', [ $order, "${order}0" ], 'one too long' ],
    [ '404 unknown_order', 'u1', [ '9223372036854775808' ], 'one too large' ],
    [ '404 unknown_order', 'u1', [ "0$order" ], 'one with a zero' ],
    [ '400 bad_request', 'u1', [ '1', $order, '1' ], 'no order twice' ],
    [ '400 bad_request', 'u1', [ "${order}x" ], 'not only digits' ],
    [ '400 bad_request', 'u1', [ $order, '' ], 'an empty id' ],
    [ '401 no_user', '', [ '1' ], 'no order, without a user' ],
    [ '422 unknown_gateway', 'u1', [ '1' ], 'no order, another gateway',
      gateway => 'paypal' ],
) {
    my ($wanted, $user, $orders, $name, %more) = @$case;

    is(code(pay($user, $orders, %more)), $wanted, "$name: $wanted");
}

my $ids = "\"order_ids\":[\"$order\"]";

for my $case (
    [ '400 bad_request', '', 'no body' ],
    [ '400 bad_request', '{', 'no JSON' ],
    [ '400 bad_request', '[]', 'no object' ],
    [ '400 bad_request', "{$ids}", 'no gateway' ],
    [ '400 bad_request', "{$ids,\"gateway\":1}", 'a number for the gateway' ],
    [ '400 bad_request', "{$ids,\"gateway\":\"alipay\",\"method\":2}",
      'a number for the method' ],
    [ '400 bad_request', '{"gateway":"alipay"}', 'no orders' ],
    [ '400 bad_request', "{\"order_ids\":[$order],\"gateway\":\"alipay\"}",
      'an id that is a number' ],
    [ '400 bad_request', "{\"order_ids\":\"$order\",\"gateway\":\"alipay\"}",
      'ids that are no array' ],
    [ '400 bad_request', "{$ids,$ids,\"gateway\":\"alipay\"}",
      'a member twice' ],
    [ '413 too_large', ' ' x 65537, 'a large body' ],
) {
    my ($wanted, $text, $name) = @$case;

    is(code(http('POST', '/payments', $text, 'X-User' => 'u1')), $wanted,
       "$name: $wanted");
}

is(code(http('POST', '/payments', 'a=1', 'X-User' => 'u1', 'Content-Type' =>
             'application/x-www-form-urlencoded')),
   '415 unsupported_media_type', 'a form');
for my $method (qw(GET PUT DELETE)) {
    my $answer = http($method, '/payments', undef, 'X-User' => 'u1');

    is(code($answer), '405 method_not_allowed', $method);
    like($answer->{headers}{allow}, qr/\bPOST\b/, "$method: POST is allowed");
}
like(raw(raw_head('POST', '/payments', 'X-User: u1', 'Idempotency-Key: a',
                  'Idempotency-Key: b', 'Content-Length: 2') . '{}')->[2],
     qr/"bad_request"/, 'two keys');

is(of(pay('u1', [ $order, $_ ]), 'order_id'), $_, "unknown_order names $_")
    for $unknown, '7';
my $told = decode_json(pay('u1', [ $soon ])->{content});
is($told->{order_id}, $soon, 'expires_soon names the order');
like($told->{expires_at}, qr/^$stamp$/, 'and its end');
$told = decode_json(pay('u1', [ $closed ])->{content});
is("$told->{order_id} $told->{order_status}", "$closed cancelled",
   'order_closed names the order and its status');
is(of(pay('u1', [ $settled ]), 'order_id'), $settled,
   'already_paid names the order');

# The client has no say in the amount.
my $said = http('POST', '/payments', "{$ids,\"gateway\":\"alipay\","
                . '"amount":"0.01","total_amount":"0.01"}', 'X-User' => 'u1',
                'Idempotency-Key' => 'k1');
is(of($said, 'amount'), '10000.00', 'an amount in the body is not heard');
unchanged($before, 'all this has changed nothing');
ok(stop_nginx(), 'nginx leaves');


# Few attempts, a short journal, a margin and a rest of one's own.
start_nginx(workers => 1, http => $http . <<'_EOC_');
    paytrade_attempts 4;
    paytrade_journal_max 5;
    paytrade_pay_margin 2s;
    paytrade_pay_rest 4s;
    paytrade_redis_timeout 600ms;
_EOC_

put_item('p60', sale => 'few', stock => 100, hold_time => '6s');
put_item('p90', sale => 'few', stock => 100, hold_time => '15m');
ok(journal_drained(), 'the journal is empty');
my $brief = buy('u2', 'p60');
my $one = pay('u2', [ $brief ], key => 'one');

is($one->{status}, 201, 'six seconds are enough where the rest is four');
is(ms(of($one, 'expires_at')) + 2_000,
   ms(of(http('GET', "/orders/$brief", undef, 'X-User' => 'u2'),
         'expires_at')), 'it ends two seconds before the order');
my $calm = buy('u3', 'p90');
ok(journal_drained(), 'the journal is empty');
is(pay('u3', [ $calm ], key => $_)->{status}, 201, "attempt $_") for 1 .. 3;
my $fifth = pay('u3', [ $calm ], key => 4);
is(code($fifth), '429 too_many_attempts',
   'a hold and four payments are too many');
is($fifth->{headers}{'retry-after'}, 3600, 'not soon again');
is(pay('u3', [ $calm ], key => 3)->{status}, 200, 'a known key is not');
my $other = buy('u4', 'p90');
ok(journal_drained(), 'the journal is empty');

stop_postgres();
my $last;
for (1 .. 20) {
    $last = http('POST', '/orders', '{"sku":"p90","quantity":1,"unit_price":'
                 . '"5000.00"}', 'X-User' => "w$_");
    last if $last->{status} == 503;
}
is($last->{status}, 503, 'too much waits for PostgreSQL');
my $refused = pay('u4', [ $other ]);
is(code($refused), '503 unavailable', 'no payment is started then');
ok($refused->{headers}{'retry-after'}, 'with Retry-After');
is(pay('u3', [ $calm ], key => 3)->{status}, 200, 'a known one is told');
start_postgres();
ok(journal_drained(), 'the journal is empty again');

pause_redis(1);
my $from = time;
my $hanging = pay('u4', [ $other ], key => 'hanging');
is(code($hanging), '503 unavailable', 'Redis hangs');
ok($hanging->{headers}{'retry-after'}, 'with Retry-After');
cmp_ok(time - $from, '<', 3, 'in time');
pause_redis(0);
my $truth;
until_true(sub { $truth = pay('u4', [ $other ], key => 'hanging');
                 $truth->{status} != 503 }, 10);
like(code($truth), qr/^20[01]$/, 'the same key tells the truth then');
ok(journal_drained(), 'the journal is empty');
ok(stop_nginx(), 'nginx leaves');


# Payments that the shop starts by itself at the gateway.
my $secret = "$ENV{PT_TMP}/whsec";
open my $file, '>', $secret or die "$secret: $!";
print $file 'whsec_' . 'c2VjcmV0' x 4 . "\n";
close $file;
chmod 0600, $secret;

my $stripe = "paytrade_gateway stripe { type stripe; secret $secret; }\n";
my $verifying = alipay_gateway(name => 'verifying', private_key => undef,
                               notify_url => undef);

empty_stores();
start_nginx(workers => 1, http => "$http $verifying $stripe"
                                  . 'paytrade_prefix ab-;');
put_item('c30', title => 'C30', price => '39.90', stock => 1000);
put_item('free', price => '0', stock => 100);
put_item('soon', sale => 'soon', stock => 100, hold_time => '59s');


# POST /payments without a method.
sub pay_default {
    my ($id, $gateway, $key) = @_;

    return http('POST', '/payments', "{\"order_ids\":[\"$id\"],\"gateway\":"
                . "\"$gateway\"}", 'X-User' => 'u5',
                'Idempotency-Key' => $key);
}


for my $case ([ 'alipay', 1 ], [ 'verifying', 0 ], [ 'stripe', 0 ]) {
    my ($gateway, $links) = @$case;
    my $id = buy('u5', 'c30', unit_price => '39.90');
    my $started = pay('u5', [ $id ], gateway => $gateway, key => "x $gateway",
                      method => 'external');
    my $number = of($started, 'pay_no');

    is($started->{status}, 201, "$gateway: an external payment");
    like($started->{content},
         qr/^\{"pay_no":"$number","out_trade_no":"ab-$number",
            "status":"unpaid","gateway":"$gateway","method":"external",
            "amount":"39\.90","currency":"CNY","orders":\[[^]]+\],
            "created_at":"$stamp","expires_at":"$stamp"\}$/x,
         "$gateway: with all that the shop needs, and no link");
    is(http('GET', "/payments/$number", undef, 'X-User' => 'u5')->{content},
       $started->{content}, "$gateway: it is read so");

    my $again = pay('u5', [ $id ], gateway => $gateway, key => "x $gateway",
                    method => 'external');
    is($again->{status}, 200, "$gateway: again");
    is($again->{content}, $started->{content}, "$gateway: it is the same");

    my $default = pay_default($id, $gateway, "d $gateway");
    is(of($default, 'method'), $links ? 'page' : 'external',
       "$gateway: the method when none is given");
    is(defined of($default, 'pay_url'), $links ? 1 : '',
       "$gateway: " . ($links ? 'with' : 'without') . ' a link');
    is(code(pay('u5', [ $id ], gateway => $gateway, method => 'External')),
       '422 unknown_method', "$gateway: External is no method");
    is(code(pay('u5', [ $id ], gateway => $gateway, method => 'wap')),
       $links ? '201' : '422 unknown_method', "$gateway: wap");
    is(code(pay('u5', [ buy('u5', 'free', unit_price => '0') ],
                gateway => $gateway, method => 'external')),
       '422 amount_out_of_range', "$gateway: nothing to pay");
    is(code(pay('u5', [ buy('u5', 'soon') ], gateway => $gateway,
                method => 'external')),
       '409 expires_soon', "$gateway: too late");
}

my $explicit = pay('u5', [ buy('u5', 'c30', unit_price => '39.90') ],
                   gateway => 'stripe', key => 'e', method => 'external');
is(of(pay_default(of($explicit, 'orders')->[0]{order_id}, 'stripe', 'e'),
      'pay_no'), of($explicit, 'pay_no'),
   'external is what no method means where there is no other');
is(code(pay('u5', [ of($explicit, 'orders')->[0]{order_id} ], key => 'e',
            method => 'external')), '422 key_reused',
   'with another gateway the key is refused');

my $sold = buy('u6', 'c30', unit_price => '39.90');
my $shop = of(pay('u6', [ $sold ], method => 'external'), 'out_trade_no');
is(answered(notify(callback($shop, '39.91'))), '200 fail',
   'its callback with another amount');
is(answered(notify(callback($shop =~ s/^ab-//r, '39.90'))), '200 fail',
   'without the prefix');
is(answered(notify(callback($shop, '39.90'))), '200 success',
   'its callback');
is(http('GET', "/orders/$sold", undef, 'X-User' => 'u6')->{content}
   =~ /"status":"(\w+)"/ && $1, 'paid', 'its order is paid');
ok(journal_drained(), 'the journal is empty');
is(psql('SELECT method, status FROM paytrade.payments WHERE pay_no = '
        . $shop =~ s/^ab-//r), 'external|paid', 'PostgreSQL has it');

# A gateway that makes links no more.
my $linked = buy('u6', 'c30', unit_price => '39.90');
ok(of(pay('u6', [ $linked ], key => 'l'), 'pay_url'), 'one with a link');
ok(stop_nginx(), 'nginx leaves');
start_nginx(workers => 1, http => alipay_gateway(private_key => undef,
                                                 notify_url => undef)
                                  . 'paytrade_prefix ab-;');
is(code(pay('u6', [ $linked ], key => 'l')), '422 unknown_method',
   'is not asked for again');
is(of(http('GET', '/payments/' . substr($shop, 3), undef,
           'X-User' => 'u6'), 'method'), 'external', 'others are read');
ok(stop_nginx(), 'nginx leaves');


# Two partitions.
empty_stores();
start_nginx(workers => 2, http => "$http paytrade_partitions 2;");

my @in;
for my $sale ('a' .. 'h') {
    put_item("p-$sale", sale => $sale, stock => 100);
    my $id = buy('u1', "p-$sale");
    $in[substr $id, 13, 2] = $id;
}

is(code(pay('u1', \@in)), '409 different_partitions',
   'orders of two partitions');
is(code(pay('u1', [ @in, '7' ])), '409 different_partitions',
   'and one that can be none');
is(code(pay('u1', [ $in[0] + 2 * 10000 ])), '404 unknown_order',
   'an order of a partition that there is not');
for my $n (0, 1) {
    my $answer = pay('u1', [ $in[$n] ], key => 'k');

    is($answer->{status}, 201, "partition $n");
    like(of($answer, 'pay_no'), qr/^\d{13}0$n\d{4}$/,
         "partition $n: the number tells it");
    is(answered(notify(callback(of($answer, 'pay_no'), '5000.00'))),
       '200 success', "partition $n: paid");
}

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
