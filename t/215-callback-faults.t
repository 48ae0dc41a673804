# Redis is stopped, hangs, or dies under a load of callbacks of every gateway:
# none is a success, each is answered in time, in the gateway's own words.
# When it is back, what the gateways send again settles everything once.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events status_json in_background);
use PaytradeAlipay qw(buy payment);
use PaytradeGateways;
use PaytradeLoad 'load';
use List::Util 'max';
use Test::More;
use Time::HiRes qw(sleep time);

my @gateways = @PaytradeGateways::GATEWAYS;
my @closing = grep { !/^wechat/ } @gateways;
my @refunding = grep { $_ ne 'wechat_v2' } @gateways;

start_nginx(workers => 2, http => gateways());
put_item('p30', stock => 1000);

my $buyers = 0;
my $longest = 0;


# A payment that waits for the gateway.
sub waiting {
    my ($gateway) = @_;
    my $user = 'u' . ++$buyers;

    return { gateway => $gateway, kind => 'paid', name => "$gateway paid",
             no => external($user, $gateway, buy($user, 'p30'))->{pay_no} };
}


# What a gateway would send now, for it signs each time anew.
sub request {
    my ($p) = @_;

    return request_of(play($p->{gateway}, $p->{kind}, $p->{no},
                           refund_no => 'RRRR000000000001',
                           %{ $p->{more} || {} }),
                      of => $p);
}


sub send_all {
    my (@list) = @_;
    my @requests = map { request($_) } @list;
    my @outcomes = load(port => port(), clients => 24, seconds => 12,
                        next => sub { shift @requests });

    $longest = max($longest, map { $_->{ended} - $_->{sent} } @outcomes);

    return @outcomes;
}


# Each once, and what became of it: all must be told to ask again.
sub none_succeeds {
    my ($name, @list) = @_;
    my @outcomes = send_all(@list);
    my %odd;

    for my $outcome (@outcomes) {
        my $said = said($outcome->{of}{gateway}, $outcome, 'later');

        $odd{"$outcome->{of}{name}: $said"}++ if $said ne 'later';
    }

    is(scalar @outcomes, scalar @list, "$name: each has an answer");
    is(join("\n", sort keys %odd), '', "$name: none is a success");
}


# As gateways do it: again and again, until each is accepted.
sub all_succeed {
    my ($name, @list) = @_;
    my $end = time + 20;

    while (@list && time < $end) {
        @list = map { $_->{of} }
                grep { said($_->{of}{gateway}, $_, 'accepted') ne 'accepted' }
                send_all(@list);
        sleep 0.2 if @list;
    }

    is(join(', ', map { $_->{name} } @list), '', "$name: all are taken");
}


# Payments, and what is told of those that are paid: a part is given back, or
# of WeChat's old API only said to be; and of others that they are closed.
my (@paid, @first, @second, @third, @later);

for my $gateway (@gateways) {
    push @first, map { waiting($gateway) } 1 .. 2;
    push @second, map { waiting($gateway) } 1 .. 2;
    push @third, map { waiting($gateway) } 1 .. 4;

    my $p = waiting($gateway);

    push @paid, $p;
    push @later, { %$p, kind => 'refunded', name => "$gateway refunded" };
}

push @later, map { { %{ waiting($_) }, kind => 'closed',
                     name => "$_ closed" } } @closing;

# Two items in one callback.
my ($one, $two) = map { waiting('adyen') } 1 .. 2;
push @first, { %$one, name => 'adyen with two items',
               more => { more => [ [ 'paid', $two->{no} ] ] } };

# Of no payment, for the prefix is none of ours.
my @orphans = map { { gateway => $_, kind => 'paid', name => "$_ orphan",
                      no => "x-$_" } } @gateways;

all_succeed('Redis serves', @paid);


# Stopped.
stop_redis();
none_succeeds('Redis is stopped', @first, @later, @orphans);
none_succeeds('still stopped', @first, @later, @orphans);

