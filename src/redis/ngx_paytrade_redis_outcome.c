/*
 * Redis: error replies told apart, words for outcomes, and a log that does
 * not repeat itself.
 */

#include "ngx_paytrade_redis_connection.h"


#define NGX_PAYTRADE_REDIS_SENTENCE_MAX  400
#define NGX_PAYTRADE_REDIS_SAY_AGAIN     1000


typedef struct {
    const char                    *text;
    ngx_paytrade_redis_outcome_e   outcome;
} ngx_paytrade_redis_error_t;


/* The first word of an error reply. */
static const ngx_paytrade_redis_error_t  ngx_paytrade_redis_errors[] = {
    { "LOADING", NGX_PAYTRADE_REDIS_LOADING },
    { "READONLY", NGX_PAYTRADE_REDIS_READONLY },
    { "OOM", NGX_PAYTRADE_REDIS_OOM },
    { "MISCONF", NGX_PAYTRADE_REDIS_MISCONF },
    { "NOREPLICAS", NGX_PAYTRADE_REDIS_NOREPLICAS },
    { "BUSY", NGX_PAYTRADE_REDIS_BUSY },
    { "MASTERDOWN", NGX_PAYTRADE_REDIS_MASTERDOWN },
    { "CLUSTERDOWN", NGX_PAYTRADE_REDIS_CLUSTERDOWN },
    { "NOAUTH", NGX_PAYTRADE_REDIS_NOAUTH },
    { "WRONGPASS", NGX_PAYTRADE_REDIS_NOAUTH },
    { "NOPERM", NGX_PAYTRADE_REDIS_NOPERM },
    { "NOSCRIPT", NGX_PAYTRADE_REDIS_NOSCRIPT },
    { NULL, NGX_PAYTRADE_REDIS_ERROR }
};


/* What a command inside a script is refused with has no word of its own. */
static const ngx_paytrade_redis_error_t  ngx_paytrade_redis_script_errors[] = {
    { "The user executing the script can't", NGX_PAYTRADE_REDIS_NOPERM },
    { "ACL failure in script", NGX_PAYTRADE_REDIS_NOPERM },
    { NULL, NGX_PAYTRADE_REDIS_ERROR }
};


static const char  *ngx_paytrade_redis_words[NGX_PAYTRADE_REDIS_OUTCOMES] = {
    "ok", "loading", "readonly", "oom", "misconf", "noreplicas", "busy",
    "masterdown", "clusterdown", "noauth", "noperm", "noscript", "error",
    "down", "expired", "refused", "lost", "timed_out"
};


static ngx_uint_t
ngx_paytrade_redis_starts(pt_slice_t text, const char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    return text.len >= len && ngx_strncmp(text.data, word, len) == 0;
}


static ngx_uint_t
ngx_paytrade_redis_first_word(pt_slice_t text, const char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    return ngx_paytrade_redis_starts(text, word)
           && (text.len == len || text.data[len] == ' ');
}


/* Lua puts the place before an error that is thrown again as a string. */
static pt_slice_t
ngx_paytrade_redis_skip_place(pt_slice_t text)
{
    size_t  i;

    if (!ngx_paytrade_redis_starts(text, "user_script:")) {
        return text;
    }

    i = sizeof("user_script:") - 1;

    while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9') {
        i++;
    }

    if (i + 1 < text.len && text.data[i] == ':' && text.data[i + 1] == ' ') {
        i += 2;
        return pt_slice(text.data + i, text.len - i);
    }

    return text;
}


ngx_uint_t
ngx_paytrade_redis_error_is(const redisReply *reply, const char *word)
{
    return reply != NULL && reply->type == REDIS_REPLY_ERROR
           && ngx_paytrade_redis_first_word(pt_slice(reply->str, reply->len),
                                            word);
}


