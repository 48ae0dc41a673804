/*
 * paytrade_pay: POST starts a payment of one or more orders.
 *
 * Body, user, key, gateway and method are checked here; everything about the
 * orders, their amounts too, is decided by one operation in Redis.  The link
 * is then made from the payment's record alone, so that a request which is
 * repeated gets the same one.
 */

#include "ngx_http_paytrade_pay.h"


/* Keys of payments are not those of holds. */
#define NGX_HTTP_PAYTRADE_PAY_SCOPE  "pay\n"


static void ngx_http_paytrade_pay_body(ngx_http_request_t *r, pt_slice_t body);
static ngx_int_t ngx_http_paytrade_pay_read(ngx_http_request_t *r,
    pt_slice_t body, pt_problem_e *problem, const char **detail);
static void ngx_http_paytrade_pay_cleanup(void *data);
static ngx_int_t ngx_http_paytrade_pay_gateway(ngx_http_request_t *r,
    pt_problem_e *problem, const char **detail);
static ngx_int_t ngx_http_paytrade_pay_orders(ngx_http_request_t *r,
    pt_problem_e *problem, const char **detail);
static ngx_int_t ngx_http_paytrade_pay_submit(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_pay_hashes(ngx_http_request_t *r,
    u_char key[PT_HASH_LEN], u_char body[PT_HASH_LEN]);


ngx_int_t
ngx_http_paytrade_pay_handler(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_paytrade_bad_method(r, "POST");
    }

    if (ctx->worker == NULL) {
        return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE, NULL);
    }

    return ngx_http_paytrade_read_json(r, ngx_http_paytrade_pay_body);
}


static void
ngx_http_paytrade_pay_body(ngx_http_request_t *r, pt_slice_t body)
{
    ngx_int_t                 rc;
    const char               *detail;
    pt_problem_e              problem;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    rc = ngx_http_paytrade_pay_read(r, body, &problem, &detail);

    if (rc == NGX_DECLINED) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
        pay = ctx->data;

        rc = ngx_http_paytrade_reply_order_problem(r, problem, detail,
                                                   pay->unknown, NULL);

    } else if (rc == NGX_OK) {
        rc = ngx_http_paytrade_pay_submit(r);

    } else {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_paytrade_wait_body(r, rc);
}


