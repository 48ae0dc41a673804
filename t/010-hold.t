# paytrade_hold: what is taken, what is refused, and in which order.

use TestPaytrade;

our $Time = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

# A request for one SKU.
sub ::hold {
    my ($sku, $quantity, $price, $more) = @_;

    return qq(POST /orders\n{"sku":"$sku","quantity":$quantity,)
           . qq("unit_price":"$price") . (defined $more ? ",$more" : '') . '}';
}

sub ::code { my ($code) = @_; return qr/"code":"$code"/ }

run_tests();

__DATA__

=== TEST 1: one SKU
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"5000.00","stock":100,"limit":2}
--- request
POST /orders
{"sku":"p30","quantity":2,"unit_price":"5000.00"}
--- more_headers
X-User: u1
Idempotency-Key: k1
--- error_code: 201
--- response_headers
Content-Type: application/json
! Idempotency-Key
! Idempotency-Replayed
! Retry-After
--- response_body_like eval
qr/^\{"order_id":"\d{19}","status":"held","sale":"spring","amount":"10000\.00","currency":"CNY","lines":\[\{"sku":"p30","quantity":2,"unit_price":"5000\.00"\}\],"created_at":"$::Time","expires_at":"$::Time"\}$/
--- redis
HMGET {pt:0}:item:p30 stock available held sold
--- redis_out
100
98
2
0
--- psql
SELECT o.user_id, o.sale, o.status, o.amount, o.currency, o.rev, o.partition,
       l.line, l.sku, l.quantity, l.unit_price,
       extract(epoch FROM o.expires_at - o.created_at)::int
  FROM paytrade.orders o JOIN paytrade.order_lines l USING (order_id)
--- psql_out
u1|spring|held|1000000|CNY|1|0|1|p30|2|500000|900



=== TEST 2: the id tells the time, the partition and the order
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1","stock":9}
--- request eval
[map { ::hold('p30', 1, '1') } 1 .. 3]
--- more_headers eval
[map { "X-User: u$_" } 1 .. 3]
--- error_code eval
[201, 201, 201]
--- psql
SELECT count(*), count(DISTINCT order_id),
       bool_and(abs(order_id / 1000000
                    - extract(epoch FROM created_at) * 1000) <= 10000),
       max(order_id / 10000 % 100), max(order_id) - min(order_id)
  FROM paytrade.orders
--- psql_out
3|3|t|0|2



=== TEST 3: a cart; a SKU that stands twice is summed
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"5000.00","stock":10,"limit":2,"hold_time":"10m"}
PUT /paytrade/admin/items/c30 {"sale":"spring","price":"39.9","stock":10,"hold_time":"20m"}
--- request
POST /orders
{"sale":"spring","lines":[{"sku":"p30","quantity":1,"unit_price":"5000"},{"sku":"c30","quantity":3,"unit_price":"39.90"},{"sku":"p30","quantity":1,"unit_price":"5000.0"}],"amount":"10119.70"}
--- more_headers
X-User: u1
--- error_code: 201
--- response_body_like: "amount":"10119\.70"
--- redis
HMGET {pt:0}:item:p30 available held
HMGET {pt:0}:item:c30 available held
--- redis_out
8
2
7
3
--- psql
SELECT o.amount, l.line, l.sku, l.quantity, l.unit_price,
       extract(epoch FROM o.expires_at - o.created_at)::int
  FROM paytrade.orders o JOIN paytrade.order_lines l USING (order_id)
 ORDER BY l.line
--- psql_out
1011970|1|c30|3|3990|600
1011970|2|p30|2|500000|600



=== TEST 4: a SKU that stands twice counts twice against the limit and the stock
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1","stock":10,"limit":2}
PUT /paytrade/admin/items/p31 {"sale":"spring","price":"1","stock":3}
--- request eval
[qq(POST /orders\n{"sale":"spring","lines":[{"sku":"p30","quantity":2,"unit_price":"1"},{"sku":"p30","quantity":1,"unit_price":"1"}]}),
 qq(POST /orders\n{"sale":"spring","lines":[{"sku":"p31","quantity":2,"unit_price":"1"},{"sku":"p31","quantity":2,"unit_price":"1"}]})]
