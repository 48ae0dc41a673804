# Every gateway: a payment that the shop starts itself is settled, closed and
# given back by what the gateway tells, once.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT snapshot unchanged events status_json);
use PaytradeAlipay qw(buy pay payment);
use PaytradeGateways;
use JSON::PP 'decode_json';
use Test::More;

my $prefix = 'shop-A_';

# Others beside the six: for tests, with other spellings, other algorithms.
start_nginx(workers => 1, server => $PaytradeGateways::WHY,
            http => gateways() . join '',
    gateway_block('stripe', name => 'stripe_test', mode => 'test'),
    gateway_block('stripe', name => 'stripe_account', account => 'acct_1shop'),
    gateway_block('adyen', name => 'adyen_test', mode => 'test'),
    gateway_block('wechat_v2', name => 'wechat_hmac',
                  sign_type => 'HMAC-SHA256'),
    gateway_block('standard_webhooks', name => 'hooks', amounts => 'decimal',
                  refunds => 'single', mode => undef, mode_field => undef,
                  currency_field => undef),
    "paytrade_prefix $prefix;\n    paytrade_pay_margin 100ms;\n");
put_item('p30', title => 'P30', stock => 1000);

my (%trades, %paid);
my $buyers = 0;


# A payment that waits for the gateway: its number and its order.
sub waiting {
    my ($gateway) = @_;
    my $order = buy('b' . ++$buyers, 'p30');
    my $payment = external("b$buyers", $gateway, $order);

    return { gateway => $gateway, user => "b$buyers", order => $order,
             pay_no => $payment->{pay_no}, no => $payment->{out_trade_no} };
}


# Sends what a type of gateway tells of a payment, and looks at the answer.
sub told {
    my ($name, $p, $type, $kind, $wanted, $word, %o) = @_;
    my $callback = play($type, $kind, $p->{no}, %o);
    my $answer = deliver($callback, "/notify/$p->{gateway}");

    is(said($callback, $answer, $wanted) . ' ' . why($answer),
       "$wanted $word", $name);

    return $callback;
}


# What Redis says of a payment and of its order.
sub in_redis {
    my ($p) = @_;

    return join ' ', map {
        http('GET', $_, undef, 'X-User' => $p->{user})->{content}
        =~ /"status":"(\w+)"/ ? $1 : '-'
    } "/payments/$p->{pay_no}", "/orders/$p->{order}";
}


sub stored {
    my ($p, $wanted) = @_;

    until_true(sub { payment($p->{pay_no}) eq $wanted }, 10);
    return payment($p->{pay_no});
}


sub events_of {
    my ($p) = @_;

    return grep { $_->{pay_no} eq $p->{pay_no} } events();
}


# "succeeded, refunded r-1 1000"
sub told_of {
    my ($p) = @_;

    return join ', ', map {
        my ($number) = $_->{id} =~ /^payment\.refunded:\d+:\d+:(.*)/;
        join ' ', $_->{type} =~ s/^payment\.//r,
                  defined $number ? ($number, $_->{amount}) : ()
    } events_of($p);
}


sub refunds {
    my ($p) = @_;

    return psql('SELECT refund_no, amount, status FROM paytrade.refunds'
                . " WHERE pay_no = $p->{pay_no} ORDER BY refund_no");
}


