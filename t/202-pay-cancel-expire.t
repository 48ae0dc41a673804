# Cancel, payment and deadline at the same moment, 200 tries with offsets of
# -50 to 50 ms: each hold ends once, and the money is either for the order or
# owed back.  For half of the holds other buyers wait, so that units that come
# back are gone at once.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events);
use PaytradeAlipay;
use PaytradeLoad 'load';
use List::Util 'min';
use Test::More;
use Time::HiRes 'time';

my $tries = 200;
my $spread = 0.05;
my $seed = $ENV{PT_SEED} || time;
srand $seed;
diag("PT_SEED=$seed");

start_nginx(workers => 2, http => alipay_gateway() . <<'_EOC_');
    paytrade_pay_margin 100ms;
    paytrade_pay_rest 200ms;
    paytrade_soldout_ttl 0;
    paytrade_events order.cancelled order.expired;
_EOC_

put_item('roomy', sale => 'roomy', stock => $tries, limit => 1,
         hold_time => '2s');
put_item('tight', sale => 'tight', stock => $tries / 2, limit => 1,
         hold_time => '2s');

my %watch = map { $_ => watch_balance($_) } qw(roomy tight);
my (@due, @try);
my $started = time;


# A request that is not sent before its time.
sub at {
    my ($time, $request) = @_;

    @due = sort { $a->[0] <=> $b->[0] } @due, [ $time, $request ];
}


sub hold_of {
    my ($user, $sku, $tag) = @_;

    return { method => 'POST', path => '/orders', tag => $tag,
             headers => { 'X-User' => $user, 'Idempotency-Key' => 'k' },
             body => "{\"sku\":\"$sku\",\"quantity\":1,"
                     . '"unit_price":"5000.00"}' };
}