--- more_headers
X-User: u1
--- error_code eval
[409, 409]
--- response_body_like eval
[qr/"code":"limit_reached".*"sku":"p30"/, qr/"code":"sold_out".*"sku":"p31","available":3/]
--- redis
HMGET {pt:0}:item:p30 available held
HMGET {pt:0}:item:p31 available held
EXISTS {pt:0}:buyers:spring {pt:0}:buckets
--- redis_out
10
0
3
0
0
--- psql: SELECT count(*) FROM paytrade.orders
--- psql_out: 0



=== TEST 5: a cart is all or nothing
--- setup
PUT /paytrade/admin/items/a {"sale":"s","price":"1","stock":10}
PUT /paytrade/admin/items/b {"sale":"s","price":"1","stock":1}
PUT /paytrade/admin/items/c {"sale":"s","price":"1","stock":10}
--- request
POST /orders
{"sale":"s","lines":[{"sku":"a","quantity":1,"unit_price":"1"},{"sku":"b","quantity":2,"unit_price":"1"},{"sku":"c","quantity":1,"unit_price":"1"}]}
--- more_headers
X-User: u1
--- error_code: 409
--- response_headers
Content-Type: application/problem+json
! Retry-After
--- response_body_like chomp
"type":"https://paytrade\.dev/problems#sold_out","title":"[^"]+","status":409,"code":"sold_out","detail":"[^"]+","sku":"b","available":1\}$
--- redis
HMGET {pt:0}:item:a available held
HMGET {pt:0}:item:b available held
HMGET {pt:0}:item:c available held
EXISTS {pt:0}:buyers:s {pt:0}:buckets {pt:0}:hold_times
--- redis_out
10
0
1
0
10
0
0
--- psql: SELECT count(*) FROM paytrade.orders
--- psql_out: 0



=== TEST 6: a cart of fifty
--- setup eval
CORE::join '', map { qq(PUT /paytrade/admin/items/i$_ {"sale":"s","price":"$_.01","stock":10}\n) } 10 .. 59
--- request eval
qq(POST /orders\n{"sale":"s","lines":[)
. CORE::join(',', map { qq({"sku":"i$_","quantity":2,"unit_price":"$_.01"}) } CORE::reverse(10 .. 59))
. qq(],"amount":"3451.00","meta":{"n":50}})
--- more_headers
X-User: 2b9e8399-1b08-4e5b-a5ba-61c8ca156f83
--- error_code: 201
--- response_body_like: "amount":"3451\.00"
--- psql
SELECT o.amount, o.meta, count(*), sum(l.quantity), min(l.sku), max(l.line)
  FROM paytrade.orders o JOIN paytrade.order_lines l USING (order_id)
 GROUP BY 1, 2
--- psql_out
345100|{"n": 50}|50|100|i10|50



=== TEST 7: of a cart with an item of another sale nothing is taken
--- setup
PUT /paytrade/admin/items/a {"sale":"s","price":"1","stock":10}
PUT /paytrade/admin/items/b {"sale":"t","price":"1","stock":10}
--- request eval
[qq(POST /orders\n{"sale":"s","lines":[{"sku":"a","quantity":1,"unit_price":"1"},{"sku":"b","quantity":1,"unit_price":"1"}]}),
 qq(POST /orders\n{"sale":"t","sku":"a","quantity":1,"unit_price":"1"}),
 qq(POST /orders\n{"sale":"u","sku":"a","quantity":1,"unit_price":"1"}),
 ::hold('c', 1, '1'), ::hold('A', 1, '1')]
--- more_headers
X-User: u1
--- error_code eval
[404, 404, 404, 404, 404]
--- response_headers eval
[map { "Content-Type: application/problem+json" } 1 .. 5]
--- response_body_like eval
[map { ::code('unknown_item') } 1 .. 5]
--- redis
HMGET {pt:0}:item:a available held
HMGET {pt:0}:item:b available held
EXISTS {pt:0}:buyers:s {pt:0}:buyers:t {pt:0}:buyers:u
--- redis_out
10
0
10
0
0



