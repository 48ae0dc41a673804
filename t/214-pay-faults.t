# A load of holds, payments and callbacks while workers are killed, Redis is
# killed and hangs, PostgreSQL is stopped, nginx reloads.  Whatever is answered
# "fail" or not at all is sent again, as a gateway would.  Every callback that
# was answered "success" is in the stream and in PostgreSQL, once; none was
# while Redis was down; and in the end all is settled.  PT_LONG=1 takes longer.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events in_background);
use PaytradeAlipay;
use PaytradeLoad 'load';
use List::Util qw(max min);
use Test::More;
use Time::HiRes qw(sleep time);

my $scale = $ENV{PT_LONG} ? 3 : 1;
my $rate = 60;                             # buyers a second
my $end = 17 * $scale;
my $seed = $ENV{PT_SEED} || time;
srand $seed;
diag("PT_SEED=$seed");

start_nginx(workers => 2, http => alipay_gateway());
put_item('p30', stock => 1_000_000);

my (@due, @buyer, @down, @background, @odd);
my ($buyers, $elapsed, $reloads, $paused) = (0, 0, 0, 0);
my $started = time;


# What happens when, in seconds; each once.
my @faults = map { [ $_->[0] * $scale, $_->[1] ] } (
    [ 1.0, \&kill_worker ],
    [ 1.7, \&kill_worker ],
    [ 3.0, sub {
        kill_redis();
        push @down, [ time, time + 1 ];
        push @background, in_background(sub { sleep 1; start_redis() });
    } ],
    [ 6.0, sub {
        waitpid $_, 0 for splice @background;
        pause_redis(1);
        $paused = time;
    } ],
    [ 9.2, sub {
        push @down, [ $paused, time ];
        pause_redis(0);
    } ],
    [ 11.5, sub {
        push @background, in_background(sub {
            stop_postgres();
            sleep 2 * $scale;
            start_postgres();
        });
    } ],
    (map { [ 14 + 0.2 * $_, sub { reload_nginx(); $reloads++ } ] } 1 .. 10),
);


sub later {
    my ($seconds, $request) = @_;

    @due = sort { $a->[0] <=> $b->[0] } @due, [ time + $seconds, $request ];
}


sub new_buyer {
    my $n = $buyers++;

    $buyer[$n] = { user => "u$n" };
    return { method => 'POST', path => '/orders', tag => "hold $n",
             headers => { 'X-User' => "u$n", 'Idempotency-Key' => 'k' },
             body => '{"sku":"p30","quantity":1,"unit_price":"5000.00"}' };
}


# Whoever has no answer, or "try again", does; a callback most of all.
sub again {
    my ($outcome) = @_;

    later(0.3 + rand 0.3, { map { $_ => $outcome->{$_} }
                            qw(method path tag headers body) });
}


sub next_step {
    my ($outcome) = @_;
    my ($what, $n) = split / /, $outcome->{tag};
    my $status = $outcome->{status};
    my $answer = $outcome->{answer} || '';
    my $b = $buyer[$n];

    if ($what eq 'notify') {
        return again($outcome) if $status == 0 || $answer ne 'success';
        $b->{told}++;

    } elsif ($status == 0 || $status == 503) {
        return again($outcome);

    } elsif ($what eq 'hold') {
        ($b->{order}) = order_ids($outcome);
        later(0, { method => 'POST', path => '/payments', tag => "pay $n",
                   headers => { 'X-User' => $b->{user},
                                'Idempotency-Key' => 'k' },
                   body => "{\"order_ids\":[\"$b->{order}\"],"
                           . '"gateway":"alipay"}' }) if $b->{order};

    } elsif ($what eq 'pay') {
        ($b->{pay_no}) = $answer =~ /"pay_no":"(\d{19})"/;
        pays($n) if $b->{pay_no};
    }
}


# Some change their mind at the same time; some callbacks come twice.
sub pays {
    my ($n) = @_;
    my $b = $buyer[$n];
    my $delay = rand 0.2;
    my $callback = callback_request(callback($b->{pay_no}, '5000.00'),
                                    tag => "notify $n");

    $b->{callbacks} = $n % 10 == 3 ? 3 : 1;
    later($delay, { %$callback }) for 1 .. $b->{callbacks};
    later($delay, { method => 'DELETE', path => "/orders/$b->{order}",
                    headers => { 'X-User' => $b->{user} },
                    tag => "cancel $n" }) if $n % 10 == 7;
}


# Fewer at a time than one worker has calls for.
my @outcomes = load(
    port => port(), clients => 48, seconds => $end + 20,
    next => sub {
        return (shift @due)->[1] if @due && $due[0][0] <= time;
        return new_buyer() if $elapsed < $end && $buyers < $elapsed * $rate;
        return $elapsed < $end || unfinished() ? 0 : undef;
    },
    done => \&next_step,
    tick => sub {
        ($elapsed) = @_;
        (shift @faults)->[1]->() while @faults && $faults[0][0] <= $elapsed;
    },
);


