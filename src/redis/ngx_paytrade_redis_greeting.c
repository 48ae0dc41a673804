/*
 * Redis: the first words on a new connection, sent in one go: who we are,
 * which database, and what kind of server this is.
 */

#include "ngx_paytrade_redis_connection.h"


#define NGX_PAYTRADE_REDIS_VERSION_MIN  7


static ngx_int_t ngx_paytrade_redis_greet_send(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_greet_e greet, ngx_paytrade_redis_cmd_pt handler,
    ngx_uint_t argc, pt_slice_t *argv);
static ngx_int_t ngx_paytrade_redis_greet_auth(ngx_paytrade_redis_t *redis);
static ngx_int_t ngx_paytrade_redis_greet_select(ngx_paytrade_redis_t *redis);
static ngx_int_t ngx_paytrade_redis_greet_rest(ngx_paytrade_redis_t *redis);
static void ngx_paytrade_redis_auth_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static void ngx_paytrade_redis_select_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static void ngx_paytrade_redis_name_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static void ngx_paytrade_redis_info_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static void ngx_paytrade_redis_fsync_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static ngx_int_t ngx_paytrade_redis_fit(ngx_paytrade_redis_t *redis,
    pt_slice_t info);
static void ngx_paytrade_redis_report(ngx_paytrade_redis_t *redis,
    pt_slice_t info);
static pt_slice_t ngx_paytrade_redis_info(pt_slice_t info, const char *name);


/* AOF is asked about, and complained of, by one connection of a worker. */
static ngx_uint_t
ngx_paytrade_redis_asks_fsync(ngx_paytrade_redis_t *redis)
{
    return redis->conf->durability == NGX_PAYTRADE_DURABILITY_AOF
           && !redis->blocking;
}


void
ngx_paytrade_redis_greet(ngx_paytrade_redis_t *redis)
{
    if (ngx_paytrade_redis_greet_auth(redis) != NGX_OK
        || ngx_paytrade_redis_greet_select(redis) != NGX_OK
        || ngx_paytrade_redis_greet_rest(redis) != NGX_OK)
    {
        ngx_paytrade_redis_fail(redis, 0, "no memory for a greeting");
    }
}


static ngx_int_t
ngx_paytrade_redis_greet_auth(ngx_paytrade_redis_t *redis)
{
    ngx_str_t   *user, *password;
    ngx_uint_t   n;
    pt_slice_t   argv[3];

    user = &redis->conf->user;
    password = &redis->conf->password;

    if (password->len == 0 && user->len == 0) {
        return NGX_OK;
    }

    n = 0;
    argv[n++] = pt_slice_lit("AUTH");

    if (user->len) {
        argv[n++] = pt_slice(user->data, user->len);
    }

    argv[n++] = pt_slice(password->data, password->len);

    return ngx_paytrade_redis_greet_send(redis, NGX_PAYTRADE_REDIS_GREET_AUTH,
                                         ngx_paytrade_redis_auth_handler,
                                         n, argv);
}


static ngx_int_t
ngx_paytrade_redis_greet_select(ngx_paytrade_redis_t *redis)
{
    u_char      *last;
    pt_slice_t   argv[2];
    u_char       number[NGX_INT_T_LEN];

    if (redis->conf->database == 0) {
        return NGX_OK;
    }

    last = ngx_sprintf(number, "%ui", redis->conf->database);

    argv[0] = pt_slice_lit("SELECT");
    argv[1] = pt_slice(number, last - number);

    return ngx_paytrade_redis_greet_send(redis, NGX_PAYTRADE_REDIS_GREET_SELECT,
                                         ngx_paytrade_redis_select_handler,
                                         2, argv);
}