static ngx_int_t
ngx_http_paytrade_pay_read(ngx_http_request_t *r, pt_slice_t body,
    pt_problem_e *problem, const char **detail)
{
    int64_t                   id;
    ngx_int_t                 rc;
    ngx_pool_cleanup_t       *cln;
    ngx_http_paytrade_pay_t  *pay;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    pay = ngx_pcalloc(r->pool, sizeof(ngx_http_paytrade_pay_t));
    if (pay == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_paytrade_pay_cleanup;
    cln->data = &pay->pay;

    ctx->data = pay;

    if (pt_pay_parse(&pay->pay, body, detail) != 0) {
        *problem = PT_BAD_REQUEST;
        return NGX_DECLINED;
    }

    if (pt_id_parse(pay->pay.order_ids[0], &id) == 0) {
        ctx->order_id.data = (u_char *) pay->pay.order_ids[0].data;
        ctx->order_id.len = pay->pay.order_ids[0].len;
    }

    rc = ngx_http_paytrade_read_key(r, pay->pay.request_id, problem, detail);

    if (rc == NGX_OK) {
        rc = ngx_http_paytrade_read_user(r, problem, detail);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_paytrade_pay_gateway(r, problem, detail);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_paytrade_pay_orders(r, problem, detail);
    }

    return rc;
}


static void
ngx_http_paytrade_pay_cleanup(void *data)
{
    pt_pay_free(data);
}


static ngx_int_t
ngx_http_paytrade_pay_gateway(ngx_http_request_t *r, pt_problem_e *problem,
    const char **detail)
{
    pt_slice_t               *method;
    const char               *first;
    ngx_http_paytrade_pay_t  *pay;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    pay->gateway = ngx_http_paytrade_find_gateway(ctx->worker->conf,
                                                  pay->pay.gateway);
    if (pay->gateway == NULL || !ngx_http_paytrade_settles(pay->gateway)) {
        *problem = PT_UNKNOWN_GATEWAY;
        *detail = "there is no gateway of this name that takes payments";
        return NGX_DECLINED;
    }

    ctx->gateway = pay->gateway->name;

    method = &pay->pay.method;

    if (method->len == 0) {
        first = *ngx_http_paytrade_methods(pay->gateway);

        if (first == NULL) {
            first = PT_METHOD_EXTERNAL;
        }

        *method = pt_slice(first, ngx_strlen(first));

        return NGX_OK;
    }

    if (ngx_http_paytrade_makes_link(pay->gateway, *method)
        || pt_slice_eq(*method, pt_slice_lit(PT_METHOD_EXTERNAL)))
    {
        return NGX_OK;
    }

    *problem = PT_UNKNOWN_METHOD;
    *detail = "the gateway has no such method";

    return NGX_DECLINED;
}


const char *const *
ngx_http_paytrade_methods(ngx_http_paytrade_gateway_t *gateway)
{
    const char *const  *methods;

    static const char *const  none[] = { NULL };

    methods = NULL;

    if (gateway->type->methods) {
        methods = gateway->type->methods(gateway->conf);
    }

    return methods ? methods : none;
}


ngx_uint_t
ngx_http_paytrade_makes_link(ngx_http_paytrade_gateway_t *gateway,
    pt_slice_t method)
{
    const char *const  *name;

    for (name = ngx_http_paytrade_methods(gateway); *name; name++) {
        if (pt_slice_eq(method, pt_slice(*name, ngx_strlen(*name)))) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_paytrade_pay_orders(ngx_http_request_t *r, pt_problem_e *problem,
    const char **detail)
{
    size_t                    i, known;
    int64_t                   id;
    pt_slice_t                unknown;
    ngx_uint_t                partition;
    ngx_http_paytrade_pay_t  *pay;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    unknown = pt_slice_null;
    known = 0;

    for (i = 0; i < pay->pay.norders; i++) {
        if (pt_id_parse(pay->pay.order_ids[i], &id) != 0
            || pt_id_partition(id)
               >= (ngx_uint_t) ctx->worker->conf->partitions)
        {
            unknown = pay->pay.order_ids[i];
            continue;
        }

        partition = pt_id_partition(id);

        if (known++ && partition != pay->partition) {
            *problem = PT_DIFFERENT_PARTITIONS;
            *detail = "these orders cannot be paid together; pay each by "
                      "itself";
            return NGX_DECLINED;
        }

        pay->partition = partition;
    }

    if (known == pay->pay.norders) {
        return NGX_OK;
    }

    pay->unknown = unknown;
    *problem = PT_UNKNOWN_ORDER;
    *detail = "there is no such order";

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_paytrade_pay_submit(ngx_http_request_t *r)
{
    size_t                     i;
    u_char                     key[PT_HASH_LEN], body[PT_HASH_LEN];
    pt_pay_t                  *wanted;
    ngx_int_t                  rc;
    ngx_http_paytrade_ctx_t   *ctx;
    ngx_http_paytrade_pay_t   *pay;
    ngx_http_paytrade_call_t  *call;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;
    wanted = &pay->pay;

    if (ngx_http_paytrade_pay_hashes(r, key, body) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_arg(call, ctx->user);
    ngx_http_paytrade_call_arg(call, pt_slice(key, PT_HASH_LEN));
    ngx_http_paytrade_call_arg(call, pt_slice(body, PT_HASH_LEN));
    ngx_http_paytrade_call_arg(call, wanted->gateway);
    ngx_http_paytrade_call_arg(call, wanted->method);
    ngx_http_paytrade_call_int(call, pay->gateway->type->amount_min);
    ngx_http_paytrade_call_int(call, pay->gateway->type->amount_max);
    ngx_http_paytrade_call_int(call, wanted->norders);

    for (i = 0; i < wanted->norders; i++) {
        ngx_http_paytrade_call_arg(call, wanted->order_ids[i]);
    }

    rc = ngx_http_paytrade_call_redis(call, pay->partition,
                                      NGX_PAYTRADE_SCRIPT_PAY,
                                      ngx_http_paytrade_pay_answer);

    return ngx_http_paytrade_started(r, rc);
}


static ngx_int_t
ngx_http_paytrade_pay_hashes(ngx_http_request_t *r, u_char key[PT_HASH_LEN],
    u_char body[PT_HASH_LEN])
{
    pt_out_t                  out;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    ngx_http_paytrade_out_init(&out, r, 512);
    pt_out_str(&out, NGX_HTTP_PAYTRADE_PAY_SCOPE);
    pt_out_put(&out, ctx->key);

    if (out.failed) {
        return NGX_ERROR;
    }

    ngx_http_paytrade_hash(pt_out_slice(&out), key);

    ngx_http_paytrade_out_init(&out, r, 512);
    pt_pay_canonical(&out, &pay->pay);

    if (out.failed) {
        return NGX_ERROR;
    }

    ngx_http_paytrade_hash(pt_out_slice(&out), body);

    return NGX_OK;
}
