# Random batches against a model: each answer, and after each batch the
# invariants: balance, one resolution, released once, idempotent, limits, each
# payment in the journal and in the events.
#
# PAYTRADE_SEED and PAYTRADE_ROUNDS choose the run; the clock adds its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use List::Util qw(min);
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
my (%payments, %pay_attempts, %orphans, @told, %revs, %journaled, %refunded);
my ($now, $read_to, $events_read_to);


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

# With what is sold; and of due holds those of the orders in %$keep.
sub committed_units {
    my ($sku, $user, $keep) = @_;
    my $n = 0;

    for my $o (values %orders) {
        next if status($o) !~ /^(?:held|paid|refunded)$/
                && !($keep && $keep->{$o->{id}});
        next if defined $user && $o->{user} ne $user;
        $n += $_->[1] for grep { $_->[0] eq $sku } @{ $o->{lines} };
    }

    return $n;
}

sub available { $items{$_[0]}{stock} - committed_units($_[0]) }


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
            if $limit
               && committed_units($_->[0], $h->{user}) + $_->[1] > $limit;
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
                     meta => rand() < .1 ? '{"a":1}' : '',
                     look => rand() < .15 };
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

        $expected =~ s/^held .*/would_hold/ if $h->{look};
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
            my $at = comes_back($h, @f[0, 1]);

            check($f[2] == $at || $f[2] < $at && $f[2] >= $now && too_long(),
                  "when units come back, at $at: $reply");

        } else {
            same("$word" . join('', map { " $_" } @f), $expected, 'a hold');
        }
    }
}

# The soonest deadline of the SKU's holds; 0: what is held would not do.
sub comes_back {
    my ($h, $sku, $left) = @_;
    my ($wanted) = map { $_->[1] } grep { $_->[0] eq $sku } @{ $h->{lines} };

    return 0 if !held_units($sku) || $left + held_units($sku) < $wanted;

    return min map { $_->{expires} }
               grep { status($_) eq 'held'
                      && grep { $_->[0] eq $sku } @{ $_->{lines} } }
               values %orders;
}


