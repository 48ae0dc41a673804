# Keys are changed under load, with reloads: added, switched to, and the old
# ones taken away.  No genuine callback is refused, and each payment is settled
# once.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop qw(:DEFAULT events status_json);
use PaytradeAlipay 'buy';
use PaytradeGateways;
use PaytradeLoad 'load';
use Test::More;
use Time::HiRes qw(sleep time);

my $dir = "$ENV{PT_TMP}/rotation";
my $rate = 120;                            # callbacks a second
my $each = 4;                              # payments of a gateway in a phase

# Name, type, settings with keys, from which key to which.  WeChat's go from a
# certificate to a public key, and from one certificate to another; with the
# former goes the key that seals.
my @rotations = (
    [ 'alipay', 'alipay', [ 'public_key' ], 'first', 'next' ],
    [ 'wechat_v3', 'wechat_v3', [ 'api_v3_key', 'platform_certificate',
                                  'public_key' ], 'first', 'next' ],
    [ 'wechat_certificates', 'wechat_v3', [ 'platform_certificate' ],
      'first', 'third' ],
    [ 'wechat_v2', 'wechat_v2', [ 'api_key' ], 'first', 'next' ],
    [ 'stripe', 'stripe', [ 'secret' ], 'first', 'next' ],
    [ 'standard_webhooks', 'standard_webhooks', [ 'secret' ], 'first',
      'next' ],
    [ 'adyen', 'adyen', [ 'hmac_key' ], 'first', 'next' ],
);


# The lines of a configuration that give a type's keys of these names.
sub key_lines {
    my ($type, $settings, @names) = @_;
    my @lines;

    for my $name (@names) {
        for my $setting (@$settings) {
            my $file = secret_file($type, $setting eq 'api_v3_key'
                                          ? "api.$name" : $name);

            # WeChat's next key is no certificate
            if ($type eq 'wechat_v3' && $setting ne 'api_v3_key') {
                next if ($setting eq 'public_key') != ($name eq 'next');
                $file = key_id($name) . " $file" if $name eq 'next';
            }

            push @lines, "$setting $file;\n";
        }
    }

    return @lines;
}


# What the configuration includes; the names are old, both or new.
sub write_keys {
    my ($which) = @_;

    for my $rotation (@rotations) {
        my ($name, $type, $settings, $old, $new) = @$rotation;
        my %names = (old => [ $old ], both => [ $old, $new ],
                     new => [ $new ]);

        open my $file, '>', "$dir/$name" or die "$dir/$name: $!";
        print $file key_lines($type, $settings, @{ $names{$which} });
        close $file;
    }
}


sub block {
    my ($name, $type, $settings) = @{ $_[0] };

    return gateway_block($type, name => $name, include => "$dir/$name",
                         map { ($_ => undef) } @$settings);
}


mkdir $dir;
write_keys('old');
start_nginx(workers => 2, http => join '', map { block($_) } @rotations);
put_item('p30', title => 'P30', stock => 1000);

my %payments;

for my $rotation (@rotations) {
    my ($name) = @$rotation;

    $payments{$name} = [ map {
        my $user = "u-$name-$_";
        external($user, $name, buy($user, 'p30'))->{pay_no}
    } 1 .. 5 * $each ];
}


# Phases: which keys the gateways sign with, and when a phase ends: after so
# many seconds, or when workers with a new configuration serve alone.
my @phases = (
    { name => 'old', keys => [ 0 ], seconds => 0.6 },
    { name => 'added', keys => [ 0 ], reload => 'both' },
    { name => 'both', keys => [ 0, 1 ], seconds => 1 },
    { name => 'switched', keys => [ 1 ], seconds => 0.6 },
    { name => 'removed', keys => [ 1 ], reload => 'new' },
    { name => 'new', keys => [ 1 ], seconds => 0.6 },
);

my ($at, $began, $sent, $count, $cut_off) = (0, time, 0, 0, 0);
my $start = $began;
my (@again, @slow, %answers, %old_workers, %of_phase);


# The next callback of a gateway, signed as the phase says.
sub next_callback {
    my ($rotation, $pay_no) = @_;
    my ($name, $type, undef, @keys) = @$rotation;
    my $phase = $phases[$at];
    my $key = $keys[ $phase->{keys}[ $count++ % @{ $phase->{keys} } ] ];

    if (!defined $pay_no) {
        my $first = $at < 5 ? $at * $each : 4 * $each;

        $pay_no = $payments{$name}[$first + int(rand $each)];
    }

    my $callback = play($type, 'paid', $pay_no, key => $key,
                        api_key => $name eq 'wechat_v3' ? $key : 'first');

    $of_phase{$phase->{name}}{$key}++;

    return request_of($callback, path => "/notify/$name", type => $type,
                      rotation => $rotation, pay_no => $pay_no);
}


