/*
 * The batcher: a script call of a lane, from its operations to their replies.
 */

#include "ngx_paytrade_redis_lane.h"


static pt_slice_t *ngx_paytrade_redis_call_argv(
    ngx_paytrade_redis_call_t *call, ngx_uint_t *argc);
static void ngx_paytrade_redis_call_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static ngx_int_t ngx_paytrade_redis_call_again(
    ngx_paytrade_redis_call_t *call);
static ngx_int_t ngx_paytrade_redis_call_check(ngx_paytrade_redis_call_t *call,
    redisReply *reply);


ngx_paytrade_redis_call_t *
ngx_paytrade_redis_lane_call(ngx_paytrade_redis_lane_t *lane)
{
    ngx_paytrade_redis_call_t          *call;
    ngx_paytrade_redis_batcher_conf_t  *conf;

    if (lane->call != NULL) {
        return lane->call;
    }

    conf = &lane->batcher->conf;

    call = ngx_calloc(sizeof(ngx_paytrade_redis_call_t)
                      + conf->limit * sizeof(ngx_paytrade_redis_op_t *),
                      conf->log);
    if (call == NULL) {
        return NULL;
    }

    call->cmd.handler = ngx_paytrade_redis_call_handler;
    call->cmd.data = call;
    call->lane = lane;
    lane->call = call;

    return call;
}


ngx_int_t
ngx_paytrade_redis_call_send(ngx_paytrade_redis_call_t *call)
{
    ngx_int_t                   rc;
    ngx_uint_t                  argc;
    pt_slice_t                 *argv;
    ngx_paytrade_redis_lane_t  *lane;

    lane = call->lane;

    if (lane->batcher->conf.redis == NULL) {
        return NGX_DECLINED;
    }

    argv = ngx_paytrade_redis_call_argv(call, &argc);

    if (argv == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_paytrade_redis_script(lane->batcher->conf.redis, &call->cmd,
                                   lane->script, lane->partition, call->whole,
                                   argc, argv);
    if (rc == NGX_OK) {
        lane->in_flight = 1;
    }

    return rc;
}


/* The fixed arguments and those of each operation, in memory used again. */
static pt_slice_t *
ngx_paytrade_redis_call_argv(ngx_paytrade_redis_call_t *call, ngx_uint_t *argc)
{
    pt_slice_t                    *argv;
    ngx_uint_t                     i, n, script;
    ngx_paytrade_redis_batcher_t  *batcher;

    batcher = call->lane->batcher;
    script = call->lane->script;

    n = batcher->conf.nprelude[script];

    for (i = 0; i < call->nops; i++) {
        n += call->ops[i]->argc;
    }

    if (n > batcher->nargv || batcher->argv == NULL) {
        argv = ngx_alloc(2 * (n + 1) * sizeof(pt_slice_t), batcher->conf.log);
        if (argv == NULL) {
            return NULL;
        }

        if (batcher->argv != NULL) {
            ngx_free(batcher->argv);
        }

        batcher->argv = argv;
        batcher->nargv = 2 * (n + 1);
    }

    *argc = n;
    argv = batcher->argv;

    for (i = 0; i < batcher->conf.nprelude[script]; i++) {
        *argv++ = batcher->conf.prelude[script][i];
    }

    for (i = 0; i < call->nops; i++) {
        ngx_memcpy(argv, call->ops[i]->argv,
                   call->ops[i]->argc * sizeof(pt_slice_t));
        argv += call->ops[i]->argc;
    }

    return batcher->argv;
}


static void
ngx_paytrade_redis_call_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    redisReply                    *header;
    ngx_paytrade_redis_call_t     *call;
    ngx_paytrade_redis_lane_t     *lane;
    ngx_paytrade_redis_batcher_t  *batcher;

    call = cmd->data;
    lane = call->lane;

    if (lane == NULL) {
        ngx_free(call);
        return;
    }

    batcher = lane->batcher;
    lane->in_flight = 0;

    ngx_paytrade_redis_batcher_enter(batcher);

    if (outcome == NGX_PAYTRADE_REDIS_NOSCRIPT && !call->whole
        && ngx_paytrade_redis_call_again(call) == NGX_OK)
    {
        ngx_paytrade_redis_batcher_leave(batcher);
        return;
    }

    if (outcome == NGX_PAYTRADE_REDIS_OK) {

        if (ngx_paytrade_redis_call_check(call, reply) != NGX_OK) {
            outcome = NGX_PAYTRADE_REDIS_ERROR;

        } else if (batcher->conf.header != NULL) {
            header = reply->element[0];
            batcher->conf.header(batcher->conf.data, lane->partition,
                                 lane->script,
                                 pt_slice(header->str, header->len),
                                 call->nops);
        }
    }

    ngx_paytrade_redis_call_complete(call, outcome, reply);

    if (!batcher->destroyed) {
        ngx_paytrade_redis_lane_post(lane);
    }

    ngx_paytrade_redis_batcher_leave(batcher);
}