# A list of deadlines of which the scripts do not look at all: then they tell a
# time that is not too late.
sub too_long {
    return $r->cmd('ZCARD', $r->key('later')) > 16
           || grep { $r->cmd('LLEN', $r->key("due:$_")) > 16 } keys %hold_ms;
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
                       : status($o) eq 'held' ? 'cancelled'
                       : status($o) =~ /paid|refunded/ ? 'already_paid'
                       : 'closed';

        same($word, $expected, "cancel $id");
        next if !$o || $expected =~ /unknown_order|already_paid/;
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
                        : $it->{stock} < committed_units($a[0])
                          ? 'below_committed'
                        : 'changed';
            $items{$a[0]} = $it if $expected =~ /ed$/
                                   && $expected ne 'below_committed';

        } elsif ($kind eq 'restock') {
            my $stock = $old ? $old->{stock} + $a[1] : 0;

            $expected = !$old ? 'unknown_item'
                        : $requests{$a[2]}
                          ? $requests{$a[2]} eq "@a[0, 1]" ? 'replayed'
                                                           : 'key_reused'
                        : $stock < committed_units($a[0]) || $stock < 0
                          ? 'below_committed' : 'changed';

            if ($expected eq 'changed') {
                $old->{stock} = $stock;
                $requests{$a[2]} = "@a[0, 1]";
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


# Payments

sub model_pay {
    my ($p) = @_;
    my @ids = @{ $p->{orders} };

    my $first = $orders{$ids[0]};

    return "unknown_order $ids[0]" if !$first || $first->{user} ne $p->{user};

    my $known = $pay_attempts{$first->{sale}}{$p->{user}}{$p->{key}};

    return "replayed $known->{no} $payments{$known->{no}}{status}"
        if $known && $known->{body} eq "@ids";

    for (@ids) {
        return "unknown_order $_"
            if !$orders{$_} || $orders{$_}{user} ne $p->{user};
    }

    return 'key_reused' if $known;

    for (@orders{@ids}) {
        return "already_paid $_->{id}" if status($_) =~ /paid|refunded/;
    }

    for (@orders{@ids}) {
        return "order_closed $_->{id} " . status($_) if status($_) ne 'held';
    }

    for (@orders{@ids}) {
        return "expires_soon $_->{id} $_->{expires}"
            if $now + 500 > $_->{expires};
    }

    my $amount = 0;

    $amount += $_->{amount} for @orders{@ids};

    return "amount_out_of_range $amount" if $amount > $p->{max};
    return "created $amount";
}

sub pay_batch {
    my @ops;

    for (1 .. 1 + int rand 15) {
        my $user = pick(@users);
        my @own = grep { rand() < .02 || $orders{$_}{user} eq $user
                         && (rand() < .1 || status($orders{$_}) eq 'held') }
                  sort keys %orders;

        next if !@own;

        my %ids = map { ($_, 1) } map { pick(@own, ('9' x 19) x (rand() < .02)) }
                  1 .. 1 + int rand 3;

        push @ops, { user => $user, key => int rand 80,
                     orders => [ sort keys %ids ],
                     max => rand() < .03 ? 300 : 1e9 };
    }

    return if !@ops;
    push @ops, ($ops[0]) x 10 if rand() < .1;

    my @replies = call('pay', 1e6, 256, 300, 500,
                       map { PaytradeRedis::pay_op(%$_) } @ops);

    for my $i (0 .. $#ops) {
        my ($op, @f) = ($ops[$i], split /\t/, $replies[$i], -1);
        my $expected = model_pay($op);
        my $word = $f[0];

        $answers{$word}++;
        $operations++;

        if ($word eq 'created' && $expected =~ /^created (.*)/) {
            my $p = PaytradeRedis::payment_fields(@f[1 .. $#f]);
            my $sale = $orders{$op->{orders}[0]}{sale};

            same("$p->{amount} $p->{parts}", join(' ', $1, join ',', map {
                     "$_ $orders{$_}{amount} - - 0" } @{ $op->{orders} }),
                 'I10 amounts of a payment');
            check(!$payments{$p->{pay_no}} && !$orders{$p->{pay_no}},
                  "pay_no $p->{pay_no} twice");
            $payments{$p->{pay_no}} = {
                status => 'unpaid', rev => 1, amount => $p->{amount},
                user => $op->{user}, trade_no => '', sale => $sale,
                parts => [ map { { id => $_, amount => $orders{$_}{amount},
                                   outcome => '-', reason => '-',
                                   refunded => 0 } } @{ $op->{orders} } ] };
            $pay_attempts{$sale}{$op->{user}}{$op->{key}} =
                { no => $p->{pay_no}, body => "@{ $op->{orders} }" };

        } elsif ($word eq 'replayed') {
            same("@f[0 .. 2]", $expected, 'I8 a payment replayed');

        } else {
            same("@f", $expected, 'a payment');
        }
    }
}


# Expired, as far as Redis has noted it before this row of the journal.
sub known_expired {
    my ($id, $new, $row) = @_;

    return 1 if ($journaled{$id} // '') eq 'expired';

    for (@$new) {
        return 1 if $_->[0] eq 'o' && $_->[1] =~ /^$id\texpired/;
        return 0 if "@$_" eq "p $row";
    }

    return 0;
}

# What becomes of the parts when a payment is paid.
sub model_settle {
    my ($no, $new, $row) = @_;
    my $p = $payments{$no};
    my (%taken, %keep);

    for my $part (@{ $p->{parts} }) {
        my $o = $orders{$part->{id}};

        $keep{$o->{id}} = 1 if due($o)
                               && !known_expired($o->{id}, $new, $row);
    }

    for my $part (@{ $p->{parts} }) {
        my $o = $orders{$part->{id}};
        my $status = $keep{$o->{id}} ? 'held' : status($o);
        my ($over, $short);

        for ($status eq 'expired' ? @{ $o->{lines} } : ()) {
            my ($sku, $n) = @$_;
            my $limit = $items{$sku}{limit};

            $n += $taken{$sku} // 0;
            $over = 1 if $limit && committed_units($sku, $o->{user}, \%keep)
                                   + $n > $limit;
            $short = 1 if $items{$sku}{stock}
                          - committed_units($sku, undef, \%keep) < $n;
        }

        my $reason = $status eq 'paid' ? 'already_paid'
                     : $status =~ /cancelled|refunded/ ? $status
                     : $over ? 'limit_reached' : $short ? 'sold_out' : '';

        $part->{outcome} = $reason ? 'refund_due' : 'applied';
        $part->{reason} = $reason || ($status eq 'expired' ? 'late' : '-');

        if (!$reason && $status eq 'expired') {
            $taken{$_->[0]} += $_->[1] for @{ $o->{lines} };
        }
    }

    for my $part (@{ $p->{parts} }) {
        my $applied = $part->{outcome} eq 'applied';

        $answers{"part:$part->{reason}"}++;
        $orders{$part->{id}}{status} = 'paid' if $applied;
        push @told, join ' ', ($applied ? 'payment.succeeded'
                               : 'payment.refund_due') . ":$no:$part->{id}",
             $part->{amount}, $part->{reason} =~ s/-//r;
    }

    $p->{status} = 'paid';
    $p->{rev}++;
}

sub model_refund {
    my ($p, $c, $delta, $refund_no) = @_;

    $p->{refunds}{$refund_no} = $delta;
    $refunded{$c->{no}} = 1;

    for my $outcome ('refund_due', 'applied') {
        for my $part (grep { $_->{outcome} eq $outcome } @{ $p->{parts} }) {
            my $left = $part->{amount} - $part->{refunded};
            my $n = $delta < $left ? $delta : $left;

            next if $n == 0;
            $delta -= $n;
            $part->{refunded} += $n;
            push @told, "payment.refunded:$c->{no}:$part->{id}:$refund_no "
                        . "$n ";
            $orders{$part->{id}}{status} = 'refunded'
                if $outcome eq 'applied' && $n == $left;
        }
    }

    $p->{rev}++;
}

sub model_misfit {
    my ($kind, $c, $reason) = @_;
    my $name = "alipay$c->{gateway}:$c->{trade_no}"
               . ($c->{kind} =~ /^refund/ ? ":refund:$c->{refund_no}" : '')
               . ($c->{what} ? ":$c->{what}" : '');
    my $known = $orphans{$name}++;
    my $amount = $reason eq 'refund' || $c->{amount} eq ''
                 ? $c->{own} || $c->{total} : $c->{amount};

    push @told, "payment.$kind:$name $amount $reason" if !$known;

    return ($kind eq 'orphan' ? '' : "$reason ") . ($known ? 0 : 1);
}

# The answer: words, or a row's beginning.
sub model_callback {
    my ($c, $new, $row) = @_;
    my $p = $payments{$c->{no}};

    return 'orphan ' . model_misfit('orphan', $c, 'unknown_payment')
        if $c->{kind} eq 'orphan';
    return 'unknown_payment' if !$p;

    if ($c->{kind} eq 'closed') {
        my $reason = $c->{gateway} ? 'gateway' : $c->{amount} eq '' ? ''
                     : $c->{currency} eq 'USD' ? 'currency'
                     : $c->{amount} != $p->{amount} ? 'amount' : '';

        return 'mismatch ' . model_misfit('mismatch', $c, $reason) if $reason;

        my $word = $p->{status} eq 'unpaid' ? 'closed' : 'unchanged';

        if ($word eq 'closed') {
            $p->{status} = 'closed';
            $p->{rev}++;
        }

        return "$word row";
    }

    my $reason = $c->{gateway} ? 'gateway' : $c->{currency} eq 'USD'
                 ? 'currency'
                 : $c->{amount} ne '' && $c->{amount} != $p->{amount} ? 'amount'
                 : $p->{status} eq 'paid' && $p->{trade_no} ne $c->{trade_no}
                 ? 'trade_no' : $c->{total} > $p->{amount} ? 'refund' : '';

    return 'mismatch ' . model_misfit('mismatch', $c, $reason) if $reason;

    my $was_paid = $p->{status} eq 'paid';
    my $back = 0;

    $back += $_->{refunded} for @{ $p->{parts} };

    if ($c->{kind} eq 'refund') {
        my $known = $p->{refunds}{$c->{refund_no}};

        return 'too_early' if !$was_paid && $c->{amount} eq '';
        return 'duplicate row' if $known && $known == $c->{own};
        return 'mismatch ' . model_misfit('mismatch', $c, 'refund')
            if $known || $c->{own} > $p->{amount} - $back;
    }

    if (!$was_paid) {
        model_settle($c->{no}, $new, $row);
        $p->{trade_no} = $c->{trade_no};
    }

    return $was_paid ? 'duplicate row' : 'settled row'
        if $c->{kind} eq 'paid';

    my $delta = $c->{own} || $c->{total} - $back;
    my $number = $c->{refund_no};

    while (!$c->{own} && $p->{refunds}{$number}) { $number .= "-$c->{total}" }
    return 'duplicate row' if $was_paid && $delta <= 0;
    model_refund($p, $c, $delta, $number) if $delta > 0;

    return $was_paid ? 'refunded row' : 'settled_refunded row';
}

sub random_callback {
    my $no = rand() < .03 ? '9' x 19 : pick(sort keys %payments);
    my $p = $payments{$no} // { amount => 1 };
    my $kind = pick(qw(paid paid paid paid refunded refund refund closed
                       orphan));
    my $n = int rand 6;

    return { kind => $kind, no => $no,
             gateway => rand() < .03 ? 2 : '',
             trade_no => "T$no" . (rand() < .05 ? 'x' : ''),
             amount => $kind =~ /^(refund|closed)$/ && rand() < .7 ? ''
                       : $p->{amount} + (rand() < .05 ? 1 : 0),
             own => $kind eq 'refund' ? 40 * (1 + $n) + (rand() < .05 ? 1 : 0)
                    : 0,
             what => $kind eq 'orphan' ? pick('', 'closed', 'refund:r1')
                     : $kind eq 'closed' ? $kind : '',
             currency => pick('', 'CNY', rand() < .1 ? 'USD' : ''),
             refund_no => ($kind eq 'refunded' && rand() < .8 ? 'r' : 's') . $n,
             total => $kind eq 'refunded'
                      ? 1 + int(rand() < .3 ? $p->{amount} - .5
                                : rand() * 1.02 * $p->{amount}) : 0 };
}

sub callback_op {
    my ($c) = @_;
    my $gateway = "alipay$c->{gateway}";

    return ('closed', 6, $c->{no}, $gateway, @$c{qw(trade_no amount currency)},
            0) if $c->{kind} eq 'closed';
    return ('orphan', 8, $c->{no}, $gateway, @$c{qw(trade_no amount)}, '',
            'unknown_payment', 0, $c->{what}) if $c->{kind} eq 'orphan';
    return ('refund', 8, $c->{no}, $gateway, @$c{qw(trade_no amount currency
            refund_no own)}, 0) if $c->{kind} eq 'refund';
    return ('paid', 6, $c->{no}, $gateway, @$c{qw(trade_no amount currency)},
            $now) if $c->{kind} eq 'paid';
    return ('refunded', 8, $c->{no}, $gateway, @$c{qw(trade_no amount currency
            refund_no total)}, 0);
}

sub settle_batch {
    my @ops = map { random_callback() } 1 .. 1 + int rand 12;

    push @ops, ($ops[0]) x 50 if rand() < .1;

    my @replies = call('settle', map { callback_op($_) } @ops);
    my $from = $read_to;
    my @new = map { my @pairs; while (my @pair = splice @$_, 0, 2) {
                        push @pairs, [ @pair ] } @pairs }
              new_entries('journal', \$from);

    for my $i (0 .. $#ops) {
        my ($c, @f) = ($ops[$i], split /\t/, $replies[$i], -1);
        my $row = join "\t", @f[1 .. $#f];
        # of a refund that settles too, the row of the settling comes first
        my $k = (grep { $new[$_][0] eq 'p' && $new[$_][1] =~ /^$c->{no}\tpaid/ }
                 0 .. $#new)[0];
        my $expected = model_callback($c, \@new, defined $k ? $new[$k][1] : '');

        $answers{"$c->{kind}:$f[0]"}++;
        $operations++;

        if ($expected !~ s/ row$//) {
            same("@f", $expected, "a callback: $c->{kind}");
            next;
        }

        my $p = $payments{$c->{no}};

        same(join('|', @f[0 .. 4, 8, 9, 17]), join('|', $expected, $c->{no},
             @$p{qw(status rev user trade_no amount)}, join ',', map {
                 join ' ', @$_{qw(id amount outcome reason refunded)}
             } @{ $p->{parts} }), "a callback: $c->{kind}");
    }
}


# The invariants, in what is stored.

my %before = (held => '', paid => 'held|expired', cancelled => 'held',
              expired => 'held', refunded => 'paid', unpaid => '',
              'p paid' => 'unpaid|closed|paid', closed => 'unpaid');
sub new_entries {
    my ($key, $from) = @_;
    my $entries = $r->cmd('XRANGE', $r->key($key),
                          defined $$from ? "($$from" : '-', '+');

    $$from = $entries->[-1][0] if @$entries;

    return map { [ @{ $_->[1] } ] } @$entries;
}

sub journal_is_sound {
    my @changes;

    for my $entry (new_entries('journal', \$read_to)) {
        while (my ($kind, $row) = splice @$entry, 0, 2) {
            my ($id, $status, $rev) = split /\t/, $row, -1;
            my $was = $journaled{$id} // '';

            $journaled{total}++;
            next if $kind !~ /[op]/;

            check($rev == ($revs{$id} // 0) + 1, "I5 rev of $id: $rev");
            check($was =~ /^(?:$before{$kind eq 'p' && $status eq 'paid'
                                       ? 'p paid' : $status})$/,
                  "I5 one resolution of $id: $rev $was -> $status");
            $revs{$id} = $rev;
            $journaled{$id} = $status;
            push @changes, "$status $id" if $kind eq 'o';
        }
    }

    for my $no (keys %payments) {
        same(join(' ', map { $_ // '' } $journaled{$no}, $revs{$no}),
             "$payments{$no}{status} $payments{$no}{rev}",
             "I4 payment $no in the journal");
    }

    for my $o (values %orders) {
        my $last = $journaled{$o->{id}} // '';

        check($last eq $o->{status} || $last eq status($o),
              "I3 order $o->{id} in the journal: $last, not $o->{status}");
    }

    events_are_sound(@changes);
}

my %status_of = ('payment.succeeded' => 'paid', 'payment.refunded' => 'refunded');

# I4, I12: an event for each change, in the same order, and none else.
sub events_are_sound {
    my (@changes, @got, @payment_events);

    my %full = map { ($_, 1) } grep { /^refunded/ } @_;

    for my $entry (new_entries('events', \$events_read_to)) {
        my %e = @$entry;
        my $status = $status_of{$e{type}}
                     // ($e{type} =~ /^order\.(.*)/ ? $1 : '');
        my $change = "$status $e{order_id}";

        same($e{id} =~ /^([^:]+)/ && $1, $e{type}, 'the type of an event');
        push @payment_events, "$e{id} $e{amount} $e{reason}"
            if $e{type} =~ /^payment/;

        # of several refunds of a batch the last completes it
        next if $status eq '' || ($status eq 'refunded' && !$full{$change});
        @got = grep { $_ ne $change } @got if $status eq 'refunded';
        push @got, $change;
    }

    @changes = @_;
    if (%full) {
        # where it stands among those of other orders is not told exactly
        @got = sort @got;
        @changes = sort @changes;
    }

    same(join(', ', @got), join(', ', @changes), 'I4, I12 events and changes');
    same(join("\n", @payment_events), join("\n", @told),
         'I4 events of payments');
    @told = ();
}

sub stored_is_sound {
    my (%held, %units, %sold);

    for my $o (values %orders) {
        # held, or due and not yet released; paid or refunded
        my $status = $journaled{$o->{id}} // '';

        next if $status !~ /^(?:held|paid|refunded)$/;

        for (@{ $o->{lines} }) {
            ($status eq 'held' ? \%held : \%sold)->{$_->[0]} += $_->[1];
            $units{$o->{sale}}{$o->{user}}{$_->[0]} += $_->[1];
        }
    }

    for my $sku (keys %items) {
        my $it = $r->stored_item($sku);

        check($it->{available} >= 0
              && $it->{available} + $it->{held} + $it->{sold} == $it->{stock},
              "I1 balance of $sku: @{[ %$it ]}");
        same("$it->{stock} $it->{held} $it->{sold}",
             join(' ', $items{$sku}{stock}, $held{$sku} // 0,
                  $sold{$sku} // 0),
             "I6 released once: stock, held and sold of $sku");
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
                 keys(%{ $attempts{$sale}{$user} })
                 + keys(%{ $pay_attempts{$sale}{$user} // {} }),
                 "I8 attempts of $user in $sale");
        }
    }

    for my $no (keys %refunded) {
        my %stored = @{ $r->cmd('HGETALL', $r->key('r:' . substr $no, 0, 17)) };
        my $refunds = $payments{$no}{refunds};

        same(join(' ', map { s/^$no:// ? "$_=" . hex(
                  $stored{"$no:$_"} =~ s/ .*//r) : () } sort keys %stored),
             join(' ', map { "$_=$refunds->{$_}" } sort keys %$refunds),
             "I6 refunds of $no");
    }

    %refunded = ();
    same($r->cmd('HGET', $r->key('clock'), 'waiting'), $journaled{total} // 0,
         'operations waiting');
}

sub reads_are_right {
    my @skus = sort keys %items;
    my @nos = %payments ? map { pick(sort keys %payments) } 1 .. 5 : ();
    my @ids = map { pick(sort(keys %orders)) } 1 .. 10;
    my ($sale, $user) = (pick(qw(s1 s2)), pick(@users));
    my @replies = call('read', 'orders', 2, $sale, $user,
                       (map { ('item', 1, $_) } @skus),
                       (map { ('order', 1, $_) } @ids),
                       map { ('payment', 1, $_) } @nos);
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

    for my $p (@payments{@nos}) {
        my @f = split /\t/, shift @replies, -1;

        same(join('|', @f[0, 2, 3, 8, 9]), join('|', 'payment', @$p{qw(status
             rev trade_no amount)}), 'a payment reads');
    }
}


$r->adopt;
$r->{context} = 'CNY hce';
$now = $r->pass(0);
$items{"i$_"} = { sku => "i$_", sale => $_ % 3 ? 's1' : 's2', title => "Ti$_",
                  price => 100, stock => 30, limit => 5, starts => 0,
                  ends => 1e14, hold_ms => 5000 } for 0 .. 8;
call('catalog', map { PaytradeRedis::put_op(%{ $items{$_} }) }
     sort keys %items);

for my $round (1 .. $rounds) {
    my $what = rand;

    if ($what < .4) {
        hold_batch();

    } elsif ($what < .5) {
        close_batch() if %orders;

    } elsif ($what < .62) {
        pay_batch() if %orders;

    } elsif ($what < .75) {
        settle_batch() if %payments;

    } elsif ($what < .82) {
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
check(!grep({ ($journaled{$_} // 'held') eq 'held' } keys %orders),
      'I13 all ended');

diag "$operations operations: ", join ' ', map { "$_=$answers{$_}" }
                                      sort keys %answers;
ok(!$failures, "$rounds rounds, seed $seed");

done_testing;
