--
-- paytrade's tables.  May be run again: psql -v ON_ERROR_STOP=1 -f schema.sql
--
-- PostgreSQL 13 or newer.  A role of its own needs only:
--
--     GRANT USAGE ON SCHEMA paytrade TO shop;
--     GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA paytrade TO shop;
--
-- Amounts are in minor units of their currency.  Tables are written by nginx
-- from Redis' journal and are to be read by everybody else.
--

BEGIN;

SET LOCAL client_min_messages = warning;

CREATE SCHEMA IF NOT EXISTS paytrade;

COMMENT ON SCHEMA paytrade IS
    'Flash-sale orders, written by nginx (ngx_http_paytrade_module)';


-- Catalog ------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS paytrade.items (
    sku         text COLLATE "C" PRIMARY KEY,
    partition   smallint    NOT NULL,
    sale        text COLLATE "C" NOT NULL,
    title       text        NOT NULL,
    price       bigint      NOT NULL,
    stock       bigint      NOT NULL,
    unit_limit  bigint      NOT NULL DEFAULT 0,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    hold_ms     bigint      NOT NULL,
    version     bigint      NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS items_sale_idx ON paytrade.items (sale);
CREATE INDEX IF NOT EXISTS items_partition_idx
    ON paytrade.items (partition, sku);

COMMENT ON TABLE paytrade.items IS
    'What is on sale; with the orders it is enough to fill an empty Redis';
COMMENT ON COLUMN paytrade.items.sku IS 'Stock keeping unit; has one sale';
COMMENT ON COLUMN paytrade.items.partition IS
    'N of the hash tag {pt:N} that all keys of the sale carry in Redis';
COMMENT ON COLUMN paytrade.items.sale IS 'Sale that the item belongs to';
COMMENT ON COLUMN paytrade.items.title IS 'Name for people';
COMMENT ON COLUMN paytrade.items.price IS 'Unit price, in minor units';
COMMENT ON COLUMN paytrade.items.stock IS
    'Units put on sale, all in all: available + held + sold';
COMMENT ON COLUMN paytrade.items.unit_limit IS
    'Units that one user may have; 0: no limit';
COMMENT ON COLUMN paytrade.items.starts_at IS 'Begin of the sale window';
COMMENT ON COLUMN paytrade.items.ends_at IS 'End of the sale window';
COMMENT ON COLUMN paytrade.items.hold_ms IS
    'How long a hold lasts, in milliseconds';
COMMENT ON COLUMN paytrade.items.version IS 'One more at each change';
COMMENT ON COLUMN paytrade.items.changed_at IS
    'When this version was written here';


CREATE TABLE IF NOT EXISTS paytrade.sales (
    sale        text COLLATE "C" PRIMARY KEY,
    partition   smallint    NOT NULL,
    paused      boolean     NOT NULL DEFAULT false,
    version     bigint      NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS sales_partition_idx
    ON paytrade.sales (partition, sale);

COMMENT ON TABLE paytrade.sales IS
    'Settings of sales; a sale that was never paused may be missing';
COMMENT ON COLUMN paytrade.sales.sale IS 'Name of the sale';
COMMENT ON COLUMN paytrade.sales.partition IS 'N of {pt:N} in Redis';
COMMENT ON COLUMN paytrade.sales.paused IS 'Nothing is sold while true';
COMMENT ON COLUMN paytrade.sales.version IS 'One more at each change';
COMMENT ON COLUMN paytrade.sales.changed_at IS
    'When this version was written here';


-- Orders -------------------------------------------------------------------

-- Room in each page lets a change of the status stay near its row.

CREATE TABLE IF NOT EXISTS paytrade.orders (
    order_id      bigint      PRIMARY KEY,
    partition     smallint    NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    sale          text COLLATE "C" NOT NULL,
    status        text        NOT NULL CONSTRAINT orders_status_check
                  CHECK (status IN ('held', 'paid', 'cancelled', 'expired',
                                    'refunded')),
    amount        bigint      NOT NULL,
    currency      text        NOT NULL,
    meta          jsonb,
    rev           bigint      NOT NULL,
    request_key   text,
    request_body  text,
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL
) WITH (fillfactor = 85);

CREATE INDEX IF NOT EXISTS orders_user_idx
    ON paytrade.orders (user_id, sale, partition);
CREATE INDEX IF NOT EXISTS orders_sale_status_idx
    ON paytrade.orders (sale, status);
CREATE INDEX IF NOT EXISTS orders_held_idx
    ON paytrade.orders (partition, order_id) WHERE status = 'held';

-- Orders arrive in the order of time, so this costs next to nothing.  To sort
-- by age use order_id, which grows with time.

CREATE INDEX IF NOT EXISTS orders_created_idx
    ON paytrade.orders USING brin (created_at)
    WITH (pages_per_range = 32, autosummarize = on);

COMMENT ON TABLE paytrade.orders IS
    'Orders; a row is replaced when one with a greater rev arrives';
COMMENT ON COLUMN paytrade.orders.order_id IS
    '13 digits of milliseconds, 2 of partition, 4 of sequence';
COMMENT ON COLUMN paytrade.orders.partition IS 'N of {pt:N} in Redis';
COMMENT ON COLUMN paytrade.orders.user_id IS 'Value of paytrade_user';
COMMENT ON COLUMN paytrade.orders.sale IS 'Sale that all its lines are of';
COMMENT ON COLUMN paytrade.orders.status IS
    'held -> paid | cancelled | expired; expired -> paid; paid -> refunded';
COMMENT ON COLUMN paytrade.orders.amount IS 'Sum of the lines, minor units';
COMMENT ON COLUMN paytrade.orders.currency IS 'ISO 4217 code';
COMMENT ON COLUMN paytrade.orders.meta IS 'JSON that came with the order';
COMMENT ON COLUMN paytrade.orders.rev IS 'One more at each change';
COMMENT ON COLUMN paytrade.orders.request_key IS
    'Hash of the idempotency key that made the order';
COMMENT ON COLUMN paytrade.orders.request_body IS
    'Hash of the request that made the order';
COMMENT ON COLUMN paytrade.orders.created_at IS 'By the clock of Redis';
COMMENT ON COLUMN paytrade.orders.expires_at IS
    'When the hold ends if it is not paid';
COMMENT ON COLUMN paytrade.orders.changed_at IS
    'When the status was reached, by the clock of Redis';


CREATE TABLE IF NOT EXISTS paytrade.order_lines (
    order_id    bigint      NOT NULL,
    line        smallint    NOT NULL,
    sku         text COLLATE "C" NOT NULL,
    quantity    bigint      NOT NULL,
    unit_price  bigint      NOT NULL,
    PRIMARY KEY (order_id, line)
);

COMMENT ON TABLE paytrade.order_lines IS
    'Lines of orders, written in one transaction with their order';
COMMENT ON COLUMN paytrade.order_lines.order_id IS 'The order';
COMMENT ON COLUMN paytrade.order_lines.line IS '1, 2, … within the order';
COMMENT ON COLUMN paytrade.order_lines.sku IS 'Each SKU once in an order';
COMMENT ON COLUMN paytrade.order_lines.quantity IS 'Units';
COMMENT ON COLUMN paytrade.order_lines.unit_price IS
    'Price of one unit when it was held, in minor units';


-- Payments -----------------------------------------------------------------

CREATE TABLE IF NOT EXISTS paytrade.payments (
    pay_no        bigint      PRIMARY KEY,
    partition     smallint    NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    sale          text COLLATE "C" NOT NULL,
    gateway       text        NOT NULL,
    method        text,
    trade_no      text,
    status        text        NOT NULL CONSTRAINT payments_status_check
                  CHECK (status IN ('unpaid', 'paid', 'closed')),
    amount        bigint      NOT NULL,
    currency      text        NOT NULL,
    rev           bigint      NOT NULL,
    subject       text        NOT NULL,
    request_key   text,
    request_body  text,
    created_at    timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    paid_at       timestamptz,
    changed_at    timestamptz NOT NULL
) WITH (fillfactor = 85);

-- For tables that an earlier version of this file made.  What must not be
-- empty has a default only while it is added.

ALTER TABLE paytrade.payments
    ADD COLUMN IF NOT EXISTS sale text COLLATE "C" NOT NULL DEFAULT '-',
    ADD COLUMN IF NOT EXISTS subject text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS request_key text,
    ADD COLUMN IF NOT EXISTS request_body text,
    ADD COLUMN IF NOT EXISTS ends_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE paytrade.payments
    ALTER COLUMN sale DROP DEFAULT,
    ALTER COLUMN subject DROP DEFAULT,
    ALTER COLUMN ends_at DROP DEFAULT,
    SET (fillfactor = 85);

DROP INDEX IF EXISTS paytrade.payments_user_idx;

CREATE INDEX IF NOT EXISTS payments_user_sale_idx
    ON paytrade.payments (user_id, sale, partition);
CREATE INDEX IF NOT EXISTS payments_partition_idx
    ON paytrade.payments (partition, pay_no);
CREATE INDEX IF NOT EXISTS payments_trade_idx
    ON paytrade.payments (gateway, trade_no) WHERE trade_no IS NOT NULL;
CREATE INDEX IF NOT EXISTS payments_status_idx
    ON paytrade.payments (status, created_at);

COMMENT ON TABLE paytrade.payments IS
    'Attempts to pay; each has a number of its own at the gateway';
COMMENT ON COLUMN paytrade.payments.pay_no IS
    'out_trade_no at the gateway, without the prefix';
COMMENT ON COLUMN paytrade.payments.partition IS 'N of {pt:N} in Redis';
COMMENT ON COLUMN paytrade.payments.user_id IS 'Who pays';
COMMENT ON COLUMN paytrade.payments.sale IS 'Sale of its first order';
COMMENT ON COLUMN paytrade.payments.gateway IS 'Name of paytrade_gateway';
COMMENT ON COLUMN paytrade.payments.method IS 'page, qr, …';
COMMENT ON COLUMN paytrade.payments.trade_no IS 'The gateway''s own number';
COMMENT ON COLUMN paytrade.payments.status IS
    'unpaid -> paid | closed; closed -> paid';
COMMENT ON COLUMN paytrade.payments.amount IS 'In minor units';
COMMENT ON COLUMN paytrade.payments.currency IS 'ISO 4217 code';
COMMENT ON COLUMN paytrade.payments.rev IS 'One more at each change';
COMMENT ON COLUMN paytrade.payments.subject IS 'What the payer reads';
COMMENT ON COLUMN paytrade.payments.request_key IS
    'Hash of the idempotency key that made the payment';
COMMENT ON COLUMN paytrade.payments.request_body IS
    'Hash of the request that made the payment';
COMMENT ON COLUMN paytrade.payments.created_at IS 'By the clock of Redis';
COMMENT ON COLUMN paytrade.payments.ends_at IS
    'When the gateway stops taking it';
COMMENT ON COLUMN paytrade.payments.paid_at IS 'When the gateway said so';
COMMENT ON COLUMN paytrade.payments.changed_at IS
    'When the status was reached';


CREATE TABLE IF NOT EXISTS paytrade.payment_orders (
    pay_no      bigint      NOT NULL,
    order_id    bigint      NOT NULL,
    amount      bigint      NOT NULL,
    outcome     text        CONSTRAINT payment_orders_outcome_check
                CHECK (outcome IN ('applied', 'refund_due')),
    reason      text,
    refunded    bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (pay_no, order_id)
);

CREATE INDEX IF NOT EXISTS payment_orders_order_idx
    ON paytrade.payment_orders (order_id);
CREATE INDEX IF NOT EXISTS payment_orders_due_idx
    ON paytrade.payment_orders (pay_no) WHERE outcome = 'refund_due';

COMMENT ON TABLE paytrade.payment_orders IS
    'Orders that a payment covers, and what became of each part';
COMMENT ON COLUMN paytrade.payment_orders.pay_no IS 'The payment';
COMMENT ON COLUMN paytrade.payment_orders.order_id IS 'The order';
COMMENT ON COLUMN paytrade.payment_orders.amount IS 'The part of this order';
COMMENT ON COLUMN paytrade.payment_orders.outcome IS
    'applied, or refund_due: this money is owed back; NULL: not paid';
COMMENT ON COLUMN paytrade.payment_orders.reason IS
    'Why it is owed back; late: paid after it had expired';
COMMENT ON COLUMN paytrade.payment_orders.refunded IS
    'What was given back so far, in minor units';


CREATE TABLE IF NOT EXISTS paytrade.refunds (
    pay_no      bigint      NOT NULL,
    refund_no   text COLLATE "C" NOT NULL,
    order_id    bigint      NOT NULL,
    partition   smallint    NOT NULL,
    amount      bigint      NOT NULL,
    restock     boolean     NOT NULL DEFAULT false,
    status      text        NOT NULL,
    created_at  timestamptz NOT NULL,
    changed_at  timestamptz NOT NULL,
    PRIMARY KEY (pay_no, refund_no, order_id)
);

-- As above.  One refund may be for several orders of a payment.

ALTER TABLE paytrade.refunds
    ADD COLUMN IF NOT EXISTS partition smallint NOT NULL DEFAULT 0;
ALTER TABLE paytrade.refunds
    ALTER COLUMN partition DROP DEFAULT;

DO $$
BEGIN
    IF (SELECT cardinality(conkey) FROM pg_constraint
        WHERE conrelid = 'paytrade.refunds'::regclass AND contype = 'p') = 1
    THEN
        ALTER TABLE paytrade.refunds
            DROP CONSTRAINT refunds_pkey,
            ADD PRIMARY KEY (pay_no, refund_no, order_id);
    END IF;
END
$$;

DROP INDEX IF EXISTS paytrade.refunds_pay_idx;

CREATE INDEX IF NOT EXISTS refunds_order_idx
    ON paytrade.refunds (order_id);

COMMENT ON TABLE paytrade.refunds IS
    'Money given back, one row per refund and order';
COMMENT ON COLUMN paytrade.refunds.pay_no IS 'The payment it is taken from';
COMMENT ON COLUMN paytrade.refunds.refund_no IS 'Number at the gateway';
COMMENT ON COLUMN paytrade.refunds.order_id IS 'The order it is for';
COMMENT ON COLUMN paytrade.refunds.partition IS 'N of {pt:N} in Redis';
COMMENT ON COLUMN paytrade.refunds.amount IS 'In minor units';
COMMENT ON COLUMN paytrade.refunds.restock IS
    'Whether the units went back on sale';
COMMENT ON COLUMN paytrade.refunds.status IS 'What the gateway said';
COMMENT ON COLUMN paytrade.refunds.created_at IS 'When it was heard of first';
COMMENT ON COLUMN paytrade.refunds.changed_at IS
    'When the status was reached';


CREATE TABLE IF NOT EXISTS paytrade.orphans (
    gateway     text        NOT NULL,
    trade_no    text        NOT NULL,
    what        text        NOT NULL DEFAULT '',
    partition   smallint    NOT NULL,
    kind        text        NOT NULL CONSTRAINT orphans_kind_check
                CHECK (kind IN ('orphan', 'mismatch')),
    reason      text,
    pay_no      text,
    amount      bigint,
    currency    text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    PRIMARY KEY (gateway, trade_no, what)
);

-- As above.  Of one trade a payment, its closing and each refund may be told.

ALTER TABLE paytrade.orphans
    ADD COLUMN IF NOT EXISTS what text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS partition smallint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS reason text,
    DROP COLUMN IF EXISTS payload;
ALTER TABLE paytrade.orphans
    ALTER COLUMN partition DROP DEFAULT;

DO $$
BEGIN
    IF (SELECT cardinality(conkey) FROM pg_constraint
        WHERE conrelid = 'paytrade.orphans'::regclass AND contype = 'p') = 2
    THEN
        ALTER TABLE paytrade.orphans
            DROP CONSTRAINT orphans_pkey,
            ADD PRIMARY KEY (gateway, trade_no, what);
    END IF;
END
$$;

CREATE INDEX IF NOT EXISTS orphans_open_idx
    ON paytrade.orphans (created_at) WHERE resolved_at IS NULL;

COMMENT ON TABLE paytrade.orphans IS
    'Genuine callbacks that fit no payment: somebody''s money';
COMMENT ON COLUMN paytrade.orphans.gateway IS 'Name of paytrade_gateway';
COMMENT ON COLUMN paytrade.orphans.trade_no IS 'The gateway''s own number';
COMMENT ON COLUMN paytrade.orphans.what IS
    'What the callback tells: empty a payment, closed, or refund:NUMBER';
COMMENT ON COLUMN paytrade.orphans.partition IS 'N of {pt:N} in Redis';
COMMENT ON COLUMN paytrade.orphans.kind IS
    'orphan: unknown payment; mismatch: of a payment that says otherwise';
COMMENT ON COLUMN paytrade.orphans.reason IS
    'What does not fit: unknown_payment, amount, currency, …';
COMMENT ON COLUMN paytrade.orphans.pay_no IS 'out_trade_no, as received';
COMMENT ON COLUMN paytrade.orphans.amount IS 'In minor units, as received';
COMMENT ON COLUMN paytrade.orphans.currency IS 'ISO 4217 code';
COMMENT ON COLUMN paytrade.orphans.created_at IS 'When it came first';
COMMENT ON COLUMN paytrade.orphans.resolved_at IS
    'For operators: when somebody took care of it';


-- Housekeeping -------------------------------------------------------------

CREATE TABLE IF NOT EXISTS paytrade.admin_requests (
    partition   smallint    NOT NULL,
    request_id  text COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL,
    asked       text        NOT NULL DEFAULT '',
    PRIMARY KEY (partition, request_id)
);

-- As above.

ALTER TABLE paytrade.admin_requests
    ADD COLUMN IF NOT EXISTS asked text NOT NULL DEFAULT '';

COMMENT ON TABLE paytrade.admin_requests IS
    'Operators'' requests that were done, so that none is done twice';
COMMENT ON COLUMN paytrade.admin_requests.partition IS 'N of {pt:N} in Redis';
COMMENT ON COLUMN paytrade.admin_requests.request_id IS
    'As the operator gave it';
COMMENT ON COLUMN paytrade.admin_requests.at IS 'When, by the clock of Redis';
COMMENT ON COLUMN paytrade.admin_requests.asked IS
    'Hash of what it asked for; empty: an earlier version did not keep it';


CREATE TABLE IF NOT EXISTS paytrade.dead_letter (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition   smallint    NOT NULL,
    entry_id    text        NOT NULL,
    kind        text        NOT NULL,
    payload     bytea       NOT NULL,
    reason      text        NOT NULL,
    sqlstate    text        NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);

CREATE UNIQUE INDEX IF NOT EXISTS dead_letter_once_idx
    ON paytrade.dead_letter (partition, entry_id, kind, sha256(payload));
CREATE INDEX IF NOT EXISTS dead_letter_open_idx
    ON paytrade.dead_letter (id) WHERE replayed_at IS NULL;

COMMENT ON TABLE paytrade.dead_letter IS
    'Journal operations that could not be written, each once';
COMMENT ON COLUMN paytrade.dead_letter.id IS 'Number to replay it by';
COMMENT ON COLUMN paytrade.dead_letter.partition IS 'N of {pt:N} in Redis';
COMMENT ON COLUMN paytrade.dead_letter.entry_id IS
    'Id of the entry of the stream {pt:N}:journal';
COMMENT ON COLUMN paytrade.dead_letter.kind IS
    'o order, i item, s sale, a operator''s request, p payment, f refund, '
    'u orphan';
COMMENT ON COLUMN paytrade.dead_letter.payload IS
    'The row as it stood in the journal, fields separated by tabs';
COMMENT ON COLUMN paytrade.dead_letter.reason IS
    'conflict (same rev, other content), malformed, or PostgreSQL''s message';
COMMENT ON COLUMN paytrade.dead_letter.sqlstate IS
    'PostgreSQL''s error code, or empty';
COMMENT ON COLUMN paytrade.dead_letter.created_at IS 'When it was set aside';
COMMENT ON COLUMN paytrade.dead_letter.replayed_at IS
    'When it was written after all; NULL: open';


CREATE TABLE IF NOT EXISTS paytrade.progress (
    partition        smallint    PRIMARY KEY,
    epoch            bigint      NOT NULL,
    last_journal_id  text        NOT NULL
                     CONSTRAINT progress_last_journal_id_check
                     CHECK (last_journal_id ~ '^[0-9]+-[0-9]+$'),
    max_order_id     bigint,
    updated_at       timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE paytrade.progress IS
    'How far the journal of each partition was written';
COMMENT ON COLUMN paytrade.progress.partition IS 'N of {pt:N} in Redis';
COMMENT ON COLUMN paytrade.progress.epoch IS
    'One more each time that Redis was filled from here';
COMMENT ON COLUMN paytrade.progress.last_journal_id IS
    'Newest stream entry that was written; Redis going behind it has lost data';
COMMENT ON COLUMN paytrade.progress.max_order_id IS
    'Greatest order id or pay_no that was seen, so that none is given again';
COMMENT ON COLUMN paytrade.progress.updated_at IS 'When it was updated';

COMMIT;
