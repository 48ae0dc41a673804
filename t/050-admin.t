# paytrade_admin: items, restock, pause, cancel; who may, and which paths.

use TestPaytrade;

run_tests();

__DATA__

=== TEST 1: an item is put on sale
--- config
    location /paytrade/admin/ {
        paytrade_admin;
        add_header X-Result $paytrade_result always;
    }
--- request
PUT /paytrade/admin/items/p30
{"sale":"spring","title":"P30","price":"5000.00","stock":100,"limit":2,"starts_at":"2026-01-01T00:00:00Z","ends_at":"2030-01-01T00:00:00Z","hold_time":"15m"}
--- error_code: 201
--- response_headers
Content-Type: application/json
X-Result: created
--- response_body chomp
{"sku":"p30","sale":"spring","title":"P30","price":"5000.00","currency":"CNY","available":100,"stock":100,"held":0,"sold":0,"version":1,"limit":2,"starts_at":"2026-01-01T00:00:00.000Z","ends_at":"2030-01-01T00:00:00.000Z","hold_time":"900s","paused":false}
--- psql: SELECT sku, partition, sale, title, price, stock, unit_limit, hold_ms, version FROM paytrade.items
--- psql_out
p30|0|spring|P30|500000|100|2|900000|1



=== TEST 2: and changed
--- config
    location /paytrade/admin/ {
        paytrade_admin;
        add_header X-Result $paytrade_result always;
    }
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"5000.00","stock":100}
--- request
PUT /paytrade/admin/items/p30
{"sale":"spring","title":"New","price":"4999","stock":90}
--- error_code: 200
--- response_headers
X-Result: changed
--- response_body_like: "title":"New","price":"4999\.00".*"available":90,"stock":90,"held":0,"sold":0,"version":2
--- psql: SELECT title, price, stock, version FROM paytrade.items
--- psql_out
New|499900|90|2



=== TEST 3: what is not said has defaults, the hold time that of the location
--- config
    location /paytrade/admin/ { paytrade_admin; paytrade_hold_time 90s; }
--- request
PUT /paytrade/admin/items/p30
{"sale":"spring","price":"1","stock":0}
--- error_code: 201
--- response_body_like: "title":"p30".*"limit":0,"starts_at":"1970-01-01T00:00:00.000Z","ends_at":"9999-12-31T23:59:59.999Z","hold_time":"90s"



=== TEST 4: bodies that are none
--- request eval
["PUT /paytrade/admin/items/p30",
 "PUT /paytrade/admin/items/p30\nnot json",
 "PUT /paytrade/admin/items/p30\n[]",
 "PUT /paytrade/admin/items/p30\n{}",
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1","stock":-1}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1","stock":1.5}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1","stock":"1"}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":1,"stock":1}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1.001","stock":1}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s t","price":"1","stock":1}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1","stock":1,"stock":2}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1","stock":1,"limit":-1}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1","stock":1,"hold_time":"1y"}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1","stock":1,"starts_at":"today"}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1","stock":1,"title":"a\\u0000b"})]
--- error_code eval
[map { 400 } 1 .. 15]
--- response_body_like eval
[map { qr/"code":"bad_request","detail":"/ } 1 .. 15]
--- psql: SELECT count(*) FROM paytrade.items
--- psql_out: 0



=== TEST 5: a body of another kind
--- request
PUT /paytrade/admin/items/p30
sale=spring
--- more_headers
Content-Type: application/x-www-form-urlencoded
--- error_code: 415
--- response_body_like: "code":"unsupported_media_type"



=== TEST 6: a body that is too large
--- request eval
["PUT /paytrade/admin/items/p30\n" . '{"title":"' . "x" x 70000 . '"}',
 "GET /paytrade/admin/items/p30"]
--- error_code eval
[413, 404]
--- response_body_like eval
[qr/"code":"too_large"/, qr/"code":"unknown_item"/]



=== TEST 7: not below what is held
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":5}
POST /orders X-User=u1 {"sku":"p30","quantity":3,"unit_price":"1.00"}
--- request eval
[qq(PUT /paytrade/admin/items/p30\n{"sale":"spring","price":"1.00","stock":2}),
 qq(PUT /paytrade/admin/items/p30\n{"sale":"spring","price":"1.00","stock":3}),
 "GET /paytrade/admin/items/p30"]
--- error_code eval
[409, 200, 200]
--- response_body_like eval
[qr/"code":"below_committed".*"stock":5,"held":3,"sold":0\}/,
 qr/"available":0,"stock":3,"held":3/,
 qr/"available":0,"stock":3,"held":3,"sold":0,"version":2/]



=== TEST 8: an item stays in its sale
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":5}
--- request
PUT /paytrade/admin/items/p30
{"sale":"autumn","price":"1.00","stock":5}
--- error_code: 409
--- response_body_like: "code":"wrong_sale".*"sale":"spring"\}