# Paid: the same for all.
for my $gateway (@PaytradeGateways::GATEWAYS) {
    my $order = buy("u-$gateway", 'p30');
    my $started = pay("u-$gateway", [ $order ], gateway => $gateway,
                      method => 'external');
    my $json = decode_json($started->{content});
    my $p = { gateway => $gateway, user => "u-$gateway", order => $order,
              pay_no => $json->{pay_no}, no => $json->{out_trade_no} };

    is($started->{status}, 201, "$gateway: a payment is started outside");
    is("$json->{out_trade_no} $json->{amount} $json->{currency}"
       . " $json->{method}", "$prefix$json->{pay_no} 5000.00 CNY external",
       "$gateway: with what the shop's code needs");
    ok(!exists $json->{pay_url}, "$gateway: and no link");
    like($json->{expires_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/,
         "$gateway: but an end");

    my $callback = told("$gateway: paid", $p, $gateway, 'paid', 'accepted',
                        'settled');

    is(in_redis($p), 'paid paid', "$gateway: Redis has it");
    is(stored($p, 'paid 2 applied'), 'paid 2 applied',
       "$gateway: PostgreSQL has it");
    $trades{$gateway} = psql('SELECT trade_no FROM paytrade.payments'
                             . " WHERE pay_no = $p->{pay_no}");
    is(psql('SELECT gateway, amount, extract(epoch FROM now() - paid_at) <'
            . " 600 FROM paytrade.payments WHERE pay_no = $p->{pay_no}"),
       "$gateway|500000|t", "$gateway: with amount and time");

    my ($event, @more) = events_of($p);
    is(join(' ', scalar @more, map { $event->{$_} } qw(id amount currency
                                                       gateway trade_no)),
       "0 payment.succeeded:$p->{pay_no}:$order 500000 CNY $gateway"
       . " $trades{$gateway}", "$gateway: one event tells it");
    $paid{$gateway} = [ $p, $callback ];
}


# The same once more, and what means nothing.  Adyen does not say with a refund
# what was paid, so the payment has to come first.
my $early = waiting('adyen');
ok(journal_drained(), 'the journal is empty');
my $before = snapshot();

for my $gateway (@PaytradeGateways::GATEWAYS) {
    my ($p, $callback) = @{ $paid{$gateway} };

    is(said($callback, deliver($callback), 'accepted'), 'accepted',
       "$gateway: the same once more");
    told("$gateway: signed again", $p, $gateway, 'paid', 'accepted',
         'duplicate', at => time + 1);
    told("$gateway: signed with the other key", $p, $gateway, 'paid',
         'accepted', 'duplicate', key => 'next');
    told("$gateway: what means nothing to us", $p, $gateway, 'other',
         'accepted', 'ignored');

    my $counted = status_json()->{callbacks}{$gateway};
    is("$counted->{settled} $counted->{duplicate} $counted->{ignored}",
       '1 3 1', "$gateway: they are counted");
}

told('adyen: a refund before the payment', $early, 'adyen', 'refunded',
     'later', 'too_early', refund_no => 'RRRR000000000005') for 1, 2;
unchanged($before, 'nothing has changed');
told('adyen: then the payment', $early, 'adyen', 'paid', 'accepted',
     'settled');
told('adyen: then the refund', $early, 'adyen', 'refunded', 'accepted',
     'refunded', refund_no => 'RRRR000000000005');
is(stored($early, 'paid 3 applied'), 'paid 3 applied', 'adyen: both count');
is(status_json()->{callbacks}{adyen}{too_early}, 2, 'adyen: counted');

# WeChat's does say.
$early = waiting('wechat_v3');
told('wechat_v3: a refund before the payment', $early, 'wechat_v3',
     'refunded', 'accepted', 'refunded');
told('wechat_v3: then the payment', $early, 'wechat_v3', 'paid', 'accepted',
     'duplicate');
is(told_of($early), 'succeeded, refunded r-1 100000',
   'wechat_v3: each is told once');

like($trades{alipay}, qr/^20261121$prefix/, "Alipay's trade_no");
like($trades{stripe}, qr/^pi_$prefix/, 'that of Stripe is the intent');


# What the shop's own code wrote may be a query, but name no tag of theirs.
for my $case ([ alipay => body => 'https://shop/p?a=1&b=2', 'total_amount' ],
              [ alipay => passback_params => 'k=1&uid=2', 'buyer_id' ],
              [ wechat_v2 => attach => 'k=1&uid=2', 'total_fee' ])
{
    my ($gateway, $name, $value, $taken) = @$case;
    my $p = waiting($gateway);

    told("$gateway: $name with &$taken=", $p, $gateway, 'paid', 'refused',
         'ambiguous', content => sub { $_[0]{$name} = "$value&$taken=1" });
    told("$gateway: $name is a query", $p, $gateway, 'paid', 'accepted',
         'settled', content => sub { $_[0]{$name} = $value });
    is(in_redis($p), 'paid paid', "$gateway: and is paid");
}


# What means nothing to us need not be what we can read.
for my $gateway (qw(stripe standard_webhooks)) {
    told("$gateway: of another type, $_->[0]", waiting($gateway), $gateway,
         'other', 'accepted', 'ignored', text => do {
             my $more = $_->[1];
             sub { $_[0] =~ s/\}$/,"more":$more}/r }
         }) for
        [ 'with 300 members', '{' . join(',', map { "\"$_\":1" } 1 .. 300)
                              . '}' ],
        [ 'nested', '[' x 20 . ']' x 20 ], [ 'with a NUL', '"\u0000"' ],
        [ 'with half a surrogate', '"\ud800"' ];
}