static ngx_int_t
ngx_paytrade_redis_greet_rest(ngx_paytrade_redis_t *redis)
{
    ngx_int_t   rc;
    pt_slice_t  argv[3];

    argv[0] = pt_slice_lit("CLIENT");
    argv[1] = pt_slice_lit("SETNAME");
    argv[2] = pt_slice(redis->name.data, redis->name.len);

    rc = ngx_paytrade_redis_greet_send(redis, NGX_PAYTRADE_REDIS_GREET_NAME,
                                       ngx_paytrade_redis_name_handler,
                                       3, argv);
    if (rc != NGX_OK) {
        return rc;
    }

    argv[0] = pt_slice_lit("INFO");

    rc = ngx_paytrade_redis_greet_send(redis, NGX_PAYTRADE_REDIS_GREET_INFO,
                                       ngx_paytrade_redis_info_handler,
                                       1, argv);

    if (rc != NGX_OK || !ngx_paytrade_redis_asks_fsync(redis)) {
        return rc;
    }

    argv[0] = pt_slice_lit("CONFIG");
    argv[1] = pt_slice_lit("GET");
    argv[2] = pt_slice_lit("appendfsync");

    return ngx_paytrade_redis_greet_send(redis, NGX_PAYTRADE_REDIS_GREET_FSYNC,
                                         ngx_paytrade_redis_fsync_handler,
                                         3, argv);
}


static ngx_int_t
ngx_paytrade_redis_greet_send(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_greet_e greet, ngx_paytrade_redis_cmd_pt handler,
    ngx_uint_t argc, pt_slice_t *argv)
{
    ngx_paytrade_redis_cmd_t  *cmd;

    cmd = &redis->greeting[greet];
    cmd->handler = handler;
    cmd->data = redis;

    return ngx_paytrade_redis_enqueue(redis, cmd, 0, NULL, argc, argv);
}


/* Servers may repeat the arguments in an error: only what is known is said. */
static void
ngx_paytrade_redis_auth_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    const char  *why;

    if (outcome == NGX_PAYTRADE_REDIS_OK || reply == NULL) {
        return;
    }

    if (outcome == NGX_PAYTRADE_REDIS_NOAUTH) {
        why = "wrong user or password";

    } else if (ngx_paytrade_redis_error_is(reply, "ERR max number of clients"))
    {
        why = "too many clients";

    } else if (ngx_paytrade_redis_error_is(reply, "ERR AUTH")) {
        why = "a password is configured here but not there";

    } else {
        why = ngx_paytrade_redis_outcome_word(outcome);
    }

    ngx_paytrade_redis_fail(cmd->data, 0, "AUTH failed: %s", why);
}


static void
ngx_paytrade_redis_select_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    ngx_paytrade_redis_t  *redis;

    redis = cmd->data;

    if (outcome == NGX_PAYTRADE_REDIS_OK || reply == NULL) {
        return;
    }

    ngx_paytrade_redis_fail(redis, 0, "SELECT %ui failed: \"%*s\"",
                            redis->conf->database, ngx_min(reply->len, 250),
                            reply->str);
}


static void
ngx_paytrade_redis_name_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    if (outcome == NGX_PAYTRADE_REDIS_OK || reply == NULL) {
        return;
    }

    /* what matters comes again with INFO, or the server hangs up after it */

    ngx_paytrade_redis_say(cmd->data, NGX_LOG_NOTICE, 0,
                           "CLIENT SETNAME failed: \"%*s\"",
                           ngx_min(reply->len, 250), reply->str);
}


static void
ngx_paytrade_redis_info_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    pt_slice_t             info, run_id;
    ngx_paytrade_redis_t  *redis;

    redis = cmd->data;

    if (reply == NULL) {
        return;
    }

    if (outcome != NGX_PAYTRADE_REDIS_OK) {
        ngx_paytrade_redis_fail(redis, 0, "INFO failed: \"%*s\"",
                                ngx_min(reply->len, 250), reply->str);
        return;
    }

    if (reply->type != REDIS_REPLY_STRING) {
        ngx_paytrade_redis_fail(redis, 0, "INFO makes no sense");
        return;
    }

    info = pt_slice(reply->str, reply->len);

    if (ngx_paytrade_redis_fit(redis, info) != NGX_OK) {
        return;
    }

    run_id = ngx_paytrade_redis_info(info, "run_id");
    redis->run_id_len = ngx_min(run_id.len, NGX_PAYTRADE_REDIS_RUN_ID_MAX);
    ngx_memcpy(redis->run_id, run_id.data, redis->run_id_len);

    ngx_paytrade_redis_report(redis, info);

    if (!ngx_paytrade_redis_asks_fsync(redis)) {
        ngx_paytrade_redis_greeted(redis);
    }
}


