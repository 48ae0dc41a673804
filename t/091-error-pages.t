# nginx's own error pages, in locations of ours, as problems.

use TestPaytrade;

run_tests();

__DATA__

=== TEST 1: an address that may not come in
--- config
location = /t { deny all; paytrade_status; }
--- request
GET /t
--- error_code: 403
--- response_headers
Content-Type: application/problem+json
--- response_body chomp
{"type":"https://paytrade.dev/problems#forbidden","title":"Forbidden","status":403,"code":"forbidden","detail":"the request is not allowed"}



=== TEST 2: HEAD has the length and no body
--- config
location = /t { deny all; paytrade_status; }
--- request
HEAD /t
--- error_code: 403
--- response_headers
Content-Type: application/problem+json
Content-Length: 140
--- response_body



=== TEST 3: a body that is larger than nginx accepts, before a handler runs
--- config
location = /t { client_max_body_size 4; paytrade_hold; }
--- request
POST /t
12345
--- error_code: 413
--- response_headers
Content-Type: application/problem+json
--- response_body_like: "status":413,"code":"too_large"



=== TEST 4: a user whom nginx does not know, with the challenge kept
--- config
location = /t {
    auth_basic shop;
    auth_basic_user_file none;
    paytrade_status;
}
--- request
GET /t
--- error_code: 401
--- response_headers
Content-Type: application/problem+json
WWW-Authenticate: Basic realm="shop"
--- response_body_like: "status":401,"code":"no_user"



=== TEST 5: limit_req's 503 carries Retry-After
--- http_config
limit_req_zone $uri zone=t:64k rate=1r/m;
--- config
location = /t { limit_req zone=t; paytrade_status; }
--- request eval
["GET /t", "GET /t"]
--- error_code eval
[200, 503]
--- response_headers eval
["Content-Type: application/json",
 "Content-Type: application/problem+json\nRetry-After: 1"]
--- response_body_like eval
["version", '"status":503,"code":"unavailable"']



=== TEST 6: so does its 429
--- http_config
limit_req_zone $uri zone=t:64k rate=1r/m;
--- config
location = /t {
    limit_req zone=t;
    limit_req_status 429;
    paytrade_status;
}
--- request eval
["GET /t", "GET /t"]
--- error_code eval
[200, 429]
--- response_headers eval
["Content-Type: application/json",
 "Content-Type: application/problem+json\nRetry-After: 1"]
--- response_body_like eval
["version", '"status":429,"code":"too_many_attempts"']



=== TEST 7: a status of a problem has the problem's status
--- config
location = /t {
    if ($arg_code = 431) { return 431; }
    if ($arg_code = 411) { return 411; }
    if ($arg_code = 414) { return 414; }
    if ($arg_code = 415) { return 415; }
    if ($arg_code = 404) { return 404; }
    if ($arg_code = 405) { return 405; }
    if ($arg_code = 500) { return 500; }
    if ($arg_code = 502) { return 502; }
    if ($arg_code = 504) { return 504; }
    paytrade_status;
}
--- request eval
["GET /t?code=431", "GET /t?code=411", "GET /t?code=414", "GET /t?code=415",
 "GET /t?code=404", "GET /t?code=405", "GET /t?code=500", "GET /t?code=502",
 "GET /t?code=504"]
--- error_code eval
[400, 400, 400, 415, 404, 405, 500, 503, 503]
--- response_body_like eval
['"status":400,"code":"bad_request"', '"status":400,"code":"bad_request"',
 '"status":400,"code":"bad_request"',
 '"status":415,"code":"unsupported_media_type"',
 '"status":404,"code":"not_found"',
 '"status":405,"code":"method_not_allowed"',
 '"status":500,"code":"internal_error"',
 '"status":503,"code":"unavailable"', '"status":503,"code":"unavailable"']



=== TEST 8: a status that is nobody's problem stays nginx's
--- config
location = /t { return 410; paytrade_status; }
--- request
GET /t
--- error_code: 410
--- response_headers
Content-Type: text/html
--- response_body_like: 410 Gone



=== TEST 9: an operator's own text stays
--- config
location = /t { if ($arg_x) { return 503 "closed\n"; } paytrade_status; }
--- request
GET /t?x=1
--- error_code: 503
--- response_headers
Content-Type: text/plain
--- response_body
closed



=== TEST 10: an operator's own page stays
--- config
location = /t { deny all; error_page 403 /page; paytrade_status; }
location = /page { return 200 "our page\n"; }
--- request
GET /t
--- error_code: 403
--- response_body
our page



=== TEST 11: a location that is not ours keeps nginx's page
--- config
location = /t { deny all; }
--- request
GET /t
--- error_code: 403
--- response_headers
Content-Type: text/html
--- response_body_like: <h1>403 Forbidden</h1>



=== TEST 12: a page is compressed like any other answer
--- config
location = /t {
    gzip on;
    gzip_min_length 1;
    gzip_types application/problem+json;
    deny all;
    paytrade_status;
}
--- more_headers
Accept-Encoding: gzip
--- request
GET /t
--- error_code: 403
--- response_headers
Content-Encoding: gzip
Content-Type: application/problem+json
--- response_body_like: ^\x1f\x8b



=== TEST 13: the page's code is in the log's variable and counted
--- config
location = /t {
    deny all;
    add_header X-Result $paytrade_result always;
    paytrade_items;
}
location = /paytrade/status { paytrade_status; }
--- request eval
["GET /t", "GET /paytrade/status"]
--- error_code eval
[403, 200]
--- response_headers eval
["X-Result: forbidden", "Content-Type: application/json"]
--- response_body_like eval
['"code":"forbidden"', '"forbidden":1,']



=== TEST 14: after a chunked body that is too large the connection ends
--- config
location = /t { client_max_body_size 4; paytrade_hold; }
location = /u { return 200 "smuggled\n"; }
--- raw_request eval
"POST /t HTTP/1.1\r
Host: localhost\r
X-User: u1\r
Content-Type: application/json\r
Transfer-Encoding: chunked\r
\r
32\r
GET /u HTTP/1.1\r\nHost: localhost\r\nX-Padding: 12345\r\n\r
0\r
\r
"
--- error_code: 413
--- response_headers
Connection: close
--- response_body_like: "status":413,"code":"too_large"[^<]*$