=== TEST 8: meta is kept as it was said, without white space
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1.00","stock":10}
POST /orders X-User=u1 {"sku":"p30","quantity":1,"unit_price":"1.00", "meta" : { "z":[1, 2.50, -1e3, null, true], "a" : "\u4e2d \"x\" 手机\ud83d\ude00", "b":{} } }
--- request
GET /orders?sale=s
--- more_headers
X-User: u1
--- response_body_like eval
quotemeta '"meta":{"z":[1,2.50,-1e3,null,true],"a":"\u4e2d \"x\" 手机\ud83d\ude00","b":{}}}'
--- psql: SELECT meta = '{"z":[1,2.5,-1000,null,true],"a":"中 \"x\" 手机😀","b":{}}' FROM paytrade.orders
--- psql_out: t



=== TEST 9: meta of any type, up to 1024 bytes
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1.00","stock":100}
--- request eval
[map { ::hold('p30', 1, '1', qq("meta":$_)) }
 '1', '"x"', 'false', '[]', 'null', '"' . 'y' x 1022 . '"',
 ' ' x 3000 . '"' . 'y' x 1022 . '"', '"' . 'y' x 1023 . '"',
 '"' . "\xe4\xb8\xad" x 340 . 'yy"', '"' . "\xe4\xb8\xad" x 341 . '"']
--- more_headers eval
[map { "X-User: u$_" } 0 .. 9]
--- error_code eval
[201, 201, 201, 201, 201, 201, 201, 400, 201, 400]
--- response_body_like eval
[('"held"') x 7, ::code('bad_request'), '"held"', ::code('bad_request')]
--- psql
SELECT user_id, jsonb_typeof(meta), length(meta #>> '{}')
  FROM paytrade.orders ORDER BY user_id
--- psql_out
u0|number|1
u1|string|1
u2|boolean|5
u3|array|2
u4||
u5|string|1022
u6|string|1022
u8|string|342



=== TEST 10: the window has not opened
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":10,"starts_at":"2099-12-31T23:00:00-01:00"}
--- request
POST /orders
{"sku":"p30","quantity":1,"unit_price":"1"}
--- more_headers
X-User: u1
--- error_code: 409
--- response_headers_like
Content-Type: application/problem\+json
Retry-After: \d{9,10}
--- response_body_like: "code":"not_started","detail":"[^"]+","sku":"p30","starts_at":"2100-01-01T00:00:00\.000Z"\}$
--- redis
HMGET {pt:0}:item:p30 available held
EXISTS {pt:0}:buyers:s
--- redis_out
10
0
0



=== TEST 11: it is over
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":10,"ends_at":"2020-01-01T00:00:00Z"}
--- request
POST /orders
{"sku":"p30","quantity":1,"unit_price":"1"}
--- more_headers
X-User: u1
--- error_code: 409
--- response_headers
Content-Type: application/problem+json
! Retry-After
--- response_body_like eval: ::code('ended')
--- redis
HMGET {pt:0}:item:p30 available held
EXISTS {pt:0}:buyers:s
--- redis_out
10
0
0



=== TEST 12: paused and resumed
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":10}
PUT /paytrade/admin/items/p31 {"sale":"t","price":"1","stock":10}
--- request eval
[qq(POST /paytrade/admin/sales/s/pause\n{"paused":true}), ::hold('p30', 1, '1'),
 ::hold('p31', 1, '1'), qq(POST /paytrade/admin/sales/s/pause\n{"paused":false}),
 ::hold('p30', 1, '1')]
--- more_headers
X-User: u1
--- error_code eval
[200, 409, 201, 200, 201]
--- response_headers eval
["! Retry-After", "Retry-After: 10", map { "! Retry-After" } 1 .. 3]
--- response_body_like eval
['"paused":true', ::code('paused'), '"held"', '"paused":false', '"held"']
--- redis
HMGET {pt:0}:item:p30 available held
HMGET {pt:0}:item:p31 available held
--- redis_out
9
1
9
1