/* What callers expect and deal with is not news. */
ngx_uint_t
ngx_paytrade_redis_expected(const redisReply *reply)
{
    const char  **word;

    static const char  *words[] = {
        "NOSCRIPT", "BUSYGROUP", "NOGROUP", "UNBLOCKED", NULL
    };

    for (word = words; *word; word++) {
        if (ngx_paytrade_redis_error_is(reply, *word)) {
            return 1;
        }
    }

    return 0;
}


ngx_paytrade_redis_outcome_e
ngx_paytrade_redis_classify(const redisReply *reply)
{
    pt_slice_t                         text;
    const ngx_paytrade_redis_error_t  *error;

    if (reply->type != REDIS_REPLY_ERROR) {
        return NGX_PAYTRADE_REDIS_OK;
    }

    text = pt_slice(reply->str, reply->len);

    if (ngx_paytrade_redis_starts(text, "ERR ")) {
        text = ngx_paytrade_redis_skip_place(pt_slice(text.data + 4,
                                                      text.len - 4));

        for (error = ngx_paytrade_redis_script_errors; error->text; error++) {
            if (ngx_paytrade_redis_starts(text, error->text)) {
                return error->outcome;
            }
        }
    }

    for (error = ngx_paytrade_redis_errors; error->text; error++) {
        if (ngx_paytrade_redis_first_word(text, error->text)) {
            break;
        }
    }

    return error->outcome;
}


const char *
ngx_paytrade_redis_outcome_word(ngx_paytrade_redis_outcome_e outcome)
{
    return outcome < NGX_PAYTRADE_REDIS_OUTCOMES
           ? ngx_paytrade_redis_words[outcome] : "unknown";
}


/* The place of this sentence, or of the one that was said longest ago. */
static ngx_paytrade_redis_said_t *
ngx_paytrade_redis_find_said(ngx_paytrade_redis_t *redis, uint32_t crc)
{
    ngx_uint_t                  i;
    ngx_paytrade_redis_said_t  *said, *oldest;

    oldest = &redis->said[0];

    for (i = 0; i < NGX_PAYTRADE_REDIS_SAID; i++) {
        said = &redis->said[i];

        if (said->crc == crc) {
            return said;
        }

        if ((ngx_msec_int_t) (said->at - oldest->at) < 0) {
            oldest = said;
        }
    }

    oldest->crc = 0;
    oldest->suppressed = 0;

    return oldest;
}


void
ngx_paytrade_redis_vsay(ngx_paytrade_redis_t *redis, ngx_uint_t level,
    ngx_err_t err, const char *fmt, va_list args)
{
    u_char                     *p, *last;
    uint32_t                    crc;
    ngx_paytrade_redis_said_t  *said;
    u_char                      text[NGX_PAYTRADE_REDIS_SENTENCE_MAX];

    last = ngx_vslprintf(text, text + sizeof(text), fmt, args);

    for (p = text; p < last; p++) {
        if (*p < 0x20 || *p > 0x7e) {
            *p = '?';
        }
    }

    crc = ngx_crc32_short(text, last - text) ^ (uint32_t) err;
    crc = crc ? crc : 1;

    said = ngx_paytrade_redis_find_said(redis, crc);

    if (said->crc == crc
        && ngx_current_msec - said->at < NGX_PAYTRADE_REDIS_SAY_AGAIN)
    {
        said->suppressed++;
        return;
    }

    if (said->suppressed) {
        ngx_log_error(level, redis->log, err,
                      "paytrade redis \"%V\": %*s (and %ui times more)",
                      &redis->conf->url, last - text, text, said->suppressed);

    } else {
        ngx_log_error(level, redis->log, err, "paytrade redis \"%V\": %*s",
                      &redis->conf->url, last - text, text);
    }

    said->crc = crc;
    said->at = ngx_current_msec;
    said->suppressed = 0;
}


void
ngx_paytrade_redis_say(ngx_paytrade_redis_t *redis, ngx_uint_t level,
    ngx_err_t err, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_paytrade_redis_vsay(redis, level, err, fmt, args);
    va_end(args);
}
