# Callbacks with several notices, each signed by itself: all that are genuine
# count, and the answer is a success only when everything was one.  And what
# PostgreSQL alone remembers of a refund with a number.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events status_json snapshot unchanged);
use PaytradeAlipay ();
use PaytradeGateways;
use Test::More;
use Time::HiRes qw(sleep time);

my $log = "$ENV{PT_TMP}/notices.log";
my $users = 0;

unlink $log;
start_nginx(workers => 1, http => gateways() . <<'_EOC_',
    paytrade_prefix shop-A_;
    log_format words '$paytrade_result|$paytrade_verify|$paytrade_pay_no|'
                     '$paytrade_trade_no|$paytrade_amount|$paytrade_currency|'
                     '$paytrade_event_id|$paytrade_event_type|';
_EOC_
            server => "$PaytradeGateways::WHY access_log $log words;");
put_item('p30', stock => 1000);


# A payment that waits for its money.
sub waiting {
    my $user = 'u' . ++$users;

    return external($user, 'adyen', PaytradeAlipay::buy($user, 'p30'));
}


sub item_of {
    my ($payment, $kind, %o) = @_;

    return [ $kind || 'paid', $payment->{out_trade_no},
             trade_no => "T$payment->{pay_no}", %o ];
}


# A callback with these items.
sub callback_of {
    my ($first, @others) = @_;

    return play('adyen', @$first, more => \@others);
}


# The answer in one word, and why.
sub told {
    my ($callback) = @_;
    my $answer = deliver($callback);
    my ($word) = grep { said($callback, $answer, $_) eq $_ }
                 qw(accepted refused later);

    return join ' ', $word // $answer->{status}, why($answer);
}