=== TEST 13: the limit over several orders, and what a cancel gives back
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":10,"limit":3}
--- request eval
[::hold('p30', 2, '1'), ::hold('p30', 2, '1'), ::hold('p30', 1, '1'),
 ::hold('p30', 1, '1'), ::hold('p30', 4, '1'), ::hold('p30', 3, '1')]
--- more_headers eval
["X-User: u1", "X-User: u1", "X-User: u1", "X-User: u1", "X-User: u2", "X-User: u2"]
--- error_code eval
[201, 409, 201, 409, 409, 201]
--- response_body_like eval
['"held"', qr/"code":"limit_reached",.*"sku":"p30","order_id":"\d{17}00"\}$/,
 '"held"', qr/"code":"limit_reached",.*"sku":"p30","order_id":"\d{17}01"\}$/,
 qr/"code":"limit_reached","detail":"[^"]+","sku":"p30"\}$/, '"held"']
--- redis
HMGET {pt:0}:item:p30 available held
--- redis_out
4
6
--- psql
SELECT user_id, sum(quantity) FROM paytrade.orders
  JOIN paytrade.order_lines USING (order_id) GROUP BY 1 ORDER BY 1
--- psql_out
u1|3
u2|3



=== TEST 14: limit 0 is none
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":100,"limit":0}
--- request eval
[map { ::hold('p30', 25, '1') } 1 .. 4]
--- more_headers
X-User: u1
--- error_code eval
[201, 201, 201, 201]
--- redis
HMGET {pt:0}:item:p30 available held
--- redis_out
0
100



=== TEST 15: sold out, all of it held
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":3,"hold_time":"90s"}
POST /orders X-User=u1 {"sku":"p30","quantity":2,"unit_price":"1"}
POST /orders X-User=u2 {"sku":"p30","quantity":2,"unit_price":"1"} => 409
POST /orders X-User=u2 {"sku":"p30","quantity":1,"unit_price":"1"}
--- request
POST /orders
{"sku":"p30","quantity":1,"unit_price":"1"}
--- more_headers
X-User: u3
--- error_code: 409
--- response_headers_like
Content-Type: application/problem\+json
Retry-After: (?:8\d|90)
--- response_body_like: "code":"sold_out","detail":"[^"]+","sku":"p30","available":0\}$
--- redis
HMGET {pt:0}:item:p30 available held
HLEN {pt:0}:buyers:s
--- redis_out
0
3
2



=== TEST 16: the last unit is sold, one more is not
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":2}
--- request eval
[::hold('p30', 1, '1'), ::hold('p30', 2, '1'), ::hold('p30', 1, '1'), ::hold('p30', 1, '1')]
--- more_headers eval
[map { "X-User: u$_" } 1 .. 4]
--- error_code eval
[201, 409, 201, 409]
--- response_body_like eval
['"held"', qr/"code":"sold_out".*"available":1\}/, '"held"', qr/"code":"sold_out".*"available":0\}/]
--- redis
HMGET {pt:0}:item:p30 stock available held sold
--- redis_out
2
0
2
0



=== TEST 17: nothing was ever there: no hope is given
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":0}
--- request
POST /orders
{"sku":"p30","quantity":1,"unit_price":"1"}
--- more_headers
X-User: u1
--- error_code: 409
--- response_headers
! Retry-After
--- response_body_like: "code":"sold_out".*"sku":"p30","available":0\}$



=== TEST 18: the price is the server's
--- setup
PUT /paytrade/admin/items/a {"sale":"s","price":"5000.00","stock":10}
PUT /paytrade/admin/items/b {"sale":"s","price":"0.01","stock":10}
--- request eval
[::hold('a', 1, '4999.99'), ::hold('a', 1, '5000.01'), ::hold('a', 1, '0'),
 ::hold('a', 2, '5000.00', '"amount":"9999.99"'),
 ::hold('a', 2, '5000.00', '"amount":"5000.00"'),
 qq(POST /orders\n{"sale":"s","lines":[{"sku":"a","quantity":1,"unit_price":"5000"},{"sku":"b","quantity":1,"unit_price":"0.02"}]}),
 ::hold('a', 2, '5000', '"amount":"10000"')]