sub begin {
    my ($next) = @_;

    $at = $next;
    $began = time;

    if ($at < @phases && $phases[$at]{reload}) {
        %old_workers = map { $_ => 1 } workers();
        write_keys($phases[$at]{reload});
        reload_nginx();
    }
}


# Old workers may still take what came before they heard of it.
sub ends {
    my $phase = $phases[$at];

    if ($phase->{seconds}) {
        return time - $began > $phase->{seconds};
    }

    my @workers = workers();

    push @slow, $phase->{name} if time - $began > 8;

    return time - $began > 8
           || (time - $began > 0.3 && @workers == 2
               && !grep { $old_workers{$_} } @workers);
}


srand 1;
my @outcomes = load(
    port => port(), clients => 16, seconds => 30,
    next => sub {
        return undef if $at >= @phases && !@again;
        return next_callback(@{ shift @again }) if @again;
        return 0 if $sent >= (time - $start) * $rate;
        return next_callback($rotations[$sent++ % @rotations]);
    },
    done => sub {
        my ($outcome) = @_;

        # nginx closed the connection, as it may between two requests
        if ($outcome->{status} == 0) {
            $cut_off++;
            $at = $#phases if $at >= @phases;
            push @again, [ $outcome->{rotation}, $outcome->{pay_no} ];
        }
    },
    tick => sub { begin($at + 1) if $at < @phases && ends() },
);

my @answered = grep { $_->{status} } @outcomes;

$answers{$_}++ for map { said($_->{type}, $_, 'accepted') } @answered;

diag(join ', ', map {
    my $phase = $_;
    "$phase->{name}: " . join(' + ', map { "$of_phase{$phase->{name}}{$_} $_" }
                                     sort keys %{ $of_phase{$phase->{name}} })
} @phases);
is(join(', ', map { "$_: $answers{$_}" } sort keys %answers),
   'accepted: ' . @answered, 'every genuine callback is accepted');
cmp_ok(scalar @answered, '>', 200, 'there was a load');
cmp_ok($cut_off, '<', @answered / 10, 'and few were cut off');
is(join(' ', @slow), '', 'old workers left in time');

my $counted = status_json()->{callbacks};
my %words;

for my $name (map { $_->[0] } @rotations) {
    $words{$_} += $counted->{$name}{$_} for keys %{ $counted->{$name} };
}

is(join(' ', grep { $words{$_} } sort keys %words), 'duplicate settled',
   'and counted as such');

# Once each, in every phase.
my %paid = map { $_->{pay_no} => 1 } @answered;
my %told;

$told{$_->{pay_no}}++ for events();
is(scalar(grep { ($told{$_} || 0) != 1 } keys %paid), 0,
   'each payment is told once');
is($words{settled}, scalar keys %paid, 'and settled once');
cmp_ok(scalar keys %paid, '>', 5 * @rotations, 'payments of all phases');
ok(journal_drained(), 'the journal is empty');
is(psql("SELECT count(*) FROM paytrade.payments WHERE status = 'paid'"
        . ' AND rev = 2'), scalar keys %paid, 'PostgreSQL has them');

# What the old keys sign is refused from now on.
for my $rotation (@rotations) {
    my ($name, $type, undef, $old, $new) = @$rotation;
    my ($pay_no) = grep { !$told{$_} } @{ $payments{$name} };
    my @sealed = (api_key => $name eq 'wechat_v3' ? $new : 'first');

    $pay_no //= $payments{$name}[-1];

    my $callback = play($type, 'paid', $pay_no, key => $old, @sealed);
    my $before = status_json()->{callbacks}{$name};

    is(said($type, deliver($callback, "/notify/$name"), 'refused'), 'refused',
       "$name: the old key is refused");

    my $word = $type eq 'wechat_v3' ? 'unknown_key' : 'bad_signature';

    is(status_json()->{callbacks}{$name}{$word}, $before->{$word} + 1,
       "$name: for that");
    $callback = play($type, 'paid', $pay_no, key => $new, @sealed);
    is(said($type, deliver($callback, "/notify/$name"), 'accepted'),
       'accepted', "$name: and the new one is not");
}

is(drift()->{status}, 200, 'Redis and PostgreSQL agree');
ok(balance_holds('p30'), 'the balance holds');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'no alert in the log');

done_testing();
