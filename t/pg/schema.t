# conf/schema.sql: complete, and harmless when it is run again.

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
              AND c.relkind = 'r'
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

done_testing();