# Once it is held, the payment; once that is started, all that races.
sub next_step {
    my ($outcome) = @_;
    my ($what, $n) = split / /, $outcome->{tag};
    my $try = $try[$n // 0];

    if ($what eq 'hold') {
        ($try->{order}) = order_ids($outcome) or return;
        my ($h, $m, $s) = $outcome->{answer}
                          =~ /"expires_at":"[^T]+T(\d\d):(\d\d):([\d.]+)Z"/;
        $try->{deadline} = deadline($h * 3600 + $m * 60 + $s);
        at(0, { method => 'POST', path => '/payments', tag => "pay $n",
                headers => { 'X-User' => $try->{user} },
                body => "{\"order_ids\":[\"$try->{order}\"],"
                        . '"gateway":"alipay"}' });

    } elsif ($what eq 'pay') {
        ($try->{pay_no}) = ($outcome->{answer} || '')
                           =~ /"pay_no":"(\d{19})"/ or return;
        race($n);

    } elsif ($what eq 'cancel') {
        $try->{cancel} = word($outcome);

    } elsif ($what eq 'notify') {
        $try->{notify} = $outcome->{status} == 200 ? $outcome->{answer}
                                                   : $outcome->{status};
    }
}


# Of today's seconds the time nearest to now.
sub deadline {
    my ($seconds) = @_;
    my $day = 86400;
    my $time = int(time / $day) * $day + $seconds;

    return $time < time - $day / 2 ? $time + $day : $time;
}


sub word {
    my ($outcome) = @_;
    my $answer = $outcome->{answer} || '';

    return $outcome->{status} == 200 && $answer =~ /"status":"(\w+)"/ ? $1
           : $answer =~ /"code":"(\w+)"/ ? $1 : "status $outcome->{status}";
}


sub race {
    my ($n) = @_;
    my $try = $try[$n];
    my $offset = sub { $try->{deadline} + $spread * (rand(2) - 1) };

    at($offset->(), { method => 'DELETE', path => "/orders/$try->{order}",
                      headers => { 'X-User' => $try->{user} },
                      tag => "cancel $n" }) if $n % 4 != 3;
    at($offset->(), callback_request(callback($try->{pay_no}, '5000.00'),
                                     tag => "notify $n"));

    return if $try->{sku} ne 'tight';
    at($offset->() + $spread, hold_of("rival-$n", 'tight', "rival $n"));
}


# All are held before the first of them is due.
for my $n (0 .. $tries - 1) {
    $try[$n] = { user => "u$n", sku => $n % 2 ? 'tight' : 'roomy' };
    at($started + 0.008 * $n, hold_of("u$n", $try[$n]{sku}, "hold $n"));
}

my @outcomes = load(
    port => port(), clients => 64, seconds => 20,
    next => sub {
        return if !@due && !open_tries();
        return 0 if !@due || $due[0][0] > time;
        return (shift @due)->[1];
    },
    done => \&next_step,
);


sub open_tries {
    return scalar grep { !defined $_->{notify} } @try;
}


my ($checks, $wrong) = (0, 0);
for my $sku (keys %watch) {
    my ($n, $bad) = end_watch($watch{$sku});

    $checks += $n;
    $wrong += $bad;
}

is(scalar(grep { $_->{pay_no} } @try), $tries,
   'every order was held and its payment started');
is(scalar(grep { ($_->{notify} || '') eq 'success' } @try), $tries,
   'every callback is a success');
cmp_ok($checks, '>', 10, 'the balance was read on the way');
is($wrong, 0, 'and held each time');

# What PostgreSQL has in the end.
ok(journal_drained(), 'the journal is empty');
my %order = map { my ($id, @rest) = split /\|/; $id => \@rest }
            split /\n/, psql('SELECT order_id, status, rev'
                             . ' FROM paytrade.orders');
my %part = map { my ($id, @rest) = split /\|/; $id => \@rest }
           split /\n/, psql('SELECT o.order_id, o.outcome, o.reason,'
                            . ' p.status, p.rev FROM paytrade.payments p'
                            . ' JOIN paytrade.payment_orders o USING (pay_no)');
my (%events, %ends);

for my $event (grep { $_->{order_id} } events()) {
    push @{ $events{$event->{order_id}} }, $event->{type} =~ s/^\w+\.//r;
}


# The order's end, the part's, and the events must be one of these.
my %fits = map { $_ => 1 } (
    'paid 2, applied, succeeded',
    'paid 3, applied late, expired succeeded',
    'cancelled 2, refund_due cancelled, cancelled refund_due',
    'expired 2, refund_due sold_out, expired refund_due',
);

my (@odd, @told_wrong);
for my $try (@try) {
    my ($status, $rev) = @{ $order{$try->{order}} || [ 'none', 0 ] };
    my ($outcome, $reason, $paid, $paid_rev) = @{ $part{$try->{order}}
                                                  || [ 'none' ] };
    my $end = "$status $rev, " . join(' ', grep { length } $outcome,
                                      $reason // '') . ', '
              . join(' ', @{ $events{$try->{order}} || [] });

    $ends{$end}++;
    push @odd, "$try->{order} $end" if !$fits{$end}
        || ($paid // '') ne 'paid' || $paid_rev != 2;

    # what the buyer heard when he cancelled
    my $heard = $try->{cancel} // next;
    push @told_wrong, "$try->{order} $status $heard"
        if !($heard eq 'cancelled' && $status eq 'cancelled'
             || $heard eq 'already_paid' && $status eq 'paid'
             || $heard eq 'expired' && $status =~ /^(?:expired|paid)$/);
}

diag(join "\n", map { "$ends{$_}: $_" } sort keys %ends);
is(scalar @odd, 0, 'each has one end, one outcome, and is told so')
    or diag(join "\n", @odd[0 .. min($#odd, 20)]);
is(scalar @told_wrong, 0, 'and the buyer was told the same')
    or diag(join "\n", @told_wrong[0 .. min($#told_wrong, 20)]);
cmp_ok(scalar(keys %ends), '>=', 3, 'different ends were met');

my $due = grep { $_->[0] eq 'refund_due' } values %part;
is(scalar(grep { $_ eq 'refund_due' } map { @$_ } values %events), $due,
   'money owed back is a row and an event');
is(scalar(grep { $_->{amount} ne '500000' } grep { $_->{pay_no} } events()), 0,
   'of the whole amount');

# Rivals that hold something expire too.
ok(until_true(sub { item('tight')->{held} + item('roomy')->{held} == 0 }, 10),
   'all holds have ended');
is_deeply([ map { item($_)->{sold} } qw(roomy tight) ],
          [ map { my $sku = $_;
                  scalar grep { $_->{sku} eq $sku
                                && $order{$_->{order}}[0] eq 'paid' } @try }
            qw(roomy tight) ], 'as many are sold as are paid');
is_deeply([ map { item($_)->{available} + item($_)->{sold} }
            qw(roomy tight) ], [ $tries, $tries / 2 ],
          'all other units came back once');

ok(journal_drained(), 'the journal is empty');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');

# The quota came back where it had to, and only there: the limit is one.
my %free;
for my $try (grep { $_->{sku} eq 'roomy' } @try) {
    my $again = http('POST', '/orders', hold_of('', 'roomy', '')->{body},
                     'X-User' => $try->{user});
    my $paid = $order{$try->{order}}[0] eq 'paid';

    $free{$again->{status} == ($paid ? 409 : 201) ? 'right' : 'wrong'}++;
}
is($free{wrong} || 0, 0, 'the quota is free or used as it should be');

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