sub unfinished {
    return scalar grep { ($_->{told} || 0) < ($_->{callbacks} || 1) } @buyer;
}


waitpid $_, 0 for @background;

my %by;
for my $outcome (@outcomes) {
    my ($what) = split / /, $outcome->{tag};

    $by{$what}{$what eq 'notify' && $outcome->{status} == 200
               ? $outcome->{answer} : $outcome->{status}}++;
}
diag(map { my $what = $_;
           "$what: " . join(', ', map { "$_: $by{$what}{$_}" }
                                  sort keys %{ $by{$what} }) . "\n" }
     sort keys %by);

my @callbacks = grep { $_->{tag} =~ /^notify/ } @outcomes;
my @answered = grep { $_->{status} } @callbacks;
my %settled = map { my ($pay_no) = $_->{body} =~ /out_trade_no=(\d+)/;
                    $pay_no => 1 }
              grep { ($_->{answer} || '') eq 'success' } @answered;
my $longest = max(map { $_->{ended} - $_->{sent} } @answered);

diag(sprintf 'the longest answer took %.2f s', $longest);
cmp_ok($buyers, '>', $end * $rate / 4, 'there was a load');
is($reloads, 10, 'all faults were met');
is(scalar(grep { $_->{status} != 200
                 || $_->{answer} !~ /^(?:success|fail)$/ } @answered), 0,
   'callbacks hear success or fail, and nothing else');
cmp_ok($longest, '<', 4, 'in time');
is(scalar(grep { $_->{tag} =~ /^(?:hold|pay) /
                 && $_->{status} !~ /^(?:0|20[01]|503)$/ } @outcomes), 0,
   'holds and payments too hear nothing strange');

# Sent and answered while it was down: not a success.
my @while_down = grep { my $o = $_;
                        grep { $o->{sent} > $_->[0] && $o->{ended} < $_->[1] }
                        @down } @answered;
is(scalar(grep { $_->{answer} eq 'success' } @while_down), 0,
   'none is a success while Redis is down');
cmp_ok(scalar @while_down, '>', 0, 'some were answered then');

is(unfinished(), 0, 'in the end every callback is taken');
ok(until_true(sub { all_serve('p30') }, 15), 'all workers serve');
ok(journal_drained(), 'the journal drains');

# What was answered success is there, once.
my %events;
push @{ $events{$_->{pay_no}} }, $_ for grep { $_->{pay_no} } events();
my %rows = map { my ($pay_no, @row) = split /\|/; $pay_no => \@row }
           split /\n/, psql('SELECT p.pay_no, p.status, p.rev, o.outcome,'
                            . ' o.reason, r.status FROM paytrade.payments p'
                            . ' JOIN paytrade.payment_orders o USING (pay_no)'
                            . ' JOIN paytrade.orders r USING (order_id)');

is(scalar(grep { !$rows{$_} || $rows{$_}[0] ne 'paid' } keys %settled), 0,
   'every callback answered success is in PostgreSQL');
is(scalar(grep { @{ $events{$_} || [] } != 1 } keys %settled), 0,
   'and in the stream, once');
is(scalar(keys %settled), $buyers, 'that is every payment');

for my $pay_no (keys %settled) {
    my ($status, $rev, $outcome, $reason, $order) = @{ $rows{$pay_no} || [] };
    my ($event) = @{ $events{$pay_no} || [ {} ] };
    my $fits = join ' ', $rev // 0, $outcome // '-', $order // '-',
                         ($event->{type} || '-') =~ s/^payment\.//r;

    push @odd, "$pay_no $fits"
        if $fits ne '2 applied paid succeeded'
           && $fits ne '2 refund_due cancelled refund_due';
}
is(scalar @odd, 0, 'each has one outcome, and the event tells it')
    or diag(join "\n", @odd[0 .. min($#odd, 20)]);
cmp_ok(scalar(grep { $_->[2] eq 'refund_due' } values %rows), '>', 0,
       'some were cancelled first');

my $item = item('p30');
is($item->{sold}, psql("SELECT count(*) FROM paytrade.orders"
                       . " WHERE status = 'paid'"), 'as many sold as paid');
is($item->{held}, psql("SELECT count(*) FROM paytrade.orders"
                       . " WHERE status = 'held'"), 'as many held as held');
ok(balance_holds('p30'), 'the balance holds');
is(psql('SELECT count(*) FROM paytrade.orphans'), '0', 'nobody is an orphan');
is(psql('SELECT count(*) FROM paytrade.dead_letter'), '0', 'no dead letter');

my $drift;
until_true(sub { $drift = drift(); $drift->{status} != 503 }, 15);
is($drift->{status}, 200, 'Redis and PostgreSQL agree')
    or diag(substr $drift->{content}, 0, 500);
ok(until_true(sub { workers() == 2 }, 15), 'the old workers have left');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(qr/exited on signal 9/), 'no alert but those of the kills');

done_testing();