for my $gateway (@gateways) {
    my $forged = play($gateway, 'paid', $first[0]{no}, key => 'other');

    is(said($forged, deliver($forged), 'refused'), 'refused',
       "$gateway: what is forged is refused all the same");
}

start_redis();
ok(until_true(sub { all_serve('p30') }, 15), 'Redis is back');
all_succeed('Redis is back', @first, @later);
all_succeed('and once more', @first, @later);


# It hangs: what it was told it does when it goes on.
pause_redis(1);
none_succeeds('Redis hangs', @second);
pause_redis(0);
all_succeed('Redis goes on', @second, @second);


# It dies and comes back while callbacks come.
my @due = map { [ 1.6 * $_ / @third, $third[$_] ] } 0 .. $#third;
my (%taken, %while_down, $elapsed, $killed, $starter);
my $gone = 0.8;

load(port => port(), clients => 16, seconds => 20,
    next => sub {
        return request((shift @due)->[1]) if @due && $due[0][0] <= $elapsed;
        return keys %taken < @third ? 0 : undef;
    },
    done => sub {
        my ($outcome) = @_;
        my $p = $outcome->{of};
        my $said = said($p->{gateway}, $outcome, 'accepted');

        $longest = max($longest, $outcome->{ended} - $outcome->{sent});
        $while_down{$said}++ if $killed && $outcome->{sent} > $killed
                                && $outcome->{ended} < $killed + $gone;

        if ($said eq 'accepted') {
            $taken{$p->{no}} = 1;
        } else {
            @due = sort { $a->[0] <=> $b->[0] } @due, [ $elapsed + 0.3, $p ];
        }
    },
    tick => sub {
        ($elapsed) = @_;

        if (!$killed && $elapsed > 0.6) {
            kill_redis();
            $killed = time;
            $starter = in_background(sub { sleep $gone; start_redis() });
        }
    });
waitpid $starter, 0;

is(scalar(keys %taken), scalar @third,
   'under a load: in the end all are taken');
ok(scalar(%while_down), 'under a load: some were answered while it was down');
is($while_down{accepted} || 0, 0, 'under a load: none as a success');
cmp_ok($longest, '<', 3, 'each answer came within 3 s');
diag(sprintf 'the longest answer took %.2f s', $longest);


# Once each.
my @all = (@paid, @first, @second, @third, $two);
my (%events, %kinds);

for my $event (events()) {
    $events{$event->{pay_no}}++ if $event->{type} eq 'payment.succeeded';
    $kinds{$event->{type} =~ s/^payment\.//r
           . ($event->{reason} ? " $event->{reason}" : '')}++;
}

is(scalar(grep { ($events{$_->{no}} || 0) != 1 } @all), 0,
   'each payment is told once');
is(join(', ', map { "$_ $kinds{$_}" } sort keys %kinds),
   'orphan unconfirmed_refund 1, refunded ' . @refunding . ', succeeded '
   . @all, 'and nothing else is but what was given back');
ok(journal_drained(), 'the journal is empty');
is(psql("SELECT status, rev, count(*) FROM paytrade.payments GROUP BY 1, 2"
        . ' ORDER BY 1, 2'),
   join("\n", 'closed|2|' . @closing, 'paid|2|' . (@all - @refunding),
        'paid|3|' . @refunding), 'PostgreSQL has each as it is');
is(psql('SELECT count(*), count(DISTINCT pay_no) FROM paytrade.refunds'),
   @refunding . '|' . @refunding, 'and what was given back');
is(psql('SELECT count(*) FROM paytrade.dead_letter'), '0', 'no dead letter');
is(item('p30')->{sold}, scalar @all, 'as many are sold as are paid');

my $drift;
until_true(sub { $drift = drift(); $drift->{status} != 503 }, 15);
is($drift->{status}, 200, 'Redis and PostgreSQL agree');
ok(balance_holds('p30'), 'the balance holds');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
