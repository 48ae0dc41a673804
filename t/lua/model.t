# Random batches against a model: each answer, and after each batch the
# invariants: balance, one resolution, released once, idempotent, limits.
#
# PAYTRADE_SEED and PAYTRADE_ROUNDS choose the run; the clock adds its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $seed = $ENV{PAYTRADE_SEED} // time;
my $rounds = $ENV{PAYTRADE_ROUNDS} // 600;
my $failures = 0;
my $operations = 0;

diag "PAYTRADE_SEED=$seed";
srand $seed;

my $r = PaytradeRedis->start;
my @users = map { "user-$_" } 1 .. 12;
my %hold_ms = (1000 => 1, 5000 => 1, 60000 => 1);
my (%items, %paused, %orders, %attempts, %requests, %answers);
my $now;


sub pick { $_[rand @_] }

sub check {
    my ($ok, $name) = @_;

    return if $ok;

    fail($name);
    done_testing, exit 1 if ++$failures >= 10;
}

sub same {
    my ($got, $expected, $name) = @_;

    check($got eq $expected, "$name\n  got      $got\n  expected $expected");
}


# The model

sub due { $_[0]{status} eq 'held' && $_[0]{expires} <= $now }
sub status { due($_[0]) ? 'expired' : $_[0]{status} }

sub held_units {
    my ($sku, $user) = @_;
    my $n = 0;

    for my $o (values %orders) {
        next if status($o) ne 'held' || (defined $user && $o->{user} ne $user);
        $n += $_->[1] for grep { $_->[0] eq $sku } @{ $o->{lines} };
    }

    return $n;
}

sub available { $items{$_[0]}{stock} - held_units($_[0]) }


# What a hold should answer: the words that can be told beforehand.
sub model_hold {
    my ($h) = @_;
    my @lines = @{ $h->{lines} };
    my $first = $items{$lines[0][0]};
    my $sale = $h->{sale} ne '' ? $h->{sale} : $first && $first->{sale};

    return "unknown_item $lines[0][0]" if !$sale;

    my $known = $attempts{$sale}{$h->{user}}{$h->{key}};
    my $body = join ';', $h->{sale}, map { "@$_" } @lines;

    return "replayed $known->{id} " . status($orders{$known->{id}})
        if $known && $known->{body} eq $body;

    for (@lines) {
        return "unknown_item $_->[0]"
            if !$items{$_->[0]} || $items{$_->[0]}{sale} ne $sale;
    }

    return 'key_reused' if $known;
    return "paused $lines[0][0]" if $paused{$sale};

    for (@lines) {
        my $it = $items{$_->[0]};
        return "not_started $_->[0] $it->{starts}" if $now < $it->{starts};
    }

    for (@lines) { return "ended $_->[0]" if $now >= $items{$_->[0]}{ends} }

    my $total = 0;

    for (@lines) {
        my $price = $items{$_->[0]}{price};
        return "price_changed $_->[0] $price" if $_->[2] != $price;
        $total += $_->[1] * $price;
    }

    return "price_changed  $total"
        if $h->{amount} ne '' && $h->{amount} != $total;

    for (@lines) {
        my $limit = $items{$_->[0]}{limit};
        return "limit_reached $_->[0]"
            if $limit && held_units($_->[0], $h->{user}) + $_->[1] > $limit;
    }

    for (@lines) {
        my $left = available($_->[0]);
        return "sold_out $_->[0] $left" if $left < $_->[1];
    }

    return "held $sale $body $total";
}

sub take {
    my ($h, $expected, @f) = @_;
    my ($sale, $body, $total) = $expected =~ /^held (\S+) (.*) (\d+)$/;
    my ($id, $amount, $created, $expires) = @f;
    my $ms = 1e18;

    for (@{ $h->{lines} }) {
        my $it = $items{$_->[0]};
        $ms = $it->{hold_ms} if $it->{hold_ms} < $ms;
    }

    same("$amount $created $expires", join(' ', $total, $now, $now + $ms),
         'what a hold answers');
    check(!$orders{$id}, "id $id twice");
    $orders{$id} = { id => $id, status => 'held', user => $h->{user},
                     sale => $sale, lines => $h->{lines}, meta => $h->{meta},
                     amount => $total, created => $created, key => $h->{key},
                     expires => $expires };
    $attempts{$sale}{$h->{user}}{$h->{key}} = { body => $body, id => $id };
}


# Batches