# Refunds that a gateway tells by their total: the difference counts.
for my $gateway (qw(alipay stripe standard_webhooks)) {
    my $p = waiting($gateway);
    my @own = ($p, $gateway, 'refunded', 'accepted');
    my %number = (map { ($_ => $gateway eq 'stripe' ? 'evt_' . $_ : $_) }
                  qw(r-1 r-2));

    told("$gateway: a refund that comes first", @own, 'refunded',
         refund_no => 'r-1', event_id => 'evt_r-1');
    is(in_redis($p), 'paid paid', "$gateway: has settled it");
    told("$gateway: the same refund", @own, 'duplicate',
         refund_no => 'r-1', event_id => 'evt_r-1');
    told("$gateway: the payment, late", $p, $gateway, 'paid', 'accepted',
         'duplicate');
    told("$gateway: the rest", @own, 'refunded', refund_no => 'r-2',
         event_id => 'evt_r-2', refunded => '5000.00');
    is(in_redis($p), 'paid refunded', "$gateway: all is given back");
    is(stored($p, 'paid 4 applied'), 'paid 4 applied', "$gateway: once each");
    is(refunds($p), "$number{'r-1'}|100000|succeeded\n"
                    . "$number{'r-2'}|400000|succeeded",
       "$gateway: two refunds");
    told("$gateway: the first refund, late", @own, 'duplicate',
         refund_no => 'r-1', event_id => 'evt_r-1');
    told("$gateway: more than was paid", $p, $gateway, 'refunded', 'later',
         'mismatch', refund_no => 'r-3', event_id => 'evt_r-3',
         refunded => '5000.01');
    is(told_of($p), "succeeded, refunded $number{'r-1'} 100000,"
                    . " refunded $number{'r-2'} 400000, mismatch",
       "$gateway: and their events");
}


# Refunds that are told each by itself: a number counts once.
my %alone = (wechat_v3 => 'wechat_v3', adyen => 'adyen',
             hooks => 'standard_webhooks');

for my $gateway (sort keys %alone) {
    my $type = $alone{$gateway};
    my %more = $gateway eq 'hooks' ? (decimal => 1) : ();
    my $p = waiting($gateway);
    my @own = ($p, $type, 'refunded', 'accepted');

    told("$gateway: paid", $p, $type, 'paid', 'accepted', 'settled', %more);
    told("$gateway: a refund", @own, 'refunded', %more,
         refund_no => 'RRRR000000000001');
    told("$gateway: the same number", @own, 'duplicate', %more,
         refund_no => 'RRRR000000000001', at => time + 1);
    told("$gateway: as much, another number", @own, 'refunded', %more,
         refund_no => 'RRRR000000000002');
    told("$gateway: more than is left", $p, $type, 'refunded', 'later',
         'mismatch', %more, refund_no => 'RRRR000000000003',
         refunded => '3000.01');
    told("$gateway: the same number, another amount", $p, $type, 'refunded',
         'later', 'mismatch', %more, refund_no => 'RRRR000000000001',
         refunded => '999.99');
    is(in_redis($p), 'paid paid', "$gateway: some of it is left");
    told("$gateway: the rest", @own, 'refunded', %more,
         refund_no => 'RRRR000000000004', refunded => '3000.00');
    is(in_redis($p), 'paid refunded', "$gateway: nothing is left");
    is(stored($p, 'paid 5 applied'), 'paid 5 applied', "$gateway: three times");
    is(refunds($p), join("\n", map { "RRRR00000000000$_->[0]|$_->[1]|succeeded"
                                   } [ 1, 100000 ], [ 2, 100000 ],
                                     [ 4, 300000 ]),
       "$gateway: three rows");
}