sub paid {
    my %status = map { split /\|/ } split /\n/, psql(
        'SELECT pay_no, status FROM paytrade.payments WHERE pay_no IN ('
        . join(',', map { $_->{pay_no} } @_) . ')');

    return join ' ', map { $status{$_->{pay_no}} // 'none' } @_;
}


sub stored {
    my ($wanted, @payments) = @_;

    until_true(sub { paid(@payments) eq $wanted }, 10);

    return paid(@payments);
}


sub counted {
    my (@words) = @_;
    my $counted = status_json()->{callbacks}{adyen};

    return join ' ', map { "$_=" . ($counted->{$_} // 0) } @words;
}


sub last_line {
    my $line;

    sleep 0.1;
    open my $file, '<', $log or die "$log: $!";
    $line = $_ while <$file>;
    chomp $line;

    return $line;
}


# All are genuine.
my @three = map { waiting() } 1 .. 3;
my $callback = callback_of(map { item_of($_) } @three);

is(told($callback), 'accepted settled', 'three at once');
is(last_line(), "settled|ok|$three[0]{pay_no}|T$three[0]{pay_no}|5000.00|CNY|"
   . "T$three[0]{pay_no}:AUTHORISATION:true|paid|", 'the first is told of');
is(stored('paid paid paid', @three), 'paid paid paid', 'all are paid');
ok(journal_drained(), 'the journal is empty');
my $before = snapshot();
is(told($callback), 'accepted duplicate', 'once more');
unchanged($before, 'and nothing changes');
is(counted(qw(settled duplicate)), 'settled=3 duplicate=3', 'each is counted');

my $twice = waiting();
is(told(callback_of((item_of($twice)) x 2)), 'accepted settled',
   'one that is there twice');
is(stored('paid', $twice), 'paid', 'is paid');
is((scalar grep { $_->{pay_no} eq $twice->{pay_no} } events()), 1, 'once');

my $mixed = waiting();
is(told(callback_of(item_of($mixed, 'other'), item_of($mixed),
                    item_of($mixed, 'refunded', refund_no => 'R-1'))),
   'accepted ignored', 'ignored, paid, refunded');
is(stored('paid', $mixed), 'paid', 'is paid');
ok(until_true(sub {
    psql('SELECT refund_no, amount FROM paytrade.refunds'
         . " WHERE pay_no = $mixed->{pay_no}") eq 'R-1|100000' }, 10),
   'and refunded');


# Some are forged.
my @some = map { waiting() } 1 .. 3;
$callback = callback_of(item_of($some[0]), item_of($some[1], 'paid',
                                                   key => 'other'),
                        item_of($some[2]));
is(told($callback), 'refused bad_signature', 'one of three is forged');
is(last_line(), 'bad_signature|bad_signature|-|-|-|-|-|-|', 'no more is told');
is(stored('paid unpaid paid', @some), 'paid unpaid paid',
   'the others are settled');
is(told($callback), 'refused bad_signature', 'as often as it comes');
is(told(callback_of(map { item_of($_) } @some)), 'accepted duplicate',
   'until it is whole');
is(stored('paid paid paid', @some), 'paid paid paid', 'then all are paid');
$callback = callback_of(map { item_of(waiting(), 'paid', key => 'other') }
                        1 .. 3);
ok(journal_drained(), 'the journal is empty');
$before = snapshot();
is(told($callback), 'refused bad_signature', 'all are forged');
unchanged($before, 'nothing changes');


# Some are to come again.
my $fits = waiting();
my $other = waiting();
is(told(callback_of(item_of($fits), item_of($other, 'paid', amount => '1.00'))),
   'later mismatch', 'one has a wrong amount');
is(stored('paid unpaid', $fits, $other), 'paid unpaid', 'the first is paid');

my $dong = waiting();
is(told(callback_of(item_of($dong, 'paid', currency => 'VND'))),
   'later mismatch', 'one has another currency');
is(last_line(), "mismatch|ok|$dong->{pay_no}|T$dong->{pay_no}|-|VND|"
   . "T$dong->{pay_no}:AUTHORISATION:true|paid|", 'which is told');
ok(until_true(sub {
    psql('SELECT amount, currency, reason FROM paytrade.orphans'
         . " WHERE trade_no = 'T$dong->{pay_no}'")
    eq '500000|VND|currency' }, 10), 'and recorded with its amount');

my $after = waiting();
is(told(callback_of([ 'paid', 'unknown', trade_no => 'O-1' ],
                    item_of($after))), 'later orphan', 'one is an orphan');
is(stored('paid', $after), 'paid', 'the one after it is paid');

my $early = waiting();
is(told(callback_of(item_of($early, 'refunded', refund_no => 'R-2'),
                    item_of($early))), 'later too_early',
   'the refund before its payment');
is(told(callback_of(item_of($early, 'refunded', refund_no => 'R-2'),
                    item_of($early))), 'accepted refunded', 'fits then');
is(told(callback_of(item_of($early, 'paid', key => 'other'),
                    item_of($other, 'paid', amount => '1.00'))),
   'refused bad_signature', 'a forged one and a mismatch');


# Many.
my @many = map { waiting() } 1 .. 20;
my $started = time;
is(told(callback_of(map { item_of($_) } @many)), 'accepted settled',
   'as many as may be');
cmp_ok(time - $started, '<', 2.5, 'in time');
is(stored('paid ' x 19 . 'paid', @many), 'paid ' x 19 . 'paid',
   'all are paid');
is(told(callback_of(map { item_of($_) } @many, $many[0])),
   'refused bad_form', 'one more');


# Redis goes away in their midst, and comes back.
my @stopped = map { waiting() } 1 .. 3;
$callback = callback_of(map { item_of($_) } @stopped);

pause_redis(1);
$started = time;
is(told($callback), 'later unavailable', 'Redis does not answer');
cmp_ok(time - $started, '<', 3, 'it is told in time');
pause_redis(0);
ok(until_true(sub { told($callback) =~ /^accepted/ }, 10),
   'it comes again, and all is well');
is(stored('paid paid paid', @stopped), 'paid paid paid', 'all are paid');
is((scalar grep { my $e = $_; grep { $e->{pay_no} eq $_->{pay_no} } @stopped }
    events()), 3, 'once each');

stop_redis();
is(told($callback), 'later unavailable', 'Redis is stopped');
start_redis();
ok(until_true(sub { told($callback) =~ /^accepted/ }, 20), 'and started');


# What Redis has forgotten.
ok(journal_drained(), 'the journal is empty');
my $bucket = substr $mixed->{pay_no}, 0, 17;
is(redis('HDEL', "{pt:0}:p:$bucket", $mixed->{pay_no}), '1',
   'Redis forgets a payment');
redis('DEL', "{pt:0}:r:$bucket");
$before = snapshot();
is(told(callback_of(item_of($mixed))), 'accepted duplicate',
   'it is known all the same');
is(told(callback_of(item_of($mixed, 'refunded', refund_no => 'R-1'))),
   'accepted duplicate', 'and so is its refund');
unchanged($before, 'nothing changes');
is(told(callback_of(item_of($mixed, 'refunded', refund_no => $_))),
   'accepted orphan', "another refund, $_") for qw(R-8 R-9 R-8);
ok(until_true(sub {
    psql("SELECT what, amount, reason FROM paytrade.orphans WHERE trade_no"
         . " = 'T$mixed->{pay_no}' ORDER BY what")
    eq "refund:R-8|100000|old_refund\nrefund:R-9|100000|old_refund" }, 10),
   'is recorded by its number');
is(told(callback_of(item_of($mixed, 'refunded', refund_no => 'R-1',
                            refunded => '1.00'))),
   'accepted orphan', 'another amount under a known number');

ok(stop_nginx(), 'nginx ends');
ok(log_is_clean(), 'the log is clean');

done_testing();
