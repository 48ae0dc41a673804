# Under load: workers killed, Redis restarted, PostgreSQL away, reloads.  After
# each, every order that was answered 201 is in PostgreSQL once, and the
# balance holds.  PT_LONG=1 takes the full times.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use PaytradeLoad 'load';
use Test::More;
use Time::HiRes qw(time);

my $long = $ENV{PT_LONG};
my $seed = $ENV{PT_SEED} || time;
srand $seed;
diag("PT_SEED=$seed");

start_nginx(workers => 2);

my $round = 0;
my @answered;


# A load of holds and cancels for some seconds, with a fault on the way.
sub under_load {
    my ($name, $seconds, $fault) = @_;
    my ($n, $checks, $wrong) = (0, 0, 0);
    my (@open, %by_status);
    my $sku = 'sku-' . ++$round;

    put_item($sku, stock => 1_000_000);

    my @outcomes = load(
        port => port(), clients => 32, seconds => $seconds,
        next => sub {
            $n++;
            return {
                method => 'POST', path => '/orders',
                headers => { 'X-User' => "user-$round-$n",
                             'Idempotency-Key' => "key-$n" },
                body => "{\"sku\":\"$sku\",\"quantity\":1,"
                        . '"unit_price":"5000.00"}',
            };
        },
        tick => $fault,
    );

    $by_status{$_->{status}}++ for @outcomes;
    diag("$name: " . join ', ', map { "$_: $by_status{$_}" }
                                sort keys %by_status);

    ok(until_true(sub { all_serve($sku) }, 15), "$name: it heals by itself");

    my @ids = order_ids(@outcomes);
    my %unique = map { $_ => 1 } @ids;

    cmp_ok(scalar @ids, '>', 100, "$name: holds were taken");
    is(scalar(keys %unique), scalar @ids, "$name: each with an id of its own");
    is(scalar(grep { $_->{status} !~ /^(?:201|503|0)$/ } @outcomes), 0,
       "$name: nothing but 201 and 503");
    ok(until_true(sub { balance_holds($sku) }, 10), "$name: the balance holds");

    push @answered, @ids;
    ok(same_orders(\@answered), "$name: every order is in PostgreSQL");
    ok(journal_drained(), "$name: the journal drains");
    is(psql("SELECT count(*) FROM paytrade.orders WHERE sale = 'spring'"
            . " AND status = 'held'"), redis_held(),
       "$name: as many held in PostgreSQL as in Redis");
    retry_unknown($name, @outcomes);

    my $drift;

    until_true(sub { $drift = drift(); $drift->{status} != 503 }, 15);
    is($drift->{status}, 200, "$name: Redis and PostgreSQL agree")
        or diag(substr $drift->{content}, 0, 500);
}


sub redis_held {
    my $held = 0;

    $held += item("sku-$_")->{held} for 1 .. $round;
    return $held;
}


# Who had no answer asks again with the same key: one order, whatever became
# of the first try.
sub retry_unknown {
    my ($name, @outcomes) = @_;
    my @unknown = grep { $_->{status} != 201 } @outcomes;
    @unknown = @unknown[0 .. 499] if @unknown > 500;
    return if !@unknown;

    my @requests = map { { %$_{qw(method path headers body)} } }
                   (@unknown, @unknown);
    my @told = load(port => port(), clients => 16, seconds => 20,
                    next => sub { shift @requests });
    my %orders;

    for my $told (@told) {
        my ($id) = order_ids($told);
        $orders{$told->{headers}{'X-User'}}{$id || 'none'} = 1;
    }

    is(scalar(grep { keys %{ $orders{$_} } != 1 || $orders{$_}{none} }
              keys %orders), 0, "$name: the same key tells the truth");
    push @answered, order_ids(@told);
}


my $next_kill = 0.5;
under_load('workers killed', $long ? 10 : 3, sub {
    my ($elapsed) = @_;

    if ($elapsed > $next_kill) {
        kill_worker();
        $next_kill += 0.7;
    }
});

my @steps = (0.7, 1.6);
under_load('Redis killed and restarted', $long ? 10 : 4, sub {
    my ($elapsed) = @_;

    if (@steps && $elapsed > $steps[0]) {
        shift @steps;
        kill_redis();
        start_redis();
    }
});

my $pause = 0;
under_load('Redis hanging', 5, sub {
    my ($elapsed) = @_;

    if ($pause == 0 && $elapsed > 0.5) {
        pause_redis(1);
        $pause = 1;

    } elsif ($pause == 1 && $elapsed > 3.5) {
        pause_redis(0);
        $pause = 2;
    }
});

my $away = 0;
my $back = $long ? 30.5 : 4;
under_load('PostgreSQL stopped', $back + 1.5, sub {
    my ($elapsed) = @_;

    if ($away == 0 && $elapsed > 0.5) {
        stop_postgres();
        $away = 1;

    } elsif ($away == 1 && $elapsed > $back) {
        start_postgres();
        $away = 2;
    }
});

my $crash = 0;
under_load('PostgreSQL killed', 4, sub {
    my ($elapsed) = @_;

    if ($crash == 0 && $elapsed > 0.7) {
        kill_postgres();
        start_postgres();
        $crash = 1;
    }
});

my $reloads = 0;
under_load('reloads', $long ? 10 : 5, sub {
    my ($elapsed) = @_;

    if ($elapsed > 0.2 * ($reloads + 1) && $reloads < 20) {
        reload_nginx();
        $reloads++;
    }
});
is($reloads, 20, 'twenty reloads');
ok(until_true(sub { workers() == 2 }, 15), 'the old workers have left');

ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(qr/exited on signal 9/), 'no alert but those of the kills');

done_testing();
