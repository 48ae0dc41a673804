/*
 * Redis: commands on a connection, and the replies that come in their order.
 */

#include "ngx_paytrade_redis_connection.h"


/* "*" or "$", a number, CR LF */
#define NGX_PAYTRADE_REDIS_PREFIX_LEN  (1 + NGX_SIZE_T_LEN + 2)


static u_char *
ngx_paytrade_redis_put_number(u_char *p, u_char type, size_t n)
{
    u_char   digits[NGX_SIZE_T_LEN];
    u_char  *d;

    d = digits + sizeof(digits);

    do {
        *--d = (u_char) (n % 10 + '0');
        n /= 10;
    } while (n);

    *p++ = type;
    p = ngx_cpymem(p, d, digits + sizeof(digits) - d);
    *p++ = CR;
    *p++ = LF;

    return p;
}


static u_char *
ngx_paytrade_redis_put_words(u_char *p, ngx_uint_t n, pt_slice_t *words)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        p = ngx_paytrade_redis_put_number(p, '$', words[i].len);

        if (words[i].len) {
            p = ngx_cpymem(p, words[i].data, words[i].len);
        }

        *p++ = CR;
        *p++ = LF;
    }

    return p;
}


static size_t
ngx_paytrade_redis_words_size(ngx_uint_t n, pt_slice_t *words)
{
    size_t      size;
    ngx_uint_t  i;

    size = 0;

    for (i = 0; i < n; i++) {
        size += NGX_PAYTRADE_REDIS_PREFIX_LEN + words[i].len + 2;
    }

    return size;
}


/*
 * Written straight into the output: hiredis' formatter would cost a malloc, a
 * copy and two more vectors for each call.
 */
ngx_int_t
ngx_paytrade_redis_enqueue(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_cmd_t *cmd, ngx_uint_t nhead, pt_slice_t *head,
    ngx_uint_t argc, pt_slice_t *argv)
{
    u_char            *p;
    size_t             size;
    ngx_connection_t  *c;

    size = NGX_PAYTRADE_REDIS_PREFIX_LEN
           + ngx_paytrade_redis_words_size(nhead, head)
           + ngx_paytrade_redis_words_size(argc, argv);

    p = ngx_paytrade_redis_reserve(redis, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p = ngx_paytrade_redis_put_number(p, '*', nhead + argc);
    p = ngx_paytrade_redis_put_words(p, nhead, head);
    p = ngx_paytrade_redis_put_words(p, argc, argv);

    redis->out.last = p;

    cmd->sent_at = ngx_current_msec;
    ngx_queue_insert_tail(&redis->in_flight, &cmd->queue);
    redis->nin_flight++;

    /* what is sent in one turn of the event loop leaves in one write */

    c = redis->connection;

    if (c->write->ready) {
        ngx_post_event(c->write, &ngx_posted_events);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_paytrade_redis_in_flight(ngx_paytrade_redis_t *redis)
{
    return redis->nin_flight;
}


ngx_int_t
ngx_paytrade_redis_command(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_cmd_t *cmd, ngx_uint_t argc, pt_slice_t *argv)
{
    return ngx_paytrade_redis_command_parts(redis, cmd, 0, NULL, argc, argv);
}


ngx_int_t
ngx_paytrade_redis_command_parts(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_cmd_t *cmd, ngx_uint_t nhead, pt_slice_t *head,
    ngx_uint_t argc, pt_slice_t *argv)
{
    if (ngx_paytrade_redis_state(redis) != NGX_PAYTRADE_REDIS_READY) {
        return NGX_DECLINED;
    }

    if (ngx_paytrade_redis_enqueue(redis, cmd, nhead, head, argc, argv)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!redis->blocking) {
        redis->timer.cancelable = 0;

        if (!redis->timer.timer_set) {
            ngx_add_timer(&redis->timer, redis->conf->timeout);
        }
    }

    return NGX_OK;
}


redisReply *
ngx_paytrade_redis_keep_reply(ngx_paytrade_redis_t *redis)
{
    redisReply  *reply;

    reply = redis->reply;
    redis->reply = NULL;

    return reply;
}


ngx_int_t
ngx_paytrade_redis_answer(ngx_paytrade_redis_t *redis, redisReply *reply)
{
    ngx_uint_t                     socket_no;
    ngx_queue_t                   *q;
    ngx_paytrade_redis_cmd_t      *cmd;
    ngx_paytrade_redis_outcome_e   outcome;

    if (ngx_queue_empty(&redis->in_flight)) {
        freeReplyObject(reply);
        ngx_paytrade_redis_fail(redis, 0, "sent a reply nobody asked for");
        return NGX_DONE;
    }

    q = ngx_queue_head(&redis->in_flight);
    ngx_queue_remove(q);

    if (--redis->nin_flight == 0) {
        redis->timer.cancelable = 1;
    }

    cmd = ngx_queue_data(q, ngx_paytrade_redis_cmd_t, queue);
    outcome = ngx_paytrade_redis_classify(reply);

    if (outcome != NGX_PAYTRADE_REDIS_OK
        && redis->state == NGX_PAYTRADE_REDIS_READY
        && !ngx_paytrade_redis_expected(reply))
    {
        ngx_paytrade_redis_say(redis, NGX_LOG_ERR, 0, "answers \"%*s\"",
                               ngx_min(reply->len, 250), reply->str);
    }

    if (outcome == NGX_PAYTRADE_REDIS_READONLY) {
        redis->draining = 1;
    }

    socket_no = redis->socket_no;
    redis->reply = reply;

    cmd->handler(cmd, outcome, reply);

    if (redis->reply != NULL) {
        freeReplyObject(redis->reply);
        redis->reply = NULL;
    }

    if (redis->socket_no != socket_no) {
        return NGX_DONE;
    }

    if (redis->draining && redis->nin_flight == 0) {
        ngx_paytrade_redis_fail(redis, 0, "became read-only, is left");
        return NGX_DONE;
    }

    return NGX_OK;
}


void
ngx_paytrade_redis_lose(ngx_paytrade_redis_t *redis)
{
    ngx_queue_t               *q;
    ngx_paytrade_redis_cmd_t  *cmd;

    while (!ngx_queue_empty(&redis->in_flight)) {
        q = ngx_queue_head(&redis->in_flight);
        ngx_queue_remove(q);
        redis->nin_flight--;

        cmd = ngx_queue_data(q, ngx_paytrade_redis_cmd_t, queue);
        cmd->handler(cmd, NGX_PAYTRADE_REDIS_LOST, NULL);
    }
}


void
ngx_paytrade_redis_overdue(ngx_paytrade_redis_t *redis)
{
    ngx_msec_t                 age;
    ngx_queue_t               *q;
    ngx_paytrade_redis_cmd_t  *cmd;

    if (ngx_queue_empty(&redis->in_flight)) {
        return;
    }

    q = ngx_queue_head(&redis->in_flight);
    cmd = ngx_queue_data(q, ngx_paytrade_redis_cmd_t, queue);
    age = ngx_current_msec - cmd->sent_at;

    if (age >= redis->conf->timeout) {
        ngx_paytrade_redis_fail(redis, 0, "no reply within %Mms",
                                redis->conf->timeout);
        return;
    }

    ngx_add_timer(&redis->timer, redis->conf->timeout - age);
}
