# paytrade_admin: dead letters are listed and replayed.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use Test::More;
use JSON::PP;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

start_nginx(workers => 2);
put_item('p30', stock => 1000, price => '1.00', sale => 'letters');

my $first = psql('SELECT coalesce(max(id), 0) FROM paytrade.dead_letter');


sub hold {
    my ($user) = @_;
    my $answer = http('POST', '/orders', '{"sku":"p30","quantity":1,'
                      . '"unit_price":"1.00","meta":{"note":"手机 \\\\ \""}}',
                      'X-User' => $user);

    return order_ids({ %$answer, answer => $answer->{content} });
}


sub letters {
    my ($args) = @_;
    my $answer = http('GET', '/paytrade/admin/dead-letters?'
                      . ($args || "after=$first"));

    is($answer->{status}, 200, 'dead letters are listed')
        or diag($answer->{content});
    return @{ JSON::PP->new->utf8->decode($answer->{content})
              ->{dead_letters} };
}


sub replay {
    return http('POST', "/paytrade/admin/dead-letters/$_[0]/replay");
}


sub dead_are {
    my ($n) = @_;

    ok(until_true(sub { psql('SELECT count(*) FROM paytrade.dead_letter'
                             . " WHERE id > $first") == $n }, 10),
       "$n dead letters");
}


is(scalar(letters()), 0, 'there is none yet');


# A row that PostgreSQL refuses.
psql("ALTER TABLE paytrade.orders ADD CONSTRAINT no_bad"
     . " CHECK (user_id NOT LIKE 'bad%')");
my ($good) = hold('good');
my ($id) = hold('bad1');
dead_are(1);

my ($letter) = letters();
is($letter->{kind}, 'o', 'of an order');
is($letter->{partition}, 0, 'its partition');
like($letter->{payload}, qr/^$id\theld\t1\tbad1\tletters\t100\t/,
     'its row');
like($letter->{reason}, qr/no_bad/, 'the reason');
is($letter->{sqlstate}, '23514', 'the SQLSTATE');
like($letter->{created_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
     'when it was set aside');
is($letter->{replayed_at}, undef, 'it was not replayed');

my $answer = replay($letter->{id});
is($answer->{status}, 409, 'refused again');
like($answer->{content}, qr/"code":"still_poison"/, 'as poison');
dead_are(1);
is((letters())[0]{replayed_at}, undef, 'it was not replayed');

psql('ALTER TABLE paytrade.orders DROP CONSTRAINT no_bad');
$answer = replay($letter->{id});
is($answer->{status}, 200, 'accepted when the reason is gone');
is($answer->{content}, qq({"id":"$letter->{id}","replayed":true}), 'so it says');
is(psql("SELECT user_id, status, rev, meta->>'note' FROM paytrade.orders"
        . " WHERE order_id = $id"), 'bad1|held|1|手机 \\ "',
   'the row is there');
like((letters())[0]{replayed_at}, qr/^\d{4}-/, 'it is marked');
is(replay($letter->{id})->{status}, 200, 'twice is once');
is(psql("SELECT count(*) FROM paytrade.orders WHERE order_id = $id"), 1,
   'one row');
is(drift()->{status}, 200, 'Redis and PostgreSQL agree');


# What came after it is not put back.
psql("ALTER TABLE paytrade.orders ADD CONSTRAINT no_bad"
     . " CHECK (user_id NOT LIKE 'bad%') NOT VALID");
($id) = hold('bad2');
dead_are(2);
psql('ALTER TABLE paytrade.orders DROP CONSTRAINT no_bad');
is(http('DELETE', "/orders/$id", undef, 'X-User' => 'bad2')->{status}, 200,
   'the order is cancelled');
ok(until_true(sub { psql("SELECT status FROM paytrade.orders"
                         . " WHERE order_id = $id") eq 'cancelled' }, 10),
   'the row is cancelled');
$letter = (letters())[1];
is(replay($letter->{id})->{status}, 200, 'the hold is replayed late');
is(psql("SELECT status, rev FROM paytrade.orders WHERE order_id = $id"),
   'cancelled|2', 'and does not undo the cancel');


# What cannot be read.
redis('XADD', '{pt:0}:journal', '*', 'o', "nonsense\xff", 'x', 'unknown');
dead_are(4);
my @unreadable = (letters())[2, 3];
is($_->{reason}, 'malformed', 'malformed') for @unreadable;
is(replay($_->{id})->{status}, 409, 'is not replayed') for @unreadable;


# A conflict: same revision, other content.
psql("UPDATE paytrade.orders SET amount = 7 WHERE order_id = $good");
my $row = psql("SELECT order_id FROM paytrade.orders WHERE order_id = $good");
my $payload = "$good\theld\t1\tgood\tletters\t100\t1763712000000"
              . "\t1763712900000\t1763712000000\t\t\tp30 1 100\t";
redis('XADD', '{pt:0}:journal', '*', 'o', $payload);
dead_are(5);
$letter = (letters())[4];
is($letter->{reason}, 'conflict', 'a conflict');
$answer = replay($letter->{id});
is($answer->{status}, 409, 'is one still');
like($answer->{content}, qr/"code":"still_poison"/, 'it says');
psql("UPDATE paytrade.orders SET amount = 100 WHERE order_id = $good");


# Pages.
my @all = letters();
my @page = letters("after=$first&limit=2");
is(scalar(@page), 2, 'a page');
@page = letters("after=$page[1]{id}&limit=2");
is($page[0]{id}, $all[2]{id}, 'and the next');

for my $args ('after=-1', 'after=x', 'limit=0', 'limit=1001', 'limit=',
              'after=9223372036854775808')
{
    is(http('GET', "/paytrade/admin/dead-letters?$args")->{status}, 400,
       "refused: $args");
}

for my $unknown ('999999', '0', 'x', '-1', '9223372036854775807',
                 '99999999999999999999')
{
    $answer = replay($unknown);
    is($answer->{status}, 404, "no letter: $unknown");
    like($answer->{content}, qr/"code":"unknown_dead_letter"/, 'it says');
}


# PostgreSQL is locked, hangs or is away; and the client leaves.
my $locker = fork // die "fork: $!";
if ($locker == 0) {
    open STDOUT, '>', '/dev/null';
    exec 'psql', '-XAtqc',
         'BEGIN; LOCK paytrade.orders; SELECT pg_sleep(3); COMMIT';
}

sleep 0.5;

for my $wait (0.001, 0.05, 0.3) {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => port()) or die $!;
    print $socket "POST /paytrade/admin/dead-letters/$all[0]{id}/replay"
                  . " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    sleep $wait;
    close $socket;
}

waitpid $locker, 0;
is(replay($all[0]{id})->{status}, 200, 'clients that left do no harm');

stop_postgres();
$answer = replay($all[0]{id});
is($answer->{status}, 503, 'PostgreSQL is down');
is($answer->{headers}{'retry-after'}, 1, 'ask again');
is(http('GET', '/paytrade/admin/dead-letters')->{status}, 503,
   'no list either');
start_postgres();

psql('DELETE FROM paytrade.dead_letter');
ok(log_is_clean(), 'no alert in the log');
ok(stop_nginx(), 'nginx leaves');
ok(log_is_clean(), 'and no alert at its end');

done_testing();