# A refund of WeChat's API v2 is not proven: it is noted, and nothing else.
my $unproven = waiting('wechat_v2');
told('wechat_v2: paid', $unproven, 'wechat_v2', 'paid', 'accepted', 'settled');
is(stored($unproven, 'paid 2 applied'), 'paid 2 applied',
   'wechat_v2: PostgreSQL has it');
told('wechat_v2: a refund', $unproven, 'wechat_v2', 'refunded', 'accepted',
     'unconfirmed') for 1, 2;
is(in_redis($unproven), 'paid paid', 'wechat_v2: it changes nothing');
ok(journal_drained(), 'the journal is empty');
is(payment($unproven->{pay_no}), 'paid 2 applied', 'wechat_v2: nor there');
is(refunds($unproven), '', 'wechat_v2: it is no refund yet');
is(psql('SELECT kind, pay_no, reason FROM paytrade.orphans'
        . " WHERE gateway = 'wechat_v2'"),
   "orphan|$unproven->{no}|unconfirmed_refund",
   'wechat_v2: but a row, once');
is(scalar(grep { $_->{type} eq 'payment.orphan'
                 && $_->{reason} eq 'unconfirmed_refund' } events()), 1,
   'wechat_v2: and an event, once');
is(status_json()->{callbacks}{wechat_v2}{unconfirmed}, 2,
   'wechat_v2: counted each time');

# Of its outer tags nothing is signed: it pays nothing, whatever they say.
$unproven = waiting('wechat_v2');
told('wechat_v2: a refund that says it is a payment', $unproven, 'wechat_v2',
     'refunded', 'accepted', 'unconfirmed', outer => sub {
         %{ $_[0] } = (%{ $_[0] }, result_code => 'SUCCESS',
                       out_trade_no => $unproven->{no}, fee_type => 'CNY',
                       transaction_id => 'T-1', total_fee => 500000,
                       time_end => '20261121160000');
     });
is(in_redis($unproven), 'unpaid held', 'wechat_v2: is none');
told('wechat_v2: a payment that failed', $unproven, 'wechat_v2', 'paid',
     'accepted', 'ignored', content => sub { $_[0]{result_code} = 'FAIL' });
is(in_redis($unproven), 'unpaid held', 'wechat_v2: is none either');


# Closed, and paid after that.
for my $gateway (qw(alipay stripe standard_webhooks adyen)) {
    my $p = waiting($gateway);

    told("$gateway: closed", $p, $gateway, 'closed', 'accepted', 'closed');
    is(in_redis($p), 'closed held', "$gateway: the order is held");
    told("$gateway: closed once more", $p, $gateway, 'closed', 'accepted',
         'closed');
    is(stored($p, 'closed 2 -'), 'closed 2 -', "$gateway: PostgreSQL has it");
    told("$gateway: paid after that", $p, $gateway, 'paid', 'accepted',
         'settled');
    told("$gateway: closed after that", $p, $gateway, 'closed', 'accepted',
         'closed');
    is(stored($p, 'paid 3 applied'), 'paid 3 applied', "$gateway: it is paid");
    is(told_of($p), 'succeeded', "$gateway: told once");
}


# Stripe's checkout sessions.
for my $kind (qw(session session_async)) {
    my $p = waiting('stripe');

    told("stripe: $kind that is not paid yet", $p, 'stripe', $kind, 'accepted',
         'ignored', content => sub {
             $_[0]{data}{object}{payment_status} = 'unpaid';
         }) if $kind eq 'session';
    told("stripe: $kind", $p, 'stripe', $kind, 'accepted', 'settled');
    told("stripe: the intent of that $kind", $p, 'stripe', 'paid', 'accepted',
         'duplicate');
    is(in_redis($p), 'paid paid', "stripe: $kind pays");
}

my $expired = waiting('stripe');
told('stripe: a session from a Payment Link', $expired, 'stripe', 'session',
     'accepted', 'ignored', content => sub {
         $_[0]{data}{object}{payment_link} = 'plink_1';
     });
told('stripe: a session of a subscription', $expired, 'stripe', 'session',
     'accepted', 'ignored', content => sub {
         $_[0]{data}{object}{mode} = 'subscription';
     });
told('stripe: a number with a space', $expired, 'stripe', 'paid',
     'accepted', 'ignored', content => sub {
         $_[0]{data}{object}{metadata}{pay_no} = 'cart 1';
     });