=== TEST 9: also when the other sale is in another partition
--- paytrade
paytrade_partitions 16;
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s1","price":"1.00","stock":5}
PUT /paytrade/admin/items/p30 {"sale":"s2","price":"1.00","stock":5} => 409
PUT /paytrade/admin/items/p30 {"sale":"s3","price":"1.00","stock":5} => 409
PUT /paytrade/admin/items/p30 {"sale":"s4","price":"1.00","stock":5} => 409
--- request
PUT /paytrade/admin/items/p30
{"sale":"s1","price":"2.00","stock":6}
--- error_code: 200
--- psql: SELECT sku, sale, stock FROM paytrade.items
--- psql_out
p30|s1|6



=== TEST 10: an operator's view, by partitions
--- paytrade
paytrade_partitions 5;
--- setup
PUT /paytrade/admin/items/a {"sale":"s1","price":"1.00","stock":5}
PUT /paytrade/admin/items/b {"sale":"s2","price":"1.00","stock":6}
PUT /paytrade/admin/items/c {"sale":"s3","price":"1.00","stock":7}
--- request eval
[map { "GET /paytrade/admin/items/$_" } qw(a b c d)]
--- error_code eval
[200, 200, 200, 404]
--- response_body_like eval
[qr/"sale":"s1".*"stock":5/, qr/"sale":"s2".*"stock":6/,
 qr/"sale":"s3".*"stock":7/, qr/"code":"unknown_item"/]