--- more_headers
X-User: u1
--- error_code eval
[422, 422, 422, 422, 422, 422, 201]
--- response_body_like eval
[(qr/"status":422,"code":"price_changed","detail":"[^"]+","sku":"a","unit_price":"5000\.00"\}$/) x 3,
 (qr/"status":422,"code":"price_changed","detail":"[^"]+","amount":"10000\.00"\}$/) x 2,
 qr/"code":"price_changed","detail":"[^"]+","sku":"b","unit_price":"0\.01"\}$/,
 '"amount":"10000.00"']
--- redis
HMGET {pt:0}:item:a available held
HMGET {pt:0}:item:b available held
--- redis_out
8
2
10
0



=== TEST 19: a held order keeps its price
--- setup
PUT /paytrade/admin/items/a {"sale":"s","price":"5000.00","stock":10}
POST /orders X-User=u1 Idempotency-Key=k1 {"sku":"a","quantity":1,"unit_price":"5000.00"}
PUT /paytrade/admin/items/a {"sale":"s","price":"6000.00","stock":10}
POST /orders X-User=u2 {"sku":"a","quantity":1,"unit_price":"5000.00"} => 422
POST /orders X-User=u2 {"sku":"a","quantity":1,"unit_price":"6000.00"}
--- request
POST /orders
{"sku":"a","quantity":1,"unit_price":"5000.00"}
--- more_headers
X-User: u1
Idempotency-Key: k1
--- error_code: 200
--- response_headers
Idempotency-Replayed: true
--- response_body_like: "amount":"5000\.00".*"unit_price":"5000\.00"
--- psql: SELECT user_id, amount FROM paytrade.orders ORDER BY 1
--- psql_out
u1|500000
u2|600000



=== TEST 20: something free, and the largest amount
--- setup
PUT /paytrade/admin/items/free {"sale":"s","price":"0","stock":10}
PUT /paytrade/admin/items/dear {"sale":"s","price":"100000000000.00","stock":10}
PUT /paytrade/admin/items/many {"sale":"s","price":"100.00","stock":1000000000}
--- request eval
[::hold('free', 1, '0.00', '"amount":"0"'), ::hold('dear', 1, '100000000000'),
 ::hold('dear', 2, '100000000000'), ::hold('many', 1000000000, '100.00'),
 qq(POST /orders\n{"sale":"s","lines":[{"sku":"dear","quantity":1,"unit_price":"100000000000"},{"sku":"free","quantity":1,"unit_price":"0.01"}]})]
--- more_headers
X-User: u1
--- error_code eval
[201, 201, 400, 201, 400]
--- response_body_like eval
['"amount":"0.00"', '"amount":"100000000000.00"', ::code('bad_request'),
 '"amount":"100000000000.00"', ::code('bad_request')]
--- psql: SELECT amount FROM paytrade.orders ORDER BY order_id
--- psql_out
0
10000000000000
10000000000000



=== TEST 21: a currency without decimals
--- paytrade
paytrade_currency JPY 0;
--- setup
PUT /paytrade/admin/items/a {"sale":"s","price":"5000","stock":10}
--- request eval
[::hold('a', 2, '5000', '"amount":"10000"'), ::hold('a', 1, '5000.0'), ::hold('a', 1, '5000.'), ::hold('a', 1, '4999')]
--- more_headers
X-User: u1
--- error_code eval
[201, 400, 400, 422]
--- response_body_like eval
['"amount":"10000","currency":"JPY"', ::code('bad_request'), ::code('bad_request'), '"unit_price":"5000"']
--- psql: SELECT amount, currency FROM paytrade.orders
--- psql_out: 10000|JPY



=== TEST 22: a currency with three
--- paytrade
paytrade_currency KWD 3;
--- setup
PUT /paytrade/admin/items/a {"sale":"s","price":"1.5","stock":10}
--- request eval
[::hold('a', 3, '1.500', '"amount":"4.50"'), ::hold('a', 1, '1.5000'), ::hold('a', 1, '1.501')]
--- more_headers
X-User: u1
--- error_code eval
[201, 400, 422]
--- response_body_like eval
['"amount":"4.500","currency":"KWD"', ::code('bad_request'), '"unit_price":"1.500"']
--- psql: SELECT amount, currency FROM paytrade.orders
--- psql_out: 4500|KWD



