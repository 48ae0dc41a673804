/*
 * Links to Alipay's cashier: nothing is asked of Alipay, the buyer's browser
 * takes a signed request there.
 *
 * All parameters but sign are signed, sorted by name; those that are empty
 * are left out.
 */

#include "pt_alipay.h"
#include "pt_base64.h"


#define PT_ALIPAY_LINK_PARAMS  12
#define PT_ALIPAY_SUBJECT_MAX  256

/* Beijing's time is that of UTC and eight hours. */
#define PT_ALIPAY_OFFSET_MS    INT64_C(28800000)

/* What pt_out_time writes after the seconds: ".000Z" */
#define PT_ALIPAY_FRACTION     5


typedef struct {
    pt_slice_t   name;                 /* as the shop calls it */
    pt_slice_t   method;
    pt_slice_t   product;
} pt_alipay_method_t;


static const pt_alipay_method_t  pt_alipay_products[] = {
    { pt_slice_const("page"),
      pt_slice_const("alipay.trade.page.pay"),
      pt_slice_const("FAST_INSTANT_TRADE_PAY") },

    { pt_slice_const("wap"),
      pt_slice_const("alipay.trade.wap.pay"),
      pt_slice_const("QUICK_WAP_WAY") },
};


static const pt_alipay_method_t *
pt_alipay_method(pt_slice_t name)
{
    size_t  i;

    for (i = 0; i < sizeof(pt_alipay_products) / sizeof(pt_alipay_products[0]);
         i++)
    {
        if (pt_slice_eq(pt_alipay_products[i].name, name)) {
            return &pt_alipay_products[i];
        }
    }

    return NULL;
}


static int
pt_alipay_time_fits(int64_t ms)
{
    return ms >= 0 && ms <= PT_TIME_MAX_MS - PT_ALIPAY_OFFSET_MS;
}


/* A payment without a subject has its number: Alipay wants one. */
static pt_slice_t
pt_alipay_subject(const pt_link_t *link)
{
    return link->subject.len ? link->subject : link->out_trade_no;
}


/*
 * A subject with "&" or "=" could make the callback that repeats it read in
 * two ways, and that one would be refused.
 */
static int
pt_alipay_link_fits(const pt_link_t *link)
{
    pt_slice_t  subject;

    subject = pt_alipay_subject(link);

    return pt_name_valid(link->out_trade_no)
           && pt_text_valid(subject, PT_ALIPAY_SUBJECT_MAX)
           && memchr(subject.data, '&', subject.len) == NULL
           && memchr(subject.data, '=', subject.len) == NULL
           && link->amount >= pt_alipay.amount_min
           && link->amount <= pt_alipay.amount_max
           && pt_alipay_time_fits(link->created_at)
           && pt_alipay_time_fits(link->ends_at);
}


/* 2026-01-01 00:00:00 */
static void
pt_alipay_put_time(pt_out_t *out, int64_t ms)
{
    size_t  start;

    start = out->pos - out->start;
    pt_out_time(out, ms + PT_ALIPAY_OFFSET_MS);

    if (!out->failed) {
        out->pos -= PT_ALIPAY_FRACTION;
        out->start[start + 10] = ' ';
    }
}


static void
pt_alipay_put_content(const pt_alipay_t *conf, const pt_link_t *link,
    const pt_alipay_method_t *method, pt_out_t *out)
{
    pt_slice_t  quit_url;

    pt_out_str(out, "{\"out_trade_no\":");
    pt_out_json(out, link->out_trade_no);

    pt_out_str(out, ",\"product_code\":");
    pt_out_json(out, method->product);

    pt_out_str(out, ",\"total_amount\":\"");
    pt_out_money(out, link->amount, PT_ALIPAY_DECIMALS);

    pt_out_str(out, "\",\"subject\":");
    pt_out_json(out, pt_alipay_subject(link));

    pt_out_str(out, ",\"time_expire\":\"");
    pt_alipay_put_time(out, link->ends_at);
    pt_out_char(out, '"');

    quit_url = pt_alipay_text(conf, PT_ALIPAY_QUIT_URL);

    if (quit_url.len && pt_slice_eq(method->name, pt_slice_lit("wap"))) {
        pt_out_str(out, ",\"quit_url\":");
        pt_out_json(out, quit_url);
    }

    pt_out_char(out, '}');
}


/*
 * The parameters but sign, sorted by name; memory for them comes from where
 * out has it.  0 or -1.
 */