is(in_redis($expired), 'unpaid held', 'stripe: none of these pays');
told('stripe: an expired session without an amount', $expired, 'stripe',
     'session_expired', 'accepted', 'closed', content => sub {
         $_[0]{data}{object}{amount_total} = undef;
         $_[0]{data}{object}{currency} = undef;
     });
is(in_redis($expired), 'closed held', 'stripe: closes');
told('stripe: an event without a number', $expired, 'stripe', 'paid',
     'accepted', 'ignored', content => sub {
         delete $_[0]{data}{object}{metadata};
     });


# Ways to sign.
my $p = waiting('stripe');
told('stripe: two signatures, one by a key we have', $p, 'stripe', 'paid',
     'accepted', 'settled', key => [ 'other', 'next' ]);
told('stripe: a v0 besides', $p, 'stripe', 'paid', 'accepted', 'duplicate',
     signed => sub { "$_[0],v0=" . '0' x 64 });
$p = waiting('standard_webhooks');
told('standard_webhooks: two signatures', $p, 'standard_webhooks', 'paid',
     'accepted', 'settled', key => [ 'other', 'next' ]);
told('standard_webhooks: a v1a besides', $p, 'standard_webhooks', 'paid',
     'accepted', 'duplicate', signed => sub { "v1a,AAAA $_[0]" });
told('standard_webhooks: with the names of Svix', $p, 'standard_webhooks',
     'paid', 'accepted', 'duplicate', names => 'svix');
$p = waiting('wechat_v2');
told('wechat_v2: MD5', $p, 'wechat_v2', 'paid', 'accepted', 'settled',
     algorithm => 'MD5');
told('wechat_v2: MD5, not said', $p, 'wechat_v2', 'paid', 'accepted',
     'duplicate', algorithm => 'MD5', content => sub {
         delete $_[0]{sign_type};
     });
told('wechat_v2: HMAC, not said', $p, 'wechat_v2', 'paid', 'accepted',
     'duplicate', content => sub { delete $_[0]{sign_type} });
$p = waiting('wechat_hmac');
told('wechat_v2: MD5 is forbidden', $p, 'wechat_v2', 'paid', 'refused',
     'bad_algorithm', algorithm => 'MD5');
told('wechat_v2: and HMAC is not', $p, 'wechat_v2', 'paid', 'accepted',
     'settled');
$p = waiting('wechat_v3');
told('wechat_v3: sealed with the second APIv3 key', $p, 'wechat_v3', 'paid',
     'accepted', 'settled', api_key => 'next');
told('wechat_v3: nothing besides that is sealed', $p, 'wechat_v3', 'paid',
     'accepted', 'duplicate', outer => sub { delete $_[0]{summary} });


# Tests and live ones are kept apart.
for my $case ([ 'stripe', sub { $_[0]{livemode} = JSON::PP::false } ],
              [ 'adyen' ])
{
    my ($gateway, $change) = @$case;
    my %test = $change ? (content => $change) : (live => 'false');
    my $live = waiting($gateway);
    my $test = waiting("${gateway}_test");

    told("$gateway: a test is not taken for live", $live, $gateway, 'paid',
         'refused', 'wrong_mode', %test);
    told("$gateway: nor the other way round", $test, $gateway, 'paid',
         'refused', 'wrong_mode');
    is(in_redis($live) . ' ' . in_redis($test), 'unpaid held unpaid held',
       "$gateway: neither is paid");
    told("$gateway: a test where tests are wanted", $test, $gateway, 'paid',
         'accepted', 'settled', %test);
}

$p = waiting('stripe_account');
told('stripe: an event of no account', $p, 'stripe', 'paid', 'refused',
     'wrong_merchant');
told('stripe: an event of that account', $p, 'stripe', 'paid', 'accepted',
     'settled', content => sub { $_[0]{account} = 'acct_1shop' });


# Adyen's items are each signed by themselves: what is genuine counts.
my @three = map { waiting('adyen') } 1 .. 3;
my $several = play('adyen', 'paid', $three[0]{no}, more => [
    [ 'paid', $three[1]{no}, key => 'other' ],
    [ 'paid', $three[2]{no} ],
]);
my $answer = deliver($several);

