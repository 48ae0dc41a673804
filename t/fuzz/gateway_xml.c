/*
 * Any text as XML: what is read is sorted, without doubles, plain text, was
 * written without what is forbidden, and is read as the same when it is written
 * again.
 */

#include "core_fuzz.h"
#include "pt_xml.h"


static void
check_sorted(const pt_xml_t *xml, size_t size)
{
    int         rc;
    size_t      i, len, total;
    pt_slice_t  a, b;

    total = 0;

    for (i = 0; i < xml->n; i++) {
        b = xml->children[i].name;
        check(b.len > 0 && b.len <= PT_XML_NAME_MAX);

        total += b.len + xml->children[i].value.len;

        if (i > 0) {
            a = xml->children[i - 1].name;
            len = a.len < b.len ? a.len : b.len;
            rc = memcmp(a.data, b.data, len);
            check(rc < 0 || (rc == 0 && a.len < b.len));
        }
    }

    check(total < size);
}


static int
begins(const char *s, const char *end, const char *word)
{
    return (size_t) (end - s) >= strlen(word)
           && memcmp(s, word, strlen(word)) == 0;
}


/* Outside of CDATA there is no "<!", and no "<?" but the declaration. */
static void
check_markup(const char *s, const char *end)
{
    if (begins(s, end, "\xef\xbb\xbf")) {
        s += 3;
    }

    if (begins(s, end, "<?xml")) {
        s += 5;
    }

    while (s < end) {
        if (begins(s, end, "<![CDATA[")) {
            while (!begins(s, end, "]]>")) {
                check(s < end);
                s++;
            }
        }

        check(!begins(s, end, "<!") && !begins(s, end, "<?"));
        s++;
    }
}


static void
write_value(pt_out_t *out, pt_slice_t value)
{
    char    c;
    size_t  i;

    for (i = 0; i < value.len; i++) {
        c = value.data[i];
        check(c < 0 || c >= ' ' || c == '\t' || c == '\r' || c == '\n');

        if (c == '<' || c == '&' || c == '>' || c == '\r') {
            pt_out_str(out, "&#");
            pt_out_int(out, c);
            pt_out_char(out, ';');

        } else {
            pt_out_char(out, c);
        }
    }
}


static void
check_again(const pt_xml_t *xml, fuzz_memory_t *memory)
{
    size_t      i;
    pt_out_t    out;
    pt_xml_t    again;
    pt_slice_t  value;
    char        name[PT_XML_NAME_MAX + 1];

    pt_out_init(&out, fuzz_alloc, memory, 0);
    pt_out_str(&out, "<xml>");

    for (i = xml->n; i > 0; i--) {
        pt_out_char(&out, '<');
        pt_out_put(&out, xml->children[i - 1].name);
        pt_out_char(&out, '>');
        write_value(&out, xml->children[i - 1].value);
        pt_out_str(&out, "</");
        pt_out_put(&out, xml->children[i - 1].name);
        pt_out_char(&out, '>');
    }

    pt_out_str(&out, "</xml>");

    if (pt_out_slice(&out).len > PT_XML_SIZE_MAX) {
        return;
    }

    check(pt_xml_parse(&again, pt_out_slice(&out), "xml", fuzz_alloc, memory)
          == PT_XML_OK);
    check(again.n == xml->n);

    for (i = 0; i < xml->n; i++) {
        check(pt_slice_eq(xml->children[i].name, again.children[i].name));
        check(pt_slice_eq(xml->children[i].value, again.children[i].value));
        check(pt_slice_utf8(xml->children[i].value));

        memcpy(name, xml->children[i].name.data, xml->children[i].name.len);
        name[xml->children[i].name.len] = '\0';
        check(pt_xml_get(&again, name, &value)
              == (xml->children[i].value.len ? 0 : -1));
        check(pt_slice_eq(value, xml->children[i].value));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *copy;
    pt_xml_t        xml;
    pt_xml_e        rc;
    fuzz_memory_t   memory;

    memory.n = 0;
    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);

    rc = pt_xml_parse(&xml, pt_slice(copy, size), "xml", fuzz_alloc, &memory);
    check(rc != PT_XML_NO_MEMORY);

    if (rc == PT_XML_OK) {
        check_sorted(&xml, size);
        check_markup(copy, copy + size);
        check_again(&xml, &memory);

    } else {
        check(xml.n == 0);
    }

    free(copy);
    fuzz_free(&memory);

    return 0;
}