=== TEST 11: a SKU with slashes and percents
--- setup
PUT /paytrade/admin/items/a%2Fb%25c {"sale":"s1","price":"1.00","stock":5}
POST /paytrade/admin/items/a%2Fb%25c/restock {"units":1,"request_id":"r"}
--- request
GET /paytrade/admin/items/a%2fb%25c
--- response_body_like: ^\{"sku":"a/b%c".*"stock":6



=== TEST 12: names that are none
--- request eval
["GET /paytrade/admin/items/a%20b", "GET /paytrade/admin/items/",
 "PUT /paytrade/admin/items/a,b\n{}", "GET /paytrade/admin/items/" . "x" x 65,
 "POST /paytrade/admin/items/a%20b/restock\n{}",
 "POST /paytrade/admin/sales/a%20b/pause\n{}"]
--- error_code eval
[map { 400 } 1 .. 6]
--- response_body_like eval
[map { qr/"code":"bad_request"/ } 1 .. 6]



=== TEST 13: restock, withdraw, and the same request again
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":5}
POST /orders X-User=u1 {"sku":"p30","quantity":3,"unit_price":"1.00"}
--- request eval
[qq(POST /paytrade/admin/items/p30/restock\n{"units":50,"request_id":"r-1"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":50,"request_id":"r-1"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":-52,"request_id":"r-2"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":-1,"request_id":"r-3"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":1,"request_id":"r-3"})]
--- error_code eval
[200, 200, 200, 409, 200]
--- response_headers eval
["Idempotency-Replayed:", "Idempotency-Replayed: true",
 "Idempotency-Replayed:", "Idempotency-Replayed:", "Idempotency-Replayed:"]
--- response_body_like eval
[qr/"available":52,"stock":55,"held":3/, qr/"available":52,"stock":55,"held":3/,
 qr/"available":0,"stock":3,"held":3/, qr/"code":"below_committed"/,
 qr/"available":1,"stock":4,"held":3/]
--- psql
SELECT stock, version FROM paytrade.items;
SELECT request_id FROM paytrade.admin_requests ORDER BY 1;
--- psql_out
4|4
r-1
r-2
r-3



=== TEST 13b: a request that was done, for something else
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":5}
PUT /paytrade/admin/items/p31 {"sale":"spring","price":"1.00","stock":5}
--- request eval
[qq(POST /paytrade/admin/items/p30/restock\n{"units":50,"request_id":"r-1"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":51,"request_id":"r-1"}),
 qq(POST /paytrade/admin/items/p31/restock\n{"units":50,"request_id":"r-1"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":50,"request_id":"r-1"})]
--- error_code eval
[200, 422, 422, 200]
--- response_body_like eval
[qr/"stock":55,/, qr/"code":"key_reused"/, qr/"code":"key_reused"/,
 qr/"stock":55,/]
--- response_headers eval
["Idempotency-Replayed:", "Idempotency-Replayed:", "Idempotency-Replayed:",
 "Idempotency-Replayed: true"]
--- psql
SELECT sku, stock FROM paytrade.items ORDER BY 1;
SELECT request_id, length(asked) FROM paytrade.admin_requests;
--- psql_out
p30|55
p31|5
r-1|16



=== TEST 14: restock, bodies that are none, items that are none
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":5}
--- request eval
[qq(POST /paytrade/admin/items/p30/restock\n{"units":0,"request_id":"r"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":1}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":"1","request_id":"r"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":1.5,"request_id":"r"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":9223372036854775808,"request_id":"r"}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":1,"request_id":""}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":1,"request_id":7}),
 qq(POST /paytrade/admin/items/p31/restock\n{"units":1,"request_id":"r"}),
 qq(POST /paytrade/admin/items/p31/restock\n{"units":1,"request_id":"r"})]
--- error_code eval
[(map { 400 } 1 .. 7), 404, 404]
--- response_body_like eval
[(map { qr/"code":"bad_request"/ } 1 .. 7),
 (map { qr/"code":"unknown_item"/ } 1 .. 2)]



=== TEST 15: restock in one of several partitions
--- paytrade
paytrade_partitions 9;
--- setup
PUT /paytrade/admin/items/a {"sale":"s1","price":"1.00","stock":5}
PUT /paytrade/admin/items/b {"sale":"s2","price":"1.00","stock":5}
POST /paytrade/admin/items/a/restock {"units":1,"request_id":"r"}
POST /paytrade/admin/items/b/restock {"units":2,"request_id":"r"}
POST /paytrade/admin/items/c/restock {"units":2,"request_id":"r"} => 404
--- request
GET /paytrade/admin/items/b
--- response_body_like: "stock":7
--- psql: SELECT sku, stock FROM paytrade.items ORDER BY sku
--- psql_out
a|6
b|7



=== TEST 16: a restock clears the sold-out cache
--- paytrade
paytrade_soldout_ttl 60s;
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":1}
POST /orders X-User=u1 {"sku":"p30","quantity":1,"unit_price":"1.00"}
POST /orders X-User=u2 {"sku":"p30","quantity":1,"unit_price":"1.00"} => 409
POST /orders X-User=u3 {"sku":"p30","quantity":1,"unit_price":"1.00"} => 409
POST /paytrade/admin/items/p30/restock {"units":1,"request_id":"r"}
--- request
POST /orders
{"sku":"p30","quantity":1,"unit_price":"1.00"}
--- more_headers
X-User: u2
--- error_code: 201



=== TEST 17: pause and go on
--- setup
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":5}
--- request eval
[qq(POST /paytrade/admin/sales/spring/pause\n{"paused":true}),
 qq(POST /orders\n{"sku":"p30","quantity":1,"unit_price":"1.00"}),
 qq(POST /paytrade/admin/sales/spring/pause\n{"paused":true}),
 qq(POST /paytrade/admin/sales/spring/pause\n{"paused":false}),
 qq(POST /orders\n{"sku":"p30","quantity":1,"unit_price":"1.00"})]
--- more_headers
X-User: u1
--- error_code eval
[200, 409, 200, 200, 201]
--- response_body_like eval
[qr/^\{"sale":"spring","paused":true\}$/, qr/"code":"paused"/,
 qr/^\{"sale":"spring","paused":true\}$/,
 qr/^\{"sale":"spring","paused":false\}$/, qr/"status":"held"/]
--- psql: SELECT sale, paused, version FROM paytrade.sales
--- psql_out
spring|f|2



=== TEST 18: pause, what is none
--- setup
POST /paytrade/admin/sales/winter/pause {"paused":true} => 404
PUT /paytrade/admin/items/p30 {"sale":"spring","price":"1.00","stock":5}
--- request eval
[qq(POST /paytrade/admin/sales/winter/pause\n{"paused":true}),
 qq(POST /paytrade/admin/sales/spring/pause\n{}),
 qq(POST /paytrade/admin/sales/spring/pause),
 qq(POST /paytrade/admin/sales/spring/pause\n{"paused":1})]
--- error_code eval
[404, 400, 400, 400]
--- response_body_like eval
[qr/"code":"unknown_sale"/, map { qr/"code":"bad_request"/ } 1 .. 3]



=== TEST 19: paths and methods
--- request eval
["GET /paytrade/admin/", "GET /paytrade/admin/item/p30",
 "GET /paytrade/admin/orders/1", "GET /paytrade/admin/drift/x",
 "GET /paytrade/admin/sales/spring", "GET /paytrade/admin/dead-letters/1",
 "POST /paytrade/admin/items/p30\n{}", "GET /paytrade/admin/items/p30/restock",
 "GET /paytrade/admin/sales/s/pause", "PUT /paytrade/admin/orders/1/cancel\n{}",
 "POST /paytrade/admin/drift\n{}", "POST /paytrade/admin/dead-letters\n{}",
 "GET /paytrade/admin/dead-letters/1/replay", "GET /paytrade/admin/rebuild"]
--- error_code eval
[(map { 404 } 1 .. 6), map { 405 } 1 .. 8]
--- response_headers eval
[(map { "Allow:" } 1 .. 6), "Allow: GET, HEAD, PUT", "Allow: POST",
 "Allow: POST", "Allow: POST", "Allow: GET, HEAD", "Allow: GET, HEAD",
 "Allow: POST", "Allow: POST"]
--- response_body_like eval
[(map { qr/"code":"not_found"/ } 1 .. 6),
 map { qr/"code":"method_not_allowed"/ } 1 .. 8]



=== TEST 20: only addresses that are allowed
--- config
    location /a/ { paytrade_admin allow=10.0.0.0/8 allow=192.168.1.1; }
    location /b/ { paytrade_admin allow=10.0.0.0/8 allow=127.0.0.0/8; }
    location /c/ { paytrade_admin; }
--- request eval
["GET /a/items/p30", "PUT /a/items/p30\n{}", "GET /b/items/p30",
 "GET /c/items/p30"]
--- error_code eval
[403, 403, 404, 404]
--- response_body_like eval
[qr/"code":"forbidden"/, qr/"code":"forbidden"/, qr/"code":"unknown_item"/,
 qr/"code":"unknown_item"/]



=== TEST 21: without allow only this machine
--- config
    set_real_ip_from 127.0.0.1;
    real_ip_header   X-Real-IP;
    location /paytrade/admin/ { paytrade_admin; }
--- request eval
["GET /paytrade/admin/items/p30", "GET /paytrade/admin/items/p30",
 "GET /paytrade/admin/items/p30", "GET /paytrade/admin/items/p30",
 "GET /paytrade/admin/items/p30", "GET /paytrade/admin/items/p30"]
--- more_headers eval
["X-Real-IP: 10.0.0.1", "X-Real-IP: ::1", "X-Real-IP: ::ffff:127.0.0.2",
 "X-Real-IP: ::ffff:10.0.0.1", "X-Real-IP: 2001:db8::1",
 "X-Real-IP: 127.3.3.3"]
--- error_code eval
[403, 404, 404, 403, 403, 404]



=== TEST 22: over a unix socket
--- http_config
    server {
        listen unix:$TEST_NGINX_SERVER_ROOT/admin.sock;
        location /paytrade/admin/ { paytrade_admin; }
    }
--- config
    location / { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/admin.sock; }
--- request
GET /paytrade/admin/items/p30
--- error_code: 404
--- response_body_like: "code":"unknown_item"



=== TEST 23: other prefixes
--- config
    location /noslash { paytrade_admin; }
    location ^~ /first/ { paytrade_admin; }
    location /outer/ { location /outer/inner/ { paytrade_admin; } }
--- request eval
["GET /noslash/items/p30", "GET /first/items/p30",
 "GET /outer/inner/items/p30", "GET /noslash"]
--- error_code eval
[404, 404, 404, 404]
--- response_body_like eval
[(map { qr/"code":"unknown_item"/ } 1 .. 3), qr/"code":"not_found"/]



=== TEST 24: cancel, bodies that are none
--- request eval
[qq(POST /paytrade/admin/orders/1763712000000000001/cancel\n{"request_id":1}),
 qq(POST /paytrade/admin/orders/1763712000000000001/cancel\n{"request_id":""}),
 qq(POST /paytrade/admin/orders/1763712000000000001/cancel\n{),
 qq(POST /paytrade/admin/orders/1763712000000000001/cancel\n{"request_id":"c"})]
--- error_code eval
[400, 400, 400, 404]



=== TEST 25: Redis is not there
--- paytrade
paytrade_redis unix:/nowhere/redis.sock;
paytrade_redis_timeout 200ms;
--- request eval
[qq(PUT /paytrade/admin/items/p30\n{"sale":"s","price":"1","stock":1}),
 qq(POST /paytrade/admin/items/p30/restock\n{"units":1,"request_id":"r"}),
 qq(POST /paytrade/admin/sales/s/pause\n{"paused":true}),
 qq(POST /paytrade/admin/orders/1763712000000000001/cancel)]
--- error_code eval
[503, 503, 503, 503]
--- response_headers eval
[map { "Retry-After: 1" } 1 .. 4]



=== TEST 26: the body comes in pieces, and in a file
--- config
    location /paytrade/admin/ {
        paytrade_admin;
        client_body_buffer_size 1k;
        client_body_in_file_only clean;
    }
--- raw_request eval
my $body = '{"sale":"spring","price":"1.00","stock":5' . " " x 3000 . "}";
["PUT /paytrade/admin/items/p30 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
 . "Content-Length: " . length($body) . "\r\n\r\n" . substr($body, 0, 700),
 substr($body, 700, 1000), substr($body, 1700)]
--- raw_request_middle_delay: 0.1
--- error_code: 201



=== TEST 27: a request after one that was refused unread
--- config
    location /a/ { paytrade_admin allow=10.0.0.0/8; }
    location /c/ { paytrade_admin; }
--- pipelined_requests eval
[qq(PUT /a/items/p30\n{"sale":"s","price":"1","stock":1}),
 qq(POST /c/items/p30\n{"sale":"s","price":"1","stock":1}),
 qq(PUT /c/items/p30\n{"sale":"s","price":"1","stock":1})]
--- error_code eval
[403, 405, 201]