is(said($several, $answer, 'refused'), 'refused',
   'adyen: three items, one is forged: no success');
is(join(', ', map { in_redis($_) } @three),
   'paid paid, unpaid held, paid paid', 'adyen: the genuine ones count');
is(said($several, deliver($several), 'refused'), 'refused',
   'adyen: once more, no success');
is(join(', ', map { told_of($_) } @three), 'succeeded, , succeeded',
   'adyen: each once');

# The forged one comes first.
my $second = waiting('adyen');
$several = play('adyen', 'paid', $three[1]{no}, key => 'other', more => [
    [ 'paid', $second->{no}, key => 'next' ],
]);
is(said($several, deliver($several), 'refused'), 'refused',
   'adyen: two items, the first is forged: no success');
is(in_redis($three[1]) . ', ' . in_redis($second), 'unpaid held, paid paid',
   'adyen: the second counts');

$several = play('adyen', 'paid', $three[1]{no}, more => [
    [ 'refunded', $three[0]{no}, refund_no => 'RRRR000000000006' ],
    [ 'closed', $three[2]{no} ],
    [ 'other', '' ],
]);
is(said($several, deliver($several), 'accepted'), 'accepted',
   'adyen: four items, all genuine: a success');
is(join(', ', map { told_of($_) } @three),
   'succeeded, refunded RRRR000000000006 100000, succeeded, succeeded',
   'adyen: and each counts');

my $full = waiting('adyen');
my @nineteen = map { [ 'other', '' ] } 1 .. 19;
$several = play('adyen', 'paid', $full->{no}, more => [
    @nineteen, [ 'other', '' ] ]);
is(said($several, deliver($several), 'refused'), 'refused',
   'adyen: 21 items are too many');
is(in_redis($full), 'unpaid held', 'adyen: and none counts');
$several = play('adyen', 'other', '', more => [
    @nineteen[1 .. 18], ([ 'paid', $full->{no} ]) ]);
is(said($several, deliver($several), 'accepted'), 'accepted',
   'adyen: twenty are taken');
is(in_redis($full), 'paid paid', 'adyen: also the last');
my $failed = waiting('adyen');
told('adyen: a payment that failed', $failed, 'adyen', 'paid', 'accepted',
     'ignored',
     content => sub { $_[0]{success} = 'false' });
is(in_redis($failed), 'unpaid held', 'adyen: is none');
told('adyen: the same item twice', $failed, 'adyen', 'paid', 'accepted',
     'settled', more => [ [ 'paid', $failed->{no} ] ]);
is(told_of($failed), 'succeeded', 'adyen: counts once');

my $other = waiting('adyen');
$several = play('adyen', 'paid', $other->{no}, more => [
    [ 'paid', "${prefix}1763712000123000002" ] ]);
$answer = deliver($several);
is(said($several, $answer, 'later'), 'later',
   'adyen: one of two fits no payment: ask again');
is(in_redis($other), 'paid paid', 'adyen: the other counts');


# A refund of another trade than the one that was paid.
for my $gateway (qw(wechat_v3 stripe adyen standard_webhooks)) {
    my $p = waiting($gateway);

    told("$gateway: paid", $p, $gateway, 'paid', 'accepted', 'settled');
    told("$gateway: a refund of another trade", $p, $gateway, 'refunded',
         'later', 'mismatch', refund_no => 'RRRR000000000007',
         trade_no => 'TRADE00000000001');
    is(in_redis($p), 'paid paid', "$gateway: it changes nothing");
}


# A number that is not ours.
for my $gateway (@PaytradeGateways::GATEWAYS) {
    my $p = waiting($gateway);

    told("$gateway: a number without the prefix",
         { %$p, no => $p->{pay_no} }, $gateway, 'paid', 'later', 'orphan',
         trade_no => 'ORPHAN0000000001');
    is(in_redis($p), 'unpaid held', "$gateway: it is not paid");
}


ok(journal_drained(), 'the journal is empty');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
is(psql('SELECT count(*) FROM paytrade.dead_letter'), '0', 'no dead letter');
ok(balance_holds('p30'), 'the balance holds');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');
unlike(log_text(), qr/whsec_|oUpF8uMuAJO|hmacSignature|ciphertext/,
       'nothing of the bodies');

done_testing();
