# paytrade_items: what is on sale.

use TestPaytrade;

run_tests();

__DATA__

=== TEST 1: one item by its SKU
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","title":"P30 \"Pro\" 手机","price":"5000.00","stock":100,"limit":2,"starts_at":"2026-01-01T00:00:00Z","ends_at":"2030-01-01T08:00:00+08:00","hold_time":"15m"}
--- request
GET /items?sku=p30
--- response_headers
Content-Type: application/json
--- response_body chomp
{"sku":"p30","sale":"spring","title":"P30 \"Pro\" 手机","price":"5000.00","currency":"CNY","available":100,"limit":2,"starts_at":"2026-01-01T00:00:00.000Z","ends_at":"2030-01-01T00:00:00.000Z","hold_time":"900s","paused":false}



=== TEST 2: all items of a sale, in the order of their SKUs
--- setup
PUT /paytrade/admin/items/b {"sale":"spring","price":"2","stock":2}
PUT /paytrade/admin/items/a {"sale":"spring","price":"1.5","stock":1}
PUT /paytrade/admin/items/c {"sale":"autumn","price":"3","stock":3}
--- request
GET /items?sale=spring
--- response_body_like chomp
^\{"items":\[\{"sku":"a",[^{}]*"price":"1\.50",[^{}]*"available":1,[^{}]*\},\{"sku":"b",[^{}]*"available":2,[^{}]*\}\]\}$



=== TEST 3: a buyer does not see what is an operator's
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1","stock":7}
--- request eval
["GET /items?sku=p30", "GET /items?sale=spring"]
--- response_body_unlike eval
[qr/"(stock|held|sold|version)"/, qr/"(stock|held|sold|version)"/]



=== TEST 4: what is not known
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1","stock":7}
--- request eval
["GET /items?sku=p31", "GET /items?sale=winter", "GET /items?sku=p31",
 "GET /items?sku=P30"]
--- error_code eval
[404, 404, 404, 404]
--- response_headers eval
["Content-Type: application/problem+json",
 "Content-Type: application/problem+json", "", ""]
--- response_body_like eval
[map { qr/"status":404,"code":"unknown_item"/ } 1 .. 4]



=== TEST 5: nothing was ever put on sale
--- request eval
["GET /items?sku=p30", "GET /items?sale=spring"]
--- error_code eval
[404, 404]
--- response_body_like eval
[qr/"code":"unknown_item"/, qr/"code":"unknown_item"/]



=== TEST 6: arguments that are none
--- request eval
["GET /items", "GET /items?sale=s&sku=p", "GET /items?sku=",
 "GET /items?sale=a%20b", "GET /items?sku=a,b", "GET /items?sku=%E6%89%8B",
 "GET /items?sku=" . "x" x 65, "GET /items?sku=a%00"]
--- error_code eval
[map { 400 } 1 .. 8]
--- response_body_like eval
[map { qr/"code":"bad_request"/ } 1 .. 8]