=== TEST 23: precedence, before the state of the sale is looked at
--- paytrade
paytrade_attempts 1;
--- setup
PUT /paytrade/admin/items/p {"sale":"s","price":"1","stock":1,"limit":1}
POST /orders X-User=u1 Idempotency-Key=k1 {"sku":"p","quantity":1,"unit_price":"1"}
PUT /paytrade/admin/items/p {"sale":"s","price":"2","stock":1,"limit":1,"starts_at":"2099-01-01T00:00:00Z"}
POST /paytrade/admin/sales/s/pause {"paused":true}
--- request eval
["PATCH /orders\nx", "POST /orders\nx", "POST /orders\nx", ::hold('p', 1, '1'),
 ::hold('p', 1, '1'), ::hold('nope', 1, '1', '"sale":"s"'), ::hold('p', 2, '1'),
 ::hold('p', 1, '1')]
--- more_headers eval
["Content-Type: text/plain", "Content-Type: text/plain", "Content-Type: application/json", "X: y",
 "X-User: u1\nIdempotency-Key: k1", "X-User: u1\nIdempotency-Key: k1", "X-User: u1\nIdempotency-Key: k1",
 "X-User: u1\nIdempotency-Key: k2"]
--- error_code eval
[405, 415, 400, 401, 200, 404, 422, 429]
--- response_body_like eval
[map { ref $_ ? $_ : ::code($_) } 'method_not_allowed', 'unsupported_media_type', 'bad_request',
 'no_user', qr/"status":"held"/, 'unknown_item', 'key_reused', 'too_many_attempts']
--- redis
HMGET {pt:0}:item:p available held
--- redis_out
0
1
--- psql: SELECT count(*), max(rev) FROM paytrade.orders
--- psql_out: 1|1



=== TEST 24: precedence, one obstacle after the other
--- setup
PUT /paytrade/admin/items/p {"sale":"s","price":"1","stock":1,"limit":1}
POST /orders X-User=u1 {"sku":"p","quantity":1,"unit_price":"1"}
PUT /paytrade/admin/items/p {"sale":"s","price":"2","stock":1,"limit":1,"starts_at":"2099-01-01T00:00:00Z"}
POST /paytrade/admin/sales/s/pause {"paused":true}
--- request eval
[::hold('p', 1, '1'),
 qq(POST /paytrade/admin/sales/s/pause\n{"paused":false}), ::hold('p', 1, '1'),
 qq(PUT /paytrade/admin/items/p\n{"sale":"s","price":"2","stock":1,"limit":1,"ends_at":"2020-01-01T00:00:00Z"}),
 ::hold('p', 1, '1'),
 qq(PUT /paytrade/admin/items/p\n{"sale":"s","price":"2","stock":1,"limit":1}), ::hold('p', 1, '1'),
 ::hold('p', 1, '2'),
 qq(PUT /paytrade/admin/items/p\n{"sale":"s","price":"2","stock":1,"limit":2}), ::hold('p', 1, '2'),
 qq(POST /paytrade/admin/items/p/restock\n{"units":1,"request_id":"r"}), ::hold('p', 1, '2')]
--- more_headers
X-User: u1
--- error_code eval
[409, 200, 409, 200, 409, 200, 422, 409, 200, 409, 200, 201]
--- response_body_like eval
[::code('paused'), '', ::code('not_started'), '', ::code('ended'), '',
 ::code('price_changed'), ::code('limit_reached'), '', ::code('sold_out'), '', '"held"']
--- psql: SELECT amount FROM paytrade.orders ORDER BY order_id
--- psql_out
100
200



