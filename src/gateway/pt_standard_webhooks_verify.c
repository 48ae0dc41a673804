/*
 * Messages of Standard Webhooks: is one genuine, and fresh.
 *
 * Signed are the id, the time and the body, with dots between them, so that
 * nothing stands in the headers that is not signed.  Svix' names of the
 * headers are read as well, but never some of these and some of those.
 */

#include "pt_base64.h"
#include "pt_standard_webhooks.h"


#define PT_WEBHOOKS_ID_MAX  128


/* The headers of one set of names. */
typedef struct {
    pt_slice_t   id;
    pt_slice_t   time;
    pt_slice_t   signature;
    int64_t      seconds;
} pt_webhooks_header_t;


static int
pt_webhooks_is_whole(const pt_webhooks_header_t *h)
{
    return h->id.len && h->time.len && h->signature.len;
}


static pt_verify_e
pt_webhooks_read_header(const pt_callback_t *callback,
    pt_webhooks_header_t *h)
{
    h->id = pt_hook_header(callback, "webhook-id");
    h->time = pt_hook_header(callback, "webhook-timestamp");
    h->signature = pt_hook_header(callback, "webhook-signature");

    if (!pt_webhooks_is_whole(h)) {
        h->id = pt_hook_header(callback, "svix-id");
        h->time = pt_hook_header(callback, "svix-timestamp");
        h->signature = pt_hook_header(callback, "svix-signature");
    }

    if (!pt_webhooks_is_whole(h)) {
        return PT_VERIFY_MISSING;
    }

    return pt_hook_seconds(h->time, &h->seconds) == 0 ? PT_VERIFY_OK
                                                      : PT_VERIFY_BAD_FORM;
}


/* The next VERSION,SIGNATURE: 1, 0 at the end, -1 when it is none. */
static int
pt_webhooks_next(pt_slice_t *list, pt_slice_t *version, pt_slice_t *value)
{
    pt_slice_t  item;

    if (!pt_slice_next(list, ' ', &item)) {
        return 0;
    }

    if (!pt_slice_next(&item, ',', version) || version->len == 0
        || !pt_slice_next(&item, ',', value) || value->len == 0
        || item.data != NULL)
    {
        return -1;
    }

    return 1;
}


/* At least one is of the version that is known here. */
static pt_verify_e
pt_webhooks_check_list(pt_slice_t list)
{
    int         rc;
    size_t      known;
    pt_slice_t  version, value;

    known = 0;

    while ((rc = pt_webhooks_next(&list, &version, &value)) == 1) {
        known += pt_slice_eq(version, pt_slice_lit("v1"));
    }

    if (rc == -1) {
        return PT_VERIFY_BAD_FORM;
    }

    return known ? PT_VERIFY_OK : PT_VERIFY_BAD_ALGORITHM;
}


static int
pt_webhooks_is_listed(pt_slice_t list, const unsigned char *mac)
{
    int            found;
    size_t         len;
    pt_slice_t     version, value;
    unsigned char  data[PT_SHA256_LEN];

    found = 0;

    while (pt_webhooks_next(&list, &version, &value) == 1) {
        if (pt_slice_eq(version, pt_slice_lit("v1"))
            && pt_base64_decode(value, data, sizeof(data), &len) == 0)
        {
            found |= pt_secret_eq(data, len, mac, PT_SHA256_LEN);
        }
    }

    return found;
}


static pt_verify_e
pt_webhooks_verify_header(const pt_webhooks_t *conf,
    const pt_callback_t *callback, const pt_webhooks_header_t *h)
{
    size_t         i;
    pt_slice_t     parts[5];
    unsigned char  mac[PT_SHA256_LEN];

    parts[0] = h->id;
    parts[1] = pt_slice_lit(".");
    parts[2] = h->time;
    parts[3] = pt_slice_lit(".");
    parts[4] = callback->body;

    for (i = 0; i < conf->secrets.n; i++) {
        if (pt_hmac_sha256(&conf->secrets.list[i], parts, 5, mac) != 0) {
            return PT_VERIFY_NO_MEMORY;
        }

        if (pt_webhooks_is_listed(h->signature, mac)) {
            return PT_VERIFY_OK;
        }
    }

    return PT_VERIFY_BAD_SIGNATURE;
}


/*
 * With ".DIGITS" in the id, what was signed as id, time and body can be cut
 * elsewhere: an old message could come with another time.
 */
static int
pt_webhooks_is_ambiguous(pt_slice_t id)
{
    size_t      i;
    pt_slice_t  part;

    (void) pt_slice_next(&id, '.', &part);

    while (pt_slice_next(&id, '.', &part)) {
        for (i = 0; i < part.len; i++) {
            if (part.data[i] < '0' || part.data[i] > '9') {
                break;
            }
        }

        if (i == part.len) {
            return 1;
        }
    }

    return 0;
}


pt_verify_e
pt_webhooks_verify(const void *data, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    const pt_webhooks_t *conf = data;

    pt_verify_e           rc;
    pt_webhooks_header_t  h;

    memset(notice, 0, sizeof(pt_notice_t));

    if (!pt_hook_plain(callback)) {
        return PT_VERIFY_BAD_TYPE;
    }

    rc = pt_webhooks_read_header(callback, &h);

    if (rc == PT_VERIFY_OK) {
        rc = pt_webhooks_check_list(h.signature);
    }

    if (rc == PT_VERIFY_OK) {
        rc = pt_webhooks_verify_header(conf, callback, &h);
    }

    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (pt_webhooks_is_ambiguous(h.id)) {
        return PT_VERIFY_AMBIGUOUS;
    }

    if (!pt_hook_fresh(callback, h.seconds, conf->tolerance)) {
        return PT_VERIFY_STALE;
    }

    if (!pt_text_valid(h.id, PT_WEBHOOKS_ID_MAX)) {
        return PT_VERIFY_BAD_VALUE;
    }

    rc = pt_webhooks_read(conf, callback, h.id, notice);

    if (rc != PT_VERIFY_OK) {
        memset(notice, 0, sizeof(pt_notice_t));
    }

    return rc;
}