sub call {
    my ($script, @args) = @_;
    my $reply = $r->script($script, @args);

    if (PaytradeRedis::is_error($reply)) {
        fail("$script: $$reply");
        done_testing;
        exit 1;
    }

    my $header = shift @$reply;

    (undef, $now) = split /\t/, $header;
    for (grep { / / } split /\t/, $header) {
        my ($sku, $left, $at) = split / /;

        check($left > 0 || held_units($sku) == 0 || $at > 0,
              "sold out for good, though held: $_");
    }

    return @$reply;
}

sub random_lines {
    my %seen;
    my @skus = sort grep { !$seen{$_}++ }
               map { pick(sort(keys %items), rand() < .02 ? 'nope' : ()) }
               1 .. (rand() < .7 ? 1 : 1 + int rand 4);

    return [ map { my $it = $items{$_};
                   [ $_, 1 + int rand 3,
                     ($it ? $it->{price} : 1) + (rand() < .02 ? 1 : 0) ] }
             @skus ];
}

my @recent;

sub hold_batch {
    my @ops;

    for (1 .. 1 + int rand 40) {
        if (@recent && rand() < .2) {
            push @ops, pick(@recent);      # asked again
            next;
        }

        my $lines = random_lines();

        push @ops, { user => pick(@users), lines => $lines,
                     key => int rand 200,
                     sale => rand() < .3 ? pick(qw(s1 s2)) : '',
                     amount => rand() < .3 ? 3 * $lines->[0][2] : '',
                     meta => rand() < .1 ? '{"a":1}' : '' };
    }

    push @ops, ($ops[0]) x 10 if rand() < .1;
    push @recent, @ops;
    splice @recent, 0, @recent - 100 if @recent > 100;

    my @replies = call('hold', 1e6, 256,
                       map { PaytradeRedis::hold_op(%$_) } @ops);

    for my $i (0 .. $#ops) {
        my ($h, $reply) = ($ops[$i], $replies[$i]);
        my @f = split /\t/, $reply, -1;
        my $expected = model_hold($h);
        my $word = shift @f;

        $answers{$word}++;
        $operations++;

        if ($word eq 'held' && $expected =~ /^held /) {
            take($h, $expected, @f);

        } elsif ($word eq 'replayed') {
            same("$word @f[0, 1]", $expected, 'a replay');
            check($f[3] eq $h->{user}, "a replay of $f[3]'s");

        } elsif ($word eq 'limit_reached') {
            same("$word $f[0]", $expected, 'limit_reached');

            my $open = $orders{$f[1]};

            check($f[1] eq '' ? !held_units($f[0], $h->{user})
                  : $open && status($open) eq 'held'
                    && $open->{user} eq $h->{user}
                    && grep({ $_->[0] eq $f[0] } @{ $open->{lines} }),
                  "the open order: $reply");

        } elsif ($word eq 'sold_out') {
            same("$word @f[0, 1]", $expected, 'sold_out');
            check(($f[2] > 0) == (held_units($f[0]) > 0),
                  "when units come back: $reply");

        } else {
            same("$word" . join('', map { " $_" } @f), $expected, 'a hold');
        }
    }
}

sub close_batch {
    my @ops = map { rand() < .1 ? [ 'sweep', 2, 200, 864e8 ]
                    : [ 'cancel', 3, pick(sort(keys %orders), '1' x 19),
                        rand() < .3 ? '' : pick(@users), '' ] }
              1 .. 1 + int rand 20;

    push @ops, ($ops[0]) x 50 if rand() < .1;

    for (grep { $_->[0] eq 'cancel' && rand() < .7 } @ops) {
        $_->[3] = $orders{$_->[2]}{user} if $orders{$_->[2]};
    }

    my @replies = call('close', map { @$_ } @ops);

    for my $i (0 .. $#ops) {
        my ($kind, undef, $id, $user) = @{ $ops[$i] };
        my ($word, @f) = split /\t/, $replies[$i], -1;
        my $o = $orders{$id};

        $answers{$word}++;
        $operations++;

        if ($kind eq 'sweep') {
            same($word, 'swept', 'a sweep');
            next;
        }

        my $expected = !$o || ($user ne '' && $user ne $o->{user})
                       ? 'unknown_order'
                       : status($o) eq 'held' ? 'cancelled' : 'closed';

        same($word, $expected, "cancel $id");
        next if !$o || $expected eq 'unknown_order';
        $o->{status} = $expected eq 'cancelled' ? 'cancelled' : status($o);
        same("@f[0, 1]", "$id $o->{status}", 'its row');
    }
}