=== TEST 25: each check is made for all lines of a cart before the next
--- setup
PUT /paytrade/admin/items/a {"sale":"s","price":"1","stock":0,"limit":0}
PUT /paytrade/admin/items/b {"sale":"s","price":"1","stock":5,"limit":1}
PUT /paytrade/admin/items/c {"sale":"s","price":"1","stock":5}
PUT /paytrade/admin/items/d {"sale":"s","price":"1","stock":5,"ends_at":"2020-01-01T00:00:00Z"}
PUT /paytrade/admin/items/e {"sale":"s","price":"1","stock":5,"starts_at":"2099-01-01T00:00:00Z"}
--- request eval
sub cart { qq(POST /orders\n{"sale":"s","lines":[)
           . CORE::join(',', map { qq({"sku":"$_","quantity":2,"unit_price":") . ($_ eq 'c' ? 2 : 1) . '"}' } @_)
           . ']}' }
[cart(qw(a b c d e f)), cart(qw(a b c d e)), cart(qw(a b c d)), cart(qw(a b c)), cart(qw(a b)), cart('a')]
--- more_headers
X-User: u1
--- error_code eval
[404, 409, 409, 422, 409, 409]
--- response_body_like eval
[::code('unknown_item'), qr/"not_started".*"sku":"e"/, ::code('ended'), qr/"price_changed".*"sku":"c"/,
 qr/"limit_reached".*"sku":"b"/, qr/"sold_out".*"sku":"a"/]
--- redis
HMGET {pt:0}:item:b available held
EXISTS {pt:0}:buyers:s
--- redis_out
5
0
0



=== TEST 26: no Redis: 503, and when to ask again
--- paytrade
paytrade_redis unix:/nowhere/redis.sock;
paytrade_redis_timeout 200ms;
--- request
POST /orders
{"sku":"p30","quantity":1,"unit_price":"1"}
--- more_headers
X-User: u1
--- error_code: 503
--- response_headers
Content-Type: application/problem+json
Retry-After: 1
--- response_body_like eval: ::code('unavailable')



=== TEST 27: a location of its own: user and hold time
--- config
    location = /orders { paytrade_hold; paytrade_user $remote_user; }
    location /paytrade/admin/ { paytrade_admin; paytrade_hold_time 30s; }
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":3}
POST /orders X-User=u1 {"sku":"p30","quantity":1,"unit_price":"1"} => 401
--- request
POST /orders
{"sku":"p30","quantity":1,"unit_price":"1"}
--- more_headers
X-User: u1
Authorization: Basic YWxpY2U6eA==
--- error_code: 201
--- psql: SELECT user_id, extract(epoch FROM expires_at - created_at)::int FROM paytrade.orders
--- psql_out: alice|30



=== TEST 28: users of all kinds
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"1","stock":30,"limit":1}
--- request eval
[map { ::hold('p30', 1, '1') } 1 .. 8]
--- more_headers eval
[map { "X-User: $_" } 'a b', 'a|b', "\xe6\x89\x8b", 'x' x 128, '"', '{pt:0}:', 'a,b', '1']
--- error_code eval
[map { 201 } 1 .. 8]
--- redis
HLEN {pt:0}:buyers:s
HGET {pt:0}:item:p30 held
--- redis_out
8
8
--- psql: SELECT count(DISTINCT user_id), max(length(user_id)) FROM paytrade.orders
--- psql_out: 8|128



=== TEST 29: names of all kinds
--- setup eval
CORE::join '', map { qq(PUT /paytrade/admin/items/$_->[0] {"sale":"$_->[1]","price":"1","stock":3}\n) }
['a%2Fb', 's:t'], ['%7Bx%7D', '{x}'], ['x' x 64, 's' x 64], ['a%7Cb', '|'], ['1:2', '-']
--- request eval
[::hold('a/b', 1, '1'), ::hold('{x}', 1, '1'), ::hold('x' x 64, 1, '1'), ::hold('a|b', 1, '1'), ::hold('1:2', 1, '1')]
--- more_headers
X-User: u1
--- error_code eval
[map { 201 } 1 .. 5]
--- psql: SELECT count(*), count(DISTINCT sale), max(length(sku)) FROM paytrade.orders JOIN paytrade.order_lines USING (order_id)
--- psql_out: 5|5|64
