# conf/schema.sql: complete, harmless when it is run again, and a remedy for
# the tables of earlier versions.

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/../lib";
use PaytradePg;

my $pg = PaytradePg->start() or BAIL_OUT($@);
my $schema = "$FindBin::Bin/../../conf/schema.sql";

ok(defined $pg->psql_file($schema), 'runs') or diag $pg->error();

my $dump = "SELECT table_name, column_name, data_type, is_nullable,
    column_default FROM information_schema.columns
    WHERE table_schema = 'paytrade' ORDER BY 1, 2";
my $indexes = "SELECT indexdef FROM pg_indexes
    WHERE schemaname = 'paytrade' ORDER BY 1";
my $checks = "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'paytrade'::regnamespace
    ORDER BY 1, 2";
my $comments = "SELECT c.relname, a.attname, col_description(c.oid, a.attnum)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'paytrade'::regnamespace AND c.relkind = 'r'
    AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2";
my $first = $pg->psql($dump);

$pg->psql("INSERT INTO paytrade.sales VALUES ('spring', 0, true, 3)");

ok(defined $pg->psql_file($schema), 'runs again') or diag $pg->error();
is($pg->error(), '', 'without a word');
is($pg->psql($dump), $first, 'and changes nothing');
is($pg->psql('SELECT version FROM paytrade.sales'), 3, 'rows stay');

is($pg->psql("SELECT string_agg(tablename, ' ' ORDER BY tablename)
              FROM pg_tables WHERE schemaname = 'paytrade'"),
   'admin_requests dead_letter items order_lines orders orphans'
   . ' payment_orders payments progress refunds sales', 'tables');

is($pg->psql("SELECT c.relname || coalesce('.' || a.attname, '')
              FROM pg_class c
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
              WHERE c.relnamespace = 'paytrade'::regnamespace
              AND c.relkind = 'r' AND NOT a.attisdropped
              AND (col_description(c.oid, a.attnum) IS NULL
                   OR obj_description(c.oid) IS NULL)"),
   '', 'everything has a comment');

ok(!defined $pg->psql("INSERT INTO paytrade.orders VALUES (1, 0, 'u', 's',
                       'lost', 1, 'CNY', NULL, 1, NULL, NULL, now(), now(),
                       now())"),
   'an unknown status is refused');
like($pg->error(), qr/orders_status_check/, 'by name');

$pg->psql('CREATE ROLE edge LOGIN');
$pg->psql('GRANT USAGE ON SCHEMA paytrade TO edge');
$pg->psql('GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA paytrade
           TO edge');
ok(defined $pg->psql("SET ROLE edge; INSERT INTO paytrade.dead_letter
                      (partition, entry_id, kind, payload, reason)
                      VALUES (0, '1-1', 'o', 'x', 'conflict')"),
   'the rights that the file names are enough') or diag $pg->error();


# Tables of the version before payments, with rows that somebody put there.

$pg->psql('CREATE DATABASE old', 'postgres');
ok(defined $pg->psql_file("$FindBin::Bin/schema-before-payments.sql", 'old'),
   'the version before payments') or diag $pg->error();
$pg->psql("INSERT INTO paytrade.orders VALUES (1763712000000000001, 0, 'u',
           's', 'held', 1, 'CNY', NULL, 1, NULL, NULL, now(), now(), now());
           INSERT INTO paytrade.payments VALUES (1763712000000000002, 0, 'u',
           'alipay', 'page', NULL, 'unpaid', 1, 'CNY', 1, now(), NULL, now());
           INSERT INTO paytrade.refunds VALUES ('r-1', 1763712000000000002,
           1763712000000000001, 1, false, 'succeeded', now(), now());
           INSERT INTO paytrade.orphans VALUES ('alipay', 'T1', 'orphan', 'x',
           1, 'CNY', 'a=b')", 'old');

for my $time ('once', 'twice') {
    ok(defined $pg->psql_file($schema, 'old'), "upgraded $time")
        or diag $pg->error();
    is($pg->error(), '', 'without a word');
    is($pg->psql($dump, 'old'), $first, 'the columns are those of a new one');
    is($pg->psql($_->[1], 'old'), $pg->psql($_->[1]), "$_->[0] too")
        for ['indexes', $indexes], ['constraints', $checks],
            ['comments', $comments];
}

is($pg->psql('SELECT (SELECT count(*) FROM paytrade.orders),
              (SELECT count(*) FROM paytrade.payments),
              (SELECT count(*) FROM paytrade.refunds),
              (SELECT count(*) FROM paytrade.orphans)', 'old'), '1|1|1|1',
   'rows stay');
ok(defined $pg->psql("INSERT INTO paytrade.refunds VALUES
                      ('r-1', 1763712000000000002, 1763712000000000009, 1,
                       false, 'succeeded', now(), now(), 0)", 'old'),
   'one refund may be for several orders') or diag $pg->error();
ok(defined $pg->psql("INSERT INTO paytrade.orphans (gateway, trade_no, what,
                      partition, kind) VALUES ('alipay', 'T1', 'closed', 0,
                      'orphan')", 'old'),
   'a trade may be told of as paid and as closed') or diag $pg->error();
is($pg->psql("SELECT coalesce(p.reloptions::text, '') FROM pg_class p
              WHERE p.oid = 'paytrade.payments'::regclass", 'old'),
   '{fillfactor=85}', 'room in the pages');


# Tables of the version before callbacks of other gateways: one orphan a trade.

$pg->psql('CREATE DATABASE before', 'postgres');
$pg->psql_file($schema, 'before');
ok(defined $pg->psql("ALTER TABLE paytrade.orphans DROP CONSTRAINT orphans_pkey,
                      DROP COLUMN what, ADD PRIMARY KEY (gateway, trade_no);
                      INSERT INTO paytrade.orphans (gateway, trade_no,
                      partition, kind, reason) VALUES ('alipay', 'T1', 3,
                      'orphan', 'closed');
                      ALTER TABLE paytrade.admin_requests DROP COLUMN asked;
                      INSERT INTO paytrade.admin_requests VALUES
                      (0, 'r-1', now())", 'before'), 'one orphan a trade')
    or diag $pg->error();

for my $time ('once', 'twice') {
    ok(defined $pg->psql_file($schema, 'before'), "upgraded $time")
        or diag $pg->error();
    is($pg->error(), '', 'without a word');
    is($pg->psql($_->[1], 'before'), $pg->psql($_->[1]),
       "the $_->[0] are those of a new one")
        for ['columns', $dump], ['indexes', $indexes],
            ['constraints', $checks], ['comments', $comments];
}

is($pg->psql('SELECT trade_no, what, partition, reason FROM paytrade.orphans',
             'before'), 'T1||3|closed', 'rows stay');
is($pg->psql('SELECT request_id, asked FROM paytrade.admin_requests',
             'before'), 'r-1|', 'requests too');

done_testing();
