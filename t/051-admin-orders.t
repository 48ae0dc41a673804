# paytrade_admin: an operator cancels orders.

use strict;
use warnings;

use lib 't/lib';
use PaytradeShop;
use Test::More;

start_nginx(workers => 2);
put_item('p30', stock => 10, price => '1.00');


sub hold {
    my ($user, $quantity) = @_;
    my $answer = http('POST', '/orders',
                      qq({"sku":"p30","quantity":$quantity,)
                      . '"unit_price":"1.00"}', 'X-User' => $user);

    return order_ids({ %$answer, answer => $answer->{content} });
}


sub cancel {
    my ($id, $body) = @_;

    return http('POST', "/paytrade/admin/orders/$id/cancel", $body);
}


sub row_is {
    my ($id, $row) = @_;

    ok(until_true(sub { psql('SELECT status, rev FROM paytrade.orders'
                             . " WHERE order_id = $id") eq $row }, 10),
       "the row says $row");
}


my ($id) = hold('u1', 3);
my $answer = cancel($id, '{"request_id":"c-1"}');

is($answer->{status}, 200, 'an order is cancelled');
like($answer->{content}, qr/^\{"order_id":"$id","status":"cancelled",/,
     'and shown');
like($answer->{content}, qr/"amount":"3\.00"/, 'with its amount');
is(item('p30')->{available}, 10, 'its units came back');
row_is($id, 'cancelled|2');
is(psql('SELECT request_id FROM paytrade.admin_requests'), 'c-1',
   'the request is noted');

$answer = cancel($id, '{"request_id":"c-1"}');
is($answer->{status}, 200, 'the same request again');
like($answer->{content}, qr/"status":"cancelled"/, 'has the same answer');

my ($second) = hold('u1', 2);
$answer = cancel($second, '{"request_id":"c-1"}');
is($answer->{status}, 422, 'the same request for another order');
like($answer->{content}, qr/"code":"key_reused"/, 'is told');
row_is($second, 'held|1');
is(http('POST', '/paytrade/admin/items/p30/restock',
        '{"units":1,"request_id":"c-1"}')->{status}, 422,
   'and for a restock');
cancel($second);

$answer = cancel($id);
is($answer->{status}, 200, 'also without a request_id');
is(item('p30')->{available}, 10, 'the units came back once');


# A buyer has cancelled, a deadline has passed.
($id) = hold('u2', 1);
is(http('DELETE', "/orders/$id", undef, 'X-User' => 'u2')->{status}, 200,
   'a buyer cancels');
like(cancel($id)->{content}, qr/"status":"cancelled"/,
     'an operator who comes later is told');

put_item('short', stock => 1, price => '1.00', hold_time => '1s',
         sale => 'short');
$answer = http('POST', '/orders',
               '{"sku":"short","quantity":1,"unit_price":"1.00"}',
               'X-User' => 'u3');
($id) = order_ids({ %$answer, answer => $answer->{content} });
ok(until_true(sub { item('short')->{available} == 1 }, 5), 'a hold is over');
like(cancel($id)->{content}, qr/"status":"expired"/,
     'an operator who comes later is told');


# Redis has forgotten it: PostgreSQL tells.
row_is($id, 'expired|2');
redis('DEL', '{pt:0}:o:' . substr($id, 0, 17));
like(cancel($id)->{content}, qr/"order_id":"$id","status":"expired"/,
     'an order that Redis has forgotten');

psql("UPDATE paytrade.orders SET status = 'paid' WHERE order_id = $id");
$answer = cancel($id);
is($answer->{status}, 409, 'paid, says PostgreSQL');
like($answer->{content}, qr/"code":"already_paid"/, 'so it is not cancelled');

psql("UPDATE paytrade.orders SET status = 'held' WHERE order_id = $id");
$answer = cancel($id);
is($answer->{status}, 503, 'held, says PostgreSQL, and Redis does not know');

psql("DELETE FROM paytrade.orders WHERE order_id = $id");
$answer = cancel($id);
is($answer->{status}, 404, 'nobody knows it');
like($answer->{content}, qr/"code":"unknown_order"/, 'is said');


# PostgreSQL is down.
($id) = hold('u4', 2);
stop_postgres();
is(cancel($id)->{status}, 200, 'cancelled while PostgreSQL is down');
$answer = cancel('1763712000000000001');
is($answer->{status}, 503, 'what only PostgreSQL could tell is not told');
is($answer->{headers}{'retry-after'}, 1, 'now');
start_postgres();
row_is($id, 'cancelled|2');


# What is no id.  A worker may still have to find PostgreSQL again.
ok(until_true(sub { cancel($_)->{status} == 404 }, 10), "no order: $_")
    for '1763712000000000001', '1763712000000070001', '17637120000000000010',
        '176371200000000000', 'abc', '%31763712000000000001';

ok(log_is_clean(), 'no alert in the log');

done_testing();
