/*
 * Recalling the buyers: a new zone does not know who has held something, so
 * its sold-out marks could refuse a buyer whose order is there to be found.
 *
 * The partition's owner therefore reads the buyers from Redis into the zone's
 * filter, page by page beside all other work, and only then may the marks of
 * this partition be used.  Once in the life of a zone.
 */

#include "ngx_http_paytrade.h"


#define NGX_HTTP_PAYTRADE_RECALL_PAGE   "500"


struct ngx_http_paytrade_recall_s {
    ngx_http_paytrade_partition_t  *part;
    ngx_paytrade_redis_cmd_t        cmd;
    ngx_pool_t                     *pool;       /* of a page of keys */
    ngx_array_t                     keys;       /* of pt_slice_t */
    ngx_uint_t                      key;        /* the one being read */
    size_t                          prefix;     /* length of "{pt:N}:buyers:" */
    char                            keys_cursor[24];
    char                            users_cursor[24];
    unsigned                        waiting:1;
    unsigned                        stopped:1;
};


static void ngx_http_paytrade_recall_keys(ngx_http_paytrade_recall_t *recall);
static ngx_int_t ngx_http_paytrade_recall_had_keys(
    ngx_http_paytrade_recall_t *recall, redisReply *reply);
static void ngx_http_paytrade_recall_users(ngx_http_paytrade_recall_t *recall);
static ngx_int_t ngx_http_paytrade_recall_had_users(
    ngx_http_paytrade_recall_t *recall, redisReply *reply);
static void ngx_http_paytrade_recall_next(ngx_http_paytrade_recall_t *recall);
static void ngx_http_paytrade_recall_send(ngx_http_paytrade_recall_t *recall,
    ngx_uint_t argc, pt_slice_t *argv);
static void ngx_http_paytrade_recall_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static redisReply *ngx_http_paytrade_recall_page(redisReply *reply,
    char *cursor, size_t size);
static void ngx_http_paytrade_recall_end(ngx_http_paytrade_recall_t *recall,
    ngx_uint_t done);


void
ngx_http_paytrade_recall_start(ngx_http_paytrade_partition_t *part)
{
    ngx_http_paytrade_recall_t    *recall;
    ngx_http_paytrade_counters_t  *counters;

    counters = ngx_http_paytrade_counters(part->worker->conf->shm_zone);

    if (!part->owned || part->recall || counters->recalled[part->number]) {
        return;
    }

    recall = ngx_calloc(sizeof(ngx_http_paytrade_recall_t), part->worker->log);
    if (recall == NULL) {
        return;
    }

    part->recall = recall;

    recall->part = part;
    recall->keys_cursor[0] = '0';

    ngx_http_paytrade_recall_keys(recall);
}


void
ngx_http_paytrade_recall_stop(ngx_http_paytrade_partition_t *part)
{
    ngx_http_paytrade_recall_t  *recall;

    recall = part->recall;

    if (recall == NULL) {
        return;
    }

    recall->stopped = 1;

    if (!recall->waiting) {
        ngx_http_paytrade_recall_end(recall, 0);
    }
}


static void
ngx_http_paytrade_recall_keys(ngx_http_paytrade_recall_t *recall)
{
    u_char      pattern[64], *last;
    pt_slice_t  argv[6];

    last = ngx_sprintf(pattern, "{pt:%ui}:buyers:*", recall->part->number);
    recall->prefix = last - pattern - 1;

    argv[0] = pt_slice_lit("SCAN");
    argv[1] = pt_slice(recall->keys_cursor, ngx_strlen(recall->keys_cursor));
    argv[2] = pt_slice_lit("MATCH");
    argv[3] = pt_slice(pattern, last - pattern);
    argv[4] = pt_slice_lit("COUNT");
    argv[5] = pt_slice_lit(NGX_HTTP_PAYTRADE_RECALL_PAGE);

    ngx_http_paytrade_recall_send(recall, 6, argv);
}


