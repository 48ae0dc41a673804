/*
 * The request that starts a payment: a buyer's body, read and checked.
 */

#include "pt_payment.h"


#define PT_PAY_IDS_WHY                                                        \
    "order_ids must be an array of 1 to 50 order ids, each a string of "      \
    "19 digits"


/* Shorter ones, which can be no order, first. */
static int
pt_pay_compare(pt_slice_t a, pt_slice_t b)
{
    if (a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }

    return memcmp(a.data, b.data, a.len);
}


/* Puts an id where it belongs: 0, or -1 when it is there already. */
static int
pt_pay_add(pt_pay_t *pay, pt_slice_t id)
{
    int     order;
    size_t  i;

    for (i = pay->norders; i > 0; i--) {
        order = pt_pay_compare(id, pay->order_ids[i - 1]);

        if (order == 0) {
            return -1;
        }

        if (order > 0) {
            break;
        }
    }

    memmove(&pay->order_ids[i + 1], &pay->order_ids[i],
            (pay->norders - i) * sizeof(pt_slice_t));

    pay->order_ids[i] = id;
    pay->norders++;

    return 0;
}


static const char *
pt_pay_orders(pt_pay_t *pay)
{
    pt_slice_t    text;
    const cJSON  *ids, *member;

    ids = cJSON_GetObjectItemCaseSensitive(pay->json, "order_ids");

    if (!cJSON_IsArray(ids)) {
        return PT_PAY_IDS_WHY;
    }

    cJSON_ArrayForEach(member, ids) {
        if (!cJSON_IsString(member)
            || pay->norders == PT_PAYMENT_ORDERS_MAX)
        {
            return PT_PAY_IDS_WHY;
        }

        text = pt_slice(member->valuestring, strlen(member->valuestring));

        if (!pt_id_digits(text)) {
            return PT_PAY_IDS_WHY;
        }

        if (pt_pay_add(pay, text) != 0) {
            return "order_ids must name each order once";
        }
    }

    return pay->norders ? NULL : PT_PAY_IDS_WHY;
}


static const char *
pt_pay_names(pt_pay_t *pay)
{
    pt_json_e  rc;

    if (pt_json_string(pay->json, "gateway", &pay->gateway) != PT_JSON_OK
        || !pt_name_valid(pay->gateway))
    {
        return "gateway must be a string: the name of a gateway";
    }

    rc = pt_json_string(pay->json, "method", &pay->method);

    if (rc == PT_JSON_WRONG
        || (rc == PT_JSON_OK && !pt_name_valid(pay->method)))
    {
        return "method must be a string: the name of a payment method";
    }

    rc = pt_json_string(pay->json, "request_id", &pay->request_id);

    if (rc == PT_JSON_WRONG
        || (rc == PT_JSON_OK && !pt_text_valid(pay->request_id, PT_KEY_MAX)))
    {
        return "request_id must be a string of 1 to 255 bytes without control "
               "characters";
    }

    return NULL;
}


int
pt_pay_parse(pt_pay_t *pay, pt_slice_t body, const char **why)
{
    pay->norders = 0;
    pay->gateway = pt_slice_null;
    pay->method = pt_slice_null;
    pay->request_id = pt_slice_null;

    pay->json = pt_json_parse(body, why);
    if (pay->json == NULL) {
        return -1;
    }

    *why = pt_pay_orders(pay);

    if (*why == NULL) {
        *why = pt_pay_names(pay);
    }

    return *why == NULL ? 0 : -1;
}


void
pt_pay_free(pt_pay_t *pay)
{
    cJSON_Delete(pay->json);

    pay->json = NULL;
}


void
pt_pay_canonical(pt_out_t *out, const pt_pay_t *pay)
{
    size_t  i;

    /* no part can contain the tab between them */

    for (i = 0; i < pay->norders; i++) {
        if (i) {
            pt_out_char(out, ',');
        }

        pt_out_put(out, pay->order_ids[i]);
    }

    pt_out_char(out, '\t');
    pt_out_put(out, pay->gateway);
    pt_out_char(out, '\t');
    pt_out_put(out, pay->method);
}
