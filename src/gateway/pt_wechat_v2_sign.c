/*
 * Signatures of WeChat Pay's API v2.
 *
 * All tags but sign and those that are empty are signed, sorted by name and
 * joined without escaping, the key at the end.  The message says which of the
 * two algorithms it is; which may be, the configuration.
 */

#include "pt_wechat_v2.h"


/* In hexadecimal. */
#define PT_WECHAT_V2_SIGN_MAX  (2 * PT_SHA256_LEN)

/* The text, "&key=" and the key. */
#define PT_WECHAT_V2_PARTS     3


/* An empty value is not signed. */
static void
pt_wechat_v2_signed_text(const pt_xml_t *xml, pt_out_t *text)
{
    size_t             i;
    const pt_param_t  *child;

    for (i = 0; i < xml->n; i++) {
        child = &xml->children[i];

        if (child->value.len == 0
            || pt_slice_eq(child->name, pt_slice_lit("sign")))
        {
            continue;
        }

        if (text->pos != text->start) {
            pt_out_char(text, '&');
        }

        pt_out_put(text, child->name);
        pt_out_char(text, '=');
        pt_out_put(text, child->value);
    }
}


/* By sign_type, which is signed but not always sent; else by the length. */
static pt_verify_e
pt_wechat_v2_algorithm(const pt_wechat_v2_t *conf, const pt_xml_t *xml,
    pt_slice_t sign, pt_wechat_v2_algorithm_e *algorithm)
{
    unsigned    i;
    pt_slice_t  type;

    static const size_t  lengths[PT_WECHAT_V2_ALGORITHMS] = {
        2 * PT_MD5_LEN, 2 * PT_SHA256_LEN
    };

    (void) pt_xml_get(xml, "sign_type", &type);

    for (i = 0; i < PT_WECHAT_V2_ALGORITHMS; i++) {
        if (type.len ? pt_slice_eq(type, pt_wechat_v2_names[i])
                     : sign.len == lengths[i])
        {
            break;
        }
    }

    if (i == PT_WECHAT_V2_ALGORITHMS) {
        return type.len ? PT_VERIFY_BAD_ALGORITHM : PT_VERIFY_BAD_SIGNATURE;
    }

    if (!(conf->allowed & 1u << i)) {
        return PT_VERIFY_BAD_ALGORITHM;
    }

    *algorithm = i;

    return sign.len == lengths[i] ? PT_VERIFY_OK : PT_VERIFY_BAD_SIGNATURE;
}


/* 1 or 0; -1: OpenSSL fails. */
static int
pt_wechat_v2_fits(const pt_secret_t *key, pt_wechat_v2_algorithm_e algorithm,
    pt_slice_t text, pt_slice_t sign)
{
    int            rc;
    size_t         len;
    char           hex[PT_WECHAT_V2_SIGN_MAX];
    pt_slice_t     parts[PT_WECHAT_V2_PARTS];
    unsigned char  data[PT_SHA256_LEN];

    parts[0] = text;
    parts[1] = pt_slice_lit("&key=");
    parts[2] = pt_slice(key->data, key->len);

    if (algorithm == PT_WECHAT_V2_MD5) {
        len = PT_MD5_LEN;
        rc = pt_wechat_v2_md5(parts, PT_WECHAT_V2_PARTS, data);

    } else {
        len = PT_SHA256_LEN;
        rc = pt_hmac_sha256(key, parts, PT_WECHAT_V2_PARTS, data);
    }

    if (rc != 0) {
        return -1;
    }

    pt_wechat_v2_hex(data, len, "0123456789ABCDEF", hex);

    return pt_secret_eq(hex, 2 * len, sign.data, sign.len);
}


pt_verify_e
pt_wechat_v2_verify_sign(const pt_wechat_v2_t *conf, const pt_xml_t *xml,
    pt_slice_t sign, const pt_callback_t *callback)
{
    int                       rc;
    size_t                    i;
    pt_out_t                  text;
    pt_verify_e               result;
    pt_wechat_v2_algorithm_e  algorithm;

    result = pt_wechat_v2_algorithm(conf, xml, sign, &algorithm);
    if (result != PT_VERIFY_OK) {
        return result;
    }

    pt_out_init(&text, callback->alloc, callback->alloc_ctx,
                callback->body.len);

    pt_wechat_v2_signed_text(xml, &text);

    if (text.failed) {
        return PT_VERIFY_NO_MEMORY;
    }

    for (i = 0; i < conf->keys.n; i++) {
        rc = pt_wechat_v2_fits(&conf->keys.list[i], algorithm,
                               pt_out_slice(&text), sign);

        if (rc != 0) {
            return rc == 1 ? PT_VERIFY_OK : PT_VERIFY_NO_MEMORY;
        }
    }

    return PT_VERIFY_BAD_SIGNATURE;
}


/* Names with a meaning; of coupons they go on, with "_0" and so on. */
static int
pt_wechat_v2_has_meaning(pt_slice_t name)
{
    size_t  i;

    static const pt_slice_t  names[] = {
        pt_slice_const("appid"), pt_slice_const("attach"),
        pt_slice_const("bank_type"), pt_slice_const("cash_fee"),
        pt_slice_const("cash_fee_type"), pt_slice_const("coupon_count"),
        pt_slice_const("coupon_fee"), pt_slice_const("coupon_id"),
        pt_slice_const("coupon_type"), pt_slice_const("device_info"),
        pt_slice_const("err_code"), pt_slice_const("err_code_des"),
        pt_slice_const("fee_type"), pt_slice_const("is_subscribe"),
        pt_slice_const("key"), pt_slice_const("mch_id"),
        pt_slice_const("nonce_str"), pt_slice_const("openid"),
        pt_slice_const("out_trade_no"), pt_slice_const("promotion_detail"),
        pt_slice_const("rate"), pt_slice_const("req_info"),
        pt_slice_const("result_code"), pt_slice_const("return_code"),
        pt_slice_const("return_msg"), pt_slice_const("settlement_total_fee"),
        pt_slice_const("sign"), pt_slice_const("sign_type"),
        pt_slice_const("sub_appid"), pt_slice_const("sub_is_subscribe"),
        pt_slice_const("sub_mch_id"), pt_slice_const("sub_openid"),
        pt_slice_const("time_end"), pt_slice_const("total_fee"),
        pt_slice_const("trade_type"), pt_slice_const("transaction_id"),
        pt_slice_const("version"),
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (pt_slice_eq(name, names[i])) {
            return 1;
        }
    }

    return name.len > 7 && memcmp(name.data, "coupon_", 7) == 0;
}


int
pt_wechat_v2_is_ambiguous(const pt_xml_t *xml)
{
    return pt_param_is_ambiguous(xml->children, xml->n,
                                 pt_wechat_v2_has_meaning);
}