/* Redis does not know the script: nothing ran, send it with its text. */
static ngx_int_t
ngx_paytrade_redis_call_again(ngx_paytrade_redis_call_t *call)
{
    ngx_uint_t                i, n;
    ngx_paytrade_redis_op_t  *op;

    n = 0;

    for (i = 0; i < call->nops; i++) {
        op = call->ops[i];

        if (op != NULL) {
            op->slot = n;
            call->ops[n++] = op;
        }
    }

    call->nops = n;
    call->whole = 1;

    return n ? ngx_paytrade_redis_call_send(call) : NGX_DECLINED;
}


/* An array: the header, and one element per operation unless refused. */
static ngx_int_t
ngx_paytrade_redis_call_check(ngx_paytrade_redis_call_t *call,
    redisReply *reply)
{
    pt_slice_t   header;
    ngx_uint_t   refused;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        goto malformed;
    }

    header = pt_slice(reply->element[0]->str, reply->element[0]->len);
    refused = !(header.len >= 2 && header.data[0] == 'o'
                && header.data[1] == 'k'
                && (header.len == 2 || header.data[2] == '\t'));

    if (reply->elements == (refused ? 1 : call->nops + 1)) {
        return NGX_OK;
    }

malformed:

    ngx_paytrade_redis_say(call->lane->batcher->conf.redis, NGX_LOG_ERR, 0,
                           "reply of script \"%s\" makes no sense",
                           ngx_paytrade_scripts[call->lane->script].name);

    return NGX_ERROR;
}


void
ngx_paytrade_redis_call_complete(ngx_paytrade_redis_call_t *call,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    ngx_uint_t                i;
    redisReply               *element;
    pt_slice_t                text;
    ngx_paytrade_redis_op_t  *op;

    for (i = 0; i < call->nops; i++) {
        op = call->ops[i];

        if (op == NULL) {
            continue;
        }

        call->ops[i] = NULL;

        if (outcome != NGX_PAYTRADE_REDIS_OK) {
            ngx_paytrade_redis_op_complete(op, outcome, pt_slice_null);
            continue;
        }

        element = reply->element[reply->elements == 1 ? 0 : i + 1];

        if (element->type != REDIS_REPLY_STRING) {
            ngx_paytrade_redis_op_complete(op, NGX_PAYTRADE_REDIS_ERROR,
                                           pt_slice_null);
            continue;
        }

        text = pt_slice(element->str, element->len);
        ngx_paytrade_redis_op_complete(op, outcome, text);
    }
}


void
ngx_paytrade_redis_op_complete(ngx_paytrade_redis_op_t *op,
    ngx_paytrade_redis_outcome_e outcome, pt_slice_t reply)
{
    ngx_paytrade_redis_lane_t  *lane;

    lane = op->lane;
    lane->batcher->load--;

    if (op->deadline.timer_set) {
        ngx_del_timer(&op->deadline);
    }

    op->handler(op, outcome, reply);
}