static ngx_int_t
ngx_http_paytrade_recall_had_keys(ngx_http_paytrade_recall_t *recall,
    redisReply *reply)
{
    size_t       i;
    u_char      *p;
    pt_slice_t  *key;
    redisReply  *list, *text;

    list = ngx_http_paytrade_recall_page(reply, recall->keys_cursor,
                                         sizeof(recall->keys_cursor));
    if (list == NULL) {
        return NGX_ERROR;
    }

    recall->pool = ngx_create_pool(4096, recall->part->worker->log);

    if (recall->pool == NULL
        || ngx_array_init(&recall->keys, recall->pool,
                          ngx_max(list->elements, 1), sizeof(pt_slice_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < list->elements; i++) {
        text = list->element[i];

        if (text->type != REDIS_REPLY_STRING
            || (size_t) text->len <= recall->prefix)
        {
            continue;
        }

        p = ngx_pnalloc(recall->pool, text->len);
        key = ngx_array_push(&recall->keys);

        if (p == NULL || key == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, text->str, text->len);
        *key = pt_slice(p, text->len);
    }

    recall->key = 0;
    ngx_memcpy(recall->users_cursor, "0", 2);

    return NGX_OK;
}


static void
ngx_http_paytrade_recall_users(ngx_http_paytrade_recall_t *recall)
{
    pt_slice_t  *keys, argv[5];

    keys = recall->keys.elts;

    argv[0] = pt_slice_lit("HSCAN");
    argv[1] = keys[recall->key];
    argv[2] = pt_slice(recall->users_cursor, ngx_strlen(recall->users_cursor));
    argv[3] = pt_slice_lit("COUNT");
    argv[4] = pt_slice_lit(NGX_HTTP_PAYTRADE_RECALL_PAGE);

    ngx_http_paytrade_recall_send(recall, 5, argv);
}


static ngx_int_t
ngx_http_paytrade_recall_had_users(ngx_http_paytrade_recall_t *recall,
    redisReply *reply)
{
    size_t       i;
    pt_slice_t  *keys, sale, user;
    redisReply  *list;

    list = ngx_http_paytrade_recall_page(reply, recall->users_cursor,
                                         sizeof(recall->users_cursor));
    if (list == NULL) {
        return NGX_ERROR;
    }

    keys = recall->keys.elts;
    sale = keys[recall->key];
    sale.data += recall->prefix;
    sale.len -= recall->prefix;

    /* names and values in turn */

    for (i = 0; i + 1 < list->elements; i += 2) {
        if (list->element[i]->type == REDIS_REPLY_STRING) {
            user = pt_slice(list->element[i]->str, list->element[i]->len);

            ngx_http_paytrade_zone_buyer(recall->part->worker->conf->shm_zone,
                                         user, sale);
        }
    }

    if (ngx_strcmp(recall->users_cursor, "0") == 0) {
        recall->key++;
    }

    return NGX_OK;
}


/* The next page of users, else the next page of keys, else the end. */
static void
ngx_http_paytrade_recall_next(ngx_http_paytrade_recall_t *recall)
{
    if (recall->key < recall->keys.nelts) {
        ngx_http_paytrade_recall_users(recall);
        return;
    }

    ngx_destroy_pool(recall->pool);
    recall->pool = NULL;

    if (ngx_strcmp(recall->keys_cursor, "0") == 0) {
        ngx_http_paytrade_recall_end(recall, 1);
        return;
    }

    ngx_http_paytrade_recall_keys(recall);
}


static void
ngx_http_paytrade_recall_send(ngx_http_paytrade_recall_t *recall,
    ngx_uint_t argc, pt_slice_t *argv)
{
    recall->cmd.handler = ngx_http_paytrade_recall_handler;
    recall->cmd.data = recall;

    if (ngx_paytrade_redis_command(recall->part->worker->redis, &recall->cmd,
                                   argc, argv)
        != NGX_OK)
    {
        ngx_http_paytrade_recall_end(recall, 0);
        return;
    }

    recall->waiting = 1;
}


static void
ngx_http_paytrade_recall_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    ngx_http_paytrade_recall_t *recall = cmd->data;

    ngx_int_t  rc;

    recall->waiting = 0;

    if (recall->stopped || outcome != NGX_PAYTRADE_REDIS_OK) {
        ngx_http_paytrade_recall_end(recall, 0);
        return;
    }

    rc = recall->pool ? ngx_http_paytrade_recall_had_users(recall, reply)
                      : ngx_http_paytrade_recall_had_keys(recall, reply);

    if (rc != NGX_OK) {
        ngx_http_paytrade_recall_end(recall, 0);
        return;
    }

    ngx_http_paytrade_recall_next(recall);
}


/* SCAN and HSCAN answer a cursor, which is kept, and a list. */
static redisReply *
ngx_http_paytrade_recall_page(redisReply *reply, char *cursor, size_t size)
{
    redisReply  *text, *list;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return NULL;
    }

    text = reply->element[0];
    list = reply->element[1];

    if (text->type != REDIS_REPLY_STRING
        || (size_t) text->len >= size
        || list->type != REDIS_REPLY_ARRAY)
    {
        return NULL;
    }

    ngx_memcpy(cursor, text->str, text->len);
    cursor[text->len] = '\0';

    return list;
}


/* Not done: the sweep starts it again, and the marks stay unused till then. */
static void
ngx_http_paytrade_recall_end(ngx_http_paytrade_recall_t *recall,
    ngx_uint_t done)
{
    ngx_http_paytrade_counters_t   *counters;
    ngx_http_paytrade_partition_t  *part;

    part = recall->part;
    part->recall = NULL;

    if (done && part->state == NGX_HTTP_PAYTRADE_OPEN) {
        counters = ngx_http_paytrade_counters(part->worker->conf->shm_zone);
        counters->recalled[part->number] = 1;
    }

    if (recall->pool) {
        ngx_destroy_pool(recall->pool);
    }

    ngx_free(recall);
}