static void
ngx_paytrade_redis_fsync_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    pt_slice_t             value;
    ngx_paytrade_redis_t  *redis;

    redis = cmd->data;

    if (reply == NULL) {
        return;
    }

    if (outcome != NGX_PAYTRADE_REDIS_OK) {
        ngx_paytrade_redis_say(redis, NGX_LOG_NOTICE, 0,
                               "CONFIG GET appendfsync is refused, whether "
                               "paytrade_durability aof is met is not known");

    } else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
               && reply->element[1]->type == REDIS_REPLY_STRING)
    {
        value = pt_slice(reply->element[1]->str, reply->element[1]->len);

        if (!pt_slice_eq(value, pt_slice_lit("always"))) {
            ngx_paytrade_redis_say(redis, NGX_LOG_ERR, 0,
                                   "appendfsync is \"%*s\": "
                                   "paytrade_durability aof is not met, "
                                   "set it to always", value.len, value.data);
        }
    }

    ngx_paytrade_redis_greeted(redis);
}


/* A server that cannot serve is left at once. */
static ngx_int_t
ngx_paytrade_redis_fit(ngx_paytrade_redis_t *redis, pt_slice_t info)
{
    int64_t     major;
    pt_slice_t  version, rest, field;

    version = ngx_paytrade_redis_info(info, "redis_version");
    rest = version;

    if (!pt_slice_next(&rest, '.', &field)
        || pt_slice_uint(field, 1000000, &major) != 0
        || ngx_paytrade_redis_info(info, "run_id").len == 0)
    {
        ngx_paytrade_redis_fail(redis, 0, "INFO lacks version or run_id");
        return NGX_ERROR;
    }

    if (major < NGX_PAYTRADE_REDIS_VERSION_MIN) {
        ngx_paytrade_redis_fail(redis, 0,
                                "is version %*s, 7.0 or newer is needed",
                                version.len, version.data);
        return NGX_ERROR;
    }

    if (pt_slice_eq(ngx_paytrade_redis_info(info, "loading"),
                    pt_slice_lit("1")))
    {
        ngx_paytrade_redis_fail(redis, 0, "is loading its data");
        return NGX_ERROR;
    }

    if (pt_slice_eq(ngx_paytrade_redis_info(info, "role"),
                    pt_slice_lit("slave")))
    {
        ngx_paytrade_redis_fail(redis, 0, "is a replica");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_paytrade_redis_report(ngx_paytrade_redis_t *redis, pt_slice_t info)
{
    pt_slice_t  value;

    if (redis->blocking) {
        return;
    }

    value = ngx_paytrade_redis_info(info, "maxmemory_policy");

    if (value.len && !pt_slice_eq(value, pt_slice_lit("noeviction"))) {
        ngx_paytrade_redis_say(redis, NGX_LOG_ERR, 0,
                               "maxmemory-policy is \"%*s\": stock and orders "
                               "may be evicted, set it to noeviction",
                               value.len, value.data);
    }

    value = ngx_paytrade_redis_info(info, "aof_enabled");

    if (redis->conf->durability == NGX_PAYTRADE_DURABILITY_AOF
        && !pt_slice_eq(value, pt_slice_lit("1")))
    {
        ngx_paytrade_redis_say(redis, NGX_LOG_ERR, 0,
                               "appendonly is off: paytrade_durability aof is "
                               "not met, set appendonly to yes");
    }
}


/* The value of a line "name:value". */
static pt_slice_t
ngx_paytrade_redis_info(pt_slice_t info, const char *name)
{
    size_t      len;
    pt_slice_t  line;

    len = ngx_strlen(name);

    while (pt_slice_next(&info, LF, &line)) {
        if (line.len <= len || line.data[len] != ':'
            || ngx_strncmp(line.data, name, len) != 0)
        {
            continue;
        }

        line = pt_slice(line.data + len + 1, line.len - len - 1);

        if (line.len && line.data[line.len - 1] == CR) {
            line.len--;
        }

        return line;
    }

    return pt_slice_null;
}