sub catalog_batch {
    my (@ops, @expected);

    for (1 .. 1 + int rand 3) {
        my $kind = pick(qw(put put restock restock pause));

        if ($kind eq 'put') {
            my $sku = pick(sort(keys %items), 'i' . int rand 12);
            my %it = (sku => $sku, sale => rand() < .95 && $items{$sku}
                      ? $items{$sku}{sale} : pick(qw(s1 s2)),
                      title => "T$sku", price => 100 * (1 + int rand 2),
                      stock => int rand 60, limit => pick(0, 3, 5),
                      hold_ms => pick(sort keys %hold_ms),
                      starts => rand() < .05 ? $now + 3000 : 0,
                      ends => rand() < .05 ? $now + 3000 : 1e14);

            push @ops, [ PaytradeRedis::put_op(%it) ], \%it;

        } elsif ($kind eq 'restock') {
            push @ops, [ 'restock', 3, pick(sort keys %items),
                         int(rand 30) - 8, 'r' . int rand 500 ], undef;

        } else {
            push @ops, [ 'pause', 2, pick(qw(s1 s2)), rand() < .2 ? 1 : 0 ],
                       undef;
        }
    }

    my @args = map { $ops[2 * $_] } 0 .. $#ops / 2;
    my @replies = call('catalog', map { @$_ } @args);

    for my $i (0 .. $#args) {
        my ($kind, undef, @a) = @{ $args[$i] };
        my $it = $ops[2 * $i + 1];
        my ($word, @f) = split /\t/, $replies[$i], -1;
        my $old = $items{$a[0]};
        my $expected;

        $answers{$word}++;
        $operations++;

        if ($kind eq 'put') {
            $expected = !$old ? 'created'
                        : $old->{sale} ne $it->{sale} ? 'wrong_sale'
                        : $it->{stock} < held_units($a[0]) ? 'below_committed'
                        : 'changed';
            $items{$a[0]} = $it if $expected =~ /ed$/
                                   && $expected ne 'below_committed';

        } elsif ($kind eq 'restock') {
            my $stock = $old ? $old->{stock} + $a[1] : 0;

            $expected = !$old ? 'unknown_item'
                        : $requests{$a[2]} ? 'replayed'
                        : $stock < held_units($a[0]) || $stock < 0
                          ? 'below_committed' : 'changed';

            if ($expected eq 'changed') {
                $old->{stock} = $stock;
                $requests{$a[2]} = 1;
            }

        } else {
            my $known = grep { $_->{sale} eq $a[0] } values %items;

            $expected = !$known ? 'unknown_sale'
                        : ($paused{$a[0]} // 0) == $a[1] ? 'unchanged'
                        : 'changed';
            $paused{$a[0]} = $a[1] if $known;
        }

        same($word, $expected, "$kind @a");
    }
}


# The invariants, in what is stored.

my (%revs, $read_to, %journaled);

sub journal_is_sound {
    my $entries = $r->cmd('XRANGE', $r->key('journal'),
                          defined $read_to ? "($read_to" : '-', '+');

    for my $entry (@$entries) {
        my @fields = @{ $entry->[1] };

        $read_to = $entry->[0];

        while (my ($kind, $row) = splice @fields, 0, 2) {
            my @row = split /\t/, $row, -1;

            $journaled{total}++;
            next if $kind ne 'o';

            my ($id, $status, $rev) = @row;

            check($rev == ($revs{$id} // 0) + 1, "I5 rev of $id: $rev");
            check($rev == 1 ? $status eq 'held'
                  : $rev == 2 && $status =~ /^cancelled|^expired/,
                  "I5 one resolution of $id: $rev $status");
            $revs{$id} = $rev;
            $journaled{$id} = $status;
        }
    }
}

sub stored_is_sound {
    my (%held, %units);

    for my $o (values %orders) {
        # held, or due and not yet released
        next if ($journaled{$o->{id}} // '') ne 'held';

        for (@{ $o->{lines} }) {
            $held{$_->[0]} += $_->[1];
            $units{$o->{sale}}{$o->{user}}{$_->[0]} += $_->[1];
        }
    }

    for my $sku (keys %items) {
        my $it = $r->stored_item($sku);

        check($it->{available} >= 0
              && $it->{available} + $it->{held} + $it->{sold} == $it->{stock},
              "I1 balance of $sku: @{[ %$it ]}");
        same("$it->{stock} $it->{held}",
             join(' ', $items{$sku}{stock}, $held{$sku} // 0),
             "I6 released once: stock and held of $sku");
    }

    my %skus = @{ $r->cmd('HGETALL', $r->key('skus')) };

    for my $sale (keys %attempts) {
        my %buyers = @{ $r->cmd('HGETALL', $r->key("buyers:$sale")) };

        for my $user (keys %{ $attempts{$sale} }) {
            my ($u, $a) = ($buyers{$user} // '') =~ /^(.*?)\|(.*)$/;
            my %stored = map { /(.*):(.*)/ ? ($skus{$1}, $2) : () }
                         split /,/, $u // '';
            my $expected = $units{$sale}{$user} // {};

            same(join(' ', map { "$_=$stored{$_}" } sort keys %stored),
                 join(' ', map { "$_=$expected->{$_}" } sort keys %$expected),
                 "I9 units of $user in $sale");
            same(length($a // '') / 52,
                 scalar(keys %{ $attempts{$sale}{$user} }),
                 "I8 attempts of $user in $sale");
        }
    }

    same($r->cmd('HGET', $r->key('clock'), 'waiting'), $journaled{total} // 0,
         'operations waiting');
}

sub reads_are_right {
    my @skus = sort keys %items;
    my @ids = map { pick(sort(keys %orders)) } 1 .. 10;
    my ($sale, $user) = (pick(qw(s1 s2)), pick(@users));
    my @replies = call('read', 'orders', 2, $sale, $user,
                       (map { ('item', 1, $_) } @skus),
                       map { ('order', 1, $_) } @ids);
    my ($head, @rows) = split /\n/, shift @replies;

    same(join(' ', sort map { (split /\t/)[0] } @rows),
         join(' ', sort map { $_->{id} }
              grep { $_->{sale} eq $sale && $_->{user} eq $user
                     && status($_) eq 'held' } values %orders),
         'open orders');

    for my $sku (@skus) {
        my @f = split /\t/, shift @replies;

        same("@f[6, 7]", join(' ', available($sku), held_units($sku)),
             "$sku available and held");
    }

    for my $o (@orders{@ids}) {
        my @f = split /\t/, shift @replies, -1;

        same(join('|', @f[1, 2, 4, 5, 6, 7, 8, 12, 13]),
             join('|', $o->{id}, status($o), @$o{qw(user sale amount created
                  expires)}, join(',', map { "@$_" } @{ $o->{lines} }),
                  $o->{meta}), 'an order reads');
    }
}


$r->adopt;
$now = $r->pass(0);
$items{"i$_"} = { sku => "i$_", sale => $_ % 3 ? 's1' : 's2', title => "Ti$_",
                  price => 100, stock => 30, limit => 5, starts => 0,
                  ends => 1e14, hold_ms => 5000 } for 0 .. 8;
call('catalog', map { PaytradeRedis::put_op(%{ $items{$_} }) }
     sort keys %items);

for my $round (1 .. $rounds) {
    my $what = rand;

    if ($what < .5) {
        hold_batch();

    } elsif ($what < .7) {
        close_batch() if %orders;

    } elsif ($what < .8) {
        catalog_batch();

    } elsif ($what < .9) {
        reads_are_right() if %orders;

    } else {
        $r->pass(int rand 4000);
    }

    # a due list is looked at to a bound: it is kept below it
    call('close', 'sweep', 2, 1000, 864e8)
        if rand() < .05 || $r->cmd('LLEN', $r->key('due:1000'))
                           + $r->cmd('LLEN', $r->key('due:5000')) > 40;

    journal_is_sound();
    stored_is_sound();
}

# liveness: in the end all is over
$r->pass(60000);
call('close', 'sweep', 2, 1000, 864e8) for 1 .. 5;
$_->{status} = status($_) for values %orders;
journal_is_sound();
stored_is_sound();
check(!grep({ $r->stored_item($_)->{held} } keys %items), 'I13 nothing held');
check(!grep({ !$revs{$_} || $revs{$_} != 2 } keys %orders), 'I13 all ended');

diag "$operations operations: ", join ' ', map { "$_=$answers{$_}" }
                                      sort keys %answers;
ok(!$failures, "$rounds rounds, seed $seed");

done_testing;
