/*
 * Entries of the journal as they come in a reply, made easy to walk.
 */

#include "ngx_paytrade_redis_entries.h"


static ngx_uint_t ngx_paytrade_redis_entry_valid(redisReply *entry);
static ngx_uint_t ngx_paytrade_redis_entry_nops(redisReply *entry);
static ngx_int_t ngx_paytrade_redis_entries_alloc(
    ngx_paytrade_redis_taken_t *taken, ngx_uint_t nentries, ngx_uint_t nops,
    u_char **numbers, ngx_log_t *log);
static pt_slice_t ngx_paytrade_redis_entries_text(redisReply *reply);


/* [[stream, [entry…]]], or nil */
redisReply *
ngx_paytrade_redis_entries_read(redisReply *reply)
{
    redisReply  *stream;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1) {
        return NULL;
    }

    stream = reply->element[0];

    if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2
        || stream->element[1]->type != REDIS_REPLY_ARRAY
        || stream->element[1]->elements == 0)
    {
        return NULL;
    }

    return stream->element[1];
}


/* [cursor, [entry…], …] */
redisReply *
ngx_paytrade_redis_entries_claimed(redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2
        || reply->element[1]->type != REDIS_REPLY_ARRAY
        || reply->element[1]->elements == 0)
    {
        return NULL;
    }

    return reply->element[1];
}


ngx_int_t
ngx_paytrade_redis_entries_take(ngx_paytrade_redis_taken_t *taken,
    redisReply *list, redisReply *reply, ngx_log_t *log)
{
    u_char                        *number, *last;
    redisReply                    *body;
    ngx_uint_t                     i, k, nops;
    ngx_paytrade_redis_entry_t    *entry;
    ngx_paytrade_redis_entries_t  *view;

    nops = 0;

    for (i = 0; i < list->elements; i++) {
        if (!ngx_paytrade_redis_entry_valid(list->element[i])) {
            return NGX_DECLINED;
        }

        nops += ngx_paytrade_redis_entry_nops(list->element[i]);
    }

    if (ngx_paytrade_redis_entries_alloc(taken, list->elements, nops, &number,
                                         log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    view = &taken->view;

    for (i = 0; i < view->nentries; i++) {
        entry = &view->entries[i];
        body = list->element[i]->element[1];

        entry->id = ngx_paytrade_redis_entries_text(list->element[i]
                                                    ->element[0]);
        entry->nops = ngx_paytrade_redis_entry_nops(list->element[i]);
        entry->first = view->nops;

        for (k = 0; k < entry->nops; k++) {
            view->kinds[view->nops] =
                         ngx_paytrade_redis_entries_text(body->element[2 * k]);
            view->rows[view->nops++] =
                     ngx_paytrade_redis_entries_text(body->element[2 * k + 1]);
        }

        last = ngx_sprintf(number, "%ui", entry->nops);

        taken->ack[taken->nack++] = entry->id;
        taken->ack[taken->nack++] = pt_slice(number, last - number);

        number = last;
    }

    taken->reply = reply;

    return NGX_OK;
}


void
ngx_paytrade_redis_entries_release(ngx_paytrade_redis_taken_t *taken)
{
    if (taken->block != NULL) {
        ngx_free(taken->block);
    }

    if (taken->reply != NULL) {
        freeReplyObject(taken->reply);
    }

    ngx_memzero(taken, sizeof(ngx_paytrade_redis_taken_t));
}


/* [id, [name, value…]]; the body is nil when the entry was deleted. */
static ngx_uint_t
ngx_paytrade_redis_entry_valid(redisReply *entry)
{
    size_t       i;
    redisReply  *body;

    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2
        || entry->element[0]->type != REDIS_REPLY_STRING)
    {
        return 0;
    }

    body = entry->element[1];

    if (body->type == REDIS_REPLY_NIL) {
        return 1;
    }

    if (body->type != REDIS_REPLY_ARRAY || body->elements % 2) {
        return 0;
    }

    for (i = 0; i < body->elements; i++) {
        if (body->element[i]->type != REDIS_REPLY_STRING) {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_paytrade_redis_entry_nops(redisReply *entry)
{
    redisReply  *body;

    body = entry->element[1];

    return body->type == REDIS_REPLY_ARRAY ? body->elements / 2 : 0;
}


static ngx_int_t
ngx_paytrade_redis_entries_alloc(ngx_paytrade_redis_taken_t *taken,
    ngx_uint_t nentries, ngx_uint_t nops, u_char **numbers, ngx_log_t *log)
{
    u_char  *p;
    size_t   size;

    size = nentries * sizeof(ngx_paytrade_redis_entry_t)
           + 2 * nops * sizeof(pt_slice_t)
           + 2 * nentries * sizeof(pt_slice_t)
           + nentries * NGX_INT_T_LEN;

    p = ngx_alloc(size, log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(taken, sizeof(ngx_paytrade_redis_taken_t));
    taken->block = p;
    taken->view.nentries = nentries;

    taken->view.entries = (ngx_paytrade_redis_entry_t *) p;
    p += nentries * sizeof(ngx_paytrade_redis_entry_t);

    taken->view.kinds = (pt_slice_t *) p;
    p += nops * sizeof(pt_slice_t);

    taken->view.rows = (pt_slice_t *) p;
    p += nops * sizeof(pt_slice_t);

    taken->ack = (pt_slice_t *) p;
    p += 2 * nentries * sizeof(pt_slice_t);

    *numbers = p;

    return NGX_OK;
}


static pt_slice_t
ngx_paytrade_redis_entries_text(redisReply *reply)
{
    return pt_slice(reply->str, reply->len);
}
