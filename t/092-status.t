# paytrade_status and the variables for the log.

use TestPaytrade;

run_tests();

__DATA__

=== TEST 1: every counter, grouped
--- config
location = /t { paytrade_status; }
--- request
GET /t
--- response_headers
Content-Type: application/json
--- response_body_like chomp
^\{"version":"[0-9.]+","workers":1,"requests":\{"held":0,"replayed":0,"cancelled":0,("[a-z_]+":0,?)+\},"dry_run":\{"would_hold":0,"replayed":0,("[a-z_]+":0,?)+\},"orders":\{"soldout_cached":0,"clients_gone":0,"expired":0,"purged":0\},"payments":\{"started":0,"settled":0,"refund_due":0,"refunded":0\},"callbacks":\{\},"redis":\{"calls":\d+,"connects":\d+,"rebuilds":\d+,"scripts":\{("[a-z]+":\{"calls":\d+,"ops":\d+,"ops_per_call":\d+\.\d\},?)+\},"failures":\{("[a-z_]+":\d+,?)+\}\},"journal":\{"waiting":0,"batches":0,"rows":0,"errors":\d+,"dead_letters":0,"conflicts":0,"stalled":0\},"events":\{"trimmed":0,"length":0,"groups":\[\]\},"partitions":\[\{"partition":0,"state":"[a-z]+","waiting":0,"events":0,"stalled":false\}\]\}$



=== TEST 2: each partition
--- paytrade
paytrade_partitions 3;
--- config
location = /t { paytrade_status; }
--- request
GET /t
--- response_body_like chomp
"partitions":\[\{"partition":0,.*\{"partition":1,.*\{"partition":2,[^{]*\}\]\}$



=== TEST 3: HEAD
--- config
location = /t { paytrade_status; }
--- request
HEAD /t
--- response_headers_like
Content-Length: \d{3,}
--- response_body



=== TEST 4: Prometheus
--- config
location = /t { paytrade_status; }
--- request
GET /t?format=prometheus
--- response_headers
Content-Type: text/plain; version=0.0.4
--- response_body_like
^# HELP paytrade_requests_total [^\n]+
# TYPE paytrade_requests_total counter
paytrade_requests_total\{result="held"\} 0
(.*\n)*paytrade_requests_total\{result="unknown_payment"\} 0
(.*\n)*paytrade_requests_total\{result="sold_out"\} 0
(.*\n)*paytrade_requests_total\{result="unverified"\} 0
(.*\n)*# HELP paytrade_dry_run_total [^\n]+
# TYPE paytrade_dry_run_total counter
paytrade_dry_run_total\{result="would_hold"\} 0
paytrade_dry_run_total\{result="replayed"\} 0
(.*\n)*paytrade_dry_run_total\{result="sold_out"\} 0
(.*\n)*paytrade_orders_soldout_cached_total 0
(.*\n)*paytrade_payments_started_total 0
(.*\n)*paytrade_events_trimmed_total 0
(.*\n)*paytrade_journal_dead_letters_total 0
(.*\n)*paytrade_script_calls_total\{script="hold"\} 0
(.*\n)*paytrade_script_operations_total\{script="hold"\} 0
(.*\n)*paytrade_redis_failures_total\{outcome="oom"\} 0
(.*\n)*# TYPE paytrade_journal_waiting gauge
paytrade_journal_waiting\{partition="0"\} 0
(.*\n)*paytrade_journal_stalled\{partition="0"\} 0
(.*\n)*paytrade_partition_open\{partition="0"\} [01]
(.*\n)*paytrade_events_length\{partition="0"\} 0
# HELP paytrade_callbacks_total [^\n]+
# TYPE paytrade_callbacks_total counter
# HELP paytrade_events_pending [^\n]+
# TYPE paytrade_events_pending gauge
# HELP paytrade_events_lag [^\n]+
# TYPE paytrade_events_lag gauge



=== TEST 5: every line of Prometheus' text is a comment or a sample
--- config
location = /t { paytrade_status; }
--- request
GET /t?format=prometheus
--- response_body_like chomp
\A((# (HELP|TYPE) [a-z_]+ [^\n]+|[a-z_]+(\{[a-z]+="[a-z0-9_]+"\})? \d+)\n)+\z



=== TEST 6: another format
--- config
location = /t { paytrade_status; }
--- request
GET /t?format=xml
--- error_code: 400
--- response_body_like: "code":"bad_request"



=== TEST 7: another method
--- config
location = /t { paytrade_status; }
--- request
POST /t
{}
--- error_code: 405
--- response_headers
Allow: GET, HEAD
Content-Type: application/problem+json
--- response_body_like: "code":"method_not_allowed"



=== TEST 8: a refusal is counted
--- config
location = /t { paytrade_status; }
location = /u { deny all; paytrade_status; }
--- setup
GET /u => 403
GET /u => 403
--- request
GET /t
--- response_body_like: "forbidden":2,



=== TEST 9: the log of a hold
--- http_config
log_format paytrade '[$paytrade_result] [$paytrade_order_id] [$paytrade_sku]'
                    ' [$paytrade_amount] [$paytrade_redis_time]';
--- config
location = /orders {
    access_log logs/error.log paytrade;
    paytrade_hold;
}
location /paytrade/admin/ { paytrade_admin; }
--- setup
PUT /paytrade/admin/items/p30 {"sale":"s","price":"5.00","stock":9}
--- more_headers
X-User: u1
--- request
POST /orders
{"sku":"p30","quantity":2,"unit_price":"5.00"}
--- error_code: 201
--- error_log eval
qr/^\[held\] \[\d{19}\] \[p30\] \[10\.00\] \[\d+\.\d{3}\]$/m



=== TEST 10: the log of a request that is not ours
--- http_config
log_format paytrade '[$paytrade_result] [$paytrade_order_id] [$paytrade_sku]'
                    ' [$paytrade_amount] [$paytrade_redis_time]';
--- config
location = /t {
    access_log logs/error.log paytrade;
    return 204;
}
--- request
GET /t
--- error_code: 204
--- error_log eval
qr/^\[-\] \[-\] \[-\] \[-\] \[-\]$/m