static int
pt_alipay_link_params(const pt_alipay_t *conf, const pt_link_t *link,
    const pt_out_t *out, pt_param_t *params)
{
    pt_out_t                   content, time;
    const pt_alipay_method_t  *method;

    method = pt_alipay_method(link->method);

    if (method == NULL || conf->private_key == NULL
        || !pt_alipay_link_fits(link))
    {
        return -1;
    }

    pt_out_init(&content, out->alloc, out->ctx, 512);
    pt_alipay_put_content(conf, link, method, &content);

    pt_out_init(&time, out->alloc, out->ctx, 64);
    pt_alipay_put_time(&time, link->created_at);

    if (content.failed || time.failed) {
        return -1;
    }

    params[0] = (pt_param_t) { pt_slice_lit("alipay_root_cert_sn"),
                               pt_slice(conf->root_sn,
                                        strlen(conf->root_sn)) };
    params[1] = (pt_param_t) { pt_slice_lit("app_cert_sn"),
                               pt_slice(conf->app_sn, strlen(conf->app_sn)) };
    params[2] = (pt_param_t) { pt_slice_lit("app_id"),
                               pt_alipay_text(conf, PT_ALIPAY_APP_ID) };
    params[3] = (pt_param_t) { pt_slice_lit("biz_content"),
                               pt_out_slice(&content) };
    params[4] = (pt_param_t) { pt_slice_lit("charset"),
                               pt_slice_lit("utf-8") };
    params[5] = (pt_param_t) { pt_slice_lit("format"),
                               pt_slice_lit("JSON") };
    params[6] = (pt_param_t) { pt_slice_lit("method"), method->method };
    params[7] = (pt_param_t) { pt_slice_lit("notify_url"),
                               pt_alipay_text(conf, PT_ALIPAY_NOTIFY_URL) };
    params[8] = (pt_param_t) { pt_slice_lit("return_url"),
                               pt_alipay_text(conf, PT_ALIPAY_RETURN_URL) };
    params[9] = (pt_param_t) { pt_slice_lit("sign_type"),
                               pt_slice_lit("RSA2") };
    params[10] = (pt_param_t) { pt_slice_lit("timestamp"),
                                pt_out_slice(&time) };
    params[11] = (pt_param_t) { pt_slice_lit("version"),
                                pt_slice_lit("1.0") };

    return 0;
}


int
pt_alipay_link_text(const void *conf, const pt_link_t *link, pt_out_t *text)
{
    size_t       i;
    pt_param_t   params[PT_ALIPAY_LINK_PARAMS];
    const char  *join;

    if (pt_alipay_link_params(conf, link, text, params) != 0) {
        return -1;
    }

    join = "";

    for (i = 0; i < PT_ALIPAY_LINK_PARAMS; i++) {
        if (params[i].value.len == 0) {
            continue;
        }

        pt_out_str(text, join);
        pt_out_put(text, params[i].name);
        pt_out_char(text, '=');
        pt_out_put(text, params[i].value);
        join = "&";
    }

    return text->failed ? -1 : 0;
}


int
pt_alipay_sign(const void *data, pt_slice_t text, pt_signature_t *signature)
{
    const pt_alipay_t *conf = data;

    signature->len = pt_rsa_size(conf->private_key);

    if (signature->len > sizeof(signature->data)) {
        return -1;
    }

    return pt_rsa_sign(conf->private_key, text, signature->data);
}


int
pt_alipay_link(const void *conf, const pt_link_t *link,
    const pt_signature_t *signature, pt_out_t *url)
{
    size_t      i;
    pt_out_t    sign;
    pt_param_t  params[PT_ALIPAY_LINK_PARAMS];

    if (pt_alipay_link_params(conf, link, url, params) != 0) {
        return -1;
    }

    pt_out_init(&sign, url->alloc, url->ctx, PT_SIGNATURE_MAX / 2);
    pt_base64_encode(&sign, signature->data, signature->len);

    pt_out_put(url, pt_alipay_text(conf, PT_ALIPAY_GATEWAY_URL));
    pt_out_char(url, '?');

    for (i = 0; i < PT_ALIPAY_LINK_PARAMS; i++) {
        if (params[i].value.len) {
            pt_out_put(url, params[i].name);
            pt_out_char(url, '=');
            pt_form_encode(url, params[i].value);
            pt_out_char(url, '&');
        }
    }

    pt_out_str(url, "sign=");
    pt_form_encode(url, pt_out_slice(&sign));

    return url->failed || sign.failed ? -1 : 0;
}
