# Events: those of orders on demand, their order, and the script that trims.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;
use PaytradeRedis;

my $r = PaytradeRedis->start;
my $seen = 0;


sub told {
    my @all = $r->events;
    my @new = @all[$seen .. $#all];

    $seen = @all;

    return join '; ', map { join ' ', grep { $_ ne '' }
                            @$_{qw(type order_id amount reason)} } @new;
}

sub held {
    my ($word, $id) = $r->hold(@_);

    die $word if $word ne 'held';

    return $id;
}

# n entries for the stream; their ids.
sub add {
    my ($n) = @_;
    my @ids;

    for (1 .. $n) {
        $r->send_command('XADD', $r->key('events'), '*', 'id', 'x' x 300)
    }

    push @ids, $r->reply for 1 .. $n;

    return @ids;
}

sub trim {
    my ($max) = @_;
    my ($first, @groups) = split /\n/,
        join "\t", $r->op('events', 'trim', 1, $max // 1000);

    return join ' ', (split /\t/, $first), map { "[$_]" =~ tr/\t/ /r } @groups;
}

sub in_stream { map { $_->[0] } @{ $r->cmd('XRANGE', $r->key('events'),
                                           '-', '+') } }


# on demand

$r->adopt;
$r->put(stock => 100, hold_ms => 1000);
$r->put(sku => 'a"b\\/c', stock => 9, price => 7, hold_ms => 1000);

my $id = held(user => 'u0');

$r->cancel($id);
is($r->cmd('EXISTS', $r->key('events')), 0, 'none without being asked for');

for my $case ([ 'CNY -', '' ], [ 'CNY h', 'held' ], [ 'CNY c', 'cancelled' ],
              [ 'CNY e', 'expired' ], [ 'USD hce', 'held,cancelled,expired' ],
              [ 'CNY hc', 'held,cancelled' ])
{
    $r->{context} = $case->[0];
    $id = held(user => $case->[0]);
    $r->cancel($id);

    my $id2 = held(user => $case->[0], key => 2);

    $r->pass(1000);
    $r->sweep;

    my @expected = ("order.held $id 500000", "order.cancelled $id 500000",
                    "order.held $id2 500000", "order.expired $id2 500000");

    is(told(), join('; ', grep { my ($w) = /\.(\w+)/; $case->[1] =~ /$w/ }
                         @expected), "asked for $case->[0]");
}

# the letters as each script sees them: nothing is prepared for none
for my $name (qw(hold close settle)) {
    my $seen = PaytradeRedis::text($name)
               =~ s/\nlocal EVENTS\K.*/ = 1 return '<' .. WANTED .. '>'/sr;

    is(join(' ', map { $r->cmd('EVAL', $seen, 5, $r->keys_of,
                               join ' ', 'run', $_) }
            '', 'CNY', 'CNY -', 'CNY hce'), '<> <> <> <hce>',
       "$name: - is none");
}

$r->{context} = 'CNY hce';
$id = held(user => "u\"1", sale => 'spring', meta => '{"a":[1,"b"]}',
           lines => [ [ 'a"b\\/c', 2, 7 ], [ 'p30', 1, 500000 ] ]);

my $e = ($r->events)[-1];

is_deeply($e, {
    id => "order.held:$id", type => 'order.held', v => 1, order_id => $id,
    pay_no => '', user => "u\"1", sale => 'spring', amount => 500014,
    currency => 'CNY', gateway => '', trade_no => '', reason => '',
    meta => '{"a":[1,"b"]}', at => $r->order($id)->{created},
    lines => '[{"sku":"a\\"b\\\\\\/c","quantity":2,"unit_price":7},'
             . '{"sku":"p30","quantity":1,"unit_price":500000}]' },
    'an event with all its fields');
$r->pass(1000);
$r->hold(user => 'u2', quantity => 101);
like(told(), qr/order.held $id 500014; .*order.expired $id 500014/,
     'a hold that releases others tells so, though it is refused');

my ($first, $second) = map { held(user => 'u3', key => $_) } 1, 2;

$r->op('close', 'cancel', 3, $first, '', '', 'cancel', 3, $first, '', '');
like(told(), qr/order.held $first 500000; order.held $second 500000; order.cancelled $first 500000$/,
     'I12 in the order of the changes, each once');
is($r->cmd('EXISTS', $r->key('journal')), 1, 'beside the journal');

# a stream that is none: nothing is done that could not be told
$r->cmd('RENAME', $r->key('events'), $r->key('aside'));
$r->cmd('SET', $r->key('events'), 'x');

my $before = $r->everything;

for (1, 2) {
    ok(PaytradeRedis::is_error($r->script('hold', 1000, 256,
       PaytradeRedis::hold_op(user => 'z'))), 'hold: an error');
    ok(PaytradeRedis::is_error($r->script('close', 'cancel', 3, $second, '',
                                          '')), 'cancel: an error');
    $r->{context} = 'CNY -';
}

is_deeply($r->everything, $before, 'nothing changed');
ok(PaytradeRedis::is_error($r->script('events', 'trim', 1, 1)),
   'trim: an error');
$r->cmd('DEL', $r->key('events'), $r->key('aside'));


# trim without groups

is(trim(), 'trimmed 0 0', 'no stream');
ok(PaytradeRedis::is_error($r->script('events', 'trim', 2, 1, 1)),
   'wrong arguments');
is(join(' ', $r->op('events', 'trim', 1, 'x')), 'broken max', 'no number');

{
    local $r->{run_id} = 'another';
    is($r->script('events', 'trim', 1, 1)->[0], 'restarted', 'restarted');
}

my @ids = add(1500);

is(trim(1500), 'trimmed 0 1500', 'no more than may stay');
is(trim(1499), 'trimmed 1 1499', 'one more');
is(trim(1000), 'trimmed 499 1000', 'the last thousand stay');
is(join(' ', in_stream()), join(' ', @ids[500 .. 1499]), 'the newest ones');
is(trim(0), 'trimmed 1000 0', 'none');
@ids = add(20000);
like(trim(10), qr/^trimmed [45]\d\d\d \d+$/, 'in steps');
for (1 .. 10) { last if trim(10) =~ / 10$/ }
is(join(' ', in_stream()), join(' ', @ids[-10 .. -1]), 'to the end');


# with groups: what all have acknowledged goes, whatever the maximum is

$r->cmd('DEL', $r->key('events'));
@ids = add(300);
$r->cmd('XGROUP', 'CREATE', $r->key('events'), 'mail', 0);
is(trim(10), 'trimmed 0 300 [mail 0 300]', 'a group that read nothing yet');

sub read_some {
    my ($group, $n) = @_;

    return map { $_->[0] } @{ $r->cmd('XREADGROUP', 'GROUP', $group, 'c',
        'COUNT', $n, 'STREAMS', $r->key('events'), '>')->[0][1] };
}

sub acknowledge { $r->cmd('XACK', $r->key('events'), @_) }

my @read = read_some('mail', 100);

is(trim(10), 'trimmed 0 300 [mail 100 200]', 'read, not acknowledged');
acknowledge('mail', @read[0 .. 9, 20 .. 99]);
is(trim(10), 'trimmed 10 290 [mail 10 200]', 'up to the oldest that is open');
is((in_stream())[0], $ids[10], 'which stays');
acknowledge('mail', $read[10]);
is(trim(10), 'trimmed 1 289 [mail 9 200]', 'one more');
acknowledge('mail', @read[11 .. 19]);
is(trim(10), 'trimmed 89 200 [mail 0 200]', 'all that was read');
is((in_stream())[0], $ids[100], 'what was not read stays');

$r->cmd('XGROUP', 'CREATE', $r->key('events'), 'stock', 0);
acknowledge('mail', read_some('mail', 50));
is(trim(10), 'trimmed 0 200 [mail 0 150] [stock 0 200]', 'the slowest counts');
@read = read_some('stock', 30);
acknowledge('stock', @read[0 .. 24]);
is(trim(10), 'trimmed 25 175 [mail 0 150] [stock 5 170]', 'of both');
$r->cmd('XGROUP', 'CREATE', $r->key('events'), 'new', '$');
is(trim(10), 'trimmed 0 175 [mail 0 150] [new 0 0] [stock 5 170]',
   'a group from now on');
$r->cmd('XGROUP', 'CREATE', $r->key('events'), "a\tb\nc", $ids[290]);
like(trim(10), qr/ \[a b c 0 9\] /, 'a group from the middle: its lag is counted');
add(1100);
like(trim(10), qr/ \[a b c 0 1000\] /, 'to a thousand');
like(trim(10), qr/ \[mail 0 1250\] /, 'that of others is known');
$r->cmd('XGROUP', 'DESTROY', $r->key('events'), $_) for "a\tb\nc", 'new';
acknowledge('stock', @read, read_some('stock', 2000));
acknowledge('mail', read_some('mail', 2000));
is(trim(10), 'trimmed 1275 0 [mail 0 0] [stock 0 0]', 'all have all');
@ids = add(1);
is(trim(0), 'trimmed 0 1 [mail 0 1] [stock 0 1]', 'a new one stays');
acknowledge($_, read_some($_, 1)) for qw(mail stock);
is(trim(0), 'trimmed 1 0 [mail 0 0] [stock 0 0]', 'until both have it');

# nothing is lost while readers and trimming take turns
my (%got, @written);

srand 7;
for my $turn (1 .. 200) {
    push @written, add(int rand 40);

    for my $group (qw(mail stock)) {
        my $reply = $r->cmd('XREADGROUP', 'GROUP', $group, 'c', 'COUNT',
                            1 + int rand 40, 'STREAMS', $r->key('events'),
                            '>') or next;

        for (@{ $reply->[0][1] }) {
            $got{$group}{ $_->[0] }++;
            acknowledge($group, $_->[0]) if rand() < .9;
        }
    }

    trim(0);
}

for my $group (qw(mail stock)) {
    # what was read and not acknowledged is still there to be read again
    my $open = $r->cmd('XREADGROUP', 'GROUP', $group, 'c', 'COUNT', 10000,
                       'STREAMS', $r->key('events'), 0)->[0][1];

    is(scalar(grep { !defined $_->[1] } @$open), 0, "$group: none is gone");

    my $rest = $r->cmd('XREADGROUP', 'GROUP', $group, 'c', 'COUNT', 100000,
                       'STREAMS', $r->key('events'), '>');

    $got{$group}{ $_->[0] }++ for $rest ? @{ $rest->[0][1] } : ();
    is(join(' ', sort keys %{ $got{$group} }), join(' ', sort @written),
       "$group: every event, " . @written);
}

done_testing;