=== TEST 7: an argument is percent-decoded
--- setup
PUT /paytrade/admin/items/a%2Fb%25 {"sale":"spring","price":"1","stock":7}
--- request
GET /items?sku=%61%2fb%25
--- response_body_like chomp
^\{"sku":"a/b%",



=== TEST 8: other methods
--- request eval
["POST /items?sku=p30\n{}", "DELETE /items?sku=p30", "PUT /items?sku=p30\n{}"]
--- error_code eval
[405, 405, 405]
--- response_headers eval
[map { "Allow: GET, HEAD" } 1 .. 3]
--- response_body_like eval
[map { qr/"code":"method_not_allowed"/ } 1 .. 3]



=== TEST 9: HEAD
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1","stock":7}
--- request
HEAD /items?sku=p30
--- response_headers
Content-Type: application/json
--- response_body



=== TEST 10: units that are held are not available
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":7}
POST /orders X-User=u1 {"sku":"p30","quantity":3,"unit_price":"1.00"}
--- request eval
["GET /items?sku=p30", "GET /items?sale=spring"]
--- response_body_like eval
[qr/"available":4,/, qr/"available":4,/]



=== TEST 11: a hold that is over gives its units back
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":7,"hold_time":"1s"}
POST /orders X-User=u1 {"sku":"p30","quantity":3,"unit_price":"1.00"}
--- request
GET /items?sku=p30
--- response_body_like: "available":4
--- psql: SELECT status FROM paytrade.orders
--- psql_out: expired



=== TEST 12: as it was
--- keep
--- request
GET /items?sku=p30
--- response_body_like: "available":7



=== TEST 13: a paused sale says so
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1","stock":7}
POST /paytrade/admin/sales/spring/pause {"paused":true}
--- request eval
["GET /items?sku=p30", "GET /items?sale=spring"]
--- response_body_like eval
[qr/"paused":true/, qr/"paused":true/]



=== TEST 14: several partitions
--- paytrade
paytrade_partitions 7;
--- setup
PUT /paytrade/admin/items/a {"sale":"s1","price":"1","stock":1}
PUT /paytrade/admin/items/b {"sale":"s2","price":"1","stock":2}
PUT /paytrade/admin/items/c {"sale":"s3","price":"1","stock":3}
PUT /paytrade/admin/items/d {"sale":"s3","price":"1","stock":4}
--- request eval
["GET /items?sku=a", "GET /items?sku=b", "GET /items?sku=c",
 "GET /items?sku=a", "GET /items?sku=e", "GET /items?sku=e",
 "GET /items?sale=s3", "GET /items?sale=s4"]
--- error_code eval
[200, 200, 200, 200, 404, 404, 200, 404]
--- response_body_like eval
[qr/"sale":"s1".*"available":1/, qr/"sale":"s2".*"available":2/,
 qr/"sale":"s3".*"available":3/, qr/"sale":"s1".*"available":1/,
 qr/"unknown_item"/, qr/"unknown_item"/,
 qr/"sku":"c".*"sku":"d"/, qr/"unknown_item"/]



=== TEST 15: a SKU that was unknown a moment ago is put on sale
--- paytrade
paytrade_partitions 3;
--- setup
GET /items?sku=a => 404
PUT /paytrade/admin/items/a {"sale":"s1","price":"1","stock":1}
--- request
GET /items?sku=a
--- response_body_like: "available":1



=== TEST 16: the result for the log
--- config
    location = /items {
        paytrade_items;
        add_header X-Result $paytrade_result always;
        add_header X-Sku $paytrade_sku always;
    }
    location /paytrade/admin/ { paytrade_admin; }
--- setup
PUT /paytrade/admin/items/a {"sale":"s1","price":"1","stock":1}
--- request eval
["GET /items?sku=a", "GET /items?sku=b", "GET /items"]
--- error_code eval
[200, 404, 400]
--- response_headers eval
["X-Result: ok\nX-Sku: a", "X-Result: unknown_item\nX-Sku: b",
 "X-Result: bad_request"]



=== TEST 17: Redis is not there
--- paytrade
paytrade_redis unix:/nowhere/redis.sock;
paytrade_redis_timeout 200ms;
--- request eval
["GET /items?sku=a", "GET /items?sale=a"]
--- error_code eval
[503, 503]
--- response_headers eval
["Retry-After: 1", "Retry-After: 1"]
--- response_body_like eval
[qr/"code":"unavailable"/, qr/"code":"unavailable"/]



=== TEST 18: Redis is not there, several partitions
--- paytrade
paytrade_redis unix:/nowhere/redis.sock;
paytrade_redis_timeout 200ms;
paytrade_partitions 4;
--- request
GET /items?sku=a
--- error_code: 503
--- response_headers
Retry-After: 1



=== TEST 19: a sale of a thousand items
--- setup eval
CORE::join "", map { qq(PUT /paytrade/admin/items/i$_ {"sale":"big","price":"1","stock":$_}\n) } 1000 .. 1999
--- request
GET /items?sale=big
--- response_body_like chomp
^\{"items":\[\{"sku":"i1000",.*"sku":"i1999",[^{}]*"available":1999,[^{}]*\}\]\}$



=== TEST 20: an item's record is damaged
--- setup
PUT /paytrade/admin/items/a {"sale":"s1","price":"1","stock":1}
PUT /paytrade/admin/items/b {"sale":"s1","price":"1","stock":2}
PUT /paytrade/admin/items/c {"sale":"s1","price":"1","stock":3}
--- request
GET /items?sku=b
--- response_body_like: "available":2
--- redis
HSET {pt:0}:item:b available many
--- redis_out: 0



=== TEST 21: and does not hide the others
--- keep
--- request eval
["GET /items?sale=s1", "GET /items?sku=b", "GET /items?sku=c"]
--- error_code eval
[200, 503, 200]
--- response_body_like eval
[qr/^\{"items":\[\{"sku":"a"[^{}]*\},\{"sku":"c"[^{}]*\}\]\}$/,
 qr/"code":"unavailable"/, qr/"available":3/]



=== TEST 22: an answer that the client takes slowly
--- config
    location = /items { paytrade_items; limit_rate 20k; }
    location /paytrade/admin/ { paytrade_admin; }
--- setup eval
CORE::join "", map { qq(PUT /paytrade/admin/items/i$_ {"sale":"big","price":"1","stock":$_}\n) } 1000 .. 1199
--- request
GET /items?sale=big
--- timeout: 10
--- response_body_like chomp
^\{"items":\[\{"sku":"i1000",.*"sku":"i1199",[^{}]*"available":1199,[^{}]*\}\]\}$
