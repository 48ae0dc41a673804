# The harness itself: nginx with the module, Redis and PostgreSQL answer.

use TestPaytrade;

run_tests();

__DATA__

=== TEST 1: the standard configuration loads and answers
--- config
location = /t { return 200 "up\n"; }
--- request
GET /t
--- response_body
up
--- redis
SET harness 1
GET harness
--- redis_out
OK
1
--- psql: SELECT count(*) FROM pg_namespace WHERE nspname = 'paytrade'
--- psql_out
1



=== TEST 2: what a block left is kept when it asks for it
--- keep
--- config
location = /t { return 200 "up\n"; }
--- request
GET /t
--- response_body
up
--- redis: GET harness
--- redis_out: 1



=== TEST 3: and gone when it does not
--- config
location = /t { return 200 "up\n"; }
--- request
GET /t
--- response_body
up
--- redis: EXISTS harness
--- redis_out: 0



=== TEST 4: requests before and after
--- config
location = /setup { return 204; }
location = /gone { return 410; }
location = /t { return 200 "up\n"; }
--- setup
PUT /setup X-User=u1 {"a":1}
--- request
GET /t
--- response_body
up
--- after
GET /gone => 410
